"""Whatever the world was, and whatever went wrong on the way: once faults stop it becomes as declared, and stays."""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.convergence.choose import Choose
from tests.convergence.story import tell

SHARES = 8
"""One test each, so that all cores have their part."""


@pytest.mark.parametrize("share", range(SHARES))
def test_any_world_settles_and_then_stays_silent(share: int) -> None:
    told = 0

    @settings(max_examples=250)
    @given(st.data())
    def story(data: st.DataObject) -> None:
        nonlocal told
        told += 1
        tell(Choose.drawn(data), event)

    story()
    print(f"{told} stories")
