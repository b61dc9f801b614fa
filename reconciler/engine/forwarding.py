"""A port of this machine that leads to whoever serves at the time: each connection looks anew who that is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from reconciler.errors import ReconcilerError
from reconciler.values import dataclass
from reconciler.waiting import until

PATIENCE_SECONDS = 10.0
"""So long a new connection waits for somebody to take it: a successor may be on its way."""
DIAL_SECONDS = 2.0
PAUSE_SECONDS = 0.1
PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Server:
    """Somebody who may serve, and where."""

    id: str
    name: str
    address: tuple[str, int]


Find = Callable[[], Sequence[Server]]
Tell = Callable[[str], None]


class Forward:
    """`find` is asked by one connection at a time; `tell` hears of what a person would want to know."""

    def __init__(self, listener: socket.socket, find: Find, tell: Tell, *, patience: float = PATIENCE_SECONDS) -> None:
        self._listener = listener
        self._find = find
        self._tell = tell
        self._patience = patience
        self._last = ""
        self._told = ""
        self._lock = threading.Lock()

    def begin(self) -> None:
        threading.Thread(target=self._serve, name="port-forward", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError as error:  # too many files are open: some of them will be closed
                if self._listener.fileno() < 0:
                    return
                self._complain(f"it could not be taken: {error.strerror}")
                time.sleep(PAUSE_SECONDS)
                continue
            threading.Thread(target=self._carry, args=(near,), name="connection", daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near:
            far = self._reached()
            if far is not None:
                with far:
                    splice(near, far)

    def _reached(self) -> socket.socket | None:
        problem = ""

        def reached() -> socket.socket | None:
            nonlocal problem
            far, problem = self._attempt()
            return far

        far = until(reached, self._patience, PAUSE_SECONDS)
        if far is None:
            self._complain(problem)
        return far

    def _attempt(self) -> tuple[socket.socket | None, str]:
        """Who served last is asked first: what belongs together stays together, as long as it can."""
        try:
            with self._lock:
                servers = sorted(self._find(), key=lambda server: server.id != self._last)
        except ReconcilerError as error:
            return None, error.message
        problem = "nobody runs who could serve"
        for server in servers:
            try:
                far = socket.create_connection(server.address, timeout=DIAL_SECONDS)
            except OSError as error:
                problem = f"{server.name} at {server.address[0]}:{server.address[1]}: {error.strerror or error}"
                continue
            far.settimeout(None)
            self._met(server)
            return far, ""
        return None, problem

    def _met(self, server: Server) -> None:
        with self._lock:
            again = self._told or (self._last and self._last != server.id)
            self._last, self._told = server.id, ""
        if again:
            self._tell(f"reconnected, to {server.name} at {server.address[0]}:{server.address[1]}")

    def _complain(self, problem: str) -> None:
        """Once, however many connections are lost over it."""
        with self._lock:
            known, self._told = self._told == problem, problem
        if not known:
            self._tell(f"a connection was closed: {problem}")


def splice(near: socket.socket, far: socket.socket) -> None:
    """Both ways at once, until both have said all that they had to say, or one is gone."""
    back = threading.Thread(target=_copy, args=(far, near), name="connection back", daemon=True)
    back.start()
    _copy(near, far)
    back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
