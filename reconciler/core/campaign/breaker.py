"""Whether it makes sense to go on after so many failures in a row."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Breaker(StrEnum):
    CLOSED = "closed"
    """Go on."""
    OPEN = "open"
    """Wait a while, then try one more."""
    GIVEN_UP = "given up"
    """That one failed too."""


def breaker(worked: Sequence[bool], most: int) -> Breaker:
    """Of the runs that have ended since the campaign was begun or resumed, oldest first. `most` 0 never opens; 1 gives
    up at once.
    """
    in_a_row = 0
    for one in reversed(worked):
        if one:
            break
        in_a_row += 1
    if not most or in_a_row < most:
        return Breaker.CLOSED
    return Breaker.OPEN if in_a_row == most and most > 1 else Breaker.GIVEN_UP
