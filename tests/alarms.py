"""An alarm at work in a thread of its own, and what it has told, each with its moment."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from reconciler.ports import Alarm
from tests.waiting import PATIENCE, until


class Told:
    def __init__(self) -> None:
        self.all: list[tuple[float, str]] = []
        self.stopping = threading.Event()
        self.raised: list[BaseException] = []

    def tell(self, key: str) -> None:
        self.all.append((time.monotonic(), key))

    def watch(self, alarm: Alarm) -> None:
        try:
            alarm.watch(self.tell, self.stopping)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test is told
            self.raised.append(error)

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.all]

    def listen_from_now(self) -> None:
        self.all.clear()

    def first(self, key: str, seconds: float = PATIENCE) -> float:
        """When it was told first."""
        return until(lambda: next((moment for moment, told in [*self.all] if told == key), 0.0), seconds)

    def quiet(self, seconds: float, about: str = "") -> list[str]:
        """All that has come once nothing more has come for so long, from now on; `about` leaves out what concerns
        others, who may never be quiet on an engine that is shared.
        """
        now = time.monotonic()

        def last() -> float:
            return max([now, *(moment for moment, key in [*self.all] if about in ("", key))])

        until(lambda: time.monotonic() - last() > seconds)
        return self.keys


@contextlib.contextmanager
def listening(alarm: Alarm) -> Iterator[Told]:
    """Ends within half a second of being told to, whatever goes on, and has not given up before."""
    told = Told()
    thread = threading.Thread(target=told.watch, args=(alarm,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.stopping.set()
        thread.join(30)
    assert not thread.is_alive(), "it does not stop"
    assert not told.raised, told.raised
