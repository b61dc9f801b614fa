"""A program with a pipe to each of its ends: begun apart from us, fed and heard bit by bit, ended as a whole."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence

REAP_SECONDS = 2.0
CHUNK_BYTES = 65536


def begun(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """In a session of its own: the end reaches its children, and our terminal's signals don't. Raises OSError."""
    pipe = subprocess.PIPE
    return subprocess.Popen(list(argv), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, bufsize=0)


def end(child: subprocess.Popen[bytes]) -> None:
    """Before it is waited for, its id is still its own: nobody else can be hit."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):  # even KILL does not reach who hangs inside the kernel
        child.wait(timeout=REAP_SECONDS)


def fed(fd: int, rest: memoryview) -> memoryview:
    """What is left to be said. Nothing is to one that does not want to hear more, which is its right."""
    try:
        return rest[os.write(fd, rest[:CHUNK_BYTES]) :]
    except BlockingIOError:
        return rest
    except BrokenPipeError:
        return rest[:0]


def heard(fd: int) -> bytes | None:
    """What it says now; empty at its end, None where there is nothing yet."""
    try:
        return os.read(fd, CHUNK_BYTES)
    except BlockingIOError:
        return None
