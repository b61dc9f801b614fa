"""Output of a workload without a terminal: frames of eight bytes of head, which say whose it is, and content."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from reconciler.runtimes.docker.dialect import is_noise
from reconciler.runtimes.docker.wire import Stream

STDOUT, STDERR = 1, 2
HEAD = struct.Struct(">BxxxL")


class Frames:
    """(STDOUT or STDERR, data), in the order written. What is cut off at the end is given as far as it came."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rest = b""

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while self._fill(HEAD.size):
            kind, left = HEAD.unpack(self._rest[: HEAD.size])
            self._rest = self._rest[HEAD.size :]
            while left and self._fill(1):
                data, self._rest = self._rest[:left], self._rest[left:]
                left -= len(data)
                if not is_noise(data):
                    yield (STDERR if kind == STDERR else STDOUT), data

    def _fill(self, wanted: int) -> bool:
        while len(self._rest) < wanted:
            piece = self._stream.read()
            if not piece:
                return False
            self._rest += piece
        return True
