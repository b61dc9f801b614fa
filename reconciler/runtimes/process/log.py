"""The log of a service: its files as they are, or followed to its last word."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

from reconciler.errors import Refused
from reconciler.model.observed import Observed
from reconciler.runtimes.process import lock
from reconciler.runtimes.process.directory import read_record
from reconciler.runtimes.process.identity import Identity, living, wait_for_end
from reconciler.runtimes.process.recovery import parent_of

CHUNK = 1 << 16
FOLLOW_INTERVAL = 0.1
LAST_WORDS = 1.0
"""Seconds."""


def lines(
    directory: str, *, follow: bool, tail: int | None, since: float | None, ended: bool = False
) -> Iterator[bytes]:
    """Lines carry no time, so `since` leaves out only what was written before as a whole file."""
    if ended and not follow:
        _wait_for_last_words(directory)
    paths = [f"{directory}/log.1", f"{directory}/log"]
    wanted = [path for path in paths if since is None or _modified(path) >= since]
    return _follow(directory, tail) if follow else of_files(wanted, tail)


def without_times(seen: Observed) -> Refused:
    """What is here is what the process wrote, and nothing besides."""
    return Refused(f"{seen.title}: lines of native processes carry no time", hint="leave --timestamps out")


def of_files(paths: Sequence[str], tail: int | None) -> Iterator[bytes]:
    if tail is not None:
        content = b"".join(map(_read, paths))
        yield from _chunks(_last_lines(content, tail))
        return
    for path in paths:
        yield from _chunks(_read(path))


def tail_of(directory: str, limit: int) -> bytes:
    """The last bytes of a service's log."""
    return (_read(f"{directory}/log.1") + _read(f"{directory}/log"))[-limit:]


def _follow(directory: str, tail: int | None) -> Iterator[bytes]:
    """What is there, then what comes, until the service has ended and all it said was read.

    The keeper of the log moves `log` to `log.1` and begins a new one, so the old file is read to its end first.
    """
    file = _open_or_none(f"{directory}/log")
    already = _read(f"{directory}/log.1") + (_drain(file) if file is not None else b"")
    yield from _chunks(_last_lines(already, tail) if tail is not None else already)
    try:
        while True:
            # Asked before it is read: whatever was written by then is read, and nothing comes after.
            over = not lock.held(f"{directory}/lock") and not _keeper_lives(directory)
            if file is not None and (news := _drain(file)):
                yield from _chunks(news)
                continue
            turned = _open_or_none(f"{directory}/log")
            if _same(file, turned):
                _close(turned)
            else:
                _close(file)
                file = turned
                continue
            if over:
                return
            time.sleep(FOLLOW_INTERVAL)
    finally:
        _close(file)


def _wait_for_last_words(directory: str) -> None:
    """What it said right before its end is on its way to the log for a moment. Others may hold the pipe for good."""
    if parent := _parent(directory):
        wait_for_end(parent.pid, parent, LAST_WORDS)


def _keeper_lives(directory: str) -> bool:
    """The shell parent ends only after the keeper has emptied the pipe."""
    parent = _parent(directory)
    return parent is not None and living(parent) is not None


def _parent(directory: str) -> Identity | None:
    record = read_record(directory)
    return record.parent if record else parent_of(directory)


def _last_lines(content: bytes, count: int) -> bytes:
    """Like tail(1): an unfinished last line counts as one."""
    position = len(content) - content.endswith(b"\n")
    for _ in range(count):
        position = content.rfind(b"\n", 0, position)
        if position < 0:
            return content
    return content[position + 1 :] if count > 0 else b""


def _chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


def _read(path: str) -> bytes:
    """At most two times 5 MiB lie there, so it is read whole."""
    fd = _open_or_none(path)
    try:
        return _drain(fd) if fd is not None else b""
    finally:
        _close(fd)


def _drain(fd: int) -> bytes:
    return b"".join(iter(lambda: os.read(fd, 1 << 20), b""))


def _open_or_none(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _close(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)


def _same(one: int | None, other: int | None) -> bool:
    if one is None or other is None:
        return one is other
    return os.path.samestat(os.fstat(one), os.fstat(other))


def _modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0
