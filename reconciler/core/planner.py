"""What may be done now. Pure: the graph, one snapshot, the journal and the time go in, a Plan comes out.

A plan holds no future. What can't be done yet is a Wait, and the next observation decides again; so a crash
between two actions leaves nothing behind but a world like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.core import ports, render
from reconciler.core.gates import gate
from reconciler.core.graph import Graph
from reconciler.core.instances import Decision, decide
from reconciler.core.rolling import may_replace
from reconciler.core.teardown import teardown
from reconciler.core.world import World
from reconciler.model.desired import Desired
from reconciler.model.observed import Snapshot
from reconciler.model.plan import Action, Journal, Plan, Reason, Verb, Wait


@dataclass(slots=True)
class _Draft:
    sequences: list[tuple[Action, ...]] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)

    def add(self, decision: Decision) -> None:
        actions, wait = decision
        if actions:
            self.sequences.append(tuple(actions))
        if wait:
            self.waits.append(wait)


def plan(graph: Graph, snapshot: Snapshot, journal: Journal, now: float) -> Plan:
    """One look, one plan. The same arguments give the same plan, to the last byte of its print."""
    world = World(graph, snapshot, now)
    assignment = ports.assign(graph, snapshot, journal)
    rendered = render.render(graph, snapshot, assignment)
    draft = _Draft()
    for key in sorted(rendered.desired):
        if key.kind != "service":
            draft.add(_static(world, rendered.desired[key]))
    for decision in _services(world, rendered, journal):
        draft.add(decision)
    leaving, notes = teardown(world)
    for decision in leaving:
        draft.add(decision)
    notes += [*assignment.moved, *_impostor_notes(world)]
    draft.sequences.sort(key=lambda sequence: sequence[0].key)
    return Plan(tuple(draft.sequences), tuple(draft.waits), rendered.desired, tuple(notes))


def _static(world: World, item: Desired) -> Decision:
    """A network or a volume: it is there, or it is made. A volume is never made anew: that is data."""
    view = world.snapshot.view(item.runtime, item.host)
    if not view.reachable:
        return (), Wait(item.key, Reason.UNREACHABLE, view.problem)
    seen = world.seen(item.key, item.runtime)
    rival = world.holder(item)
    if rival and seen is None:
        return (), Wait(item.key, Reason.NAME_CONFLICT, name_conflict(rival))
    if seen is None:
        return (Action(Verb.CREATE, item.key, "it does not exist", item),), None
    if seen.fingerprint == item.fingerprint:
        return (), None
    if item.key.kind == "volume":
        message = "its driver or options were changed, but it holds data; remove it by name with delete --volumes"
        return (), Wait(item.key, Reason.VOLUME_DIFFERS, message)
    users = world.users(seen.name)
    if users:
        names = ", ".join(sorted(user.name for user in users)[:3])
        return (), Wait(item.key, Reason.IN_USE, f"it is to be made anew once {names} left it")
    remove = Action(Verb.REMOVE, item.key, "it was declared differently", item, seen)
    return (remove, Action(Verb.CREATE, item.key, "it was declared differently", item)), None


def name_conflict(rival: object) -> str:
    title = getattr(rival, "title", "something")
    return f"{title} has the name, and is not ours; rename or remove it, or choose another name"


def _services(world: World, rendered: render.Rendered, journal: Journal) -> Iterator[Decision]:
    for key, spec in world.graph.services():
        view = world.snapshot.view(spec.runtime)
        replaceable = may_replace(world, key, spec, rendered.desired)
        for index in range(spec.replicas):
            instance = key.instance(index)
            item = rendered.desired.get(instance)
            if not view.reachable:
                yield (), Wait(instance, Reason.UNREACHABLE, view.problem)
            elif item is None:
                yield (), rendered.waits[instance]
            else:
                obstacle = gate(world, rendered.desired, item, spec)
                yield decide(world, item, spec, obstacle, journal.get(instance), may_replace=index in replaceable)


def _impostor_notes(world: World) -> Iterator[Wait]:
    for key, thing in world.impostors():
        message = f"{thing.title} wears the labels of {key}, which has an object of its own; it is left alone"
        yield Wait(key, Reason.NAME_CONFLICT, message)
