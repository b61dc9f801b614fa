"""A terminal that can be closed: what a program sees of a person who goes home."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.waiting import PATIENCE

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WHERE = "\x1b[6n"
"""Some shells ask where the cursor is before they let anybody type; they do without an answer."""


class Terminal:
    """A program in a session of its own, on a pseudo-terminal that we hold the other end of."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        self._master, slave = pty.openpty()
        self.seen = ""
        self.program = subprocess.Popen(
            argv, env={**environment, "TERM": "xterm-256color"}, cwd=directory, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=_take_terminal,  # noqa: PLW1509 -- the child only makes a system call
        )  # fmt: skip
        os.close(slave)

    @property
    def text(self) -> str:
        """What is on the screen, without colours and motions."""
        return ESCAPE.sub("", self.seen)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def shows(self, text: str, within: float = PATIENCE) -> bool:
        """Whether it comes up on the screen in time."""
        return self._read_until(lambda: text in self.seen, within)

    def ends(self, within: float = PATIENCE) -> int:
        self._read_until(lambda: self.program.poll() is not None, within)
        self._read_until(lambda: False, 0.05)
        return self.program.wait(timeout=PATIENCE)

    def close(self) -> None:
        """The window is closed: the kernel sends SIGHUP to all who sit at it."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _read_until(self, enough: Callable[[], bool], within: float) -> bool:
        deadline = time.monotonic() + within
        while not enough():
            if time.monotonic() > deadline:
                return False
            ready, _, _ = select.select([self._master], [], [], 0.02)
            if ready:
                with contextlib.suppress(OSError):  # nobody has the other end open any more
                    self.seen += os.read(self._master, 65536).decode(errors="replace")
        return True


def _take_terminal() -> None:
    import fcntl
    import signal
    import termios

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have it ignored
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def terminal(argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> Iterator[Terminal]:
    it = Terminal(argv, environment, directory)
    try:
        yield it
    finally:
        it.close()
        if it.program.poll() is None:
            it.program.kill()
        it.program.wait()
