"""Stands between the program and its engine, and spoils what it is told to spoil."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Fault(StrEnum):
    LOST = "the effect happens, and the answer is lost"
    REFUSED = "the connection breaks before the engine hears of it"
    SILENT = "the effect happens, and no answer ever comes"
    TRUNCATED = "half of the answer comes"
    GARBAGE = "the answer is no JSON"
    EMPTY = "a list says that there is nothing"
    CONFLICT = "409"
    BUSY = "429"
    BROKEN = "500"


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    number: int
    """Among all of its like (reads or writes), from 0."""

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def lists(self) -> bool:
        return re.fullmatch(r"/containers/json.*|/networks|/volumes", self.path) is not None


Judge = Callable[[Asked], Fault | bytes | None]
"""Bytes are the whole answer, in the engine's place."""
Retell = Callable[[bytes], Iterable[bytes]]
"""What is told instead of one event."""


def reply(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.0 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def truly(event: bytes) -> Iterable[bytes]:
    return [event]


def never(_: Asked) -> None:
    """Everything passes."""


def the_write(number: int, fault: Fault) -> Judge:
    return lambda asked: fault if asked.writes and asked.number == number else None


def now_and_then(fault: Fault, share: float, seed: int) -> Judge:
    """So many of those requests that the fault makes sense for, chosen by lot, each lot by its number alone."""

    def judge(asked: Asked) -> Fault | None:
        if fault is Fault.EMPTY and not asked.lists:
            return None
        lot = random.Random(f"{seed} {asked.method} {asked.number}").random()
        return fault if lot < share else None

    return judge


@dataclass
class Proxy:
    """Listens at `address`; `judge` and `retell` may be exchanged at any time."""

    engine: str
    path: Path
    judge: Judge = never
    retell: Retell = truly
    asked: list[Asked] = field(default_factory=list)
    spoilt: list[Asked] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _silenced: list[socket.socket] = field(default_factory=list)
    _open: dict[socket.socket, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"unix://{self.path}"

    @property
    def removals(self) -> list[str]:
        return [asked.path for asked in self.asked if asked.method == "DELETE"]

    @property
    def writes(self) -> int:
        return sum(asked.writes for asked in self.asked)

    def begin(self, judge: Judge) -> None:
        """Another run: numbers count anew."""
        with self._lock:
            self.judge = judge
            self.asked.clear()
            self.spoilt.clear()

    def cut(self, path: str = "/") -> None:
        """Whatever is open under the path breaks, long answers in their middle."""
        for client in [client for client, asked in [*self._open.items()] if asked.startswith(path)]:
            with contextlib.suppress(OSError):  # it has come to its end meanwhile
                client.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def listening(self) -> Iterator[Proxy]:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen(64)
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
            listener.close()
            thread.join()
            for one in self._silenced:
                one.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was shut
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # whoever asked is gone
            head, rest = _head(client)
            asked, fault = self._note(head)
            request = head + b"\r\n\r\n" + rest
            if fault is Fault.SILENT:
                self._silenced.append(client)
                self._pass_on(request, client, answered=False)
                return
            self._open[client] = asked.path
            try:
                self._answer(asked, fault, request, client)
            finally:
                self._open.pop(client, None)
                client.shutdown(socket.SHUT_RDWR)  # while the pump reads from it, to close it is not enough
                client.close()

    def _note(self, head: bytes) -> tuple[Asked, Fault | bytes | None]:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        with self._lock:
            like = sum(one.writes == (method != "GET") for one in self.asked)
            asked = Asked(method, path, like)
            self.asked.append(asked)
            fault = self.judge(asked)
            if fault is not None:
                self.spoilt.append(asked)
        return asked, fault

    def _answer(self, asked: Asked, fault: Fault | bytes | None, request: bytes, client: socket.socket) -> None:
        match fault:
            case None if asked.path.startswith("/events"):
                self._retell(request, client)
            case None:
                self._pass_on(request, client, answered=True)
            case bytes():
                client.sendall(fault)
            case Fault.REFUSED:
                return
            case Fault.LOST:
                self._pass_on(request, client, answered=False)
            case Fault.TRUNCATED:
                whole = self._pass_on(request, client, answered=False)
                client.sendall(whole[: max(len(whole) // 2, 1)])
            case Fault.GARBAGE:
                client.sendall(reply(200, b"<html>so sorry</html>"))
            case Fault.EMPTY:
                client.sendall(reply(200, b'{"Volumes":null}' if asked.path.startswith("/volumes") else b"[]"))
            case _:
                client.sendall(reply(int(fault), b'{"message":"the proxy has other plans"}'))

    def _pass_on(self, request: bytes, client: socket.socket, *, answered: bool) -> bytes:
        """To the engine, with whatever else the client sends; what comes back goes to the client as it comes."""
        kept = b""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
            engine.connect(self.engine)
            engine.sendall(request)
            threading.Thread(target=_pump, args=(client, engine), daemon=True).start()
            while piece := engine.recv(1 << 16):
                kept += b"" if answered else piece
                if answered:
                    client.sendall(piece)
        return kept

    def _retell(self, request: bytes, client: socket.socket) -> None:
        """The stream of events, event by event."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
            engine.connect(self.engine)
            engine.sendall(request)
            head, rest = _head(engine)
            client.sendall(head + b"\r\n\r\n")
            threading.Thread(target=_pump, args=(client, engine), daemon=True).start()
            while True:
                *events, rest = rest.split(b"\n")
                for told in (told for event in events for told in self.retell(event + b"\n")):
                    client.sendall(told)
                if not (piece := engine.recv(1 << 16)):
                    return
                rest += piece


def between(engine: str, directory: Path) -> Proxy:
    return Proxy(engine.removeprefix("unix://"), directory / f"{os.getpid()}.sock")


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """And what came of the body along with it; the rest is pumped."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(1 << 16)
        if not piece:
            raise OSError("gone")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
