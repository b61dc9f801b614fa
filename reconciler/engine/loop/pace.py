"""When to look at a namespace again, from what its last pass saw. The answer to "did anything happen?" is an alarm's;
this is for what time alone brings about, and for alarms that were lost.
"""

from __future__ import annotations

from reconciler.engine.reconcile import Pass
from reconciler.model.plan import Result
from reconciler.values import dataclass

SHORTEST = 0.02
FIRST = 0.25
LONGEST = 15.0
FURTHEST = 60.0
"""To what a clock on the wall says: it may be set, or its machine may sleep meanwhile."""


@dataclass(slots=True)
class Pace:
    """Of one namespace. Where nothing moves it is looked at ever more seldom."""

    pause: float = FIRST
    still: frozenset[object] = frozenset()
    rested: bool = False
    """Its last pass found nothing to do and nothing to wait for."""

    def next(self, current: Pass, now: float) -> float | None:
        """In how many seconds; None: there is nothing to wait for."""
        self.rested = current.plan.settled and not current.outcomes
        if any(outcome.result is not Result.UNKNOWN for outcome in current.outcomes):
            self.pause = FIRST
            return 0.0  # something was done, or refused and written down: both make another plan
        wake = [] if current.plan.wake is None else [min(current.plan.wake - now, FURTHEST)]
        if self.rested:
            self.pause = FIRST
            return max(SHORTEST, *wake) if wake else None
        waiting = frozenset((wait.key, wait.reason) for wait in current.plan.waits)
        self.pause = FIRST if waiting != self.still else min(self.pause * 2, LONGEST)
        self.still = waiting
        due = [wait.until - now for wait in current.plan.waits if wait.until is not None]
        return max(SHORTEST, min([*due, *wake, self.pause]))
