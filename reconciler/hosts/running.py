"""Run one program to its end, or to its deadline; then nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import IO

from reconciler.errors import Denied, OutcomeUnknown, Refused
from reconciler.ports import Completed

OUTPUT_BYTES = 1024 * 1024
STRAY_SECONDS = 0.2
"""For output that is still on its way when the program has ended; a child left behind may hold the pipe for ever."""
REAP_SECONDS = 2.0
POLL_SECONDS = 0.05
"""Where the kernel has no way to tell us that a child has ended."""


def run(argv: Sequence[str], *, stdin: bytes = b"", deadline: float = 30.0) -> Completed:
    """Output beyond the cap is read and dropped: a program must not hang because we have heard enough."""
    child = _start(argv)
    try:
        return _Conversation(child, stdin, time.monotonic() + deadline).to_its_end()
    except TimeoutError:
        raise OutcomeUnknown(
            f"{argv[0]} did not end within {deadline:g} s and was killed", hint="look at what it has done so far"
        ) from None
    finally:
        _end(child)


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """In a session of its own, so that the deadline reaches its children and our terminal's signals don't."""
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(list(argv), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, bufsize=0)
    except FileNotFoundError as error:
        raise Refused(f"no program is called {argv[0]!r} here", hint="install it, or look at PATH") from error
    except PermissionError as error:
        raise Denied(f"{argv[0]} may not be run: {error.strerror}") from error
    except OSError as error:
        raise Refused(f"{argv[0]} can't be run: {error.strerror}") from error


def _end(child: subprocess.Popen[bytes]) -> None:
    """Before it is waited for, its id is still its own: nobody else can be hit."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):  # even KILL does not reach who hangs inside the kernel
        child.wait(timeout=REAP_SECONDS)


class _Conversation:
    """Feeding it, hearing it, and noticing that it has ended, all at once."""

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes, until: float) -> None:
        assert child.stdin and child.stdout and child.stderr  # noqa: PT018 -- all three are pipes
        self._child = child
        self._stdin: IO[bytes] = child.stdin
        self._rest = memoryview(stdin)
        self._until = until
        self._heard: dict[IO[bytes], bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}

    def to_its_end(self) -> Completed:
        with selectors.DefaultSelector() as selector:
            self._open(selector)
            with _told_of_the_end(selector, self._child.pid):
                while self._child.poll() is None:
                    self._turn(selector, self._until)
            self._hear_the_rest(selector)
        stdout, stderr = (bytes(heard) for heard in self._heard.values())
        return Completed(self._child.returncode, stdout, stderr)

    def _open(self, selector: selectors.BaseSelector) -> None:
        for stream in self._heard:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        if self._rest:
            os.set_blocking(self._stdin.fileno(), False)
            selector.register(self._stdin, selectors.EVENT_WRITE)
        else:
            self._stdin.close()

    def _turn(self, selector: selectors.BaseSelector, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        for key, _ in selector.select(left if hasattr(os, "pidfd_open") else min(left, POLL_SECONDS)):
            if key.fileobj is self._stdin:
                self._feed(selector)
            elif not isinstance(key.fileobj, int):
                self._hear(selector, key.fileobj)  # type: ignore[arg-type]  # one of our two streams

    def _feed(self, selector: selectors.BaseSelector) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                self._rest = self._rest[os.write(self._stdin.fileno(), self._rest[:65536]) :]
            except BrokenPipeError:
                self._rest = self._rest[:0]  # it does not want to hear more, which is its right
        if not self._rest:
            selector.unregister(self._stdin)
            self._stdin.close()

    def _hear(self, selector: selectors.BaseSelector, stream: IO[bytes]) -> None:
        try:
            chunk = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            return
        if not chunk:
            selector.unregister(stream)
        heard = self._heard[stream]
        heard += chunk[: OUTPUT_BYTES - len(heard)]

    def _hear_the_rest(self, selector: selectors.BaseSelector) -> None:
        until = min(self._until, time.monotonic() + STRAY_SECONDS)
        with contextlib.suppress(TimeoutError):
            while any(key.fileobj in self._heard for key in selector.get_map().values()):
                self._turn(selector, until)


@contextlib.contextmanager
def _told_of_the_end(selector: selectors.BaseSelector, pid: int) -> Iterator[None]:
    """By a descriptor that becomes readable when the child ends, where the kernel has such."""
    if not hasattr(os, "pidfd_open"):
        yield
        return
    fd = os.pidfd_open(pid)
    selector.register(fd, selectors.EVENT_READ)
    try:
        yield
    finally:
        selector.unregister(fd)
        os.close(fd)
