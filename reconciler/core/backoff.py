"""How long to leave something alone that keeps failing, and what is remembered of it."""

from __future__ import annotations

from dataclasses import replace

from reconciler.kinds.service import Restart
from reconciler.model.plan import Outcome, Record, Result, Verb


def earliest(record: Record, restart: Restart) -> float:
    """When the next try is due: at once after the first failure, then after pauses that double."""
    if record.failures < 1:
        return 0.0
    pause = restart.initial_seconds * 2.0 ** min(record.failures - 1, 30)
    return record.last_at + min(pause, restart.max_seconds)


def remember(record: Record | None, outcome: Outcome, restart: Restart, now: float) -> Record | None:
    """The record after one outcome. None: nothing to remember."""
    action = outcome.action
    fingerprint = action.desired.fingerprint if action.desired else ""
    known = record if record and record.fingerprint == fingerprint else Record(fingerprint=fingerprint)
    restarts = record.restarts if record else 0
    if now - known.last_at > restart.reset_after_seconds:
        known = replace(known, failures=0)
    match outcome.result:
        case Result.DONE if action.verb is Verb.START:
            return replace(
                known, failures=known.failures + 1, last_at=now, restarts=restarts + 1, message="", reason=""
            )
        case Result.DONE if action.verb is Verb.CREATE:
            return Record(fingerprint=fingerprint, restarts=restarts, last_at=now) if record else None
        case Result.REFUSED | Result.FAILED:
            avoid = (*known.avoid, outcome.port) if outcome.port and outcome.port not in known.avoid else known.avoid
            return replace(
                known, failures=known.failures + 1, last_at=now, restarts=restarts, reason=outcome.reason,
                message=outcome.message, avoid=avoid,
            )  # fmt: skip
        case _:
            return record
