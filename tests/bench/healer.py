"""The limit for healing: the least that notices a death and undoes it. One thing at a time, and nothing is looked at.

    healer.py processes DIRECTORY COUNT     spawns so many sayers (see `stage.say`), waits for each by a pidfd
    healer.py containers SOCKET PREFIX      starts what the engine says has died, on its open stream of events; until
                                            that is open, there is no file called PREFIX in the working directory

Standard library alone. Runs until it is killed, and takes its processes along.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote


def processes(directory: str, count: int) -> None:
    epoll = select.epoll()
    living: dict[int, tuple[int, int]] = {}

    def spawn(index: int) -> None:
        argv = ["sh", "-c", f"echo $$ >{directory}/{index}; exec sleep 3600"]
        pid = os.posix_spawn("/bin/sh", argv, {"PATH": "/usr/bin:/bin"})
        fd = os.pidfd_open(pid)
        living[fd] = index, pid
        epoll.register(fd, select.EPOLLIN)

    def end(*_: object) -> None:
        for _, pid in living.values():
            os.kill(pid, signal.SIGKILL)
        sys.exit()

    signal.signal(signal.SIGTERM, end)
    for index in range(count):
        spawn(index)
    while True:
        for fd, _ in epoll.poll():
            index, pid = living.pop(fd)
            os.close(fd)
            os.waitpid(pid, 0)
            spawn(index)


def containers(path: str, prefix: str) -> None:
    filters = quote(json.dumps({"type": ["container"], "event": ["die"]}))
    stream = _asked(path, f"GET /events?filters={filters}")
    Path(prefix).touch()
    for line in stream:
        actor = json.loads(line)["Actor"]
        if actor["Attributes"]["name"].startswith(prefix):
            for _ in _asked(path, f"POST /containers/{actor['ID']}/start"):
                pass


def _asked(path: str, what: str) -> BinaryIO:
    """The lines of the answer, each when it comes."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    connection.sendall(f"{what} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
    stream = connection.makefile("rb")
    while stream.readline().strip():
        pass
    return stream


if __name__ == "__main__":
    what, place, of = sys.argv[1:]
    processes(place, int(of)) if what == "processes" else containers(place, of)
