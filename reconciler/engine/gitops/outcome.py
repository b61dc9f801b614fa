"""How a sync ended, told: the status of its Source, and events where something changed."""

from __future__ import annotations

from reconciler.engine.reconcile import Parts
from reconciler.errors import ReconcilerError, SpecError
from reconciler.model.following import Known
from reconciler.model.key import Key
from reconciler.model.plan import Reason
from reconciler.model.resource import Resource
from reconciler.model.status import Condition, Event, Status
from reconciler.telemetry import Say, get_logger
from reconciler.values import dataclass

log = get_logger()

MOST_OVERRULED = 20
MOST_PROBLEMS = 5
NEXT = "; next: "
"""Before the next step, at the end of a message."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What is known now, and what to say."""

    known: Known
    reason: Reason | str
    message: str
    due: float | None
    touched: tuple[str, ...] = ()
    settled: bool = True
    overruled: tuple[Key, ...] = ()


def tell(parts: Parts, resource: Resource, ended: Ended, now: float) -> Status:
    """Written down where people look."""
    key = resource.key
    before = parts.store.statuses(key.namespace).get(key)
    well = ended.reason in {Reason.SYNCED, Reason.SUSPENDED}
    busy = not ended.settled
    conditions = (
        _condition("Ready", "True" if ended.reason == Reason.SYNCED else "False", ended, resource, before, now),
        _condition("Progressing", "True" if busy else "False", ended, resource, before, now),
    )
    status = Status(observed_generation=resource.generation, conditions=conditions, revisions=ended.known.arrivals)
    if status != before:
        parts.store.write_statuses({key: status})
    told = [_overrule(resource, changed, now) for changed in ended.overruled[:MOST_OVERRULED]]
    old = before.condition("Ready") if before else None
    if old is None or (old.reason, old.message) != (str(ended.reason), ended.message):
        kind = "Normal" if well or busy else "Warning"
        told.append(Event(time=now, type=kind, reason=str(ended.reason), key=key, message=ended.message))
        log.info(Say.SYNCED, source=str(key), reason=str(ended.reason), message=ended.message)
    if told:
        parts.store.add_events(told)
    return status


def _condition(
    kind: str, status: str, ended: Ended, resource: Resource, before: Status | None, now: float
) -> Condition:
    old = before.condition(kind) if before else None
    since = old.last_transition_time if old and old.status == status else now
    return Condition(
        type=kind, status=status, reason=str(ended.reason), message=ended.message,
        observed_generation=resource.generation, last_transition_time=since,
    )  # fmt: skip


def _overrule(source: Resource, key: Key, now: float) -> Event:
    message = f"it was changed here, and is set back to what {source.key.short} says; change it there"
    return Event(time=now, type="Warning", reason=Reason.OVERRULED, key=key, message=message)


def in_one_line(error: ReconcilerError) -> str:
    """For tables, events and conditions. Of what is wrong in specs the places, without the lines themselves."""
    if not isinstance(error, SpecError):
        return f"{error.message}{NEXT}{error.hint}" if error.hint else error.message
    told = [f"{p.place}: {p.path}{': ' if p.path else ''}{p.message}" for p in error.problems[:MOST_PROBLEMS]]
    more = len(error.problems) - len(told)
    hint = f"{NEXT}{error.problems[0].hint}" if len(error.problems) == 1 and error.problems[0].hint else ""
    return "; ".join([*told, *([f"and {more} more"] if more else [])]) + hint
