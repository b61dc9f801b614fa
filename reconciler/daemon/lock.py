"""One daemon for each home. Whoever holds the lock is it; the kernel lets go of it when that process ends."""

from __future__ import annotations

import os

from reconciler.errors import ReconcilerError
from reconciler.filelock import locked


class Held(ReconcilerError):
    """Somebody else is the daemon of this home."""

    reason = "AlreadyRunning"

    def __init__(self, home: str, pid: int) -> None:
        super().__init__(
            f"the loop of {home} runs already{f', as pid {pid}' if pid else ''}",
            hint="what it is to follow too is declared: apply a Source (reconciler explain source); "
            "see: reconciler daemon status; end that one with: reconciler daemon stop",
        )
        self.pid = pid


def take(home: str) -> int:
    """The descriptor that holds it, for as long as it is open."""
    descriptor = os.open(f"{home}/daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not locked(descriptor):
        pid = _written(descriptor)
        os.close(descriptor)
        raise Held(home, pid)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def stands(home: str, descriptor: int) -> bool:
    """Whether what we hold is still what others look at."""
    try:
        there = os.stat(f"{home}/daemon.lock")  # noqa: PTH116
    except OSError:
        return False
    held = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def holder(home: str) -> int | None:
    """The pid of the daemon that runs; None when there is none. Looking never keeps one from starting."""
    try:
        descriptor = os.open(f"{home}/daemon.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if locked(descriptor, shared=True) else _written(descriptor)
    finally:
        os.close(descriptor)


def _written(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isdecimal() else 0
