"""When each key is due next, by a clock that nobody sets back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Schedule(Generic[Key]):
    """One moment for each key: who sets it anew has thought about it later, and knows better."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._due: dict[Key, float] = {}
        self._closed = False

    def after(self, key: Key, seconds: float) -> None:
        with self._changed:
            self._due[key] = self._clock() + seconds
            self._changed.notify()

    def next(self) -> list[Key]:
        """Those that are due, once somebody is. Empty: there will be no more."""
        with self._changed:
            while not self._closed:
                now = self._clock()
                due = [key for key, moment in self._due.items() if moment <= now]
                if due:
                    for key in due:
                        del self._due[key]
                    return due
                self._changed.wait(min(self._due.values()) - now if self._due else None)
            return []

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
