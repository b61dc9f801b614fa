"""A wire that counts, listens in, and can be cut after any byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: to close is to reset."""


class Proxy:
    """TCP from a port on loopback to an address. `sent` and `received` are what the client said and heard so far."""

    def __init__(self, host: str, port: int = 22) -> None:
        self._there = (host, port)
        self._left: int | None = None
        self._lock = threading.Lock()
        self._ends: list[tuple[socket.socket, socket.socket]] = []
        self.sent, self.received = bytearray(), bytearray()
        self.cuts = 0
        """How often somebody was cut off."""
        self._counted, self._reset, self._linger = self.sent, True, 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut_after(self, count: int | None, *, heard: bool = False, reset: bool = True, linger: float = 0) -> None:
        """Lets through so many more bytes of what clients say, or hear, and then cuts every connection, once.

        With `linger`, who got those bytes has so much time to do something about them before it is told.
        """
        with self._lock:
            self._left, self._counted = count, self.received if heard else self.sent
            self._reset, self._linger = reset, linger
        if count == 0:
            self.cut(reset=reset)

    def cut(self, *, reset: bool = True) -> None:
        """A reset throws away what the server has not read yet; without one it reads all, and then the end."""
        with self._lock:
            ends, self._ends, self._left = self._ends, [], None
            self.cuts += bool(ends)
        for client, server in ends:
            _reset(client)
            if reset:
                _reset(server)
            else:
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # to close it would leave whoever waits for a client waiting
        self._listener.close()
        self.cut()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._there, timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._ends.append((client, server))
        for source, sink, record in ((client, server, self.sent), (server, client, self.received)):
            threading.Thread(target=self._carry, args=(source, sink, record), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, record: bytearray) -> None:
        with contextlib.suppress(OSError), source:
            while chunk := source.recv(65536):
                through = self._allowed(chunk) if record is self._counted else chunk
                record += through
                with contextlib.suppress(OSError):  # who is cut off has no use for it, and the other goes on talking
                    sink.sendall(through)
                if record is self._counted and self._left == 0:
                    time.sleep(self._linger)
                    self.cut(reset=self._reset)
            sink.shutdown(socket.SHUT_WR)

    def _allowed(self, chunk: bytes) -> bytes:
        with self._lock:
            if self._left is None:
                return chunk
            through = chunk[: self._left]
            self._left -= len(through)
            return through


@contextlib.contextmanager
def far_off(host: str, port: int, delay: float) -> Iterator[int]:
    """The number of a port on loopback behind which an address is farther away than it is, by so many seconds each way.
    A long line is no slow one: what is under way does not hold up what follows.
    """
    loop = asyncio.new_event_loop()
    coming = loop.run_until_complete(
        asyncio.start_server(lambda *near: _stretch(near, host, port, delay), "127.0.0.1", 0)
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield int(coming.sockets[0].getsockname()[1])
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    coming.close()
    loop.run_until_complete(_let_go())
    loop.close()


async def _let_go() -> None:
    """Of what is still under way."""
    carried = asyncio.all_tasks() - {asyncio.current_task()}
    for one in carried:
        one.cancel()
    await asyncio.gather(*carried, return_exceptions=True)


async def _stretch(near: tuple[asyncio.StreamReader, asyncio.StreamWriter], host: str, port: int, delay: float) -> None:
    with contextlib.suppress(asyncio.CancelledError):  # as `_let_go` does; some Pythons would tell of it at length
        far = await asyncio.open_connection(host, port)
        await asyncio.gather(_late(near[0], far[1], delay), _late(far[0], near[1], delay), return_exceptions=True)


async def _late(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
    later = asyncio.get_running_loop().call_later
    while chunk := await source.read(65536):
        later(delay, sink.write, chunk)
    later(delay, sink.close)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        end.shutdown(socket.SHUT_RD)  # who waits for it in another thread would keep it open
    end.close()
