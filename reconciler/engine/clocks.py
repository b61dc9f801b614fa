"""Time, for those who come to an end and for those who do not."""

from __future__ import annotations

import time


class WallClock:
    """As everybody tells the time. Somebody may set it by a year, while we look at it."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class SteadyClock(WallClock):
    """As everybody told the time when it began, and since then as many seconds as have really passed: for who has
    promised to be done in so many. One that lives for months would show a time that was put right long ago.
    """

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._ahead
