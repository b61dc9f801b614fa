"""Signals that are meant for a command elsewhere, and come to us because we stand for it here."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def one_mark(name: str) -> str:
    """The same for the same name, and no part of any other: it is looked for as text."""
    import hashlib  # noqa: PLC0415 -- for those who have to be alone

    return hashlib.sha256(name.encode()).hexdigest()[:16]


@contextmanager
def passed_on(give: Callable[[int], None]) -> Iterator[list[int]]:
    """Those that end a program are given away instead; yields what has come, in its order.

    What somebody had us ignore, as nohup does, stays ignored. Only a program's main thread may ask for signals.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)
        give(number)

    before = {number: signal.getsignal(number) for number in ENDING}
    mine = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in mine:
        signal.signal(number, hear)
    try:
        yield heard
    finally:
        for number, old in mine.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
