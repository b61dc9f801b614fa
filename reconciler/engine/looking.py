"""Looking without touching: what the read-only verbs show. Nothing is written here, not even the diary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from heapq import nlargest
from typing import TYPE_CHECKING

from reconciler.core.graph import Graph
from reconciler.core.planner import plan
from reconciler.core.summarize import statuses
from reconciler.core.world import World
from reconciler.engine.causes import explained
from reconciler.engine.reconcile import Parts
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.plan import Journal, Plan
from reconciler.model.resource import Resource
from reconciler.model.status import Event, Status
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.campaign.standing import Course


@dataclass(frozen=True, slots=True)
class Sight:
    """One resource as it stands now; `resource` is None for a thing of ours that nobody declares."""

    key: Key
    status: Status
    resource: Resource | None = None
    things: tuple[Observed, ...] = ()
    course: Course | None = None
    """Of a campaign."""


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
    sights = (_with_course(parts, sight) for sight in _sights(graph, world, current))
    return Look(namespace, graph, snapshot, planned, journal, tuple(sights), now)


def events(parts: Parts, *, namespace: str | None = None, key: Key | None = None, limit: int = 1000) -> Sequence[Event]:
    """The latest ones, oldest first: those of passes, and those that the manifests of campaigns tell."""
    found = parts.store.events(namespace=namespace, key=key, limit=limit)
    of_runs = list(_of_runs(parts, namespace, key))
    if not of_runs:
        return found
    return sorted(nlargest(limit, [*found, *of_runs], key=lambda event: event.time), key=lambda event: event.time)


def namespaces(parts: Parts) -> list[str]:
    """Every namespace with something declared, or with something of ours in the world."""
    owner = parts.home.identity(make=False).owner
    graph = parts.source.graph("default", parts.home.identity(make=False))
    seen = parts.observer.look(graph, parts.clock.now()).objects()
    found = {thing.key.namespace for thing in seen if thing.key and thing.owner == owner and owner}
    return sorted(found | set(parts.source.namespaces()))


def _of_runs(parts: Parts, namespace: str | None, key: Key | None) -> Iterator[Event]:
    """What can't be read tells nothing here; how the campaign stands says why."""
    if parts.campaigns is None or (key and key.kind != "campaign"):
        return
    for known in [key.resource] if key else parts.campaigns.keys():
        if namespace not in (None, known.namespace):
            continue
        with suppress(ReconcilerError):
            manifest = parts.campaigns.manifest(known)
            if manifest:
                from reconciler.core.campaign import standing  # noqa: PLC0415 -- most homes have no campaigns

                told = standing.events(manifest)
                yield from (event for event in told if key is None or key.index in (None, event.key.index))


def _with_course(parts: Parts, sight: Sight) -> Sight:
    """Of a campaign, how far its runs are."""
    if parts.campaigns is None or sight.key.kind != "campaign" or sight.resource is None or sight.resource.deleting:
        return sight
    from reconciler.core.campaign import standing  # noqa: PLC0415 -- most homes have no campaigns

    spec = sight.resource.spec
    try:
        manifest = parts.campaigns.manifest(sight.key)
        open_end = manifest is not None and manifest.finished_at is None
        attended = open_end and parts.campaigns.attended(sight.key)
        course = standing.Course(spec=spec, manifest=manifest, attended=attended)
    except ReconcilerError as error:
        course = standing.Course(spec=spec, trouble=f"{error.message}; {error.hint}")
    return replace(sight, status=standing.told(sight.status, course), course=course)


def _sights(graph: Graph, world: World, current: Mapping[Key, Status]) -> list[Sight]:
    things: dict[Key, list[Observed]] = {}
    for key, thing in world.ours():
        things.setdefault(key.resource, []).append(thing)
    sights = []
    for key in sorted({*graph.resources, *graph.removed, *graph.damaged, *things}):
        resource = graph.resources.get(key) or graph.removed.get(key)
        sights.append(Sight(key, current.get(key, Status()), resource, tuple(things.get(key, ()))))
    return sights
