"""The runtime in memory is honest: whatever it is told to do, it answers as a real one, and the same is there then.

Properties, previews and the small worlds are worth what it is worth.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import settings

from tests.contract.harness import Harness
from tests.contract.twins import Twins
from tests.convergence.choose import Choose

NIGHTLY = settings.default.max_examples >= 100_000
SHARES = 15
SEQUENCES = 50 if NIGHTLY else 3
STEPS = 8


@pytest.mark.parametrize("share", range(SHARES))
def test_the_same_story_in_memory(harness: Harness, share: int, record_property: Callable[[str, object], None]) -> None:
    for number in range(SEQUENCES):
        seed = share * SEQUENCES + number
        choose = Choose.seeded(seed)
        twins = Twins(harness, f"s{number}", _port(number))
        for _ in range(STEPS):
            twins.step(choose)
        print(f"seed {seed}: {'; '.join(twins.story)}")
    record_property("cases", SEQUENCES)


def _port(number: int) -> int:
    """Of a range that no other test uses, and of this worker's part of it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return 27000 + worker % 16 * 60 + number % 5 * 12
