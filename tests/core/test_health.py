"""What probes' answers amount to: Kubernetes' rules, with an eager eye until the first good answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.health import ProbeState, Role, advance, due, health
from reconciler.kinds.probes import Probe, Probes, TcpSocket
from reconciler.model.observed import Health

STARTUP, READINESS, LIVENESS = Role.STARTUP, Role.READINESS, Role.LIVENESS


def probe(period: float = 10.0, failures: int = 3, successes: int = 1, delay: float = 0.0) -> Probe:
    return Probe(
        tcp_socket=TcpSocket(port=80),
        period_seconds=period,
        failure_threshold=failures,
        success_threshold=successes,
        initial_delay_seconds=delay,
    )


class Patient:
    """One instance under observation, asked whenever something is due."""

    def __init__(self, spec: Probes, since: float = 0.0) -> None:
        self.spec, self.state, self.now = spec, ProbeState(since), since
        self.asked: list[tuple[float, Role]] = []

    def until(self, end: float, well: Callable[[float, Role], bool | None]) -> Patient:
        """Live through the time, and answer."""
        while True:
            for role in due(self.spec, self.state, self.now):
                self.asked.append((round(self.now, 3), role))
                self.answer(role, well(self.now, role))
            following = self.health.next_probe
            if following is None or following >= end:
                self.now = end
                return self
            self.now = following

    def answer(self, role: Role, ok: bool | None, message: str = "no") -> None:
        self.state = advance(self.spec, self.state, role, ok, message, self.now)

    @property
    def health(self) -> Health:
        return health(self.spec, self.state, self.now)

    def times(self, role: Role) -> list[float]:
        return [time for time, asked in self.asked if asked is role]


def never(_now: float, _role: Role) -> bool:
    return False


def always(_now: float, _role: Role) -> bool:
    return True


def from_then_on(time: float) -> Callable[[float, Role], bool]:
    return lambda now, _role: now >= time


def test_readiness_is_asked_at_once_and_then_less_and_less_eagerly_until_it_is_good() -> None:
    patient = Patient(Probes(readiness=probe())).until(9, from_then_on(8))

    times = patient.times(READINESS)
    gaps = [b - a for a, b in pairwise(times)]
    assert times[0] == 0
    assert gaps == pytest.approx([0.2, 0.3, 0.45, 0.675, 1.0125, 1.51875, 2.0, 2.0], abs=0.002)
    assert patient.health.ready


def test_once_good_it_is_asked_once_per_period() -> None:
    patient = Patient(Probes(readiness=probe())).until(45, always)

    assert patient.times(READINESS) == [0, 10, 20, 30, 40]


def test_a_period_shorter_than_our_eagerness_is_kept() -> None:
    patient = Patient(Probes(readiness=probe(period=0.1))).until(0.45, never)

    assert patient.times(READINESS) == [0, 0.1, 0.2, 0.3, 0.4]


def test_readiness_is_lost_only_after_so_many_failures_in_a_row_and_won_back() -> None:
    patient = Patient(Probes(readiness=probe()))
    seen = []
    for ok in (True, False, False, True, False, False, False, True):
        patient.answer(READINESS, ok)
        seen.append(patient.health.ready)

    assert seen == [True, True, True, True, True, True, False, True]
    assert patient.health.live


def test_readiness_needs_as_many_good_answers_in_a_row_as_were_asked_for() -> None:
    patient = Patient(Probes(readiness=probe(successes=3)))
    seen = []
    for ok in (True, True, False, True, True, True):
        patient.answer(READINESS, ok)
        seen.append(patient.health.ready)

    assert seen == [False, False, False, False, False, True]


def test_the_others_are_not_asked_until_startup_has_succeeded() -> None:
    patient = Patient(Probes(startup=probe(), readiness=probe(), liveness=probe())).until(9, from_then_on(5))

    first = {role: patient.times(role)[0] for role in Role if patient.times(role)}
    assert first[STARTUP] == 0
    assert min(first[READINESS], first[LIVENESS]) >= 5
    assert patient.health == Health(
        started=True, ready=True, live=True, message="", next_probe=patient.health.next_probe,
        ready_since=pytest.approx(min(first[READINESS], first[LIVENESS]), abs=0.001),
    )  # fmt: skip


def test_startup_is_not_asked_again_once_it_has_succeeded() -> None:
    patient = Patient(Probes(startup=probe())).until(100, always)

    assert patient.times(STARTUP) == [0]
    assert patient.health == Health(ready_since=0)


@pytest.mark.parametrize(("period", "failures"), [(10.0, 3), (1.0, 1), (2.0, 30), (0.1, 4)])
def test_startup_has_as_long_as_declared_and_not_longer(period: float, failures: int) -> None:
    """That is failureThreshold x periodSeconds, however often it was asked in that time."""
    spec = Probes(startup=probe(period, failures))
    budget = period * failures

    assert Patient(spec).until(budget * 0.99, never).health.live
    given_up = Patient(spec).until(budget + min(period, 2.01), never).health
    assert not given_up.live
    assert not given_up.ready
    assert given_up.next_probe is None
    assert given_up.message == f"startup probe has not succeeded within {budget:g} s: no"


def test_startup_that_succeeds_late_but_in_time_lives() -> None:
    patient = Patient(Probes(startup=probe(10, 3))).until(60, from_then_on(29))

    assert patient.health == Health(ready_since=pytest.approx(patient.times(STARTUP)[-1], abs=0.001))


def test_it_is_ready_since_it_answers_well_and_anew_after_each_break() -> None:
    patient = Patient(Probes(readiness=probe(period=1.0, failures=2))).until(8, from_then_on(5))
    became = patient.health.ready_since
    assert became is not None
    assert 5 <= became < 7
    patient.until(10, lambda now, _: now < 9 or now >= 9.9)  # one bad answer is no break yet
    assert patient.health.ready_since == became
    patient.until(14, never)
    assert patient.health.ready_since is None
    patient.until(20, always)
    assert 14 <= (patient.health.ready_since or 0) < 16


def test_who_is_well_when_first_seen_is_ready_since_it_could_have_been_asked() -> None:
    """Or each command that looks would begin to count anew."""
    spec = Probes(readiness=probe(delay=20))
    state = advance(spec, ProbeState(since=100.0), READINESS, True, "", 500.0)
    assert health(spec, state, 500.0).ready_since == 120.0
    watched = advance(spec, ProbeState(since=100.0, witnessed=True), READINESS, True, "", 125.0)
    assert health(spec, watched, 125.0).ready_since == 125.0


def test_liveness_fails_for_good_after_so_many_periods_however_often_it_was_asked() -> None:
    patient = Patient(Probes(liveness=probe(failures=3))).until(15, never)

    assert patient.health.live
    assert patient.health.message == "liveness probe: no"

    patient.until(25, never)

    assert not patient.health.live
    assert not patient.health.ready
    assert patient.health.message == "liveness probe has failed 3 times in a row: no"
    assert due(patient.spec, patient.state, 1e9) == ()


def test_who_was_never_called_alive_since_its_start_is_not_ready_though_nobody_gave_it_up_yet() -> None:
    patient = Patient(Probes(liveness=probe(failures=3)))
    assert (patient.health.ready, patient.health.message) == (False, "liveness probe: not asked yet")

    patient.answer(LIVENESS, False)
    assert (patient.health.live, patient.health.ready, patient.health.message) == (True, False, "liveness probe: no")

    patient.answer(LIVENESS, True)
    patient.answer(LIVENESS, False)
    assert patient.health.ready, "what was well may fail as often as is declared"


def test_liveness_that_begins_late_holds_up_nobody_whose_readiness_has_spoken() -> None:
    late = Probes(readiness=probe(), liveness=probe(delay=30))
    assert Patient(late).until(5, always).health.ready
    assert not Patient(late).until(31, lambda _now, role: role is READINESS).health.ready


def test_how_often_a_probe_has_failed_by_now_makes_no_new_message() -> None:
    patient = Patient(Probes(readiness=probe(failures=2)))
    told = set()
    for ok in (True, False, False, False, False, False):
        patient.answer(READINESS, ok)
        told.add(patient.health.message)

    assert told == {"", "readiness probe: no", "readiness probe has failed 2 times in a row: no"}


def test_one_good_answer_makes_liveness_start_counting_anew() -> None:
    patient = Patient(Probes(liveness=probe()))
    for ok in (False, False, True, False, False):
        patient.answer(LIVENESS, ok)

    assert patient.health.live


def test_what_could_not_be_asked_proves_nothing() -> None:
    """An engine that is away kills nobody."""
    patient = Patient(Probes(startup=probe(1, 1), readiness=probe(), liveness=probe(1, 1)))
    patient.until(100, lambda _now, _role: None)

    assert patient.health.live
    assert not patient.health.started

    patient.until(101, always).until(1000, lambda _now, _role: None)

    assert patient.health.ready
    assert patient.health.live


def test_the_first_question_waits_for_the_initial_delay_after_the_start() -> None:
    patient = Patient(Probes(readiness=probe(delay=5)), since=100).until(106, always)

    assert patient.times(READINESS) == [105]
    assert Patient(Probes(readiness=probe(delay=5))).health.message == "readiness probe: first asked in 5 s"


def test_a_clock_set_back_does_not_stop_the_questions() -> None:
    patient = Patient(Probes(readiness=probe()), since=1000).until(1001, always)

    assert due(patient.spec, patient.state, 500) == (READINESS,)
    patient.now = 500
    patient.until(531, never)
    assert patient.times(READINESS)[-1] == 530
    assert not patient.health.ready


def test_a_long_silence_counts_as_one_failure_not_many() -> None:
    """After a suspend, or a pause of ours."""
    patient = Patient(Probes(startup=probe(10, 3))).until(1, never)
    patient.now = 10_000
    patient.answer(STARTUP, False)

    assert patient.health.live


def test_without_probes_all_is_well() -> None:
    assert health(Probes(), ProbeState(0), 5) == Health()


def probes() -> st.SearchStrategy[Probe]:
    return st.builds(
        probe,
        st.sampled_from([0.1, 0.5, 1.0, 3.0, 10.0]),
        st.integers(1, 4),
        st.integers(1, 3),
        st.sampled_from([0.0, 0.0, 2.5]),
    )


SPECS = st.builds(Probes, startup=st.none() | probes(), readiness=st.none() | probes(), liveness=st.none() | probes())
ANSWERS = st.lists(st.sampled_from([True, True, False, False, None]), min_size=1, max_size=60)


def lives(spec: Probes, answers: list[bool | None]) -> Iterator[tuple[Patient, Health]]:
    """The healths along a life, each question answered with the next answer."""
    patient, script = Patient(spec), iter(answers)
    while (told := patient.health).next_probe is not None:
        yield patient, told
        patient.now = told.next_probe
        roles = due(spec, patient.state, patient.now)
        assert roles, "what is announced as the next probe is due then"
        for role in roles:
            if (ok := next(script, "end")) == "end":
                return
            patient.answer(role, ok)  # type: ignore[arg-type]
            assert role not in due(spec, patient.state, patient.now), "who has just been asked is not asked again"
    yield patient, told


@given(SPECS, ANSWERS)
def test_ready_means_started_and_live(spec: Probes, answers: list[bool | None]) -> None:
    for _, told in lives(spec, answers):
        assert not told.ready or (told.started and told.live)


@given(SPECS, ANSWERS)
def test_started_and_dead_are_for_good(spec: Probes, answers: list[bool | None]) -> None:
    started, dead = False, False
    for _, told in lives(spec, answers):
        assert told.started or not started
        assert not (told.live and dead)
        started, dead = told.started, not told.live


@given(SPECS, ANSWERS)
def test_only_failures_of_startup_or_liveness_kill(spec: Probes, answers: list[bool | None]) -> None:
    harmless = Probes(readiness=spec.readiness)
    assert all(told.live for _, told in lives(harmless, answers))
    assert all(told.live for _, told in lives(spec, [ok or None for ok in answers]))


@given(SPECS, ANSWERS)
def test_time_to_the_next_question_is_never_more_than_the_period_or_the_delay(
    spec: Probes, answers: list[bool | None]
) -> None:
    for patient, told in lives(spec, answers):
        limits = [
            max(p.period_seconds, p.initial_delay_seconds) for p in (spec.startup, spec.readiness, spec.liveness) if p
        ]
        if told.next_probe is not None:
            assert patient.now <= told.next_probe <= patient.now + max(limits)


@given(SPECS)
def test_who_always_answers_well_becomes_ready_and_stays(spec: Probes) -> None:
    patient = Patient(spec).until(100, always)

    assert (patient.health.started, patient.health.ready, patient.health.live) == (True, True, True)
    assert patient.health.message == ""
