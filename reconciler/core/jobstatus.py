"""What is told of a job: its instance, its tries, and whether it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.jobs import Outlook, Stage, failure
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.plan import Action, Reason, Wait
from reconciler.model.resource import Resource
from reconciler.model.status import Condition, Instance, Status


def job_status(
    resource: Resource, found: Outlook, there: Sequence[tuple[Key, Observed]], waits: Sequence[Wait],
    actions: Sequence[Action],
) -> Status:  # fmt: skip
    completed = next((one for one in reversed(found.attempts) if one.completed), None)
    conditions = _conditions(found, waits, actions, scheduled=bool(resource.spec.schedule))
    return Status(
        observed_generation=resource.generation,
        replicas=len(there),
        ready_replicas=0,
        updated_replicas=len(there),
        instances=tuple(_instance(key, seen, found) for key, seen in there),
        attempts=len(found.attempts) + (found.running is not None),
        completed_at=completed.finished_at if completed else None,
        next_run=found.next_run,
        conditions=tuple(replace(one, observed_generation=resource.generation) for one in conditions),
    )


def _conditions(
    found: Outlook, waits: Sequence[Wait], actions: Sequence[Action], *, scheduled: bool
) -> tuple[Condition, ...]:
    """Ready is Complete; of one with a schedule it is that nothing is due, and that its last run went well."""
    ready = _ready(found, waits, scheduled=scheduled)
    moving = found.stage is Stage.RUNNING or bool(actions or waits)
    told = str(actions[0]) if actions else waits[0].message if waits else ""
    failed = found.stage is Stage.FAILED
    done = any(one.completed for one in found.attempts)
    why = ready.message if failed else ""
    return (
        ready,
        _condition("Progressing", moving, Reason.PENDING if moving else Reason.SETTLED, told),
        _condition("Healthy", not failed, ready.reason if failed else Reason.READY, why),
        _condition("Drifted", bool(actions), Reason.PENDING if actions else Reason.SETTLED, told if actions else ""),
        _condition("Complete", done, Reason.COMPLETED if done else ready.reason, "" if done else ready.message),
        _condition("Failed", failed, found.last.reason if failed and found.last else Reason.SETTLED, why),
    )


def _ready(found: Outlook, waits: Sequence[Wait], *, scheduled: bool) -> Condition:
    wait = next((one for one in waits if one.reason is not Reason.RUNNING), None)
    match found.stage:
        case stage if wait and stage is not Stage.FAILED:
            return _condition("Ready", False, wait.reason, wait.message)
        case Stage.COMPLETED:
            return _condition("Ready", True, Reason.COMPLETED)
        case Stage.SCHEDULED:
            return _condition("Ready", True, Reason.SCHEDULED)
        case Stage.SUSPENDED:
            return _condition("Ready", True, Reason.STOPPED, "it is suspended")
        case Stage.FAILED:
            return _condition("Ready", False, Reason.FAILED, failure(found))
        case Stage.RUNNING:
            return _condition("Ready", scheduled, Reason.RUNNING, "it runs, and has not come to its end yet")
        case _:
            return _condition("Ready", False, Reason.PENDING, "it has not been run yet")


def _instance(key: Key, seen: Observed, found: Outlook) -> Instance:
    return Instance(
        index=key.index or 0,
        id=seen.id,
        host=seen.host.removeprefix(f"{key.namespace}/"),
        runtime=seen.runtime,
        phase=_phase(seen, found),
        ready=False,
        restarts=max(len(found.attempts) - (seen.phase is not Phase.RUNNING), 0),
        pid=seen.pid,
        ports={name: grant.port for name, grant in sorted(seen.grants.items())},
        started_at=seen.started_at,
        fingerprint=seen.fingerprint,
        exit_code=seen.exit_code,
    )


def _phase(seen: Observed, found: Outlook) -> str:
    """The word for a table: an end is a good one or a bad one."""
    if seen.phase is not Phase.EXITED:
        return str(seen.phase)
    own = next((one for one in found.attempts if (one.id, one.started_at) == (seen.id, seen.started_at)), None)
    good = own.completed if own else seen.exit_code == 0
    return str(Reason.COMPLETED if good else Reason.FAILED)


def _condition(kind: str, holds: bool, reason: str, message: str = "") -> Condition:
    return Condition(type=kind, status="True" if holds else "False", reason=str(reason), message=message)
