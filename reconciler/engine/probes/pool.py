"""A bounded crew of threads that nobody waits for at the end: a question that hangs must not keep a command alive."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

IDLE_SECONDS = 5.0


class Pool:
    """Runs jobs, at most `size` at once. A member with nothing to do leaves."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._jobs: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._members = 0
        self._idle = 0

    def run(self, job: Callable[[], None]) -> None:
        with self._wake:
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._wake.notify()
            elif self._members < self._size:
                self._members += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job()

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            self._idle += 1
            self._wake.wait_for(lambda: self._jobs, timeout=IDLE_SECONDS)
            self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self._members -= 1
            return None
