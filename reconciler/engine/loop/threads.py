"""Threads that are to run for ever, and whether they still do.

A loop whose watcher has died looks healthy and does nothing, which is the worst that it can do. So every thread is
known here by name: one that ended, or has been at one thing for too long, makes the whole unhealthy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.telemetry import Say, get_logger

log = get_logger()
Body = Callable[[], None]


class Threads:
    """Started by name. None is started anew: who finds one dead starts the whole anew, which is always right."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._ended: list[str] = []
        self._busy: dict[str, tuple[str, float, float]] = {}
        self._stopping = False

    def start(self, name: str, body: Body) -> None:
        self._begin(name, lambda: self._live(name, body))

    def aside(self, name: str, body: Body) -> None:
        """One that does a single thing, and then ends."""
        self._begin(name, lambda: self._guarded(name, body))

    def _begin(self, name: str, body: Callable[[], object]) -> None:
        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
        with self._lock:
            self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    @contextmanager
    def at_work(self, on: str, *, patience: float = 0.0) -> Iterator[None]:
        """What the calling thread is at, and since when; `patience` is for what may take longer than other things."""
        name = threading.current_thread().name
        self._busy[name] = (on, self._clock(), max(patience, self._patience))
        try:
            yield
        finally:
            self._busy.pop(name, None)

    def troubles(self) -> list[str]:
        """Why the whole is not to be trusted any more; empty while all is well."""
        stuck = self._stuck().values()
        return [*self._ended, *stuck]

    def _stuck(self) -> dict[str, str]:
        """By thread, what it is at."""
        now = self._clock()
        return {
            name: f"thread {name} has been at {on} for {now - since:.0f} s"
            for name, (on, since, patience) in list(self._busy.items())
            if now - since > patience
        }

    def join(self, seconds: float) -> bool:
        """Whether all have ended in so much time. From here on that is what they are to do. Who was stuck before is
        not waited for.
        """
        self._stopping = True
        until, stuck = self._clock() + seconds, self._stuck()
        for thread in [thread for thread in self._threads if thread.name not in stuck]:
            thread.join(max(0.0, until - self._clock()))
        return not any(thread.is_alive() for thread in self._threads)

    def stopping(self) -> None:
        self._stopping = True

    def _live(self, name: str, body: Body) -> None:
        if self._guarded(name, body) and not self._stopping:
            self._ended.append(f"thread {name} has ended")

    def _guarded(self, name: str, body: Body) -> bool:
        """Whether it came to its own end."""
        try:
            body()
        except BaseException as error:
            why = f"{type(error).__name__}: {error}"
            if not self._stopping:  # first: it may be the log that can't be written
                self._ended.append(f"thread {name} has died of {why}")
            log.exception(Say.THREAD_DIED, thread=name, error=why)
            return False
        return True
