"""Moments that are written down, and a clock that may have been set back since."""

from __future__ import annotations

TREMBLE = 2.0
"""Seconds. An engine tells a start by the second, and clocks are put right a little now and then."""


def lies_ahead(moment: float, now: float) -> bool:
    """What has happened can't. A moment that does was told by a clock that was ahead: nobody knows when it was, and
    who counts from it may wait for a year. So it was long ago.
    """
    return moment > now + TREMBLE
