"""Waiting for what the world does by itself: for a condition, never for a while."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
PATIENCE = float(os.environ.get("TEST_PATIENCE", "60"))
"""Seconds. Many, for only a test that fails waits for all of them, and machines can be busy."""
SHORTEST, LONGEST = 0.005, 0.03
"""Pauses between two looks: what has taken long already may take a fiftieth more, for looks are not free."""


def until(condition: Callable[[], Value], seconds: float = PATIENCE) -> Value:
    """The condition's value once it is true; fails with its source's place when it does not become so."""
    begun = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - begun
        if waited > seconds:
            message = (
                f"not so after {seconds:g} s: {condition.__code__.co_filename}:{condition.__code__.co_firstlineno}"
            )
            raise AssertionError(message)
        time.sleep(min(max(SHORTEST, waited / 50), LONGEST))
    return value
