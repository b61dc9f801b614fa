"""Run one program to its end, or to its deadline; then nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import IO

from reconciler.errors import Denied, OutcomeUnknown, Refused
from reconciler.hosts import child
from reconciler.ports import Completed

OUTPUT_BYTES = 1024 * 1024
STRAY_SECONDS = 0.2
"""For output that is still on its way when the program has ended; a child left behind may hold the pipe for ever."""
POLL_SECONDS = 0.05
"""Where the kernel has no way to tell us that a child has ended."""


def run(argv: Sequence[str], *, stdin: bytes = b"", deadline: float = 30.0) -> Completed:
    """Output beyond the cap is read and dropped: a program must not hang because we have heard enough."""
    program = _start(argv)
    try:
        return _Conversation(program, stdin, time.monotonic() + deadline).to_its_end()
    except TimeoutError:
        raise OutcomeUnknown(
            f"{argv[0]} did not end within {deadline:g} s and was killed", hint="look at what it has done so far"
        ) from None
    finally:
        child.end(program)


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return child.begun(argv)
    except FileNotFoundError as error:
        raise Refused(f"no program is called {argv[0]!r} here", hint="install it, or look at PATH") from error
    except PermissionError as error:
        raise Denied(f"{argv[0]} may not be run: {error.strerror}") from error
    except OSError as error:
        raise Refused(f"{argv[0]} can't be run: {error.strerror}") from error


class _Conversation:
    """Feeding it, hearing it, and noticing that it has ended, all at once."""

    def __init__(self, program: subprocess.Popen[bytes], stdin: bytes, until: float) -> None:
        assert program.stdin and program.stdout and program.stderr  # noqa: PT018 -- all three are pipes
        self._program = program
        self._stdin: IO[bytes] = program.stdin
        self._rest = memoryview(stdin)
        self._until = until
        self._heard: dict[IO[bytes], bytearray] = {program.stdout: bytearray(), program.stderr: bytearray()}

    def to_its_end(self) -> Completed:
        with selectors.DefaultSelector() as selector:
            self._open(selector)
            with _told_of_the_end(selector, self._program.pid):
                while self._program.poll() is None:
                    self._turn(selector, self._until)
            self._hear_the_rest(selector)
        stdout, stderr = (bytes(heard) for heard in self._heard.values())
        return Completed(self._program.returncode, stdout, stderr)

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
        self._rest = child.fed(self._stdin.fileno(), self._rest)
        if not self._rest:
            selector.unregister(self._stdin)
            self._stdin.close()

    def _hear(self, selector: selectors.BaseSelector, stream: IO[bytes]) -> None:
        chunk = child.heard(stream.fileno())
        if chunk is None:
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
