"""The limit for processes: a bare posix_spawn of the very shell that stands above each of ours, and nothing else.

    spawn.py DIRECTORY COUNT PARENT SERVICE BOOT_ID [GROUP]

What it holds: for each a directory, the lock's file, the fifo by which a service says that it runs, the log's pipe,
one posix_spawn; all that the shell then does; and the wait until every workload runs, all of them told at once by one
poll. One is spawned after another, but none is waited for before the last is spawned: they start side by side.
What it doesn't: no labels, no room for an exit code, no lock that is taken, no check of anything, nothing written down
of what was wanted; and a cgroup of its own only if GROUP says how its directory's path begins.
"""

# ruff: noqa: PTH102, PTH103, PTH118, PTH119
# pathlib takes time to be imported, and that time would count
from __future__ import annotations

import fcntl
import os
import select
import sys
import time


def main(root: str, count: int, parent: str, service: str, boot: str, group: str = "") -> None:
    os.makedirs(root, exist_ok=True)
    places = [os.path.join(root, str(index)) for index in range(count)]
    wait([spawn(place, parent, service, boot, joined(group, place) if group else []) for place in places])


def joined(group: str, directory: str) -> list[str]:
    made = f"{group}{os.path.basename(directory)}"
    os.mkdir(made)
    return [f"{made}/cgroup.procs"]


def spawn(directory: str, parent: str, service: str, boot: str, joins: list[str]) -> int:
    """The end of the fifo at which it is heard."""
    os.mkdir(directory, 0o700)
    fifo = os.path.join(directory, "launching")
    os.mkfifo(fifo, 0o600)
    told = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    reading, writing = (above(fd) for fd in os.pipe())
    lock = above(os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600))
    program = ["/usr/bin/setsid", "/bin/sh", "-c", service, "floor", "/", "sleep", "3600"]
    argv = ["/bin/sh", "-c", parent, "floor", directory, "floor", "floor", boot]
    argv += ["/bin/dd", "/usr/bin/wc", "/bin/mv", "-", *joins, "--", *program]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writing, 1),
        (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, reading, 3),
        (os.POSIX_SPAWN_DUP2, lock, 9),
    ]
    os.posix_spawn("/bin/sh", argv, {"PATH": "/usr/bin:/bin"}, file_actions=actions, setsid=True)
    for fd in (reading, writing, lock):
        os.close(fd)
    return told


def above(fd: int) -> int:
    raised = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return raised


def wait(told: list[int]) -> None:
    """Until each has said that it is ready, and has closed its end, which the exec of the workload does."""
    poll, said = select.poll(), dict.fromkeys(told, b"")
    for fd in told:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + 60
    while said and time.monotonic() < deadline:
        for fd, _ in poll.poll(1000):
            if chunk := os.read(fd, 4096):
                said[fd] += chunk
                continue
            if said.pop(fd) != b"ready\n":
                raise SystemExit("spawn: one did not become what it should")
            poll.unregister(fd)
            os.close(fd)
    if said:
        raise SystemExit(f"spawn: {len(said)} did not start")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
