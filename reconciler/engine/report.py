"""What a verb that changes things has to say at its end: values, for `render` to print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from reconciler.core import former
from reconciler.core.graph import PLANNED, Graph, seen_as_service
from reconciler.core.jobs import Stage, outlook
from reconciler.core.summarize import PASSING
from reconciler.core.world import World
from reconciler.model.key import Key
from reconciler.model.observed import Snapshot
from reconciler.model.plan import Action, Plan, Reason, Result, Verb, Wait
from reconciler.model.resource import Resource
from reconciler.model.status import Status
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Pass


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is not as it should be: whose, why, and what the workload itself said last."""

    key: Key
    reason: str
    message: str
    hint: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`results` maps resources to created, adopted, configured, unchanged, pruned, deleted, or forgotten, of which the
    data stays; to pending what is not so yet, to overtaken what another command wants otherwise by now.
    """

    settled: bool
    actions: tuple[Action, ...] = ()
    waits: tuple[Wait, ...] = ()
    results: Mapping[Key, str] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()
    statuses: Mapping[Key, Status] = field(default_factory=dict)
    timed_out: bool = False
    notes: tuple[str, ...] = ()
    pending: frozenset[Key] = frozenset()
    """What was said of these is not done yet: their things are still to be made, or still there."""

    def telling(self, results: Mapping[Key, str]) -> Report:
        """With these words for what was done; nobody is told of something as done that is not."""
        honest = {
            key: "pending" if key in self.pending and word != "unchanged" else word for key, word in results.items()
        }
        return replace(self, results=honest)

    def noting(self, notes: Iterable[str]) -> Report:
        return replace(self, notes=(*self.notes, *notes))

    @property
    def ok(self) -> bool:
        return self.settled and not self.troubles

    def as_json(self) -> dict[str, object]:
        results = {key: "deleted" if word == "forgotten" else word for key, word in self.results.items()}
        return as_json(self.settled, self.actions, self.waits, results)


@dataclass(frozen=True, slots=True)
class Change:
    """A document that would be kept in place of another one."""

    before: Resource | None
    after: Resource


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would happen to one namespace, wave by wave, if all went well."""

    graph: Graph
    snapshot: Snapshot
    waves: tuple[Plan, ...]
    results: Mapping[Key, str] = field(default_factory=dict)
    changes: Mapping[Key, Change] = field(default_factory=dict)

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(action for wave in self.waves for action in wave.actions)

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What would still be waited for at the end, and what needs a person now."""
        now = [wait for wait in self.waves[0].waits if wait.reason not in PASSING]
        end = [wait for wait in self.waves[-1].waits if wait not in now]
        return (*now, *end)

    @property
    def same(self) -> bool:
        return not self.actions and not self.waits and all(word == "unchanged" for word in self.results.values())


def joined(reports: Sequence[Report]) -> Report:
    """Of several namespaces."""
    if len(reports) == 1:
        return reports[0]
    results = {key: word for report in reports for key, word in report.results.items()}
    statuses = {key: status for report in reports for key, status in report.statuses.items()}
    return Report(
        settled=all(report.settled for report in reports),
        actions=tuple(action for report in reports for action in report.actions),
        waits=tuple(wait for report in reports for wait in report.waits),
        results=results,
        troubles=tuple(trouble for report in reports for trouble in report.troubles),
        statuses=statuses,
        timed_out=any(report.timed_out for report in reports),
        notes=tuple(note for report in reports for note in report.notes),
        pending=frozenset(key for report in reports for key in report.pending),
    )


def outlived(report: Report, wanted: Iterable[Key]) -> Report:
    """What was wanted when we began, and at the end is not any more: a command that came after ours took it away."""
    gone = [key for key in wanted if key not in report.statuses]
    said = (
        Trouble(key, str(Reason.TERMINATING), "another command deleted it meanwhile", "apply it again if it is wanted")
        for key in gone
    )
    return replace(report, troubles=(*report.troubles, *said))


def acted_on(words: Mapping[Key, str], actions: Sequence[Action]) -> dict[Key, str]:
    """What had to be healed was configured, whatever its document said."""
    acted = {action.key.resource for action in actions}
    return {key: "configured" if word == "unchanged" and key in acted else word for key, word in words.items()}


def asides(last: Pass, concerned: Callable[[Key], bool]) -> tuple[str, ...]:
    """What is no matter of those who are waited for, and a person should know all the same."""
    damaged = last.graph.damaged.items()
    hosts = [(wait.key, wait.message) for wait in last.plan.waits if wait.key.kind == "host"]
    told = sorted((key, why) for key, why in (*damaged, *hosts) if not concerned(key))
    return tuple(f"{key.short}: {why}" for key, why in (*told, *former.unlooked(last.graph, last.snapshot)))


def pending(last: Pass, tombstones: Iterable[Key]) -> frozenset[Key]:
    """Whose things are, after this pass, not what was asked for; be it only that nobody can say."""
    there = _there(last)
    excess = set(_excess(last))
    undone = {outcome.action.key.resource for outcome in last.outcomes if outcome.result is not Result.DONE}
    unseen = {wait.key.resource for wait in last.plan.waits if wait.reason is Reason.UNREACHABLE}
    unmade = {key for key, resource in last.graph.resources.items() if not all(map(there, _parts(resource)))}
    unmade |= set(_unbegun(last))
    return frozenset({*tombstones, *undone, *unseen, *unmade, *excess})


def _excess(last: Pass) -> Iterator[Key]:
    """Who has more instances than are wanted: it was stopped, or scaled down, and that is not done."""
    gone = {o.action.key for o in last.outcomes if o.action.verb is Verb.REMOVE and o.result is Result.DONE}
    for key, _ in World(last.graph, last.snapshot, last.at).ours():
        spec = last.graph.spec(key)
        planned = spec if key.kind in PLANNED else None
        if planned and key.index is not None and key.index >= planned.replicas and key not in gone:
            yield key.resource


def _unbegun(last: Pass) -> Iterator[Key]:
    """Jobs that are due, and have not been started in this very pass."""
    begun = {o.action.key for o in last.outcomes if o.action.verb is not Verb.STOP and o.result is Result.DONE}
    world = World(last.graph, last.snapshot, last.at)
    for key in last.graph.resources:
        instance = key.instance(0)
        waiting = key.kind == "job" and instance not in begun
        if waiting and outlook(world, key, last.plan.desired.get(instance)).stage is Stage.DUE:
            yield key


def _parts(resource: Resource) -> Iterable[Key]:
    """What it has in the world."""
    spec = seen_as_service(resource) if resource.key.kind in PLANNED else None
    if resource.key.kind == "job":
        return []
    if spec:
        return [resource.key.instance(index) for index in range(spec.replicas)]
    return [resource.key]


def _there(last: Pass) -> Callable[[Key], bool]:
    """Whether it was made, and as is wanted. A config, or an external volume, is nothing that could be made."""
    world = World(last.graph, last.snapshot, last.at)
    made = {o.action.key for o in last.outcomes if o.action.verb is Verb.CREATE and o.result is Result.DONE}

    def there(key: Key) -> bool:
        wanted = last.plan.desired.get(key)
        if wanted is None:
            return key.index is None
        seen = world.seen(key, wanted.place)
        return key in made or (seen is not None and seen.fingerprint == wanted.fingerprint)

    return there


def as_json(
    settled: bool, actions: Iterable[Action], waits: Iterable[Wait], results: Mapping[Key, str]
) -> dict[str, object]:
    """The shape that scripts rely on, of `apply`, `diff` and `delete` alike."""
    return {
        "settled": settled,
        "actions": [{"key": str(a.key), "verb": str(a.verb), "cause": a.cause} for a in actions],
        "waits": [{"key": str(w.key), "reason": str(w.reason), "message": w.message} for w in waits],
        "resources": [{"key": str(key), "result": results[key]} for key in sorted(results)],
    }
