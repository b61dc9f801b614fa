"""Whether a job is to be run, runs, or has run: from its spec, what is known of its tries, one look, and the time."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import takewhile

from reconciler.core.render import RESTARTED
from reconciler.core.standing import Standing, Stands
from reconciler.core.world import World
from reconciler.kinds.job import JobSpec
from reconciler.model.desired import Desired
from reconciler.model.history import NOTHING, Attempt, History
from reconciler.model.key import Key
from reconciler.model.observed import RUNS, Observed
from reconciler.model.plan import Reason
from reconciler.model.resource import Resource
from reconciler.model.status import Event
from reconciler.values import dataclass

PATIENCE = 100.0
"""A time that was passed by no more than this was not missed: rounds are half a minute apart."""


class Stage(StrEnum):
    DUE = "due"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    """For good, or until its schedule comes round again."""
    SCHEDULED = "scheduled"
    """Nothing is due."""
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Outlook:
    stage: Stage
    attempts: tuple[Attempt, ...] = ()
    """Of this round: since it was declared so, or since it was last due."""
    running: Observed | None = None
    due_at: float | None = None
    """Since when it is due, where a schedule says so, or a person has."""
    next_run: float | None = None

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None


def outlook(world: World, key: Key, item: Desired | None) -> Outlook:
    """`item` is what it ought to be; None where nobody can say: then it is taken for what it was last."""
    resource = world.graph.resources[key.resource]
    spec: JobSpec = resource.spec
    known = world.history(key.resource)
    running = next((thing for thing in world.things(key.resource.instance(0)) if thing.phase in RUNS), None)
    counted = [one for one in known.attempts if one.reason != Reason.STOPPED]
    if spec.schedule:
        return _by_schedule(spec, known, counted, running, _restarted(resource, known), world.now)
    fingerprint = item.fingerprint if item else counted[-1].fingerprint if counted else ""
    attempts = tuple(takewhile(lambda one: one.fingerprint == fingerprint, reversed(counted)))[::-1]
    stage = _stage(spec, attempts)
    if running:
        stage = Stage.RUNNING
    if spec.suspend and stage is not Stage.COMPLETED:
        stage = Stage.SUSPENDED
    return Outlook(stage, attempts, running)


def _stage(spec: JobSpec, attempts: Sequence[Attempt]) -> Stage:
    if any(one.completed for one in attempts):
        return Stage.COMPLETED
    return Stage.FAILED if len(attempts) > spec.retries else Stage.DUE


def _by_schedule(
    spec: JobSpec, known: History, counted: Sequence[Attempt], running: Observed | None, restarted: float, now: float
) -> Outlook:
    from reconciler.kinds.cron import following, latest, parse, zone  # noqa: PLC0415 -- few jobs have a schedule

    cron, place = parse(spec.schedule), zone(spec.time_zone)
    if spec.suspend:
        return Outlook(Stage.SUSPENDED, running=running)
    slot = max(latest(cron, place, now, known.since) or 0.0, restarted)
    attempts = tuple(one for one in counted if slot and one.started_at >= slot)
    stage = _stage(spec, attempts) if slot else Stage.SCHEDULED
    missed = stage is Stage.DUE and not attempts and spec.missed_runs == "Skip" and now - slot > PATIENCE
    if running:
        stage = Stage.RUNNING
    elif missed or stage is Stage.COMPLETED:
        stage = Stage.SCHEDULED
    return Outlook(stage, attempts, running, slot or None, following(cron, place, now))


def _restarted(resource: Resource, known: History) -> float:
    """When a person last asked for a run, as far as that is not from before we remember anything."""
    told = _moment(resource.annotations.get(RESTARTED, ""))
    return told if told > known.since else 0.0


def _moment(stamp: str) -> float:
    from datetime import datetime  # noqa: PLC0415 -- few jobs are told to run again

    try:
        return float(stamp) if stamp.replace(".", "", 1).isdecimal() else datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0


def standing(found: Outlook) -> Standing:
    """The same in the words that services have."""
    last = found.last
    match found.stage:
        case Stage.COMPLETED:
            return Standing(Stands.COMPLETED, "it has completed")
        case Stage.SCHEDULED if last and last.completed:
            return Standing(Stands.COMPLETED, "it has completed")
        case Stage.FAILED:
            return Standing(Stands.FAILED, failure(found))
        case Stage.RUNNING:
            return Standing(Stands.STARTING, "it runs, and has not come to its end yet")
        case Stage.SCHEDULED:
            return Standing(Stands.ABSENT, "its time has not come yet")
        case Stage.SUSPENDED:
            return Standing(Stands.ABSENT, "it is suspended")
        case _ if last:
            return Standing(Stands.DOWN, said(last))
        case _:
            return Standing(Stands.ABSENT, "it has not been run yet")


def failure(found: Outlook) -> str:
    tries = f", after {len(found.attempts)} attempts" if len(found.attempts) > 1 else ""
    return f"{said(found.last)}{tries}" if found.last else "it failed"


def said(attempt: Attempt) -> str:
    """How a try ended, as a sentence."""
    match attempt.reason:
        case Reason.COMPLETED:
            return "it completed"
        case Reason.DEADLINE:
            return "it took longer than timeoutSeconds, and was stopped"
        case _ if attempt.exit_code is None:
            return "it ended; its exit code is lost"
        case _:
            return f"it exited with code {attempt.exit_code}"


def ends(world: World, key: Key) -> list[Event]:
    """What a look has brought to light of tries that ended."""
    before = {(one.id, one.started_at) for one in world.graph.histories.get(key, NOTHING).attempts}
    new = [one for one in world.history(key).attempts if (one.id, one.started_at) not in before]
    return [_event(key, one, world.now) for one in new]


def _event(key: Key, attempt: Attempt, now: float) -> Event:
    good = attempt.reason in {Reason.COMPLETED, Reason.STOPPED}
    took = (
        "" if attempt.took is None or attempt.reason == Reason.DEADLINE else f", {_span(attempt.took)} after its start"
    )
    kind = "Normal" if good else "Warning"
    return Event(time=now, type=kind, reason=attempt.reason, key=key.instance(0), message=f"{said(attempt)}{took}")


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
