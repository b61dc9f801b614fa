"""inotify itself: one instance and no thread, however many directories are watched, and for however many who ask.

Not through a library: those that there are spend an instance and two threads on each directory that is asked for.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterable

Stir = Callable[[], None]

MODIFY, ATTRIB, MOVED, CREATE, DELETE, GONE = 0x2, 0x4, 0x40 | 0x80, 0x100, 0x200, 0x400 | 0x800
ONLY_DIRECTORIES = 0x01000000
OVERFLOW, IGNORED = 0x4000, 0x8000
CHANGES = MODIFY | ATTRIB | MOVED | CREATE | DELETE | GONE | ONLY_DIRECTORIES
"""Not that something was read, or whoever reads the directory would call himself."""
HEAD = struct.Struct("iIII")
MOST = 64 * 1024
LIMITS = {errno.ENOSPC: "inotify watch limit reached", errno.EMFILE: "inotify instance limit reached"}


class Inotify:
    """Tells who is to be stirred when something changes in a directory. For one thread only."""

    def __init__(self) -> None:
        self.fd = -1
        """Readable when there is something to `read`; none before something is watched."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._whom: dict[int, set[Stir]] = {}

    def watch(self, paths: Iterable[str], stir: Stir) -> None:
        """These and no others, for this one. The kernel gives the same number to whoever asks for the same directory.
        Raises OSError where one can't be watched; what was watched before then still is.
        """
        if self.fd < 0:
            self.fd = self._checked(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        wanted = set()
        for path in paths:
            number = self._checked(self._libc.inotify_add_watch(self.fd, os.fsencode(path), CHANGES))
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
            whom = set().union(*self._whom.values()) if mask & OVERFLOW else self._whom.get(number, set())
            if mask & IGNORED:  # the directory is gone, and its number may be another one's
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
                self._libc.inotify_rm_watch(self.fd, number)  # gone by itself is gone as well

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, LIMITS.get(code) or os.strerror(code))
        return result
