"""HTTP with the engine over a bare socket: a list takes 7 ms this way, where only the import of a client library
takes 140, and each change through it three times the processor time.

Requests are HTTP/1.0: one for each connection, and the answer's body ends where the connection does.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from itertools import zip_longest
from typing import Any

from reconciler.errors import Unreachable
from reconciler.runtimes.docker.dialect import as_docker
from reconciler.runtimes.docker.endpoint import Endpoint
from reconciler.runtimes.docker.errors import garbled, unknown, unreachable
from reconciler.values import dataclass

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    method: str = "GET"
    body: Any = None
    """Bytes are sent as the archive that they are, all else as JSON."""
    headers: tuple[str, ...] = ()

    def encode(self) -> bytes:
        archive = isinstance(self.body, bytes)
        body = self.body if archive else b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"{self.method} {self.path} HTTP/1.0", "Host: engine", *self.headers]
        if self.method != "GET":
            lines += [f"Content-Type: application/{'x-tar' if archive else 'json'}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + bytes(body)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    endpoint: Endpoint = field(repr=False)

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise garbled(self.endpoint, "not whole JSON") from error

    @property
    def message(self) -> str:
        """The engine's own words about a failure."""
        try:
            return str(json.loads(self.body)["message"])
        except (ValueError, RecursionError, KeyError, TypeError):
            return self.body[:200].decode(errors="replace").strip()


def answer(status: int, body: bytes, endpoint: Endpoint) -> Reply:
    """Refusals come in the words of one engine, whichever it is."""
    return Reply(*(as_docker(status, body) if status >= 400 else (status, body)), endpoint)


def ask(endpoint: Endpoint, request: Request, *, seconds: float) -> Reply:
    """One question, answered wholly within the deadline, or Unreachable."""
    return ask_all(endpoint, [request], seconds=seconds)[0]


def tell(endpoint: Endpoint, request: Request, doing: str, *, seconds: float) -> Reply:
    """A change. Who can't even be dialled has changed nothing; after that, silence says neither yes nor no."""
    stream = Stream(endpoint, time.monotonic() + seconds, seconds)
    try:
        stream.send(request.encode())
        return stream.reply()
    except Unreachable as error:
        late = isinstance(error.__cause__, TimeoutError)
        raise unknown(doing, "the engine did not answer in time" if late else "the connection broke") from error
    finally:
        stream.close()


def ask_all(endpoint: Endpoint, requests: Sequence[Request], *, seconds: float) -> list[Reply]:
    """Several questions at once: all are sent before the first answer is read. One deadline for all."""
    deadline = time.monotonic() + seconds
    streams: list[Stream] = []
    try:
        for request in requests:
            streams.append(Stream(endpoint, deadline, seconds))
            streams[-1].send(request.encode())
        return [stream.reply() for stream in streams]
    finally:
        for stream in streams:
            stream.close()


def ask_each(
    endpoint: Endpoint, requests: Sequence[Request], *, seconds: float, lines: Iterable[Stream] = ()
) -> list[Reply | Unreachable]:
    """Several questions at once, each with its own fate. One deadline for all. The first go over the `lines` given."""
    deadline = time.monotonic() + seconds
    given = zip_longest(requests, lines)
    streams = [_asked(endpoint, request, deadline, seconds, line) for request, line in given if request]
    return [stream if isinstance(stream, Unreachable) else _answered(stream) for stream in streams]


def _asked(
    endpoint: Endpoint, request: Request, deadline: float, seconds: float, line: Stream | None
) -> Stream | Unreachable:
    try:
        stream = line or Stream(endpoint, deadline, seconds)
        stream.deadline = deadline
        with _closed_unless_well(stream):
            stream.send(request.encode())
    except Unreachable as error:
        return error
    return stream


def _answered(stream: Stream) -> Reply | Unreachable:
    try:
        return stream.reply()
    except Unreachable as error:
        return error
    finally:
        stream.close()


def lines_ahead(endpoint: Endpoint, count: int, *, seconds: float) -> list[Stream]:
    """Open lines over which nothing is asked yet. Where none can be had, whoever asks finds out why."""
    found: list[Stream] = []
    with suppress(Unreachable):
        while len(found) < count:
            found.append(Stream(endpoint, time.monotonic() + seconds, seconds))
    return found


def asking(endpoint: Endpoint, request: Request, *, seconds: float) -> Stream:
    """A question that is under way."""
    stream = Stream(endpoint, time.monotonic() + seconds, seconds)
    with _closed_unless_well(stream):
        stream.send(request.encode())
    return stream


def open_stream(endpoint: Endpoint, request: Request, *, seconds: float) -> Stream:
    """Asks, and reads only the answer's head within the deadline; what follows has none unless it is set."""
    stream = asking(endpoint, request, seconds=seconds)
    with _closed_unless_well(stream):
        stream.read_head()
    stream.deadline = None
    return stream


@contextmanager
def _closed_unless_well(stream: Stream) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stream.close()
        raise


class Stream:
    """One connection: a request out, an answer in. Every wait on it ends at the deadline."""

    def __init__(self, endpoint: Endpoint, deadline: float | None, seconds: float) -> None:
        self.endpoint = endpoint
        self.deadline = deadline
        self.status = 0
        self.headers: dict[str, str] = {}
        self.talking = False
        self._seconds = seconds
        self._length: int | None = None
        self._rest = b""
        try:
            self.socket = _dial(endpoint, self._patience())
        except OSError as error:
            raise unreachable(endpoint, error, seconds) from error

    def send(self, data: bytes) -> None:
        try:
            self.socket.settimeout(self._patience())
            self.socket.sendall(data)
        except OSError as error:
            raise unreachable(self.endpoint, error, self._seconds) from error

    def reply(self) -> Reply:
        self.read_head()
        body = b"".join(self._limited())
        if self._length is not None and len(body) < self._length:
            raise garbled(self.endpoint, f"{len(body)} of {self._length} bytes")
        return answer(self.status, body, self.endpoint)

    def read_head(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.read()
            head += piece
            if not piece or len(head) > LARGEST_HEAD:
                raise garbled(self.endpoint, "not HTTP" if head else "nothing")
        head, _, self._rest = head.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        protocol, _, rest = first.partition(" ")
        if not protocol.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise garbled(self.endpoint, "not HTTP")
        self.status = int(rest[:3])
        lengths = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("content-length:")]
        self.headers = {name.strip().lower(): rest.strip() for name, _, rest in (line.partition(":") for line in lines)}
        self._length = int(lengths[0]) if lengths and lengths[0].isdecimal() else None

    def read(self, most: int = 65536) -> bytes:
        """The next piece; empty at the end."""
        if self._rest:
            piece, self._rest = self._rest[:most], self._rest[most:]
            return piece
        try:
            self.socket.settimeout(self._patience())
            return self.socket.recv(most)
        except ConnectionResetError as error:
            if not self.talking:
                raise unreachable(self.endpoint, error, self._seconds) from error
            return self._last_words(most)
        except OSError as error:
            raise unreachable(self.endpoint, error, self._seconds) from error

    def _last_words(self, most: int) -> bytes:
        """Who hangs up without having read all that we said resets the line; what he said before is still there."""
        with suppress(OSError):
            return self.socket.recv(most)
        return b""

    def pieces(self) -> Iterator[bytes]:
        while piece := self.read():
            yield piece

    def close(self) -> None:
        self.socket.close()

    def _limited(self) -> Iterator[bytes]:
        total = 0
        for piece in self.pieces():
            total += len(piece)
            if total > LARGEST_BODY:
                raise garbled(self.endpoint, "no end")
            yield piece

    def _patience(self) -> float | None:
        """What is left of the deadline. Zero would mean 'don't block', so a little stays."""
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 0.001)


def _dial(endpoint: Endpoint, seconds: float | None) -> socket.socket:
    if not endpoint.path:
        plain = socket.create_connection(endpoint.machine, timeout=seconds)
        return _secured(endpoint, plain) if endpoint.certificates else plain
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(endpoint.path)
    except BaseException:
        connection.close()
        raise
    return connection


def _secured(endpoint: Endpoint, plain: socket.socket) -> socket.socket:
    import ssl  # noqa: PLC0415 -- 15 ms, and hardly anybody's engine is far away

    folder = endpoint.certificates
    try:
        context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
        context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
        return context.wrap_socket(plain, server_hostname=endpoint.machine[0])
    except BaseException:
        plain.close()
        raise
