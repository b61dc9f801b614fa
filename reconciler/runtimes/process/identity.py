"""Who a process is: its number alone means nothing, for numbers are used again.

A process is named by boot id, number and start time, and is signalled only through a pidfd that was opened
first and compared afterwards: whatever the number comes to mean later, the pidfd still means the old one.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from functools import cache

from reconciler.values import dataclass

EXITING = 0x4
"""The kernel's PF_EXITING, among the flags of /proc/PID/stat."""


@dataclass(frozen=True, slots=True)
class Identity:
    pid: int
    started: int
    """In clock ticks since boot, as the kernel writes it."""


@dataclass(frozen=True, slots=True)
class Stat:
    """The part of /proc/PID/stat that we need."""

    state: str
    parent: int
    session: int
    started: int
    ending: bool = False
    """It has begun to end: of its groups and its memory the kernel tells nothing true any more."""

    @property
    def alive(self) -> bool:
        return self.state not in {"Z", "X"}


@cache
def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def stat(pid: int) -> Stat | None:
    """What the kernel says of it now; None when there is no such process."""
    text = slurp(f"/proc/{pid}/stat")
    # The name in parentheses may itself hold spaces and parentheses: count from the last one.
    fields = text[text.rfind(b")") + 2 :].split(None, 20)
    if len(fields) < 20:
        return None
    ending = bool(int(fields[6]) & EXITING)
    return Stat(fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]), ending)


def leads_session(pid: int) -> bool:
    found = stat(pid)
    return found is not None and found.session == pid


def living(identity: Identity) -> Stat | None:
    """The process if it is still this very one, and not a zombie."""
    found = stat(identity.pid)
    return found if found and found.alive and found.started == identity.started else None


def open_pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # the number belongs to a thread, not to a process
            return None
        raise


def send(pidfd: int, number: int) -> None:
    """A process that has died meanwhile has had what it needed."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return


def wait_for_end(pid: int, identity: Identity | None = None, seconds: float = 2.0) -> None:
    """Until it has ended, or for as long as that may take. With an identity: of that process only."""
    if (fd := open_pidfd(pid)) is None:
        return
    try:
        if identity is None or living(identity):
            select.select([fd], [], [], seconds)
    finally:
        os.close(fd)


def environ(pid: int) -> dict[bytes, bytes]:
    """With what environment it was started; empty where that may not be read, and for a zombie."""
    entries = (entry.partition(b"=") for entry in slurp(f"/proc/{pid}/environ").split(b"\0"))
    return {name: value for name, equals, value in entries if equals}


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def slurp(path: str) -> bytes:
    """All of a small file; empty when it is not there, not ours to read, or no file.

    Other troubles (no descriptors left, a disk that fails) are raised: they must not look like absence.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError, PermissionError, ProcessLookupError):
        return b""
    try:
        return b"".join(iter(lambda: os.read(fd, 1 << 16), b""))
    except (ProcessLookupError, PermissionError, IsADirectoryError):  # the process ended between open and read
        return b""
    except OSError as error:
        if error.errno != errno.ENODEV:  # so did the cgroup
            raise
        return b""
    finally:
        os.close(fd)
