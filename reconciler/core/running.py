"""What to do about a job: start it when it is due, again when it failed, stop it in time, leave it when it ended.

One that has ended is never made anew to be what it ought to be: it was, while it ran.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.backoff import held_back
from reconciler.core.instances import Decision, take_down, unsettled
from reconciler.core.jobs import Outlook, Stage, said
from reconciler.core.past import lies_ahead
from reconciler.core.render import stop_of
from reconciler.core.verdict import outdated
from reconciler.core.world import World
from reconciler.kinds.job import JobSpec
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import RUNS, Observed, Phase
from reconciler.model.plan import Action, Reason, Record, Verb, Wait
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Errand:
    """One job, and what its surroundings say."""

    key: Key
    spec: JobSpec
    service: ServiceSpec
    found: Outlook
    item: Desired | None
    obstacle: Wait | None
    """Why it can't be started now."""
    record: Record | None
    must_go: bool
    """Somebody waits for what is there to leave its network or its port."""


Errands = tuple[Decision, float | None]
"""What is done now, and when to look again though nothing waits for it."""


def run(world: World, errand: Errand) -> Errands:
    seen = world.seen(errand.key, errand.service.place)
    there = [*world.elsewhere(errand.key, errand.service.place), *([seen] if seen else [])]
    busy = next((found for thing in there if (found := unsettled(thing))), None)
    if busy:
        return ((), Wait(errand.key, *busy)), None
    match errand.found.stage:
        case Stage.RUNNING:
            return _running(world, errand, seen, there)
        case Stage.DUE:
            return _due(world, errand, seen, there), None
        case Stage.SUSPENDED:
            return (_stopped(errand, there, "it was suspended"), None), None
        case _:
            return _at_rest(world, errand, there)


def _stopped(errand: Errand, there: Sequence[Observed], cause: str) -> list[Action]:
    stop = stop_of(errand.service)
    return [
        Action(Verb.STOP, errand.key, cause, errand.item, thing, stop=stop) for thing in there if thing.phase in RUNS
    ]


def _running(world: World, errand: Errand, seen: Observed | None, there: Sequence[Observed]) -> Errands:
    """By a schedule it is let run, whatever is declared by now; else what is declared differently begins anew."""
    item, running = errand.item, errand.found.running
    assert running is not None, "it runs"
    if errand.must_go:
        return (_gone(errand, there, "a network that it is in has to be made anew"), None), None
    changed = item is not None and (running is not seen or item.fingerprint != running.fingerprint)
    if changed and not errand.spec.schedule:
        return _anew(world, errand, there, _why(errand, running)), None
    over = _over_at(errand.spec, running, world.now)
    if over is not None and over <= world.now:
        cause = f"it has not come to its end in {errand.spec.timeout_seconds:g} s (timeoutSeconds)"
        held = _held(world, errand)
        return (([] if held else _stopped(errand, [running], cause)), held), None
    if running.phase is Phase.PAUSED and item:
        return ((Action(Verb.ADJUST, errand.key, "it was paused", item, running, ("unpause",)),), None), over
    if errand.spec.schedule:
        return ((), None), over
    return ((), Wait(errand.key, Reason.RUNNING, "it runs, and has not come to its end yet", over)), None


def _over_at(spec: JobSpec, running: Observed, now: float) -> float | None:
    """When its time is up. Nobody can say since when one has run whose start lies ahead of us."""
    if spec.timeout_seconds is None or running.started_at is None or lies_ahead(running.started_at, now):
        return None
    return running.started_at + spec.timeout_seconds


def _at_rest(world: World, errand: Errand, there: Sequence[Observed]) -> Errands:
    """It has ended, or its time has not come: what is left of it goes in time, or when it is in somebody's way."""
    wake = errand.found.next_run
    if errand.must_go:
        return (_gone(errand, there, "a network that it is in has to be made anew"), None), wake
    ttl = errand.spec.ttl_seconds_after_finished
    if ttl is None or not there:
        return ((), None), wake
    ends = [thing.finished_at + ttl for thing in there if thing.finished_at is not None]
    if ends and max(ends) > world.now:
        return ((), None), min([max(ends), *([wake] if wake else [])])
    held = _held(world, errand)
    cause = f"it ended more than {ttl:g} s ago (ttlSecondsAfterFinished)"
    return (([] if held else _gone(errand, there, cause)), held), wake


def _gone(errand: Errand, there: Sequence[Observed], cause: str) -> list[Action]:
    return [action for thing in there for action in take_down(errand.key, thing, cause, errand.service, errand.item)]


def _due(world: World, errand: Errand, seen: Observed | None, there: Sequence[Observed]) -> Decision:
    item, last = errand.item, errand.found.last
    assert item is not None, "who can't be rendered waits for that"
    rival = world.holder(item)
    if rival and (seen is None or seen.name != item.name):
        return (), Wait(item.key, Reason.NAME_CONFLICT, world.conflict(rival))
    if seen and seen.fingerprint == item.fingerprint and there == [seen]:
        if seen.phase is Phase.CREATED:
            return _again(world, errand, seen, "it was never started")
        if last and last.id == seen.id:
            number, most = len(errand.found.attempts) + 1, errand.spec.retries + 1
            return _again(world, errand, seen, f"{said(last)}; attempt {number} of {most}")
    return _anew(world, errand, there, _why(errand, seen))


def _why(errand: Errand, seen: Observed | None) -> str:
    found, last, item = errand.found, errand.found.last, errand.item
    if item and seen and not errand.spec.schedule and item.fingerprint != seen.fingerprint:
        return outdated(item, seen)
    if last:
        return f"{said(last)}; attempt {len(found.attempts) + 1} of {errand.spec.retries + 1}"
    return "it is due" if found.due_at else "it has not been run yet"


def _again(world: World, errand: Errand, seen: Observed, cause: str) -> Decision:
    """The same instance, so that its log goes on where it was."""
    wait = errand.obstacle or _held(world, errand, cause)
    return ((), wait) if wait else ((Action(Verb.START, errand.key, cause, errand.item, seen),), None)


def _anew(world: World, errand: Errand, there: Sequence[Observed], cause: str) -> Decision:
    """What is there stays until the new one can be made."""
    wait = errand.obstacle or _held(world, errand)
    if wait:
        return (), wait
    return (*_gone(errand, there, cause), Action(Verb.CREATE, errand.key, cause, errand.item)), None


def _held(world: World, errand: Errand, cause: str = "") -> Wait | None:
    fingerprint = errand.item.fingerprint if errand.item else ""
    return held_back(errand.key, fingerprint, errand.record, errand.service.restart, world.now, cause)
