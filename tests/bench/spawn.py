"""The limit for processes: a bare posix_spawn of the very shell that stands above each of ours, and nothing else.

    spawn.py DIRECTORY COUNT PARENT SERVICE BOOT_ID

No labels, no cgroup, no check of anything. Done when every service has said who it is.
"""

# ruff: noqa: PTH102, PTH116, PTH118
# pathlib takes time to be imported, and that time would count
from __future__ import annotations

import fcntl
import os
import sys
import time


def main(root: str, count: int, parent: str, service: str, boot: str) -> None:
    directories = [os.path.join(root, str(index)) for index in range(count)]
    for directory in directories:
        spawn(directory, parent, service, boot)
    deadline = time.monotonic() + 60
    while directories := [one for one in directories if not started(one)]:
        if time.monotonic() > deadline:
            raise SystemExit(f"spawn: {len(directories)} did not start")
        time.sleep(0.001)


def spawn(directory: str, parent: str, service: str, boot: str) -> None:
    os.mkdir(directory, 0o700)
    os.mkfifo(os.path.join(directory, "launching"), 0o600)
    reading, writing = (above(fd) for fd in os.pipe())
    lock = above(os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600))
    program = ["/usr/bin/setsid", "/bin/sh", "-c", service, "floor", "/", "sleep", "3600"]
    argv = ["/bin/sh", "-c", parent, "floor", directory, "floor", "floor", boot]
    argv += ["/bin/dd", "/usr/bin/wc", "/bin/mv", "-", "--", *program]
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


def above(fd: int) -> int:
    raised = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return raised


def started(directory: str) -> bool:
    try:
        return os.stat(os.path.join(directory, "pid")).st_size > 0
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
