"""The daemon's own log in its home: bounded, and read by those who look after it."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO

from reconciler.errors import ReconcilerError

LARGEST = 10 << 20
"""Then it is turned over; one earlier part is kept."""
POLL = 0.2


def log_path(home: str) -> str:
    return f"{home}/daemon.log"


def turn_over(home: str) -> None:
    """When it is full, and when we are the one who writes it: under systemd the journal does."""
    path, writing = Path(log_path(home)), os.fstat(sys.stderr.fileno())
    try:
        there = path.stat()
    except OSError:
        return
    if (there.st_dev, there.st_ino) != (writing.st_dev, writing.st_ino) or there.st_size < LARGEST:
        return
    try:
        fresh = os.open(f"{path}.new", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return  # no room for another one: this one goes on, and the next look tries again
    path.replace(f"{path}.1")
    Path(f"{path}.new").replace(path)
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(fresh, descriptor)
    os.close(fresh)


def lines(home: str, *, tail: int | None, follow: bool) -> Iterator[str]:
    file = _opened(home)
    with closing(_Current(home, file)) as current:
        yield from (line.rstrip("\n") for line in (file if tail is None else deque(file, tail)))
        while follow:
            if line := current.next():
                yield line.rstrip("\n")
            else:
                time.sleep(POLL)  # short of inotify, which this is not worth, no file tells that it grew


class _Current:
    """The file that has the name now, over any number of turns."""

    def __init__(self, home: str, file: TextIO) -> None:
        self._home = home
        self._file = file

    def next(self) -> str:
        """The next line; empty when there is none yet."""
        if line := self._file.readline():
            return line
        if Path(log_path(self._home)).stat().st_ino == os.fstat(self._file.fileno()).st_ino:
            return ""
        self._file.close()
        self._file = _opened(self._home)
        return self._file.readline()

    def close(self) -> None:
        self._file.close()


def _opened(home: str) -> TextIO:
    try:
        return Path(log_path(home)).open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise ReconcilerError(
            f"no daemon has ever run for {home}",
            hint="under systemd its log is in the journal: journalctl -u reconciler",
        ) from None
