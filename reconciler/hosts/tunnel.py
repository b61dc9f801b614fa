"""A socket here that leads to one of another host, opened anew when the connection was lost."""

from __future__ import annotations

import threading
import time

from reconciler.hosts.ssh import Ssh

FRESH_SECONDS = 2.0
"""For so long it is taken for granted, if the connection stands. Whoever finds it gone all the same is told so, and
looks again.
"""


class Tunnel:
    def __init__(self, host: Ssh, there: str) -> None:
        self._host, self._there = host, there
        self._lock = threading.Lock()
        self._path, self._asked_at, self._through = "", -FRESH_SECONDS, 0

    def way(self) -> tuple[str, int]:
        """The socket's path here, and the number of the connection that it leads through."""
        with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_SECONDS or self._through != self._host.connection():
                self._path = self._host.forward(self._there)
                self._asked_at, self._through = time.monotonic(), self._host.connection()
            return self._path, self._through
