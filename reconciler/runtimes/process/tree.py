"""The processes of one service, however they were forked off, and how to end them.

With a cgroup its members are the answer: nobody leaves it by forking. Without one they are found by session and
by the marker in their environment, which double-forkers and those in a session of their own still carry.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconciler.errors import Denied, OutcomeUnknown
from reconciler.runtimes.process import cgroup, lock
from reconciler.runtimes.process.identity import (
    Identity,
    environ,
    living,
    open_pidfd,
    processes,
    send,
    slurp,
    stat,
)
from reconciler.values import dataclass

KILL_DEADLINE = 5.0
"""Whoever has not died of SIGKILL by then sits in the kernel, and nobody can say for how long."""


@dataclass(frozen=True, slots=True)
class Tree:
    """How to recognize the members."""

    owner: str
    key: str
    main: Identity | None = None
    group: str = ""
    """The cgroup, as the kernel names it; empty without one."""
    directory: str = ""
    """Where that cgroup lies in the file system."""
    lock: str = ""
    """Path of the lock, of which the service has a share unless it closes all that it has."""

    def members(self) -> list[int]:
        """Numbers, as of now. Only good for `opened`, which looks again."""
        main = {self.main.pid} if self.main else set()
        found = main | set(cgroup.members(self.directory)) if self.directory else processes()
        return sorted(pid for pid in found if self.has(pid))

    def has(self, pid: int) -> bool:
        """Whether the process that has this number now is one of ours. That the number matches is not enough."""
        seen = stat(pid)
        if seen is None or not seen.alive:
            return False
        if self._in_group(pid) or self._marked(pid):
            return True
        if self.main is None or not living(self.main):
            return False
        # Neither group nor marker, yet by number and tick the process that we started. Two can share those when
        # numbers are used up within one tick, but a stranger has no share of our lock.
        return lock.holds(pid, self.lock) if pid == self.main.pid else self._in_session_of_main(seen.session)

    def _in_group(self, pid: int) -> bool:
        if not self.group:
            return False
        for line in slurp(f"/proc/{pid}/cgroup").decode(errors="replace").splitlines():
            if line.startswith("0::"):
                return f"{line[3:]}/".startswith(f"{self.group}/")
        return False

    def _marked(self, pid: int) -> bool:
        env = environ(pid)
        return (env.get(b"RECONCILER_OWNER"), env.get(b"RECONCILER_KEY")) == (self.owner.encode(), self.key.encode())

    def _in_session_of_main(self, session: int) -> bool:
        return self.main is not None and session == self.main.pid and self.has(session)

    @contextmanager
    def opened(self) -> Iterator[dict[int, int]]:
        """A pidfd for each member, by number: opened first, recognized afterwards, so a number may change hands."""
        fds: dict[int, int] = {}
        try:
            for pid in self.members():
                if (fd := open_pidfd(pid)) is None:
                    continue
                if self.has(pid):
                    fds[pid] = fd
                else:
                    os.close(fd)
            yield fds
        finally:
            for fd in fds.values():
                os.close(fd)


def end(tree: Tree, number: int, grace: float) -> None:
    """Ask all of them to end, wait as long as was promised, then make them."""
    deadline = time.monotonic() + grace
    signal_all(tree, number, signal.SIGCONT)
    while (left := deadline - time.monotonic()) > 0:
        with tree.opened() as fds:
            if not fds:
                return
            wait_for_all(fds, left)
    kill(tree)


def kill(tree: Tree) -> None:
    """SIGKILL until nobody is left; again and again, for somebody may be forking meanwhile."""
    deadline = time.monotonic() + KILL_DEADLINE
    while True:
        with tree.opened() as fds:
            if not fds:
                return
            if (left := deadline - time.monotonic()) <= 0:
                raise _survivors(tree, sorted(fds))
            if tree.directory:
                cgroup.kill(tree.directory)
            _send_all(tree, fds, signal.SIGKILL)
            wait_for_all(fds, min(left, 0.5))


def gather(tree: Tree, directories: Sequence[str]) -> None:
    """All of them into all of these groups; again, until nobody was forked off outside meanwhile."""
    deadline = time.monotonic() + KILL_DEADLINE
    while True:
        inside = {directory: set(cgroup.members(directory)) for directory in directories}
        with tree.opened() as fds:
            outside = [(directory, pid) for directory in directories for pid in fds if pid not in inside[directory]]
            for directory, pid in outside:
                cgroup.admit(directory, pid)
        if not outside:
            return
        if time.monotonic() > deadline:
            raise OutcomeUnknown(f"{tree.key}: it forks faster than it can be put into its cgroups", hint="try again")


def kill_holders(path: str) -> None:
    """Whoever still has a share of the lock has inherited it from the service, whatever else it got rid of."""
    killed: dict[int, int] = {}
    try:
        for pid in processes():
            if lock.holds(pid, path) and (fd := open_pidfd(pid)) is not None:
                killed[pid] = fd
                if lock.holds(pid, path):
                    send(fd, signal.SIGKILL)
                else:
                    os.close(killed.pop(pid))
        wait_for_all(killed, KILL_DEADLINE)
    finally:
        for fd in killed.values():
            os.close(fd)


def signal_all(tree: Tree, *numbers: int) -> None:
    """The stopped get what was sent only once they go on, so SIGCONT belongs at the end of most lists."""
    with tree.opened() as fds:
        for number in numbers:
            _send_all(tree, fds, number)


def _send_all(tree: Tree, fds: dict[int, int], number: int) -> None:
    for pid, fd in fds.items():
        try:
            send(fd, number)
        except PermissionError as error:
            raise Denied(
                f"{tree.key}: process {pid} may not be signalled by this user", hint="run as root, or as its user"
            ) from error


def wait_for_all(fds: dict[int, int], seconds: float) -> None:
    """Until all of them have died: a pidfd becomes readable then. Only that tells it for sure: whoever is about to
    die has no marker and no descriptor any more, so a look at who is left would miss it, though it is still there.
    """
    deadline = time.monotonic() + seconds
    poll, left = select.poll(), set(fds.values())
    for fd in left:
        poll.register(fd, select.POLLIN)
    while left and (patience := deadline - time.monotonic()) > 0:
        for fd, _ in poll.poll(patience * 1000):
            poll.unregister(fd)
            left.discard(fd)


def _survivors(tree: Tree, pids: list[int]) -> OutcomeUnknown:
    states = ", ".join(f"{pid} (state {found.state})" for pid in pids if (found := stat(pid)))
    return OutcomeUnknown(
        f"{tree.key}: still there {KILL_DEADLINE:.0f} s after SIGKILL: {states or pids}",
        hint="state D is a process waiting in the kernel, for a disk or a network file system that does not answer",
    )
