"""What is remembered of a job: which tries have ended, and how. The world forgets that with the instance."""

from __future__ import annotations

from reconciler.model.plan import Reason
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a job's instance, from a start to its end. It is known by the two of `id` and `started_at`."""

    id: str
    started_at: float
    finished_at: float | None = None
    exit_code: int | None = None
    reason: str = Reason.FAILED
    """Completed, Failed, DeadlineExceeded, or Stopped: that one counts for nothing."""
    fingerprint: str = ""
    """Of what was run."""

    @property
    def completed(self) -> bool:
        return self.reason == Reason.COMPLETED

    @property
    def took(self) -> float | None:
        return None if self.finished_at is None else max(self.finished_at - self.started_at, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    attempts: tuple[Attempt, ...] = ()
    """In the order in which they ended; the last few of them."""
    schedule: str = ""
    """The one that is in force, and its time zone; empty while there is none, or the job is suspended."""
    since: float = 0.0
    """When that was first seen: what would have been due before is none of its business."""
    halted: float | None = None
    """The start of the try that was told to stop because the job is suspended."""


NOTHING = History()
