"""What may be done now. Pure: the graph, one snapshot, the journal and the time go in, a Plan comes out.

A plan holds no future. What can't be done yet is a Wait, and the next observation decides again; so a crash
between two actions leaves nothing behind but a world like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from reconciler.core import onlooker, ports, render, rolling
from reconciler.core.backoff import held_back
from reconciler.core.gates import gate
from reconciler.core.graph import Graph
from reconciler.core.instances import Case, Decision, decide, together
from reconciler.core.jobs import Stage, outlook
from reconciler.core.leased import withheld
from reconciler.core.mesh import deviations, obstacle
from reconciler.core.running import Errand, Errands, run
from reconciler.core.teardown import teardown
from reconciler.core.world import World
from reconciler.kinds.service import Restart, ServiceSpec
from reconciler.model.desired import Desired
from reconciler.model.history import NOTHING
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.plan import Action, Journal, Plan, Reason, Verb, Wait
from reconciler.values import dataclass

HOPEFUL = {Reason.DEPENDENCY, Reason.NETWORK}
"""Why nobody can say yet what an instance ought to be, where it will be known without a person."""


@dataclass(slots=True)
class _Draft:
    sequences: list[tuple[Action, ...]] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)

    def add(self, decision: Decision) -> None:
        actions, wait = decision
        if actions:
            self.sequences.append(tuple(actions))
        if wait:
            self.waits.append(wait)


def plan(graph: Graph, snapshot: Snapshot, journal: Journal, now: float) -> Plan:
    """One look, one plan. The same arguments give the same plan, to the last byte of its print."""
    world = World(graph, snapshot, now, journal)
    layout = _layout(world, journal)
    rendered = layout.rendered
    draft = _Draft()
    for item in sorted(rendered.grounds, key=lambda item: (item.key, item.place)):
        draft.add(_static(world, item, journal))
    for part in world.mesh.parts.values():
        draft.add(_part(world, part, journal))
    for decision in _services(world, layout, journal):
        draft.add(decision)
    if any(spec.attach_to for _, spec in graph.services()):
        draft.wakes.append(now + onlooker.LOOK_SECONDS)
    for decision, wake in _jobs(world, layout, journal):
        draft.add(decision)
        draft.wakes += [wake] if wake is not None else []
    for key in sorted(graph.damaged):
        draft.add(((), Wait(key, Reason.UNREADABLE, graph.damaged[key])))
    leaving, notes = teardown(world, journal, layout.extras)
    for decision in leaving:
        draft.add(decision)
    notes += [*layout.assignment.moved, *_impostor_notes(world)]
    draft.sequences.sort(key=lambda sequence: sequence[0].key)
    wake = min(draft.wakes, default=None)
    planned = Plan(tuple(draft.sequences), tuple(draft.waits), rendered.desired, tuple(notes), wake)
    return withheld(planned, graph, snapshot)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What ought to be where, the extra instances of updates that go on included."""

    assignment: ports.Assignment
    rendered: render.Rendered
    extras: ports.Extras
    must_go: frozenset[Key]
    """Who stands where another one has to be first."""


def _layout(world: World, journal: Journal) -> _Layout:
    """Whether an update needs extra ones is known once the replicas are rendered, and they get what is left over."""
    found = _with(world, journal, rolling.present(world))
    wanted = rolling.wanted(world, found.rendered.desired, found.must_go)
    if wanted == found.extras:
        return found
    found = _with(world, journal, wanted)
    possible = rolling.possible(world, found.rendered.desired, wanted)
    return found if possible == wanted else _with(world, journal, possible)


def _with(world: World, journal: Journal, extras: ports.Extras) -> _Layout:
    assignment = ports.assign(world, journal, extras)
    rendered = render.render(world.graph, world.snapshot, assignment, extras)
    return _Layout(assignment, rendered, extras, assignment.leaving | _in_the_way(world, rendered))


def _static(world: World, item: Desired, journal: Journal) -> Decision:
    """A network or a volume: it is there, or it is made. A volume is never made anew: that is data."""
    view = world.snapshot.view(item.place)
    if not view.reachable:
        return (), Wait(item.key, Reason.UNREACHABLE, view.problem)
    seen = world.seen(item.key, item.place)
    if seen and seen.fingerprint == item.fingerprint:
        return (), None
    held = held_back(item.key, item.fingerprint, journal.get(item.key), Restart(), world.now)
    if seen:
        return _differs(world, item, seen, held)
    rival = world.holder(item)
    if rival:
        return (), Wait(item.key, Reason.NAME_CONFLICT, world.conflict(rival))
    return ((), held) if held else ((Action(Verb.CREATE, item.key, "it does not exist", item),), None)


def _differs(world: World, item: Desired, seen: Observed, held: Wait | None) -> Decision:
    if item.key.kind == "volume":
        message = "its driver or options were changed, but it holds data; remove it by name with delete --volumes"
        return (), Wait(item.key, Reason.VOLUME_DIFFERS, message)
    users = world.users(seen)
    if users:
        names = ", ".join(sorted(user.name for user in users)[:3])
        return (), Wait(item.key, Reason.IN_USE, f"it is to be made anew once {names} left it")
    cause = "it was declared differently"
    anew = (Action(Verb.REMOVE, item.key, cause, item, seen), Action(Verb.CREATE, item.key, cause, item))
    return ((), held) if held else (anew, None)


def _part(world: World, item: Desired, journal: Journal) -> Decision:
    """A host's part of the mesh: made, and put right as often as it must be."""
    view, seen = world.snapshot.view(item.place), world.seen(item.key, item.place)
    if not view.reachable:
        return (), Wait(item.key, Reason.UNREACHABLE, view.problem)
    if hindered := obstacle(world.graph, world.snapshot, world.mesh, item.host):
        return (), hindered
    wrong = list(deviations(item, seen)) if seen else []
    if seen and not wrong:
        return (), None
    held = held_back(item.key, item.fingerprint, journal.get(item.key), Restart(), world.now)
    if held:
        return (), held
    if seen:
        return (Action(Verb.ADJUST, item.key, " and ".join(wrong), item, seen, (item.key.kind,)),), None
    return (Action(Verb.CREATE, item.key, "others can't be reached without", item),), None


def _services(world: World, layout: _Layout, journal: Journal) -> Iterator[Decision]:
    for key, spec in world.graph.services():
        if spec.attach_to:
            yield from onlooker.decide(world, key.instance(0), spec)
            continue
        extra = layout.extras.get(key, ())
        roll = rolling.roll(world, key, spec, layout.rendered.desired, extra, journal)
        instances = [key.instance(index) for index in (*range(spec.replicas), *extra)]
        decisions = {
            instance: _instance(world, layout, journal, instance, spec, roll, must_go=instance in layout.must_go)
            for instance in instances
        }
        yield from together(decisions, roll.replaceable) if roll.together else decisions.values()


def _instance(
    world: World, layout: _Layout, journal: Journal, key: Key, spec: ServiceSpec, roll: rolling.Roll, *, must_go: bool
) -> Decision:
    view = world.snapshot.view(spec.place)
    item = layout.rendered.desired.get(key)
    if not view.reachable:
        return (), Wait(key, Reason.UNREACHABLE, view.problem)
    if item is None:
        return (), layout.rendered.waits[key]
    obstacle = _handover(layout, key) or gate(world, layout.rendered.desired, item, spec)
    hold = None if key.index in roll.replaceable else roll.wait(key)
    if (key.index or 0) < spec.replicas:
        return decide(world, Case(item, spec, journal.get(key), obstacle, hold, must_go))
    actions, wait = decide(world, Case(item, spec, journal.get(key), obstacle, hold, must_go, rolling.ARRIVAL))
    return actions, wait or (None if actions else roll.parting(key))


def _jobs(world: World, layout: _Layout, journal: Journal) -> Iterator[Errands]:
    for job, spec in world.graph.workloads():
        if job.kind != "job":
            continue
        key = job.instance(0)
        view, item = world.snapshot.view(spec.place), layout.rendered.desired.get(key)
        found = outlook(world, key, item)
        if not view.reachable:
            yield ((), Wait(key, Reason.UNREACHABLE, view.problem)), None
        elif _untold(world, job) and found.stage is not Stage.RUNNING:
            yield ((), Wait(key, Reason.UNREADABLE, world.graph.unreadable[job])), None
        elif item is None and found.stage is Stage.DUE:
            yield ((), layout.rendered.waits[key]), None
        else:
            obstacle = _handover(layout, key) or (gate(world, layout.rendered.desired, item, spec) if item else None)
            resource = world.graph.resources[job]
            errand = Errand(key, resource.spec, spec, found, item, obstacle, journal.get(key), key in layout.must_go)
            yield run(world, errand)


def _untold(world: World, job: Key) -> bool:
    """Something has come of it that could not be written down: nobody touches what is the only evidence of that."""
    graph = world.graph
    return job in graph.unreadable and world.history(job) != graph.histories.get(job, NOTHING)


def _handover(layout: _Layout, key: Key) -> Wait | None:
    """Who holds its port leaves it for the next one of its own. If that can't come, the port is simply in use."""
    wait, holder = layout.assignment.handovers.get(key), layout.assignment.holders.get(key)
    stuck = layout.rendered.waits.get(holder) if wait and holder else None
    if wait is None or stuck is None or stuck.reason in HOPEFUL:
        return wait
    return Wait(key, Reason.PORT_IN_USE, f"{wait.message}, but can't yet: {stuck.message}")


def _in_the_way(world: World, rendered: render.Rendered) -> frozenset[Key]:
    """Users of networks that are to be made anew: all of them have to leave before any can come back."""
    stale = [
        seen
        for item in rendered.grounds
        if item.key.kind == "network"
        and (seen := world.seen(item.key, item.place))
        and seen.fingerprint != item.fingerprint
    ]
    users = (user for network in stale for user in world.users(network))
    # Not whoever wears a key: a copy of ours that stays there must not send ours away.
    return frozenset(user.key for user in users if user.key and world.seen(user.key, user.place) is user)


def _impostor_notes(world: World) -> Iterator[Wait]:
    for key, thing in world.impostors():
        message = f"{thing.title} wears the labels of {key}, but is not it; it is left alone"
        yield Wait(key, Reason.NAME_CONFLICT, message)
