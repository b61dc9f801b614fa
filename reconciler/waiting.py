"""Waiting for what nobody tells of: it is asked for again and again, until there is no more patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PAUSE_SECONDS = 0.02


def until(found: Callable[[], Found], patience: float, pause: float = PAUSE_SECONDS) -> Found:
    """What is `found` as soon as that is anything; when patience is at its end, whatever it is then."""
    deadline = time.monotonic() + patience
    while not (answer := found()) and time.monotonic() < deadline:
        time.sleep(pause)
    return answer
