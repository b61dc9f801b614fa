"""What a world would look like after an action: the model behind `diff`, dry runs and the memory runtime.

One pure function per verb over a View. The memory runtime is this with a place to keep the view, and a contract
suite keeps both honest against the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.core.graph import Graph
from reconciler.core.making import as_joined, as_made
from reconciler.core.planner import plan
from reconciler.errors import Gone, NameTaken, PortInUse, Refused, StillRuns
from reconciler.model.desired import ContainerPayload, Desired, MeshPayload, ProcessPayload
from reconciler.model.observed import INSTANCE, Binding, Facts, Health, Observed, Phase, Snapshot, View, kind_of
from reconciler.model.plan import Action, Journal, Plan, Verb
from reconciler.values import replace

MAX_WAVES = 50


def fold(graph: Graph, snapshot: Snapshot, journal: Journal, now: float) -> Iterator[Plan]:
    """The plans that would follow one another if all went well, until there is nothing left to do."""
    idle = 0
    for _ in range(MAX_WAVES):
        current = plan(graph, snapshot, journal, now)
        yield current
        idle = 0 if current.actions else idle + 1
        if current.settled or idle == 2:
            return
        for action in current.actions:
            snapshot = advance(snapshot, action, now)
        now = max([now + 1.0, *(wait.until for wait in current.waits if wait.until)])
        snapshot = _jobs_done(replace(snapshot, health=_all_well(snapshot)))


def _all_well(snapshot: Snapshot) -> dict[str, Health]:
    return {thing.life: Health() for thing in snapshot.objects() if thing.phase is Phase.RUNNING}


def _jobs_done(snapshot: Snapshot) -> Snapshot:
    """If all goes well, who is to come to an end does so."""

    def ended(thing: Observed) -> Observed:
        runs = thing.key and thing.key.kind == "job" and thing.phase is Phase.RUNNING
        how = {"phase": Phase.EXITED, "exit_code": 0, "finished_at": thing.started_at, "bindings": ()}
        return replace(thing, **how) if runs else thing  # type: ignore[arg-type]

    return replace(snapshot, views=tuple(replace(v, objects=tuple(map(ended, v.objects))) for v in snapshot.views))


def advance(snapshot: Snapshot, action: Action, now: float) -> Snapshot:
    """The snapshot in which the action has been done."""
    thing = action.desired or action.seen
    assert thing is not None, "an action concerns something"
    place = action.seen.place if action.seen else thing.place
    views = tuple(perform(view, action, now) if view.place == place else view for view in snapshot.views)
    return replace(snapshot, views=views)


def perform(view: View, action: Action, now: float) -> View:
    match action:
        case Action(verb=Verb.CREATE, desired=Desired() as desired):
            return launched(created(view, desired, now), desired, now)
        case Action(verb=Verb.REMOVE, seen=Observed() as seen):
            return removed(view, seen)
        case Action(verb=Verb.STOP, seen=Observed() as seen):
            return stopped(view, seen, now)
        case Action(verb=Verb.START, seen=Observed() as seen, desired=Desired() as desired):
            return started(view, seen, desired, now)
        case Action(verb=Verb.ADJUST, seen=Observed() as seen, desired=Desired() as desired):
            return adjusted(view, seen, desired, action.changes)
        case _:
            raise AssertionError(f"not an action: {action}")


def made(desired: Desired, now: float) -> Observed:
    """A thing as it is right after it was made, before it is started."""
    instance = desired.key.is_workload
    payload = desired.payload
    return Observed(
        id=f"{desired.place}:{desired.name}:{desired.fingerprint}:{now:.6f}",
        name=desired.name,
        kind=kind_of(desired.key),
        runtime=desired.runtime,
        host=desired.host,
        key=desired.key,
        owner=desired.owner,
        phase=Phase.CREATED if instance else Phase.RUNNING,
        fingerprint=desired.fingerprint,
        generation=desired.generation,
        grants=dict(desired.grants),
        networks=payload.networks if isinstance(payload, ContainerPayload) else (),
        gateway=f"gateway-of-{desired.name}" if desired.key.kind == "network" else "",
        image=payload.image if isinstance(payload, ContainerPayload) else "",
        made_from=payload.image if isinstance(payload, ContainerPayload) else "",
        facts=as_made(payload),
    )


def bindings(desired: Desired) -> tuple[Binding, ...]:
    ports = desired.payload.ports if isinstance(desired.payload, ContainerPayload | ProcessPayload) else ()
    return tuple(Binding(port.host_port, port.protocol, port.bind) for port in ports)


def created(view: View, desired: Desired, now: float) -> View:
    """Made, not started; one of ours that is there already is a success."""
    holder = _named(view, desired)
    if holder is None:
        return replace(view, objects=(*view.objects, made(desired, now)))
    if (holder.key, holder.owner, holder.fingerprint) == (desired.key, desired.owner, desired.fingerprint):
        return view
    raise NameTaken(f"{holder.title} has the name {desired.name}")


def launched(view: View, desired: Desired, now: float) -> View:
    """The second half of Create: an instance that was made is started. Who has run already was overlooked: whether he
    is to run once more is for the next look.
    """
    holder = _named(view, desired)
    return started(view, holder, desired, now) if holder and holder.phase is Phase.CREATED else view


def _named(view: View, desired: Desired) -> Observed | None:
    return next((t for t in view.objects if (t.kind, t.name) == (kind_of(desired.key), desired.name)), None)


def started(view: View, seen: Observed, desired: Desired, now: float) -> View:
    def start(thing: Observed) -> Observed:
        if thing.phase in {Phase.RUNNING, Phase.PAUSED}:
            return thing
        for wanted in bindings(desired):
            rival = next((t for t in view.objects if t.id != thing.id and _holds(t, wanted)), None)
            if rival:
                raise PortInUse(f"port {wanted.port} is held by {rival.title}", port=wanted.port, holder=rival.title)
        return replace(
            thing, phase=Phase.RUNNING, bindings=bindings(desired), started_at=now, exit_code=None, finished_at=None,
            stragglers=False,
        )  # fmt: skip

    return _change(view, seen, start)


def _holds(thing: Observed, wanted: Binding) -> bool:
    return any(binding.clashes(wanted) for binding in thing.bindings)


def stopped(view: View, seen: Observed, now: float) -> View:
    def stop(thing: Observed) -> Observed:
        if thing.phase not in {Phase.RUNNING, Phase.PAUSED} and not thing.stragglers:
            return thing
        return replace(thing, phase=Phase.EXITED, bindings=(), exit_code=143, finished_at=now, stragglers=False)

    return _change(view, seen, stop)


def adjusted(view: View, seen: Observed, desired: Desired, changes: tuple[str, ...]) -> View:
    def adjust(thing: Observed) -> Observed:
        if isinstance(desired.payload, MeshPayload):
            joined = as_joined(desired.payload, thing.facts.fields if thing.facts else None)
            return replace(thing, fingerprint=desired.fingerprint, facts=Facts(fields=joined))
        if "rename" in changes:
            holder = _named(view, desired)
            if holder and holder.id != thing.id:
                raise NameTaken(f"{holder.title} has the name {desired.name}")
            thing = replace(thing, name=desired.name)
        if "unpause" in changes and thing.phase is Phase.PAUSED:
            thing = replace(thing, phase=Phase.RUNNING)
        return _as_asked(thing, desired, changes)

    return _change(view, seen, adjust)


FIELDS = {"limits": "limits", "restartPolicy": "engine_restart", "networks": "networks"}
"""What the changes of an Adjust change, by the names that facts have."""


def _as_asked(thing: Observed, desired: Desired, changes: tuple[str, ...]) -> Observed:
    asked = as_made(desired.payload)
    if asked is None:
        return thing
    if "networks" in changes:
        thing = replace(thing, networks=tuple(asked.fields["networks"]))
    if thing.facts is None:
        return thing
    renewed = {FIELDS[change]: asked.fields[FIELDS[change]] for change in changes if change in FIELDS}
    return replace(thing, facts=replace(thing.facts, fields={**thing.facts.fields, **renewed}))


def removed(view: View, seen: Observed) -> View:
    """Gone already is a success; running is a refusal."""
    thing = next((t for t in view.objects if t.id == seen.id), None)
    if thing and thing.kind == INSTANCE and thing.phase in {Phase.RUNNING, Phase.PAUSED}:
        raise StillRuns(thing.title)
    if thing and thing.kind == "network" and any(thing.name in t.networks for t in view.objects):
        raise Refused(f"{thing.title} is in use")
    return replace(view, objects=tuple(t for t in view.objects if t.id != seen.id))


def _change(view: View, seen: Observed, how: Callable[[Observed], Observed]) -> View:
    if all(thing.id != seen.id for thing in view.objects):
        raise Gone(f"{seen.title} is not there any more")
    return replace(view, objects=tuple(how(t) if t.id == seen.id else t for t in view.objects))
