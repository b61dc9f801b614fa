"""What is known of each job: what was remembered, and what a look at the world adds to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconciler.kinds.job import JobSpec
from reconciler.model.history import Attempt, History
from reconciler.model.observed import Observed, Phase
from reconciler.model.plan import Reason

MOST = 128
"""Tries that are remembered: more than one round can have."""


def with_seen(known: History, spec: JobSpec, things: Sequence[Observed], now: float) -> History:
    """The same however often it is looked at, and whoever looks."""
    due_by = f"{spec.schedule} {spec.time_zone}" if spec.schedule and not spec.suspend else ""
    if known.schedule != due_by:
        known = replace(known, schedule=due_by, since=now if due_by else 0.0)
    halted = next((one.started_at for one in things if one.phase is Phase.RUNNING), None) if spec.suspend else None
    if halted is not None and halted != known.halted:
        known = replace(known, halted=halted)
    new = sorted(_ended(known, spec, things, now), key=lambda one: one.finished_at or one.started_at)
    return replace(known, attempts=(*known.attempts, *new)[-MOST:]) if new else known


def _ended(known: History, spec: JobSpec, things: Iterable[Observed], now: float) -> Iterator[Attempt]:
    for thing in things:
        if thing.phase is Phase.EXITED and not thing.restarting and not remembered(known, thing):
            started = next((at for at in (thing.started_at, thing.finished_at) if at is not None), now)
            attempt = Attempt(
                id=thing.id, started_at=started, finished_at=thing.finished_at, exit_code=thing.exit_code,
                fingerprint=thing.fingerprint,
            )  # fmt: skip
            yield replace(attempt, reason=_reason(known, spec, attempt))


def remembered(known: History, thing: Observed) -> Attempt | None:
    """What is known already of how it ended. A plain list of an engine does not tell when it was started."""
    mine = (one for one in reversed(known.attempts) if one.id == thing.id)
    return next((one for one in mine if thing.started_at in {None, one.started_at}), None)


def _reason(known: History, spec: JobSpec, attempt: Attempt) -> Reason:
    """Who ran for longer than it may has failed, whatever it said at its end: that came by us, or should have."""
    if attempt.started_at == known.halted:
        return Reason.STOPPED
    if spec.timeout_seconds is not None and (attempt.took or 0.0) >= spec.timeout_seconds:
        return Reason.DEADLINE
    return Reason.COMPLETED if attempt.exit_code == 0 else Reason.FAILED
