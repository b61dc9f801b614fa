"""How long to leave something alone that keeps failing, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from reconciler.core.advice import without_key
from reconciler.core.graph import Graph
from reconciler.core.past import lies_ahead
from reconciler.core.verdict import outdated
from reconciler.kinds.service import Restart
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.plan import Journal, Outcome, Reason, Record, Result, Verb, Wait
from reconciler.values import replace

DRIFTED = "Drifted"
ASKED_OF_THE_ENGINE = frozenset({"limits", "restartPolicy", "networks"})
"""Changes in place that an engine may say yes to, and not make: where the kernel lacks a controller, for one."""
JITTER = 0.1
"""Of a pause. What failed together, for want of one and the same thing, does not come back for it all at once."""


def earliest(key: Key, record: Record, restart: Restart) -> float:
    """When the next try is due: at once after the first failure, then after pauses that double."""
    if record.failures < 1:
        return 0.0
    pause = min(restart.initial_seconds * 2.0 ** min(record.failures - 1, 30), restart.max_seconds)
    return record.last_at + pause * (1 - JITTER * _lot(key, record.failures))


def next_try(key: Key, record: Record, restart: Restart, now: float) -> float:
    """At once where nobody can say when the pause began."""
    return now if lies_ahead(record.last_at, now) else earliest(key, record, restart)


def _lot(key: Key, number: int) -> float:
    """Between 0 and 1: another one for each key and each try, and the same whenever it is asked for."""
    return crc32(f"{key} {number}".encode()) / 2**32


def held_back(
    key: Key, fingerprint: str, record: Record | None, restart: Restart, now: float, cause: str = ""
) -> Wait | None:
    """A changed spec is tried at once; the same one only after its pause."""
    if record is None or record.fingerprint != fingerprint:
        return None
    until = next_try(key, record, restart, now)
    if until <= now:
        return None
    said = record.message if record.reason or not cause else cause
    return Wait(key, Reason.BACK_OFF, f"{said}; {_often(record.failures)}", until)


def _often(failures: int) -> str:
    return "tried once" if failures == 1 else f"tried {failures} times"


def remember(record: Record | None, outcome: Outcome, restart: Restart, now: float) -> Record | None:
    """The record after one outcome. None: nothing to remember."""
    action = outcome.action
    fingerprint = action.desired.fingerprint if action.desired else ""
    if _drifted(outcome):
        known = _known(action.key, record, fingerprint, restart, now)
        return replace(known, failures=known.failures + 1, last_at=now, reason=DRIFTED, message=action.cause)
    if action.verb is Verb.CREATE and outcome.result is Result.DONE:
        if record and record.reason == DRIFTED:
            return record
        return Record(fingerprint=fingerprint, restarts=record.restarts, last_at=now) if record else None
    known = _known(action.key, record, fingerprint, restart, now)
    match outcome.result:
        case Result.DONE if action.verb is Verb.START:
            failures, restarts = known.failures + 1, known.restarts + 1
            crashes = known.crashes + (action.seen is not None and action.seen.phase is Phase.EXITED)
            # No reason, for it was done; the message says why it had to be.
            known = replace(known, failures=failures, restarts=restarts, crashes=crashes)
            return replace(known, last_at=now, message=action.cause, reason="")
        case Result.REFUSED | Result.FAILED:
            avoid = (*known.avoid, outcome.port) if outcome.port and outcome.port not in known.avoid else known.avoid
            failed = replace(known, failures=known.failures + 1, last_at=now, avoid=avoid)
            return replace(failed, reason=outcome.reason, message=without_key(outcome.message, action.key))
        case _:
            return record


def _drifted(outcome: Outcome) -> bool:
    """It was taken down, or changed in place, though it is what was made of the spec. Should it look no better to us
    then, it is done ever more seldom: an engine that tells things in its own way must not have us at it for ever.
    """
    item, seen = outcome.action.desired, outcome.action.seen
    if outcome.result is not Result.DONE or not (item and seen):
        return False
    if outcome.action.verb is Verb.ADJUST:
        return not ASKED_OF_THE_ENGINE.isdisjoint(outcome.action.changes)
    if outcome.action.verb is not Verb.REMOVE:
        return False
    return seen.key == item.key and seen.fingerprint == item.fingerprint and bool(outdated(item, seen))


def _known(key: Key, record: Record | None, fingerprint: str, restart: Restart, now: float) -> Record:
    """What still counts. Refused ports do even for another spec: it may be another one because of them."""
    if record is None:
        return Record(fingerprint=fingerprint)
    if record.fingerprint != fingerprint:
        return Record(fingerprint=fingerprint, restarts=record.restarts, avoid=record.avoid)
    return replace(record, failures=0, crashes=0) if _calm(key, record, restart, now) else record


def _calm(key: Key, record: Record, restart: Restart, now: float) -> bool:
    return now - max(record.last_at, earliest(key, record, restart)) > restart.reset_after_seconds


def crashes(key: Key, seen: Observed, record: Record | None, restart: Restart) -> int:
    """How often it had crashed, without a calm stretch, when its present run began."""
    if record is None or record.fingerprint != seen.fingerprint:
        return 0
    return 0 if _calm(key, record, restart, seen.started_at or 0.0) else record.crashes


def remembered(graph: Graph, journal: Journal, outcomes: Iterable[Outcome], now: float) -> dict[Key, Record | None]:
    """What a pass changes in the journal. That something had gone already is nobody's failure."""
    changed: dict[Key, Record | None] = {}
    for outcome in outcomes:
        key = outcome.action.key
        if not (outcome.result is Result.REFUSED and outcome.reason == "Gone"):
            spec = graph.spec(key)
            restart = spec.restart if spec else Restart()
            before = changed.get(key, journal.get(key))
            after = remember(before, outcome, restart, now)
            if after != before:
                changed[key] = after
    return changed
