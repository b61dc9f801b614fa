"""`logs -f` of several instances: where one is replaced or begins anew, it goes on with what comes after it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.errors import Gone

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts
    from reconciler.model.observed import Observed

INTERVAL = 0.5
PATIENCE = 3.0
"""So long after the end of the last one somebody new may still come: all may be replaced at once."""

Read = Callable[["Observed", "float | None"], Iterator[bytes]]
"""All that one of them writes; with a time, only from then on."""


class Succession:
    """Of all that are followed together, each in its own thread. It ends when none of them is left."""

    def __init__(self, parts: Parts, things: Sequence[Observed], again: Read) -> None:
        self._parts = parts
        self._again = again
        self._followed = {thing.id for thing in things}
        self._last_end = 0.0
        self._looking = threading.Lock()

    def follow(self, thing: Observed, first: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        log: Iterator[bytes] = first()
        while True:
            ended = yield from self._to_its_end(thing, log)
            successor = self._successor(thing)
            if successor is None:
                return
            # One that began anew still has all that it wrote before, which was shown.
            log = self._again(successor, ended if successor.id == thing.id else None)
            thing = successor
            self._followed.add(thing.id)

    def _to_its_end(self, thing: Observed, log: Iterator[bytes]) -> Generator[bytes, None, float]:
        """Returns when that was. To be taken away is an end like any other."""
        try:
            yield from log
        except Gone:
            pass
        finally:
            self._followed.discard(thing.id)
            self._last_end = self._parts.clock.now()
        return self._last_end

    def _successor(self, gone: Observed) -> Observed | None:
        while self._followed or self._parts.clock.now() < self._last_end + PATIENCE:
            with self._looking:
                view = self._parts.runtimes[gone.runtime].observe()
            found = [thing for thing in view.objects if _succeeds(thing, gone)]
            if found:
                return found[0]
            self._parts.clock.sleep(INTERVAL)
        return None


def _succeeds(thing: Observed, gone: Observed) -> bool:
    from reconciler.model.observed import Phase

    same = (thing.key, thing.owner, thing.name) == (gone.key, gone.owner, gone.name)
    return same and thing.phase is Phase.RUNNING
