"""One pass: read, look, decide, act, tell. It may be called at any time, any number of times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile

from reconciler.core import hoststatus
from reconciler.core.backoff import remembered
from reconciler.core.fingerprint import plain_json
from reconciler.core.graph import Graph
from reconciler.core.jobs import ends
from reconciler.core.planner import plan
from reconciler.core.summarize import complaints, happened, statuses
from reconciler.core.teardown import buried
from reconciler.core.world import World
from reconciler.engine.causes import explained
from reconciler.engine.edits import forwards_to
from reconciler.engine.executor import perform
from reconciler.engine.gitops.brought import leaving_with
from reconciler.engine.no_policy import NoPolicy
from reconciler.engine.observer import Observer
from reconciler.engine.places.leases import released
from reconciler.engine.places.residents import needed
from reconciler.errors import ReconcilerError
from reconciler.kinds.host import host_id
from reconciler.model.history import NOTHING
from reconciler.model.key import Key
from reconciler.model.observed import Snapshot
from reconciler.model.place import LOCAL
from reconciler.model.plan import Action, Journal, Outcome, Plan, Verb
from reconciler.model.resource import FORMER, Resource
from reconciler.model.status import Event, Status
from reconciler.ports import Campaigns, Clock, Feeds, Home, Reach, Rules, Runtime, Source, Store
from reconciler.telemetry import Say, get_logger
from reconciler.values import dataclass

log = get_logger()

LATELY = 20
"""Events of one thing, among which a trouble that lasts is looked for."""


@dataclass(frozen=True, slots=True)
class Parts:
    """All that a pass needs from outside; `wiring` makes one."""

    runtimes: Mapping[str, Runtime]
    reach: Mapping[str, Reach]
    observer: Observer
    source: Source
    store: Store
    home: Home
    clock: Clock
    feeds: Feeds | None = None
    """What Sources follow; None where nobody follows any."""
    rules: Rules = NoPolicy()
    campaigns: Campaigns | None = None
    """What is kept of them; None where nobody asks."""
    leave: Callable[[str], None] = lambda _: None
    """A host, when nobody has anything there any more."""


@dataclass(frozen=True, slots=True)
class Pass:
    graph: Graph
    snapshot: Snapshot
    journal: Journal
    plan: Plan
    outcomes: tuple[Outcome, ...]
    statuses: Mapping[Key, Status]
    at: float


def reconcile(
    parts: Parts, namespace: str, tell: Callable[[Action], None] = lambda _: None, *, patience: float = 60.0,
    acting: bool = True,
) -> Pass:  # fmt: skip
    """The whole namespace, once. Raises if what is wanted can't be read, or if it is not our turn within the
    seconds that we have the `patience` for: then nothing is touched. Who only looks has time for no more.
    """
    with parts.home.lock(patience):
        graph = parts.source.graph(namespace, parts.home.identity(make=True))
        _get_ready(parts, graph)
        now = parts.clock.now()
        snapshot = parts.observer.look(graph, now, deep=True)
        journal = parts.store.journal(namespace)
        graph = _account(parts, graph, snapshot, now)
        planned = explained(plan(graph, snapshot, journal, now), parts.store.payload)
        outcomes = perform(planned, parts.runtimes, tell, parts.clock.now) if acting else ()
        _log(outcomes)
        released(parts.runtimes, graph, snapshot, outcomes)
        done = {*buried(graph, snapshot, outcomes), *_never_reached(parts, graph)}
        _bury(parts, graph, _gone(parts, done), journal)
        current = _tell(parts, graph, snapshot, journal, planned, outcomes)
        if parts.feeds:
            parts.feeds.found[namespace] = current.statuses
        return current


def _account(parts: Parts, graph: Graph, snapshot: Snapshot, now: float) -> Graph:
    """How jobs ended is written down before anything is done: to start one again, or to remove it, wipes it out."""
    world = World(graph, snapshot, now)
    jobs = [key for key in sorted(graph.resources) if key.kind == "job" and key not in graph.unreadable]
    changed = {key: world.history(key) for key in jobs if world.history(key) != graph.histories.get(key, NOTHING)}
    if not changed:
        return graph
    try:
        parts.source.remember(changed)
    except ReconcilerError as error:  # the others are none the worse for it
        return replace(
            graph, unreadable={**graph.unreadable, **dict.fromkeys(changed, f"{error.message}; {error.hint}")}
        )
    parts.store.add_events([event for key in changed for event in ends(world, key)])
    return replace(graph, histories={**graph.histories, **changed})


def _get_ready(parts: Parts, graph: Graph) -> None:
    """While we look."""
    for place in {spec.place for _, spec in graph.workloads() if spec.run_on == LOCAL}:
        parts.runtimes[place].get_ready()


def _log(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        action = outcome.action
        log.info(
            Say.ACTION_ENDED, action=str(action.verb), key=str(action.key), result=str(outcome.result),
            cause=action.cause, message=outcome.message,
        )  # fmt: skip


def _gone(parts: Parts, keys: Iterable[Key]) -> set[Key]:
    """Everybody's host goes when it is left by all, and a pass knows of one namespace only."""
    return {key for key in keys if key.kind != "host" or not needed(parts.source, key)}


def _never_reached(parts: Parts, graph: Graph) -> Iterator[Key]:
    """Where a host led before, if nobody of us ever got there: somebody has put right what he had mistyped."""
    known = parts.store.statuses(graph.namespace) if graph.removed else {}
    for key, tombstone in graph.removed.items():
        if FORMER in tombstone.annotations:
            status = known.get(Key("host", key.namespace, tombstone.annotations[FORMER]))
            if status is None or status.host is None:
                yield key


def _bury(parts: Parts, graph: Graph, gone: set[Key], journal: Journal) -> None:
    """What is declared anew one day under the same name begins without its predecessor's troubles. A Source takes
    along what it brought, and a service the port-forwards that lead to it; should that be killed half-way, its
    tombstone is still there.
    """
    sources = [
        resource for resource in graph.removed.values() if resource.key in gone and resource.key.kind == "source"
    ]
    parts.source.keep([*leaving_with(parts.source, sources), *forwards_to(gone, graph.resources.values())])
    for key in sorted(gone, key=lambda key: key.kind == "host"):  # whoever was there needs the way there
        _clear_away(parts, graph, graph.removed.get(key))
        parts.source.forget(key)
        if key.kind == "source" and parts.feeds:
            parts.feeds.forget(key)
        if key.kind == "host":
            parts.leave(host_id(key.namespace, key.name))
    if gone:
        parts.store.write_statuses(dict.fromkeys(gone))
        parts.store.write_journal({key: None for key in journal if key.resource in gone})


def _clear_away(parts: Parts, graph: Graph, tombstone: Resource | None) -> None:
    """What was made for it besides itself, and can be made again."""
    found = graph.placed(tombstone) if tombstone else None
    built = found and found.container and found.container.build
    spec = found if built or (found and found.process and found.process.package) else None
    if tombstone and spec:
        parts.runtimes[spec.place].clear_away(tombstone.key)


def _tell(
    parts: Parts, graph: Graph, snapshot: Snapshot, journal: Journal, planned: Plan, outcomes: tuple[Outcome, ...]
) -> Pass:
    now = parts.clock.now()
    changed = remembered(graph, journal, outcomes, now)
    if changed:
        parts.store.write_journal(changed)
        journal = {**journal, **{key: record for key, record in changed.items() if record}}
    made = [o.action.desired for o in outcomes if o.action.verb is Verb.CREATE and o.action.desired]
    if made:
        parts.store.write_payloads({item.fingerprint: plain_json(item.payload) for item in made})
    told = [*happened(outcomes, now), *_news(parts.store, complaints(planned, now))]
    before = parts.store.statuses(graph.namespace)
    current = statuses(graph, World(graph, snapshot, now, journal), planned, journal, before)
    told += hoststatus.news(before, current, now)
    if told:
        parts.store.add_events(told)
    differing = {key: status for key, status in current.items() if status != before.get(key) and key.kind != "source"}
    if differing:
        parts.store.write_statuses(differing)
    return Pass(graph, snapshot, journal, planned, outcomes, current, now)


def _news(store: Store, complaints: Iterable[Event]) -> Iterator[Event]:
    """What needs a person is an event when it begins, not in every pass in which it still is so."""
    for complaint in complaints:
        lately = reversed(store.events(key=complaint.key, limit=LATELY))
        trouble = takewhile(lambda event: event.type == "Warning", lately)
        if (complaint.reason, complaint.message) not in [(event.reason, event.message) for event in trouble]:
            yield complaint
