"""A scene for a plan, read from the YAML files of its folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from reconciler.core.graph import Graph, graph_of
from reconciler.core.parse import Text, parse
from reconciler.core.planner import plan
from reconciler.core.preview import advance
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Health, Listener, Observed, Phase, Snapshot, View
from reconciler.model.plan import Journal, Record
from reconciler.model.resource import Resource

NAMESPACE = "shop"
OWNER = "me"
SETTLED_AT = 1000.0
NOW = 2000.0


@dataclass(frozen=True, slots=True)
class Scene:
    graph: Graph
    snapshot: Snapshot
    journal: Journal
    now: float = NOW

    @classmethod
    def read(cls, folder: Path) -> Scene:
        """`from: nothing` is an empty world, `from: before` one in which before.yaml was settled."""
        observed = yaml.safe_load((folder / "observed.yaml").read_text()) or {}
        desired = _resources(folder / "desired.yaml")
        gone = [Key.parse(f"{kind}/{NAMESPACE}/{name}") for kind, name in _pairs(observed.get("deleted", []))]
        before = _resources(folder / "before.yaml") if (folder / "before.yaml").exists() else desired
        data = bool(observed.get("withData"))
        tombstones = [replace(r, deleting=True, delete_data=data) for r in before if r.key in gone]
        graph = _graph([*(r for r in desired if r.key not in gone), *tombstones])
        snapshot = _settled(_graph(before), observed)
        for event in observed.get("happened", []):
            snapshot = _after(snapshot, event)
        journal = {
            _key(name): _record(graph, snapshot, name, known) for name, known in observed.get("journal", {}).items()
        }
        return cls(graph, _blinded(snapshot, observed.get("unreachable", {})), journal)


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    return [(kind, name) for kind, _, name in (text.partition("/") for text in names)]


def _key(name: str) -> Key:
    """`web/0` is an instance, and so is `job/migrate/0`; `network/back` is not."""
    first, _, second = name.partition("/")
    if "/" in second:
        return Key(first, NAMESPACE, second.partition("/")[0], int(second.partition("/")[2]))
    return Key("service", NAMESPACE, first, int(second)) if second.isdecimal() else Key(first, NAMESPACE, second)


def _resources(file: Path) -> list[Resource]:
    text = Text(file.name, file.read_bytes(), "/specs")
    return [document.resource for document in parse([text], environment={}, namespace=NAMESPACE)]


def _graph(resources: list[Resource]) -> Graph:
    return graph_of(NAMESPACE, resources, owner=OWNER, seal=lambda value: f"keyed-{sum(value) % 9973}")


def _settled(graph: Graph, observed: dict[str, Any]) -> Snapshot:
    """The world after an apply that went well, jobs named in `completed` having ended."""
    taken = tuple(Listener(Binding(port)) for port in observed.get("takenBefore", []))
    snapshot = Snapshot((View("docker"), View("process")), {"local": taken})
    if observed.get("from") == "nothing":
        return snapshot
    for name in observed.get("external", []):
        kind, _, rest = name.partition("/")
        snapshot = _with(snapshot, Observed(f"id-{rest}", rest, kind, "docker", gateway="172.18.0.1"))
    while (waves := plan(graph, snapshot, {}, SETTLED_AT)).actions:
        for action in waves.actions:
            snapshot = advance(snapshot, action, SETTLED_AT - 100)
        for name in observed.get("completed", []):
            snapshot = _changed(snapshot, _key(name), {"phase": "Exited", "exitCode": 0})
        running = [thing for thing in snapshot.objects() if thing.phase is Phase.RUNNING]
        snapshot = replace(snapshot, health={thing.id: Health() for thing in running if _is_probed(graph, thing)})
    return replace(snapshot, listeners={"local": ()})


def _is_probed(graph: Graph, thing: Observed) -> bool:
    resource = graph.resources.get(thing.key.resource) if thing.key else None
    return resource is not None and resource.key.kind == "service" and resource.spec.probes.any


def _after(snapshot: Snapshot, event: dict[str, Any]) -> Snapshot:
    """One thing that happened: to an object of ours, beside them, or to a probe."""
    [(what, how)] = event.items()
    match what:
        case "foreign":
            return _with(snapshot, _foreign(how))
        case "listener":
            binding = Binding(how["port"], how.get("protocol", "tcp"), how.get("address", "0.0.0.0"))
            listener = Listener(binding, how.get("pid"), how.get("command", ""))
            return replace(snapshot, listeners={"local": (*snapshot.listeners["local"], listener)})
        case "probe":
            [(name, answer)] = how.items()
            ids = [thing.id for thing in snapshot.objects() if thing.key == _key(name)]
            return replace(snapshot, health={**snapshot.health, **{i: Health(**answer) for i in ids}})
        case _:
            return _changed(snapshot, _key(what), how)


def _foreign(how: dict[str, Any]) -> Observed:
    thing = Observed(f"id-{how['name']}", how["name"], how.get("kind", "service"), how.get("runtime", "docker"))
    return replace(
        thing,
        owner=how.get("owner", ""),
        key=_key(how["wears"]) if "wears" in how else None,
        phase=Phase(how.get("phase", "Running")),
        bindings=tuple(Binding(port) for port in how.get("ports", [])),
        networks=tuple(how.get("networks", [])),
    )


def _changed(snapshot: Snapshot, key: Key, how: dict[str, Any] | str) -> Snapshot:
    def change(thing: Observed) -> list[Observed]:
        if thing.key != key:
            return [thing]
        return [] if isinstance(how, str) else [_altered(thing, how)]

    views = (replace(v, objects=tuple(new for thing in v.objects for new in change(thing))) for v in snapshot.views)
    return replace(snapshot, views=tuple(views))


def _altered(thing: Observed, how: dict[str, Any]) -> Observed:
    phase = Phase(how.get("phase", thing.phase))
    ended = phase in {Phase.EXITED, Phase.CREATED, Phase.REMOVING}
    return replace(
        thing,
        phase=phase,
        name=how.get("name", thing.name),
        detail=how.get("detail", thing.detail),
        exit_code=how.get("exitCode", thing.exit_code),
        fingerprint=how.get("fingerprint", thing.fingerprint),
        started_at=how.get("startedAt", thing.started_at),
        bindings=() if ended else thing.bindings,
        networks=tuple(how.get("networks", thing.networks)),
    )


def _with(snapshot: Snapshot, thing: Observed) -> Snapshot:
    views = (replace(v, objects=(*v.objects, thing)) if v.runtime == thing.runtime else v for v in snapshot.views)
    return replace(snapshot, views=tuple(views))


def _record(graph: Graph, snapshot: Snapshot, name: str, known: dict[str, Any]) -> Record:
    """What the diary says of an instance, about the very spec that is wanted now."""
    wanted = plan(graph, snapshot, {}, NOW).desired[_key(name)]
    ago = known.pop("secondsAgo", 0)
    return Record(fingerprint=wanted.fingerprint, last_at=NOW - ago, **known)


def _blinded(snapshot: Snapshot, problems: dict[str, str]) -> Snapshot:
    views = (View(v.runtime, problem=problems[v.runtime]) if v.runtime in problems else v for v in snapshot.views)
    return replace(snapshot, views=tuple(views))
