"""Services that are attached to what others run: how that is found in a look, and where its ports are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reconciler.core.fingerprint import fingerprint
from reconciler.kinds.attach import AttachTo
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Port
from reconciler.model.desired import AttachedPayload, PortBinding
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Binding, Grant, Observed, Phase, Snapshot, View
from reconciler.model.place import LOCAL, Place
from reconciler.values import dataclass

WILD = "0.0.0.0"  # noqa: S104 -- compared with, not bound
SHORT_ID = 12


@dataclass(frozen=True, slots=True)
class Running:
    """A process of a host, as its kernel tells of it. `began` tells two with one number apart."""

    pid: int
    parent: int
    began: str
    name: str
    started_at: float


Targets = Mapping[Key, ServiceSpec]
"""By instance."""


def mark(target: AttachTo) -> str:
    """In place of a fingerprint: what is attached to is never out of date."""
    return fingerprint(AttachedPayload(target=str(target)))


def claimed(
    owner: str, targets: Targets, views: tuple[View, ...], processes: Mapping[Key, Sequence[Running]]
) -> tuple[tuple[View, ...], dict[Key, str]]:
    """The views with what is attached to in them as instances of ours; and why something was not found."""
    found: dict[str, list[Observed]] = {}
    missing: dict[Key, str] = {}
    known = {view.place: view for view in views if view.reachable}
    for key, spec in targets.items():
        if view := known.get(spec.place):
            thing = _found(owner, spec, view, processes.get(key, ()))
            if isinstance(thing, str):
                missing[key] = thing
            else:
                found.setdefault(spec.place, []).append(_as_ours(thing, owner, key, spec))
    return tuple(replace(v, objects=(*v.objects, *found[v.place])) if v.place in found else v for v in views), missing


def _found(owner: str, spec: ServiceSpec, view: View, processes: Sequence[Running]) -> Observed | str:
    assert spec.attach_to, "a target"
    if spec.attach_to.process:
        return _process(owner, spec, view, processes)
    name = spec.attach_to.container
    seen = [thing for thing in view.objects if thing.kind == INSTANCE and _is_called(thing, name)]
    if not seen:
        return f"there is no container {name}{_where(spec)}"
    if seen[0].key and seen[0].owner == owner:
        return f"container {name} is {seen[0].key.short}, which is run here: depend on that one by its name"
    return seen[0]


def _is_called(thing: Observed, name: str) -> bool:
    return thing.name == name or (len(name) >= SHORT_ID and thing.id.startswith(name))


def _process(owner: str, spec: ServiceSpec, view: View, found: Sequence[Running]) -> Observed | str:
    what = str(spec.attach_to)
    pids = {process.pid for process in found}
    heads = [process for process in found if process.parent not in pids]
    if not heads:
        return f"{what} does not run{_where(spec)}"
    if len(heads) > 1:
        numbers = ", ".join(str(process.pid) for process in heads[:3])
        return f"which {what} is meant nobody can say: there are {len(heads)} of them, like {numbers}; use a pidFile"
    head = heads[0]
    own = next((t.key for t in view.objects if t.key and t.owner == owner and t.pid == head.pid), None)
    if own:
        return f"{what} is {own.short}, which is run here: depend on that one by its name"
    return Observed(
        id=f"{head.pid}:{head.began}", name=head.name, kind=INSTANCE, runtime=spec.runtime, host=spec.run_on,
        phase=Phase.RUNNING, pid=head.pid, started_at=head.started_at,
        bindings=tuple(Binding(port.port or 0, port.protocol, port.bind) for port in spec.ports),
    )  # fmt: skip


def _where(spec: ServiceSpec) -> str:
    return " on this machine" if spec.run_on == LOCAL else f" on {spec.run_on}"


def _as_ours(thing: Observed, owner: str, key: Key, spec: ServiceSpec) -> Observed:
    assert spec.attach_to, "a target"
    shown = {b.name: Grant(b.host_port, "attached") for b in bindings(spec, thing) if b.host_port}
    marked = mark(spec.attach_to)
    return replace(thing, key=key, owner=owner, fingerprint=marked, grants=shown, attached=True)


def bindings(spec: ServiceSpec, seen: Observed) -> tuple[PortBinding, ...]:
    """Where its ports are found, as they are now."""
    return tuple(_binding(port, seen) for port in spec.ports)


def _binding(port: Port, seen: Observed) -> PortBinding:
    number = port.port or 0
    if seen.runtime == "process":
        return PortBinding(port.label, number, number, port.protocol, port.bind)
    if "host" in seen.networks:
        return PortBinding(port.label, number, number, port.protocol, WILD)
    published = [b for b in seen.bindings if (b.inside, b.protocol) == (number, port.protocol)]
    best = min(published, key=lambda b: (":" in b.address, b.address), default=Binding(0))
    return PortBinding(port.label, number, best.port, port.protocol, best.address or WILD)


def met(snapshot: Snapshot, place: Place, key: Key, networks: Sequence[str]) -> str:
    """The name of a container that is attached to, for who shares a network with it."""
    things = snapshot.view(place).objects
    seen = next((thing for thing in things if thing.attached and thing.key and thing.key.resource == key), None)
    return seen.name if seen and set(networks) & set(seen.networks) else ""
