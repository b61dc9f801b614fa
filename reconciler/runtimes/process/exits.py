"""Deaths of native services, as an alarm: within a fraction of a millisecond, whoever started them and whenever.

Each service's own process is waited for by a pidfd. It is told of at once: the shell parent, which then writes down
how it ended, is waited for by whoever looks. Only where that took longer than they wait, it is told once more.

Who is new is found by looking through the directories, and by being told to (`look_again`). A service that dies
before it was found is told of when it is. What leaves the process alive, like SIGSTOP, no pidfd tells: the loop's own
round finds it.
"""

from __future__ import annotations

import os
import resource
import select
import threading
import time
from collections.abc import Callable

from reconciler.runtimes.process.directory import Record, read_record
from reconciler.runtimes.process.identity import Identity, boot_id, living, open_pidfd
from reconciler.runtimes.process.observation import LAST_WORDS
from reconciler.values import dataclass
from reconciler.waitable import readable_once

Tell = Callable[[str], None]

RESCAN = 5.0
"""For those whom somebody else started. Of our own we are told."""
SETTLED = 100_000_000
"""Nanoseconds. What was changed more lately than this may be changed again under the same time stamp."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """For whose end a pidfd waits: a service's, or since when it is dead, its parent's."""

    name: str
    dead_since: float | None = None


class Exits:
    """Of the services under one home. At most so many are waited for by pidfds: others need descriptors too."""

    def __init__(self, home: str, *, most: int | None = None, rescan: float = RESCAN) -> None:
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 if most is None else most
        self._rescan = rescan
        self._root = os.path.join(os.path.abspath(home), "processes")
        self._poked = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def look_again(self) -> None:
        """Somebody was started. May be called from any thread, whether or not anybody watches."""
        os.eventfd_write(self._poked, 1)

    def watch(self, tell: Tell, stopping: threading.Event) -> None:
        watch = _Watch(self._root, self._most, self._rescan, tell)
        try:
            with readable_once(stopping) as ending:
                watch.go_on(self._poked, stopping, ending)
        finally:
            watch.close()


class _Watch:
    def __init__(self, root: str, most: int, rescan: float, tell: Tell) -> None:
        self._root = root
        self._most = most
        self._rescan = rescan
        self._tell = tell
        self._epoll = select.epoll()
        self._waiting: dict[int, _Waiting] = {}
        """By pidfd."""
        self._unheld: dict[str, Record] = {}
        """Services without a pidfd of ours: asked about at every look."""
        self._seen: dict[str, tuple[int, Identity | None]] = {}
        """By directory: when it was changed last, and whom it spoke of."""

    def go_on(self, poked: int, stopping: threading.Event, ending: int) -> None:
        self._epoll.register(poked, select.EPOLLIN)
        self._epoll.register(ending, select.EPOLLIN)
        due = 0.0
        while not stopping.is_set():
            if time.monotonic() >= due:
                self._look()
                due = time.monotonic() + self._rescan
            for fd, _ in self._epoll.poll(max(0.0, due - time.monotonic())):
                if fd == poked:
                    os.eventfd_read(poked)
                    due = 0.0
                elif fd != ending:
                    self._end(fd)

    def close(self) -> None:
        for fd in self._waiting:
            os.close(fd)
        self._epoll.close()

    # -- who is there

    def _look(self) -> None:
        changed = self._changed()
        for name in self._seen.keys() - changed.keys():
            del self._seen[name]
            self._unheld.pop(name, None)
            self._tell(_namespace(name))
        for name, stamp in changed.items():
            before = self._seen.get(name)
            if before is None or before[0] != stamp:
                self._meet(name, stamp, before[1] if before else None)
        for name, record in [*self._unheld.items()]:
            if not living(record.service):
                self._tell_of(name, record)

    def _changed(self) -> dict[str, int]:
        """When each service's directory was last changed; 0 where that is so lately that it says nothing."""
        now = time.time_ns()
        try:
            with os.scandir(self._root) as found:
                stamps = {entry.name: _stamp(entry) for entry in found}
        except FileNotFoundError:
            return {}
        return {name: stamp if now - stamp > SETTLED else 0 for name, stamp in stamps.items() if stamp}

    def _meet(self, name: str, stamp: int, before: Identity | None) -> None:
        record = read_record(os.path.join(self._root, name))
        self._seen[name] = (stamp, record.service if record else before)
        if record is None or record.service == before or record.boot != boot_id():
            return
        if not self._hold(record.service, _Waiting(name)):
            self._unheld[name] = record

    # -- whose end is waited for

    def _hold(self, identity: Identity, waiting: _Waiting) -> bool:
        """Whether its end will be told of. Of one that has ended already, it is by being asked about."""
        if len(self._waiting) >= self._most or (fd := open_pidfd(identity.pid)) is None:
            return False
        if not living(identity):
            os.close(fd)
            return False
        self._waiting[fd] = waiting
        self._epoll.register(fd, select.EPOLLIN)
        return True

    def _end(self, fd: int) -> None:
        waiting = self._waiting.pop(fd)
        self._epoll.unregister(fd)
        os.close(fd)
        if waiting.dead_since is None:
            record = read_record(os.path.join(self._root, waiting.name))
            self._tell_of(waiting.name, record)
        elif time.monotonic() - waiting.dead_since > LAST_WORDS:
            self._tell(_namespace(waiting.name))

    def _tell_of(self, name: str, record: Record | None) -> None:
        self._tell(_namespace(name))
        self._unheld.pop(name, None)
        if record is not None:
            self._hold(record.parent, _Waiting(name, time.monotonic()))


def _stamp(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns if entry.is_dir(follow_symlinks=False) else 0
    except FileNotFoundError:  # removed while we looked
        return 0


def _namespace(name: str) -> str:
    """Of a service's directory: none of the parts of its name may hold a dot."""
    return name.partition(".")[0]
