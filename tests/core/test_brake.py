"""The brake and the waves, as values."""

from __future__ import annotations

import pytest

from reconciler.core.brake import brake, plan_hash
from reconciler.core.waves import WAVE, step, wave_fault, wave_of
from reconciler.kinds.config import ConfigSpec
from reconciler.model.key import Key
from reconciler.model.resource import Resource


def keys(count: int) -> list[Key]:
    return [Key("service", "shop", f"s{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("brought", "going", "stays", "held"),
    [
        (0, 0, True, False),
        (5, 0, False, False),
        (1, 1, True, False),  # the only one was renamed
        (1, 1, False, True),
        (2, 1, True, False),
        (2, 2, True, False),
        (3, 1, True, True),  # a third is more than 30 %
        (3, 2, True, True),
        (3, 3, True, True),
        (3, 3, False, True),
        (4, 1, True, False),
        (4, 2, True, True),
        (10, 3, True, False),
        (10, 4, True, True),
        (100, 10, True, False),
        (100, 11, True, True),
    ],
)
def test_F43_what_is_held_and_what_is_not(brought: int, going: int, stays: bool, held: bool) -> None:
    why = brake(keys(brought), keys(brought)[:going], stays=stays)
    assert bool(why) == held
    assert not held or f"{going} of {brought} objects" in why


def test_a_policy_may_be_stricter_or_laxer() -> None:
    assert brake(keys(10), keys(10)[:1], stays=True, most=0)
    assert not brake(keys(10), keys(10)[:9], stays=True, share=0.9)
    assert brake(keys(10), keys(10), stays=False, most=100, share=1.0), "all is all"


def test_a_plan_is_this_source_this_reason_and_these_facts() -> None:
    one, other = Key("source", "shop", "a"), Key("source", "shop", "b")
    plans = [plan_hash(one, "Braked", "x", "y"), plan_hash(one, "Braked", "xy"), plan_hash(one, "Rewound", "x", "y")]
    assert len({*plans, plan_hash(other, "Braked", "x", "y"), plan_hash(one, "Braked", "y", "x")}) == 5
    assert plans[0] == plan_hash(one, "Braked", "x", "y")


def resource(name: str, wave: str | None = None) -> Resource:
    notes = {} if wave is None else {WAVE: wave}
    return Resource(Key("config", "shop", name), ConfigSpec(), annotations=notes)


EARLY, MIDDLE, LATE = resource("early", "-1"), resource("middle"), resource("late", "7")
ALL = [LATE, MIDDLE, EARLY]


@pytest.mark.parametrize(
    ("changed", "ready", "keep", "last"),
    [
        ([], [], [], True),  # all is in force: nobody waits for who is not Ready
        ([EARLY, MIDDLE, LATE], [], [EARLY], False),
        ([MIDDLE, LATE], [], [], False),
        ([MIDDLE, LATE], [EARLY], [MIDDLE], False),
        ([LATE], [EARLY], [], False),
        ([LATE], [EARLY, MIDDLE], [LATE], True),
        ([EARLY], [MIDDLE, LATE], [EARLY], True),
    ],
)
def test_a_wave_comes_when_those_before_it_are_ready(
    changed: list[Resource], ready: list[Resource], keep: list[Resource], last: bool
) -> None:
    found = step(ALL, {r.key for r in changed}, {r.key for r in ready})
    assert (list(found.keep), found.last) == (keep, last)
    assert bool(found.waiting) != last


def test_who_says_nothing_is_in_wave_0_and_words_are_no_waves() -> None:
    assert [wave_of(r) for r in (EARLY, MIDDLE, LATE)] == [-1, 0, 7]
    assert [bool(wave_fault(resource("x", text))) for text in ("1", "-3", "", "one", "1.5", "9" * 9)] == [
        False, False, True, True, True, True
    ]  # fmt: skip


def test_all_that_would_go_is_named_and_of_very_much_how_much_more() -> None:
    assert all(key.short in brake(keys(12), keys(12), stays=False) for key in keys(12))
    assert "and 60 more" in brake(keys(100), keys(100), stays=False)
