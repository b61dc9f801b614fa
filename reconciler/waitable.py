"""An end that can be waited for among descriptors: who sleeps in a poll need not wake up to ask whether it is over."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def readable_once(event: threading.Event) -> Iterator[int]:
    """A descriptor from which something can be read once the event is set."""
    telling = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    told = os.dup(telling)  # what the thread writes to is its own: it may last longer than whoever waits

    def wait() -> None:
        event.wait()
        os.eventfd_write(telling, 1)
        os.close(telling)

    waiting = threading.Thread(target=wait, name="ending", daemon=True)
    waiting.start()
    try:
        yield told
    finally:
        os.close(told)
        if event.is_set():
            waiting.join()
