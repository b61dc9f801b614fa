"""Whether a round of passes can be spared. Two hundred services at rest are to cost next to nothing.

What is compared was taken in before the passes that found everything in order: so whatever has changed since then,
even while they looked, shows as a difference. What a glance can't see (a limit that somebody changed while the
engine's events were lost) is found by the round that is made every so often in any case.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.ports import Glancing

MOST = 20
"""Rounds that may be spared one after another: ten minutes."""


class Stillness:
    def __init__(self, places: Iterable[Glancing]) -> None:
        self._places = places
        self._before: tuple[str, ...] = ()
        self._spared = 0

    def still(self, *, at_rest: bool) -> bool:
        """Asked once a round. `at_rest`: the passes since the last one have left nothing to do or to wait for."""
        now = tuple(place.glance() for place in self._places)
        if at_rest and all(now) and now == self._before and self._spared < MOST:
            self._spared += 1
            return True
        self._before, self._spared = now, 0
        return False

    def disturb(self) -> None:
        """Somebody knows that something has changed, wherever it was."""
        self._before = ()
