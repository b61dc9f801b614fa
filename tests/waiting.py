"""Waiting for what the world does by itself: for a condition, never for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def until(condition: Callable[[], Value], seconds: float = 10.0) -> Value:
    """The condition's value once it is true; fails with its source's place when it does not become so."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            message = (
                f"not so after {seconds:g} s: {condition.__code__.co_filename}:{condition.__code__.co_firstlineno}"
            )
            raise AssertionError(message)
        time.sleep(0.005)
    return value
