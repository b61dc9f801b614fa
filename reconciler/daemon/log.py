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
    try:
        _take_over(path, fresh)
    finally:
        os.close(fresh)


def _take_over(path: Path, fresh: int) -> None:
    """The name always leads to a log, and to a new one only when nobody writes to the old one any more: whoever
    follows it has then read everything once it has read the old one to its end.
    """
    Path(f"{path}.1").unlink(missing_ok=True)
    os.link(path, f"{path}.1")
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(fresh, descriptor)
    Path(f"{path}.new").replace(path)


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
        self._begun = ""
        """A line that is still being written."""

    def next(self) -> str:
        """The next line; empty when there is none yet."""
        if line := self._line():
            return line
        if not self._turned():
            return ""
        if line := self._line():  # written since we looked; after the turn nothing comes any more
            return line
        self._file.close()
        self._file = _opened(self._home)
        return self._line()

    def _line(self) -> str:
        self._begun += self._file.readline()
        if not self._begun.endswith("\n"):
            return ""
        line, self._begun = self._begun, ""
        return line

    def _turned(self) -> bool:
        try:
            named = Path(log_path(self._home)).stat()
        except FileNotFoundError:  # somebody took it away: this one is still written
            return False
        return named.st_ino != os.fstat(self._file.fileno()).st_ino

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
