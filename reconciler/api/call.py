"""The client's side. Imports next to nothing: who only wants to know whether a daemon is there pays little.

A daemon that is not there, is stopped, is hung or is of another version is no reason for a command to fail: it does
its work itself, as if there were none. So connecting answers None where talking would be of no use.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
"""Of all that is said on the line. Who speaks another one is not asked anything."""
GREETING_SECONDS = 2.0
LONGEST_LINE = 64 << 20


class Broken(Exception):
    """The daemon went away in the middle: nobody knows what it still did."""


class Line:
    """An open line to the daemon."""

    def __init__(self, connection: socket.socket, greeting: dict[str, Any]) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self.greeting = greeting

    def ask(self, question: dict[str, Any], *, deadline: float | None = None) -> Iterator[dict[str, Any]]:
        """Everything that is told, up to the answer. `deadline` is for each line, in seconds."""
        try:
            self._connection.settimeout(deadline)
            self._connection.sendall(json.dumps(question).encode() + b"\n")
            while line := self._stream.readline(LONGEST_LINE):
                told = json.loads(line)
                yield told
                if "answer" in told or "error" in told:
                    return
        except (OSError, ValueError) as error:
            raise Broken(str(error)) from error
        raise Broken("the connection ended")

    def close(self) -> None:
        self._stream.close()
        self._connection.close()


def connect(home: str) -> Line | None:
    """None: nobody there whom it would be of use to talk to."""
    found = _greeted(home)
    if found is None:
        return None
    connection, greeting = found
    if greeting.get("version") != VERSION:
        connection.close()
        return None
    return Line(connection, greeting)


def health(home: str) -> dict[str, Any] | None:
    """How the daemon of this home is; None if none answers."""
    line = connect(home)
    if line is None:
        return None
    with closing(line):
        try:
            return next(iter(line.ask({"ask": "health"}, deadline=GREETING_SECONDS)))["answer"]  # type: ignore[no-any-return]
        except (Broken, KeyError, StopIteration):
            return None


def address(directory: int) -> str:
    """Of the socket, by an open descriptor of the home: the kernel takes a hundred bytes, and homes may lie deep."""
    return f"/proc/self/fd/{directory}/api.sock"


def _greeted(home: str) -> tuple[socket.socket, dict[str, Any]] | None:
    try:
        directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(GREETING_SECONDS)
        connection.connect(address(directory))
        line = b""
        while not line.endswith(b"\n"):
            if not (more := connection.recv(4096)):
                raise OSError("it hung up")  # noqa: TRY301
            line += more
        return connection, json.loads(line)
    except (OSError, ValueError):
        connection.close()
        return None
    finally:
        os.close(directory)
