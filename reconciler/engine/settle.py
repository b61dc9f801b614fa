"""Passes, one after another, until a namespace has settled, nothing can be hoped for, or time is up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field

from reconciler.core.summarize import PASSING
from reconciler.core.world import World
from reconciler.engine.reconcile import Parts, Pass, reconcile
from reconciler.kinds.service import Dependency
from reconciler.model.key import Key
from reconciler.model.observed import Phase
from reconciler.model.plan import Action, Reason, Result, Wait
from reconciler.values import dataclass

SHORTEST_NAP = 0.02
LONGEST_NAP = 0.25
PATIENCE = 2.0
"""For another command's pass to end, however short our own time is: the last look is taken when it is up."""
GIVE_UP_AFTER = 5
"""So many failures in one go, with nothing else moving, and a person is told rather than kept waiting."""
NOT_WAITED_FOR = frozenset({Reason.NOT_READY, Reason.RUNNING, Reason.BACK_OFF})
"""By who does not wait: what runs is enough, and what was tried once has been tried."""
HOPELESS_REASONS = {"ImageUnavailable", "Denied", "NameConflict", "Refused", "Failed", "Internal"}


@dataclass(slots=True)
class Settlement:
    """What came of it. `last` is the pass that ended it."""

    settled: bool = False
    last: Pass | None = None
    actions: list[Action] = field(default_factory=list)
    timed_out: bool = False
    passes: int = 0
    hints: dict[Key, str] = field(default_factory=dict)
    """What runtimes advised when they last refused something. The pass that ends it is seldom the one that was told."""
    failed: set[Key] = field(default_factory=set)
    """What could not be done when it was last tried."""
    answered: set[str] = field(default_factory=set)
    """Places that could be looked at. One that falls silent after that is most likely starting anew, or busy."""

    def note_failures(self, current: Pass, concerns: Callable[[Key], bool]) -> None:
        for outcome in current.outcomes:
            key = outcome.action.key.resource
            if outcome.result is Result.DONE:
                self.failed.discard(key)
            elif concerns(key) and outcome.result in (Result.REFUSED, Result.FAILED) and outcome.reason != "Gone":
                self.failed.add(key)

    def note_answers(self, current: Pass) -> None:
        self.answered |= {view.place for view in current.snapshot.views if not view.problem}

    def may_answer_again(self, wait: Wait) -> bool:
        """A place that never did is waited for by nobody; of one that did a moment ago a person is told at the end."""
        silent = (view for view in self.last.snapshot.views if not view.reachable) if self.last else ()
        lately = [view.problem for view in silent if view.place in self.answered and view.reason == Reason.UNREACHABLE]
        return wait.reason is Reason.UNREACHABLE and any(problem in wait.message for problem in lately)

    @property
    def waits(self) -> tuple[Wait, ...]:
        return self.last.plan.waits if self.last else ()


Tell = Callable[[Pass], None]


def settle(
    parts: Parts, namespace: str, *, deadline: float, wait: bool, concerns: Callable[[Key], bool],
    started: Callable[[Action], None] = lambda _: None, passed: Tell = lambda _: None,
) -> Settlement:  # fmt: skip
    """`concerns` says whose waits matter; others are reconciled along, but nobody waits for them, except for the end of
    an update that this very command began: of callers that are told where the one is now whom they call.
    """
    settlement = Settlement()
    while True:
        late = _late(settlement, parts.clock.now() >= deadline)
        patience = max(deadline - parts.clock.now(), PATIENCE)
        current = reconcile(parts, namespace, started, patience=patience, acting=not late)
        settlement.passes += 1
        settlement.last = current
        settlement.actions += [outcome.action for outcome in current.outcomes]
        settlement.hints |= {outcome.action.key.resource: outcome.hint for outcome in current.outcomes if outcome.hint}
        # An image that comes from far, or is built, is no sign that anything is wrong; it has a deadline of its own.
        deadline += max((outcome.fetching for outcome in current.outcomes), default=0.0)
        passed(current)
        settlement.note_failures(current, concerns)
        settlement.note_answers(current)
        pending = [
            w for w in current.plan.waits if concerns(w.key.resource) and (wait or w.reason not in NOT_WAITED_FOR)
        ]
        if not current.plan.sequences and not pending and not _followed(current, settlement, deadline, patient=wait):
            settlement.settled = wait or not settlement.failed
            return settlement
        if not current.plan.sequences and not _hope(current, settlement, patient=wait):
            return settlement
        if parts.clock.now() >= deadline and not current.outcomes:
            settlement.timed_out = True
            return settlement
        if not any(outcome.result is Result.DONE for outcome in current.outcomes):
            parts.clock.sleep(_nap(parts.clock.now(), pending, deadline))


def _late(settlement: Settlement, time_is_up: bool) -> bool:
    """What was done last has not been looked at since; without that nobody can say what came of it."""
    return time_is_up and settlement.last is not None and bool(settlement.last.outcomes)


def _followed(current: Pass, settlement: Settlement, deadline: float, *, patient: bool) -> bool:
    """Whether somebody is in the middle of an update because of us. One that has stuck is not our failure."""
    touched = {action.key.resource for action in settlement.actions}
    halfway = any(wait.reason is Reason.ROLLING and wait.key.resource in touched for wait in current.plan.waits)
    return patient and halfway and current.at < deadline and _hope(current, settlement, patient=True)


def _hope(current: Pass, settlement: Settlement, *, patient: bool) -> bool:
    """Whether time alone may change anything. Who waits for another hopes with that other."""
    waits = (wait for wait in current.plan.waits if patient or wait.reason is not Reason.BACK_OFF)
    return any(_passes(current, wait) or (patient and settlement.may_answer_again(wait)) for wait in waits)


def _passes(current: Pass, wait: Wait) -> bool:
    if wait.reason not in PASSING or wait.reason in {Reason.NETWORK, Reason.VOLUME}:
        return False  # these two hope with the network or volume that they wait for
    if wait.reason is Reason.ROLLING:
        return wait.until is not None  # and this one with the new instance that has to be Ready first
    if wait.reason is Reason.DEPENDENCY:
        return _will_end(current, wait.key)
    record = current.journal.get(wait.key)
    if wait.reason is not Reason.BACK_OFF or record is None:
        return True
    return record.reason not in HOPELESS_REASONS and record.failures < GIVE_UP_AFTER


def _will_end(current: Pass, key: Key) -> bool:
    """It waits for the end of something that runs, and that has nothing to wait for itself."""
    world = World(current.graph, current.snapshot, current.at)
    spec = current.graph.spec(key)
    awaited = [d for d in spec.dependencies if d.condition == "Completed" or _is_job(current, d)] if spec else []
    return any(
        seen.phase is Phase.RUNNING
        for known, seen in world.ours()
        for dependency in awaited
        if known.resource == current.graph.called(dependency.service)
    )


def _is_job(current: Pass, dependency: Dependency) -> bool:
    return current.graph.called(dependency.service).kind == "job"


def _nap(now: float, pending: Iterable[Wait], deadline: float) -> float:
    due = [wait.until for wait in pending if wait.until]
    nearest = min([*due, now + LONGEST_NAP, deadline])
    return max(SHORTEST_NAP, nearest - now)
