"""The daemon's side: one thread takes calls, and each call has a thread of its own for as long as it lasts."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from reconciler.api.call import VERSION, address
from reconciler.errors import ReconcilerError
from reconciler.telemetry import Say, get_logger
from reconciler.values import dataclass

LONGEST_QUESTION = 1 << 20
QUESTION_SECONDS = 60.0
MOST_CALLS = 64

log = get_logger()
Tell = Callable[[dict[str, Any]], bool]
"""Sends one more line of what happens; False once nobody listens any more."""


@dataclass(frozen=True, slots=True)
class Call:
    """One caller, for as long as his line is open."""

    tell: Tell
    until_it_ends: ExitStack


Handler = Callable[[dict[str, Any], Call], dict[str, Any]]


class Server:
    """Answers questions with handlers, by name. Only our own user, and root, are listened to."""

    def __init__(self, home: str, handlers: Mapping[str, Handler]) -> None:
        self._home = home
        self._handlers = handlers
        self._calls = threading.Semaphore(MOST_CALLS)
        self._stop_reading, self._stop_writing = os.pipe2(os.O_CLOEXEC)
        self._listener: socket.socket | None = None
        self._place: tuple[int, int] | None = None

    def open(self) -> None:
        """From here on callers are heard. What an earlier daemon left in the place is taken away."""
        directory = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(FileNotFoundError):
                os.unlink("api.sock", dir_fd=directory)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            listener.bind(address(directory))
            os.chmod("api.sock", 0o600, dir_fd=directory)
            listener.listen(MOST_CALLS)
            self._listener = listener
            self._place = self._seen()
        finally:
            os.close(directory)

    def serve(self) -> None:
        """Blocks until `close`."""
        assert self._listener is not None, "opened first"
        with self._listener as listener:
            while True:
                ready, _, _ = select.select([listener.fileno(), self._stop_reading], [], [])
                if self._stop_reading in ready:
                    return
                connection, _ = listener.accept()
                threading.Thread(target=self._call, args=(connection,), name="call", daemon=True).start()

    def close(self) -> None:
        """Callers are told that nobody is there. Who serves lets go of the listener: he may be about to look."""
        os.write(self._stop_writing, b"x")
        if self._listener is not None:
            with suppress(OSError):  # he has let go of it
                self._listener.shutdown(socket.SHUT_RDWR)
        if self.stands():
            Path(self._home, "api.sock").unlink(missing_ok=True)

    def stands(self) -> bool:
        """Whether callers still come to us: somebody may have taken the socket away, or put another one there."""
        return self._place is not None and self._seen() == self._place

    def _seen(self) -> tuple[int, int] | None:
        try:
            facts = Path(self._home, "api.sock").lstat()
        except OSError:
            return None
        return facts.st_dev, facts.st_ino

    def _call(self, connection: socket.socket) -> None:
        with connection, self._calls:
            if _uid(connection) not in {0, os.geteuid()}:
                return
            connection.settimeout(QUESTION_SECONDS)
            with suppress(OSError):  # whoever hangs up does not want to hear more
                connection.sendall(_line({"version": VERSION, "pid": os.getpid()}))
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream, ExitStack() as ends:
            call = Call(_teller(connection), ends)
            while question := stream.readline(LONGEST_QUESTION):
                connection.sendall(_line(self._answer(question, call)))

    def _answer(self, question: bytes, call: Call) -> dict[str, Any]:
        try:
            asked = json.loads(question)
            log.debug(Say.REQUEST, ask=asked["ask"])
            return {"answer": self._handlers[asked["ask"]](asked, call)}
        except ReconcilerError as error:
            return {"error": error.message, "hint": error.hint, "exitCode": error.exit_code}
        except Exception as error:
            log.exception(Say.REQUEST, error=str(error))
            return {"error": f"the daemon: {type(error).__name__}: {error}", "hint": "see: reconciler daemon logs"}


def _teller(connection: socket.socket) -> Tell:
    lock = threading.Lock()

    def tell(told: dict[str, Any]) -> bool:
        with lock, suppress(OSError):
            connection.sendall(_line(told))
            return True
        return False

    return tell


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode() + b"\n"


def _uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)
