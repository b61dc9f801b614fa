"""The terminal that we run in, wired to a command elsewhere."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import termios
import threading
import tty as ttys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

from reconciler.errors import ReconcilerError
from reconciler.runtimes.docker.frames import STDERR, Frames
from reconciler.runtimes.docker.wire import Stream

Resize = Callable[[int, int], None]


def converse(stream: Stream, *, tty: bool, stdin: bool, resize: Resize) -> None:
    """Until the other side ends. Input goes in from a thread of its own, so that no direction holds up the other."""
    stream.talking = True
    with ExitStack() as stack:
        if tty and stdin and sys.stdin.isatty():
            stack.enter_context(_raw(sys.stdin.fileno()))
        if tty:
            stack.enter_context(_following_size(resize))
        if stdin:
            stack.enter_context(_sending(stream))
        _receive(stream, tty=tty)


def _receive(stream: Stream, *, tty: bool) -> None:
    out, err = sys.stdout.fileno(), sys.stderr.fileno()
    sys.stdout.flush()
    frames = ((0, piece) for piece in stream.pieces()) if tty else iter(Frames(stream))
    for kind, data in frames:
        _write(err if kind == STDERR else out, data)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def _sending(stream: Stream) -> Iterator[None]:
    """When the command has ended, the pipe wakes the thread from waiting for a key, and the end of the connection from
    sending what nobody reads: an engine may keep that open for minutes.
    """
    ended, end = os.pipe()
    thread = threading.Thread(target=_send, args=(stream, sys.stdin.fileno(), ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(end)
        with suppress(OSError):  # the other side was first
            stream.socket.shutdown(socket.SHUT_RDWR)
        thread.join()
        os.close(ended)


def _send(stream: Stream, source: int, ended: int) -> None:
    while True:
        ready, _, _ = select.select([source, ended], [], [])
        if ended in ready:
            return
        data = _read(source)
        with suppress(OSError):  # it has ended; the receiving side finds out how
            stream.socket.sendall(data)
            if not data:
                stream.socket.shutdown(socket.SHUT_WR)
                return


def _read(source: int) -> bytes:
    """A terminal that was closed has no more keys."""
    try:
        return os.read(source, 65536)
    except OSError:
        return b""


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Every key goes to the other side, Ctrl-C too; the terminal is given back as it was, whatever happens."""
    before = termios.tcgetattr(descriptor)
    try:
        ttys.setraw(descriptor)
        yield
    finally:
        with suppress(termios.error):  # it was closed
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _following_size(resize: Resize) -> Iterator[None]:
    def tell(_number: int = 0, _frame: FrameType | None = None) -> None:
        with suppress(OSError, ReconcilerError):  # no terminal after all; or the command has ended
            size = os.get_terminal_size(sys.stdout.fileno())  # not shutil's, which believes COLUMNS of the environment
            resize(size.lines, size.columns)

    tell()
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may take signals
        return
    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
