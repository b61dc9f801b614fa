"""K21: how long something that keeps failing is left alone, and what is remembered of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.backoff import earliest, held_back, remember, remembered
from reconciler.core.planner import plan
from reconciler.kinds.service import Restart
from reconciler.kinds.workload import Resources
from reconciler.model.desired import Desired, NetworkPayload
from reconciler.model.key import Key
from reconciler.model.observed import Facts
from reconciler.model.plan import Action, Outcome, Reason, Record, Result, Verb
from tests.core.build import NOW, changed, container, graph, key, settled

RESTART = Restart(initial_seconds=1, max_seconds=8, reset_after_seconds=60)


def outcome(verb: Verb = Verb.START, result: Result = Result.DONE, fingerprint: str = "f", **said: object) -> Outcome:
    desired = Desired(key=key("web"), runtime="docker", payload=NetworkPayload(), fingerprint=fingerprint, owner="me")
    return Outcome(Action(verb, key("web"), "because", desired), result, **said)


def test_the_first_restart_comes_at_once_and_pauses_double_up_to_a_limit() -> None:
    for n, pause in enumerate([1, 2, 4, 8, 8, 8], start=1):
        assert pause * 0.9 <= earliest(key("web"), Record(n, NOW), RESTART) - NOW <= pause
    assert earliest(key("web"), Record(0, NOW), RESTART) == 0


def test_what_failed_at_one_moment_is_tried_again_at_different_ones_and_always_at_the_same() -> None:
    patient = replace(RESTART, max_seconds=300)
    names = [f"s{number}" for number in range(20)]

    def due() -> list[float]:
        return [earliest(key(name), Record(9, NOW), patient) - NOW for name in names]

    assert due() == due()
    assert max(due()) - min(due()) > 300 * 0.07
    ordered = sorted(due())
    assert max(b - a for a, b in pairwise(ordered)) < 300 * 0.03


@given(st.integers(0, 10_000))
def test_a_pause_is_never_longer_than_the_limit(failures: int) -> None:
    assert earliest(key("web"), Record(failures, NOW), RESTART) <= NOW + 8


def test_a_restart_counts_as_a_failure_that_came_before() -> None:
    first = remember(None, outcome(), RESTART, NOW)
    second = remember(first, outcome(), RESTART, NOW + 1)
    assert (first.failures, second.failures, second.restarts) == (1, 2, 2)


def test_a_refusal_is_remembered_with_its_reason() -> None:
    record = remember(None, outcome(Verb.CREATE, Result.REFUSED, reason="Denied", message="no"), RESTART, NOW)
    assert (record.failures, record.reason, record.message) == (1, "Denied", "no")


def test_an_unknown_outcome_is_not_a_failure() -> None:
    assert remember(None, outcome(Verb.CREATE, Result.UNKNOWN), RESTART, NOW) is None


def test_a_create_that_went_well_wipes_the_slate_and_keeps_the_count_of_restarts() -> None:
    record = remember(Record(4, NOW, "f", "Denied", "no", 3, (80,)), outcome(Verb.CREATE), RESTART, NOW)
    assert (record.failures, record.reason, record.restarts, record.avoid) == (0, "", 3, ())


def test_a_changed_spec_is_tried_at_once() -> None:
    record = Record(9, NOW, "f")
    assert held_back(key("web"), "f", record, RESTART, NOW + 1).reason is Reason.BACK_OFF
    assert held_back(key("web"), "other", record, RESTART, NOW + 1) is None


def test_refused_ports_are_remembered_over_a_changed_spec() -> None:
    """The spec may differ because of them: another port is another fingerprint."""
    record = remember(None, outcome(result=Result.REFUSED, port=80), RESTART, NOW)
    record = remember(record, outcome(result=Result.REFUSED, port=81, fingerprint="g"), RESTART, NOW)
    assert (record.avoid, record.failures) == ((80, 81), 1)


def test_a_good_stretch_makes_the_pause_small_again() -> None:
    record = Record(5, NOW, "f")
    assert remember(record, outcome(), RESTART, NOW + 30).failures == 6
    assert remember(record, outcome(), RESTART, NOW + 8 + 61).failures == 1


def test_the_pause_itself_is_no_good_stretch() -> None:
    patient = replace(RESTART, max_seconds=300)
    record = Record(8, NOW, "f")
    assert remember(record, outcome(), patient, NOW + 128 + 1).failures == 9


def test_what_had_gone_already_is_nobodys_failure() -> None:
    web = graph(container("web"))
    assert remembered(web, {}, [outcome(Verb.STOP, Result.REFUSED, reason="Gone")], NOW) == {}


def test_a_pass_is_remembered_outcome_by_outcome() -> None:
    web = graph(container("web", restart=RESTART))
    outcomes = [outcome(Verb.STOP), outcome(), outcome(Verb.ADJUST, Result.FAILED, reason="Internal")]
    assert remembered(web, {}, outcomes, NOW)[key("web")].failures == 2


def test_how_often_is_said_in_words() -> None:
    assert "tried once" in held_back(key("web"), "f", Record(1, NOW, "f"), RESTART, NOW).message
    assert (
        "it ended; tried 3 times" in held_back(key("web"), "f", Record(3, NOW, "f"), RESTART, NOW, "it ended").message
    )


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("image", "other"),
        ("limits", {"memory": None}),  # the engine said yes, and its kernel can't
        ("engine_restart", "always"),
        ("networks", {"shop-default": ("another-name",)}),
    ],
)
def test_what_looks_wrong_whatever_is_done_about_it_is_done_ever_more_seldom(field: str, found: object) -> None:
    """Some engine may tell a field in a way that we take for another value: that must not go on for ever."""
    wanted = graph(container("web", resources=Resources(memory="1Gi")))
    snapshot = changed(settled(wanted), key("web"), facts=Facts({field: found}))
    journal: dict[Key, Record] = {}
    acted, now = [], NOW
    for _ in range(120):
        actions = plan(wanted, snapshot, journal, now).actions
        if actions:
            acted.append(now - NOW)
        outcomes = [Outcome(action, Result.DONE) for action in actions]
        journal |= {k: record for k, record in remembered(wanted, journal, outcomes, now).items() if record}
        now += 0.5
    assert acted[:4] == [0.0, 1.0, 3.0, 7.0]
    assert len(acted) < 8
