"""When something started or ended, read from the words "Up 3 minutes" that a list has in place of a time."""

from __future__ import annotations

import re

UNITS = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "week": 7 * 86400.0,
    "month": 30 * 86400.0,
    "year": 365 * 86400.0,
}
AMOUNT = re.compile(r"(Less than a|About an?|\d{1,9}) (second|minute|hour|day|week|month|year)s?\b")
EXIT_CODE = re.compile(r"\((\d{1,9})\)")
SLACK = 1.5
"""The engine's clock, ours, and the time that the answer took."""


def window(status: str, now: float) -> tuple[float, float] | None:
    """The earliest and the latest moment that the words may mean; None when they tell no time."""
    found = AMOUNT.search(status)
    if found is None:
        return None
    unit = UNITS[found[2]]
    least = {"Less than a": 0.0, "About a": unit, "About an": unit}.get(found[1])
    ago = unit * int(found[1]) if least is None else least
    rounded = (
        1800.0 if unit >= UNITS["hour"] else 0.0
    )  # hours are rounded, and what is made of them; the rest is cut off
    return now - ago - unit, now - ago + rounded


def exit_code(status: str) -> int | None:
    found = EXIT_CODE.search(status)
    return int(found[1]) if found else None


class Moments:
    """Keeps what it said before, as long as the words still agree: a time that trembled would look like a restart."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], float] = {}

    def tell(self, thing: str, which: str, status: str, now: float) -> float | None:
        bounds = window(status, now)
        if bounds is None:
            return None
        said = self._said.get((thing, which))
        if said is None or not bounds[0] - SLACK <= said <= bounds[1] + SLACK:
            said = self._said[thing, which] = bounds[1]
        return said

    def learn(self, thing: str, which: str, exact: float | None) -> None:
        if exact is not None:
            self._said[thing, which] = exact

    def forget(self, thing: str, which: str) -> None:
        """It begins anew: what was said before is about an earlier life, however near."""
        self._said.pop((thing, which), None)

    def forget_all_but(self, things: set[str]) -> None:
        for known in list(self._said):  # a copy: another thread may look at the same time
            if known[0] not in things:
                self._said.pop(known, None)
