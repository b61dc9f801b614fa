"""What the answers of probes amount to, with Kubernetes' meaning of startup, readiness and liveness.

Until the startup probe has succeeded the other two are not asked; if it does not succeed within
failureThreshold x periodSeconds the instance is beyond hope. Readiness comes and goes. Liveness that fails
failureThreshold times in a row is beyond hope too: who is not live is started anew, never waited for.

Unlike Kubernetes we ask often until the first good answer: being quick to notice that something works costs
little. A bad answer in that time counts at most once per periodSeconds, so the patience is the declared one.

And unlike there, what its liveness probe has called dead ever since its start is not Ready: an instance that is
started anew every minute would look well in between.
"""

from __future__ import annotations

from dataclasses import field, replace
from enum import StrEnum

from reconciler.kinds.probes import Probe, Probes
from reconciler.model.observed import Health
from reconciler.values import dataclass

EAGER_SECONDS = 0.2
EAGER_GROWTH = 1.5
EAGER_MAX_SECONDS = 2.0


class Role(StrEnum):
    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"


@dataclass(frozen=True, slots=True)
class Answers:
    """What one probe of one instance has said so far."""

    asked: int = 0
    asked_at: float = 0.0
    successes: int = 0
    """In a row."""
    failures: int = 0
    """In a row, as far as they count."""
    counted_at: float = 0.0
    """Since when a failure may count again, less one period."""
    answered_well: bool = False
    """At least once: no more eagerness."""
    good: bool = False
    bad: bool = False
    """Passed a threshold; neither before the first one is passed."""
    message: str = ""
    """Of the last bad answer, while it is the last."""


@dataclass(frozen=True, slots=True)
class ProbeState:
    """All that is remembered of one life of one instance. Another start begins another state."""

    since: float
    """When it started, or was first seen."""
    answers: dict[Role, Answers] = field(default_factory=dict)
    witnessed: bool = False
    """Whether it was seen not to be Ready yet: then it is known when it became so."""
    ready_since: float | None = None

    def of(self, role: Role) -> Answers:
        return self.answers.get(role, NO_ANSWERS)


NO_ANSWERS = Answers()


def due(spec: Probes, state: ProbeState, now: float) -> tuple[Role, ...]:
    """Which probes are to be asked now."""
    return tuple(role for role, probe in _askable(spec, state) if _time_has_come(probe, role, state, now))


def advance(spec: Probes, state: ProbeState, role: Role, ok: bool | None, message: str, now: float) -> ProbeState:
    """The state after an answer. None is no answer at all: it could not be asked, which proves nothing."""
    probe = probe_of(spec, role)
    if probe is None:
        return state
    before = state.of(role)
    asked = replace(before, asked=before.asked + 1, asked_at=now, message="" if ok else message)
    if not before.asked:
        asked = replace(asked, counted_at=now)
    match ok:
        case True:
            after = _succeeded(probe, asked)
        case False:
            after = _failed(probe, role, asked, now)
        case None:
            after = asked
    state = replace(state, witnessed=state.witnessed or ok is False)
    found = replace(state, answers={**state.answers, role: after})
    return replace(found, ready_since=_ready_since(spec, state, found, now))


def _ready_since(spec: Probes, before: ProbeState, after: ProbeState, now: float) -> float | None:
    """Of one that is Ready when it is first looked at, long after its start, nobody knows since when. It has served
    all the while, as far as anybody can say: or each command would begin to count anew.
    """
    if not _ready(spec, after):
        return None
    if _ready(spec, before) and before.ready_since is not None:
        return before.ready_since
    delays = (probe.initial_delay_seconds for probe in (spec.startup, spec.readiness) if probe)
    return now if after.witnessed else min(after.since + max(delays, default=0.0), now)


def health(spec: Probes, state: ProbeState, now: float) -> Health:
    """What it amounts to, and when to ask next."""
    live = not _beyond_hope(state)
    ready = _ready(spec, state)
    times = [_next_time(probe, role, state) for role, probe in _askable(spec, state)]
    return Health(
        started=_started(spec, state),
        ready=ready,
        live=live,
        known=ready or not live or any(state.of(role).message for role in Role),
        message=_message(spec, state, now),
        next_probe=max(min(times), now) if times else None,
        ready_since=state.ready_since if ready else None,
    )


def _ready(spec: Probes, state: ProbeState) -> bool:
    return _started(spec, state) and not _beyond_hope(state) and _well(spec, state)


def _started(spec: Probes, state: ProbeState) -> bool:
    return spec.startup is None or state.of(Role.STARTUP).good


def _well(spec: Probes, state: ProbeState) -> bool:
    """By what the probes of this run said. Liveness that nobody has asked yet is left to who spoke already."""
    if spec.readiness and not state.of(Role.READINESS).good:
        return False
    liveness = state.of(Role.LIVENESS)
    spoken = liveness.asked == 0 and (spec.readiness or spec.startup) is not None
    return spec.liveness is None or liveness.good or spoken


def _askable(spec: Probes, state: ProbeState) -> list[tuple[Role, Probe]]:
    """In the order of their roles. Nothing is asked of what will be started anew in any case."""
    if _beyond_hope(state):
        return []
    if spec.startup and not state.of(Role.STARTUP).good:
        return [(Role.STARTUP, spec.startup)]
    pairs = ((Role.READINESS, spec.readiness), (Role.LIVENESS, spec.liveness))
    return [(role, probe) for role, probe in pairs if probe]


def _beyond_hope(state: ProbeState) -> bool:
    return state.of(Role.STARTUP).bad or state.of(Role.LIVENESS).bad


def _time_has_come(probe: Probe, role: Role, state: ProbeState, now: float) -> bool:
    """Also when the clock was set back: neither the start nor the last question can lie in the future."""
    answers = state.of(role)
    return now >= _next_time(probe, role, state) or now < (answers.asked_at if answers.asked else state.since)


def _next_time(probe: Probe, role: Role, state: ProbeState) -> float:
    answers = state.of(role)
    if not answers.asked:
        return state.since + probe.initial_delay_seconds
    return answers.asked_at + _pause(probe, answers)


def _pause(probe: Probe, answers: Answers) -> float:
    if answers.answered_well:
        return probe.period_seconds
    grown = EAGER_SECONDS * EAGER_GROWTH ** min(answers.asked - 1, 10)
    return min(grown, EAGER_MAX_SECONDS, probe.period_seconds)


def _succeeded(probe: Probe, answers: Answers) -> Answers:
    successes = answers.successes + 1
    good = answers.good or successes >= probe.success_threshold
    return replace(
        answers, successes=successes, failures=0, answered_well=True, good=good, bad=False if good else answers.bad
    )


def _failed(probe: Probe, role: Role, answers: Answers, now: float) -> Answers:
    first = role is Role.LIVENESS and answers.asked == 1
    if not answers.answered_well and not first and _ticks(answers.counted_at, probe.period_seconds, now) == 0:
        return replace(answers, successes=0)
    failures = answers.failures + 1
    bad = answers.bad or failures >= probe.failure_threshold
    return replace(
        answers,
        successes=0,
        failures=failures,
        counted_at=_last_tick(answers.counted_at, probe.period_seconds, now),
        good=answers.good and not bad,
        bad=bad,
    )


def _ticks(since: float, period: float, now: float) -> int:
    """Whole periods between; sums of floats that fall short by a hair are whole. -1 when the clock was set back."""
    return int((now - since) / period + 0.01) if now >= since else -1


def _last_tick(since: float, period: float, now: float) -> float:
    """The end of the last whole period, so that slow questions don't stretch the patience."""
    ticks = _ticks(since, period, now)
    return since + ticks * period if ticks >= 0 else now


def _message(spec: Probes, state: ProbeState, now: float) -> str:
    """What a person should know first."""
    for role in (Role.STARTUP, Role.LIVENESS, Role.READINESS):
        probe, answers = probe_of(spec, role), state.of(role)
        if probe is None:
            continue
        if answers.message:
            return f"{role} probe{_how_often(probe, role, answers)}: {answers.message}"
        if not answers.asked and (role is not Role.LIVENESS or not (spec.startup or spec.readiness)):
            return _not_asked_yet(probe, role, state, now)
    return ""


def _how_often(probe: Probe, role: Role, answers: Answers) -> str:
    if answers.bad and role is Role.STARTUP:
        return f" has not succeeded within {probe.failure_threshold * probe.period_seconds:g} s"
    if answers.bad and probe.failure_threshold > 1:
        # Not how often by now: each number would be another message, and another event.
        return f" has failed {probe.failure_threshold} times in a row"
    return ""


def _not_asked_yet(probe: Probe, role: Role, state: ProbeState, now: float) -> str:
    pause = _next_time(probe, role, state) - now
    return f"{role} probe: first asked in {pause:.0f} s" if pause >= 1 else f"{role} probe: not asked yet"


def probe_of(spec: Probes, role: Role) -> Probe | None:
    match role:
        case Role.STARTUP:
            return spec.startup
        case Role.READINESS:
            return spec.readiness
        case Role.LIVENESS:
            return spec.liveness
