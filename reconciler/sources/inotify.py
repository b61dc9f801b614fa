"""inotify: one instance and no thread, however many directories are watched, and for however many who ask.

By watchdog's bindings, without its observers: these spend two threads on each directory that is asked for.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterable

from watchdog.observers.inotify_c import InotifyConstants as Kernel
from watchdog.observers.inotify_c import WatchDescriptor, inotify_add_watch, inotify_init, inotify_rm_watch

Stir = Callable[[], None]

CHANGES = (
    Kernel.IN_MODIFY | Kernel.IN_ATTRIB | Kernel.IN_MOVE | Kernel.IN_CREATE | Kernel.IN_DELETE | Kernel.IN_DELETE_SELF
    | Kernel.IN_MOVE_SELF | Kernel.IN_ONLYDIR
)  # fmt: skip
"""Not that something was read, or whoever reads the directory would call himself."""
HEAD = struct.Struct("iIII")
MOST = 64 * 1024
LIMITS = {errno.ENOSPC: "inotify watch limit reached", errno.EMFILE: "inotify instance limit reached"}


class Inotify:
    """Tells who is to be stirred when something changes in a directory. For one thread only."""

    def __init__(self) -> None:
        self.fd = -1
        """Readable when there is something to `read`; none before something is watched."""
        self._whom: dict[int, set[Stir]] = {}

    def watch(self, paths: Iterable[str], stir: Stir) -> None:
        """These and no others, for this one. The kernel gives the same number to whoever asks for the same directory.
        Raises OSError where one can't be watched; what was watched before then still is.
        """
        if self.fd < 0:
            self.fd = _checked(inotify_init())
            os.set_inheritable(self.fd, False)
            os.set_blocking(self.fd, False)
        wanted = set()
        for path in paths:
            number = _checked(inotify_add_watch(self.fd, os.fsencode(path), CHANGES))
            self._whom.setdefault(number, set()).add(stir)
            wanted.add(number)
        self._leave(stir, wanted)

    def release(self, stir: Stir) -> None:
        self._leave(stir, set())

    def read(self) -> None:
        """Stirs all whom it concerns. What the kernel has dropped concerns everybody."""
        try:
            events = os.read(self.fd, MOST) if self.fd >= 0 else b""
        except BlockingIOError:
            return
        at = 0
        while at < len(events):
            number, mask, _, length = HEAD.unpack_from(events, at)
            at += HEAD.size + length
            whom = set().union(*self._whom.values()) if mask & Kernel.IN_Q_OVERFLOW else self._whom.get(number, set())
            if mask & Kernel.IN_IGNORED:  # the directory is gone, and its number may be another one's
                self._whom.pop(number, None)
            for stir in whom:
                stir()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
        self._whom.clear()

    def _leave(self, stir: Stir, wanted: set[int]) -> None:
        for number in [number for number, whom in self._whom.items() if stir in whom and number not in wanted]:
            self._whom[number].discard(stir)
            if not self._whom[number]:
                del self._whom[number]
                inotify_rm_watch(self.fd, WatchDescriptor(number))  # gone by itself is gone as well


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, LIMITS.get(code) or os.strerror(code))
    return result
