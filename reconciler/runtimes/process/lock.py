"""The lock of a service directory: held by whoever launches, then by the service itself and by its parent.

An open-file-description lock, not flock(2): both are inherited through fork and exec and both end with the last
copy of the descriptor, but only this kind can be asked about without being taken. An observer that had to take
a lock to look at it would now and then stand in the way of a launch.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Self

from reconciler.runtimes.process.identity import slurp

LAYOUT = "hhqqi4x"
"""struct flock: type, whence, start, length (0 = all of it), pid (0 for this kind of lock)."""


class Lock:
    """One that we hold, until the last descriptor that was made from ours is closed."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        """Somebody was interrupted between taking it and doing anything with it."""
        self.close()

    def close(self) -> None:
        """Give up our share of it. Whoever inherited it still holds it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def take(path: str) -> Lock | None:
    """The lock, or None when somebody else holds it.

    A lock on a file that was unlinked meanwhile protects nothing, so the name is looked up again afterwards.
    """
    while True:
        lock = Lock(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        try:
            fcntl.fcntl(lock.fd, fcntl.F_OFD_SETLK, struct.pack(LAYOUT, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        except (BlockingIOError, PermissionError):
            lock.close()
            return None
        if _same_file(lock.fd, path):
            return lock
        lock.close()


def held(path: str) -> bool:
    """Whether anybody holds it. Changes nothing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, PermissionError):
        return False
    try:
        question = struct.pack(LAYOUT, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, question)
    finally:
        os.close(fd)
    return bool(struct.unpack(LAYOUT, answer)[0] != fcntl.F_UNLCK)


def holds(pid: int, path: str) -> bool:
    """Whether this process has a share of it. To have the file open is not enough: an editor may, too."""
    name = os.path.basename(path)
    try:
        links = (f"/proc/{pid}/fd/{number}" for number in os.listdir(f"/proc/{pid}/fd"))
        # Only the last part of the name is compared: the kernel tells it with all links resolved, and we may not have.
        shares = [link for link in links if os.path.basename(os.readlink(link)) == name and _same_place(link, path)]
    except OSError:  # it has ended, or it is not ours to look at
        return False
    return any(b"OFDLCK" in slurp(link.replace("/fd/", "/fdinfo/")) for link in shares)


def opened(pid: int, name: str) -> bool:
    """Whether this process has the file open that the kernel tells by this name, which may be one that was deleted."""
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{number}") == name for number in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def _same_place(link: str, path: str) -> bool:
    return os.path.samestat(os.stat(link), os.stat(path, follow_symlinks=False))


def _same_file(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
