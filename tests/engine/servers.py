"""Servers that answer well, badly, slowly, endlessly or not at all: real sockets on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Talk = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def serving(talk: Talk) -> Iterator[int]:
    """A port on which each connection is talked to in a thread of its own, until the block ends."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0), backlog=200)
    threads: list[threading.Thread] = []

    def converse(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            talk(line, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listening.accept()
                threads.append(threading.Thread(target=converse, args=(line,)))
                threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for thread in threads:
            thread.join(timeout=10)


def saying(answer: bytes) -> Talk:
    """Read the request, say this, hang up."""

    def talk(line: socket.socket, _over: threading.Event) -> None:
        line.recv(65536)
        line.sendall(answer)

    return talk


def hang(line: socket.socket, over: threading.Event) -> None:
    line.recv(65536)
    over.wait(30)


def drip(line: socket.socket, over: threading.Event) -> None:
    """A byte now and then, so that no single read ever times out."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
        line.sendall(bytes([byte]))
        if over.wait(0.1):
            return


def flood(line: socket.socket, over: threading.Event) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.is_set():
        line.sendall(b"X-More: " + b"x" * 8192 + b"\r\n")


def endless_body(line: socket.socket, over: threading.Event) -> None:
    line.recv(65536)
    line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.is_set():
        line.sendall(b"x" * 65536)


def hang_up(line: socket.socket, _over: threading.Event) -> None:
    line.shutdown(socket.SHUT_RDWR)


def silent(_line: socket.socket, over: threading.Event) -> None:
    """Accepts and waits to be spoken to, as most servers do."""
    over.wait(30)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
