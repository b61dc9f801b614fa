"""What the process is told by signals.

A handler runs between any two instructions of the main thread, maybe while that one holds the lock of an Event. So
handlers take no locks: they put down a word, and the interpreter writes into a pipe on which the main thread sleeps.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from types import FrameType


class Signals:
    def __init__(self) -> None:
        self.end = False
        self.reread = False
        self._sleeps, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def listen(self) -> None:
        """From the main thread."""
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGHUP, self._reread)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def sleep(self, seconds: float) -> None:
        """For so long, or until something comes."""
        ready, _, _ = select.select([self._sleeps], [], [], seconds)
        if ready:
            with suppress(BlockingIOError):
                os.read(self._sleeps, 4096)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if self.end and number == signal.SIGINT:
            os._exit(130)  # asked twice: at once. Whatever was under way is looked at by who comes next
        self.end = True

    def _reread(self, _number: int, _frame: FrameType | None) -> None:
        self.reread = True
