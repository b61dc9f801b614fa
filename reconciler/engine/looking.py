"""Looking without touching: what the read-only verbs show. Nothing is written here, not even the diary."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.graph import Graph
from reconciler.core.planner import plan
from reconciler.core.summarize import statuses
from reconciler.core.world import World
from reconciler.engine.causes import explained
from reconciler.engine.reconcile import Parts
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.plan import Journal, Plan
from reconciler.model.resource import Resource
from reconciler.model.status import Status
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Sight:
    """One resource as it stands now; `resource` is None for a thing of ours that nobody declares."""

    key: Key
    status: Status
    resource: Resource | None = None
    things: tuple[Observed, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """A namespace at a glance. `plan` is what the next pass would do about it."""

    namespace: str
    graph: Graph
    snapshot: Snapshot
    plan: Plan
    journal: Journal
    sights: tuple[Sight, ...]
    at: float
    daemon: bool = False
    """Whether one runs, so that what is due is done by itself."""

    def sight(self, key: Key) -> Sight | None:
        return next((sight for sight in self.sights if sight.key == key), None)

    @property
    def problems(self) -> Mapping[str, str]:
        """Places that could not be read, and why."""
        return {view.place: view.problem for view in self.snapshot.views if not view.reachable}


def look(parts: Parts, namespace: str, *, deep: bool = True) -> Look:
    """One complete observation, each probe asked once, and an opinion about it."""
    graph = parts.source.graph(namespace, parts.home.identity(make=False))
    now = parts.clock.now()
    snapshot = parts.observer.look(graph, now, deep=deep, once=True)
    now = parts.clock.now()
    journal = parts.store.journal(namespace)
    planned = explained(plan(graph, snapshot, journal, now), parts.store.payload)
    world = World(graph, snapshot, now, journal)
    current = statuses(graph, world, planned, journal, parts.store.statuses(namespace))
    return Look(namespace, graph, snapshot, planned, journal, tuple(_sights(graph, world, current)), now)


def namespaces(parts: Parts) -> list[str]:
    """Every namespace with something declared, or with something of ours in the world."""
    owner = parts.home.identity(make=False).owner
    graph = parts.source.graph("default", parts.home.identity(make=False))
    seen = parts.observer.look(graph, parts.clock.now()).objects()
    found = {thing.key.namespace for thing in seen if thing.key and thing.owner == owner and owner}
    return sorted(found | set(parts.source.namespaces()))


def _sights(graph: Graph, world: World, current: Mapping[Key, Status]) -> list[Sight]:
    things: dict[Key, list[Observed]] = {}
    for key, thing in world.ours():
        things.setdefault(key.resource, []).append(thing)
    sights = []
    for key in sorted({*graph.resources, *graph.removed, *graph.damaged, *things}):
        resource = graph.resources.get(key) or graph.removed.get(key)
        sights.append(Sight(key, current.get(key, Status()), resource, tuple(things.get(key, ()))))
    return sights
