"""Whatever the world was, and whatever went wrong on the way: once faults stop it becomes as declared, and stays.

`make test` tells the same 2,000 stories each time; HYPOTHESIS_PROFILE=nightly tells 100,000 that nobody has heard.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.convergence.choose import Choose
from tests.convergence.promises import PROMISES, Promise
from tests.convergence.story import tell

pytestmark = pytest.mark.timeout(900)
NIGHTLY = settings.default.max_examples >= 100_000
STORIES = 100_000 if NIGHTLY else 2_000
SHARES = STORIES // 250
"""Small ones, so that all cores have their part and each test its time."""
EACH_PROMISE = 400 if NIGHTLY else 60


@pytest.mark.parametrize("share", range(SHARES))
def test_any_world_settles_and_then_stays_silent(share: int, record_property: Callable[[str, object], None]) -> None:
    told = _run(lambda choose: tell(choose, event if NIGHTLY else _unheard), STORIES // SHARES, share)
    record_property("cases", told)
    print(f"{told} stories")


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_it_is_promised_that(promise: Promise, record_property: Callable[[str, object], None]) -> None:
    record_property("cases", _run(promise, EACH_PROMISE, 0))


def _unheard(_event: str) -> None:
    """Statistics are for those who draw."""


def _run(story: Callable[[Choose], None], examples: int, share: int) -> int:
    """The number of cases that were tried. By day they are the same each time, and need nobody who draws and shrinks:
    a seed that fails is its own short name.
    """
    if NIGHTLY:
        return _drawn(story, examples)
    for number in range(examples):
        seed = share * examples + number
        try:
            story(Choose.seeded(seed))
        except Exception as failure:
            failure.add_note(f"told by Choose.seeded({seed})")
            raise
    return examples


def _drawn(story: Callable[[Choose], None], examples: int) -> int:
    told = 0

    @settings(max_examples=examples, database=None)
    @given(st.data())
    def property_(data: st.DataObject) -> None:
        nonlocal told
        told += 1
        story(Choose.drawn(data))

    property_()
    return told
