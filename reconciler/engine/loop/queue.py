"""Keys that want a turn. Adding one is all that a trigger ever does; why it was added is forgotten."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Queue(Generic[Key]):
    """Each key at most once, and in one pair of hands at a time.

    One that is added while somebody is at work on it has another turn afterwards: what was seen when that work
    began may be older than the reason for adding it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Key] = deque()
        self._at_work: set[Key] = set()
        self._again: set[Key] = set()
        self._closed = False

    def add(self, key: Key) -> None:
        with self._changed:
            if key in self._at_work:
                self._again.add(key)
            elif key not in self._waiting:
                self._waiting.append(key)
                self._changed.notify()

    def take(self) -> Key | None:
        """The next one, when there is one. None: there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            key = self._waiting.popleft()
            self._at_work.add(key)
            return key

    def done(self, key: Key) -> None:
        with self._changed:
            self._at_work.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._waiting.append(key)
                self._changed.notify()

    def alone(self, key: Key) -> bool:
        """Whether nothing but this one is at work, and nothing waits."""
        with self._changed:
            return not self._waiting and self._at_work <= {key}

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
