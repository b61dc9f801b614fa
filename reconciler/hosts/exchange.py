"""One command over a wire: what goes in, what comes out, and whether it came to its end."""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from reconciler.errors import Refused
from reconciler.hosts import child
from reconciler.hosts.remote import WHOLE
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """`ended` is the remote command's status in its own words, and empty when nobody told of its end."""

    begun: bool
    ended: str
    stdout: bytes
    stderr: bytes
    noise: bytes
    """What was said on stderr before the command began: by ssh, or by a login shell."""
    exit_code: int
    """Of the local program; negative where we ended it."""
    late: bool = False
    """It was ended at the deadline."""


def exchange(argv: Sequence[str], *, mark: str, stdin: bytes, deadline: float, most: int) -> Heard:
    """What was heard until the deadline counts too. Output beyond `most` bytes is read and dropped."""
    program = _begin(argv)
    try:
        return _Exchange(program, mark.encode(), stdin, time.monotonic() + deadline, most).to_its_end()
    finally:
        child.end(program)


def flow(argv: Sequence[str], *, mark: str, deadline: float, most: int, tick: float) -> Generator[bytes, None, Heard]:
    """What the command writes, as it comes; nothing at all after a `tick` without a word. It ends when nobody listens
    any more.
    """
    program = _begin(argv)
    try:
        return (yield from _Exchange(program, mark.encode(), b"", time.monotonic() + deadline, most).flowing(tick))
    finally:
        child.end(program)


def _begin(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return child.begun(argv)
    except OSError as error:
        raise Refused(f"{argv[0]} can't be run: {error.strerror}", hint="install the OpenSSH client") from error


class _Exchange:
    def __init__(self, program: subprocess.Popen[bytes], mark: bytes, stdin: bytes, until: float, most: int) -> None:
        assert program.stdin and program.stdout and program.stderr  # noqa: PT018 -- all three are pipes
        self._program, self._until = program, until
        self._stdin = program.stdin.fileno()
        self._rest = memoryview(stdin + WHOLE if stdin else b"")
        self._ears = {program.stdout.fileno(): _Ear(mark, most), program.stderr.fileno(): _Ear(mark, most)}

    def to_its_end(self) -> Heard:
        """Of the command, that is: what it left behind may hold the wire for ever. Our end of the input stays open
        until then, for it is the command's lifeline.
        """
        try:
            for _ in self._turns():
                pass
        except TimeoutError:
            return replace(self._heard(), late=True)
        return self._heard()

    def flowing(self, tick: float) -> Generator[bytes, None, Heard]:
        out, _ = self._ears.values()
        for silent in self._turns(tick):
            if (piece := out.taken()) or silent:
                yield piece
        return self._heard()

    def _turns(self, tick: float = math.inf) -> Iterator[bool]:
        """Each time somebody has spoken, or nobody for a whole tick."""
        with selectors.DefaultSelector() as selector:
            for fd in self._ears:
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ)
            if self._rest:
                os.set_blocking(self._stdin, False)
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while not all(ear.done for ear in self._ears.values()):
                yield not self._turn(selector, tick)

    def _turn(self, selector: selectors.BaseSelector, tick: float) -> bool:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        ready = selector.select(min(left, tick))
        for key, _ in ready:
            if key.fd == self._stdin:
                self._feed(selector)
            else:
                self._hear(selector, key.fd)
        return bool(ready)

    def _feed(self, selector: selectors.BaseSelector) -> None:
        self._rest = child.fed(self._stdin, self._rest)
        if not self._rest:
            selector.unregister(self._stdin)

    def _hear(self, selector: selectors.BaseSelector, fd: int) -> None:
        chunk = child.heard(fd)
        if chunk is None:
            return
        self._ears[fd].hear(chunk)
        if not chunk:
            selector.unregister(fd)

    def _heard(self) -> Heard:
        out, err = self._ears.values()
        ended = out.ended if out.ended == err.ended else ""
        if not ended:  # the wire is at its end, then, and ssh says why
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._program.wait(timeout=max(0.0, self._until - time.monotonic()))
        code = self._program.poll()
        stderr = bytes(err.kept) if err.begun else b""
        noise = bytes(err.noise) if err.begun else bytes(err.kept)
        return Heard(out.begun or err.begun, ended, bytes(out.kept), stderr, noise, -1 if code is None else code)


class _Ear:
    """Hears one stream, from the mark at the command's beginning to the one at its end."""

    def __init__(self, mark: bytes, most: int) -> None:
        self._begin = mark + b" begun\n"
        self._mark, self._end = mark + b" ", re.compile(re.escape(mark) + rb" (\w{1,8})\n")
        self._most = most
        self._tail = b""
        self.kept, self.noise = bytearray(), b""
        self.begun, self.ended, self.done = False, "", False

    def hear(self, chunk: bytes) -> None:
        """Nothing more is to come after an empty one. What strays say after the end is none of the command's."""
        if self.done:
            return
        text, self._tail = self._tail + chunk, b""
        if not self.begun:
            text = self._from_beginning(text)
        if self.begun and (end := self._end.search(text)):
            text, self.ended, self.done = text[: end.start()], end[1].decode(), True
        elif chunk:
            whole = len(text) - self._begun_mark(text)
            text, self._tail = text[:whole], text[whole:]
        else:
            self.done = True
        self.kept += text[: self._most - len(self.kept)]

    def taken(self) -> bytes:
        """What was kept since the last time."""
        piece = bytes(self.kept) if self.begun else b""
        del self.kept[: len(piece)]
        return piece

    def _begun_mark(self, text: bytes) -> int:
        """How many of the last bytes may be the first ones of a mark."""
        longest = range(min(len(text), len(self._mark) + 9), 0, -1)
        return next((n for n in longest if text[-n:].startswith(self._mark) or self._mark.startswith(text[-n:])), 0)

    def _from_beginning(self, text: bytes) -> bytes:
        before, found, after = text.partition(self._begin)
        if not found:
            return text
        self.noise, self.begun = bytes(self.kept) + before, True
        self.kept.clear()
        return after
