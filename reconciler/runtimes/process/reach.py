"""How to get into a service: commands beside it, in its own surroundings."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from reconciler.errors import Denied, OutcomeUnknown, Refused
from reconciler.passed_signals import one_mark, passed_on
from reconciler.ports import Completed
from reconciler.runtimes.process.identity import Identity, environ, living, open_pidfd, processes, send, slurp, stat
from reconciler.runtimes.process.launcher import SHELL, tool
from reconciler.values import dataclass

CHUNK = 1 << 16
OUTPUT_CAP = 1 << 16
MARK = "RECONCILER_RUN"
"""Variable by which all that a command has started is known."""
ENTER = r"""
while [ "$1" != -- ]; do
  echo 0 >"$1" || exit 125
  shift
done
shift
exec "$@"
"""
"""Constant text, like the launcher's: into the cgroups that are named up to `--`, then the command."""


@dataclass(frozen=True, slots=True)
class Place:
    """A running service, to be entered."""

    title: str
    service: Identity
    joins: Sequence[str]


def run(place: Place, argv: Sequence[str], deadline: float, env: Mapping[str, str] | None = None) -> Completed:
    """To its end; at the deadline it dies with all that it has started. What it leaves behind by itself may stay."""
    until = time.monotonic() + deadline
    mark = os.urandom(8).hex()
    child = subprocess.Popen(
        _entering(place, argv, user=""),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_working_directory(place),
        env=_environment(place, {**(env or {}), MARK: mark}),
        start_new_session=True,
    )
    try:
        out, err = _collect(child, until)
    finally:
        late = child.poll() is None
        if late:
            _end_all(child, mark)
    if late:
        raise OutcomeUnknown(f"running {argv[0]} in {place.title}: no end after {deadline:g} s, so it was killed")
    return Completed(_shell_code(child.returncode), out, err)


def attach(
    place: Place,
    argv: Sequence[str],
    *,
    tty: bool,
    stdin: bool,
    env: Mapping[str, str],
    user: str,
    workdir: str,
    alone: str = "",
) -> int:
    """In our own foreground, on our own terminal: its keys, its size and its job control simply work."""
    mark = one_mark(alone) if alone else os.urandom(8).hex()
    if alone:
        _end_marked(mark)
    more = {**env, MARK: mark}
    if tty:
        more.setdefault("TERM", os.environ.get("TERM", "dumb"))
    early: list[int] = []

    def give(number: int) -> None:
        if not _typed(number) and not _signal_marked(mark, number):
            early.append(number)

    with _terminal_kept(), passed_on(give):
        child = subprocess.Popen(
            _entering(place, argv, user=user),
            stdin=None if stdin or tty else subprocess.DEVNULL,
            cwd=workdir or _working_directory(place),
            env=_environment(place, more),
        )
        for number in early:
            _signal_marked(mark, number)
        return _shell_code(child.wait())


def _typed(number: int) -> bool:
    """Whether it most likely came from a key: then the terminal has told the command as well as us."""
    if number not in {signal.SIGINT, signal.SIGQUIT}:
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _signal_marked(mark: str, number: int) -> bool:
    """The command and what it has started: whoever ends may not leave somebody behind who goes on."""
    fds = _marked(mark)  # in the order of their numbers: the command itself is the first, but for a wrap-around
    for fd in fds:
        send(fd, number)
        os.close(fd)
    return bool(fds)


def _environment(place: Place, more: Mapping[str, str]) -> dict[str, str]:
    found = environ(place.service.pid)
    if not found or living(place.service) is None:
        raise Denied(
            f"{place.title}: its environment can't be read", hint="has it ended, or does it belong to another user?"
        )
    return {os.fsdecode(name): os.fsdecode(value) for name, value in found.items()} | dict(more)


def _working_directory(place: Place) -> str:
    return f"/proc/{place.service.pid}/cwd"


def _entering(place: Place, argv: Sequence[str], *, user: str) -> list[str]:
    """Cgroups first, while we still may; then the user; then the command."""
    if not argv:
        raise Refused(f"{place.title}: no command is given", hint="name one after --")
    return [SHELL, "-c", ENTER, "reconciler", *place.joins, "--", *_become(place, user), *argv]


def _become(place: Place, user: str) -> list[str]:
    """Who the service is, where that is another one than we are. What it may is what its process may."""
    if user:
        return [tool("setpriv"), f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
    status = dict(
        line.split(":", 1) for line in slurp(f"/proc/{place.service.pid}/status").decode().splitlines() if ":" in line
    )
    uid, gid = (status.get(field, "").split()[:1] for field in ("Uid", "Gid"))
    if not uid or not gid or int(uid[0]) == os.geteuid():
        return []
    groups = ",".join(status.get("Groups", "").split())
    keep = f"--groups={groups}" if groups else "--clear-groups"
    return [tool("setpriv"), f"--reuid={uid[0]}", f"--regid={gid[0]}", keep, "--"]


def _collect(child: subprocess.Popen[bytes], until: float) -> tuple[bytes, bytes]:
    """Both streams, each up to the cap: what is more is read and dropped, so that the child never waits for us.

    The end is the child's own end: a grandchild that keeps the streams open is nobody we wait for.
    """
    assert child.stdout is not None
    assert child.stderr is not None
    kept = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    poll = select.poll()
    ended = open_pidfd(child.pid)
    for fd in (*kept, *([] if ended is None else [ended])):
        poll.register(fd, select.POLLIN)
    open_ones = set(kept)
    try:
        while (left := until - time.monotonic()) > 0:
            ready = [fd for fd, _ in poll.poll(left * 1000)]
            for fd in open_ones.intersection(ready):
                if not _take(fd, kept[fd]):
                    poll.unregister(fd)
                    open_ones.discard(fd)
            if ended in ready and not open_ones.intersection(ready):
                child.wait()
                break
    finally:
        if ended is not None:
            os.close(ended)
        child.stdout.close()
        child.stderr.close()
    out, err = kept.values()
    return bytes(out), bytes(err)


def _take(fd: int, kept: bytearray) -> bool:
    chunk = os.read(fd, CHUNK)
    kept += chunk[: OUTPUT_CAP - len(kept)]
    return bool(chunk)


def _end_all(child: subprocess.Popen[bytes], mark: str) -> None:
    """The command and whatever it has left behind, in its session or marked as its own."""
    child.kill()
    _end_marked(mark)
    child.wait()


def _end_marked(mark: str) -> None:
    while fds := _marked(mark):
        for fd in fds:
            send(fd, signal.SIGKILL)
        for fd in fds:
            select.select([fd], [], [], 1.0)
            os.close(fd)


def _marked(mark: str) -> list[int]:
    fds = []
    for pid in sorted(processes()):
        if _is_marked(pid, mark) and (fd := open_pidfd(pid)) is not None:
            if _is_marked(pid, mark):
                fds.append(fd)
            else:
                os.close(fd)
    return fds


def _is_marked(pid: int, mark: str) -> bool:
    found = stat(pid)
    return bool(found and found.alive) and environ(pid).get(MARK.encode()) == mark.encode()


def _shell_code(code: int) -> int:
    return code if code >= 0 else 128 - code


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Whatever the command did to the terminal is undone afterwards."""
    import termios  # noqa: PLC0415 -- only for who attaches

    terminal = 0 if os.isatty(0) else None
    before = termios.tcgetattr(terminal) if terminal is not None else None
    try:
        yield
    finally:
        if terminal is not None and before is not None:
            _take_back(terminal, before)


def _take_back(terminal: int, before: list[Any]) -> None:
    """The foreground and its settings. A terminal that does not control us has no foreground to give."""
    import termios  # noqa: PLC0415

    stopping = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        with suppress(OSError, termios.error):  # nor has one that was closed
            os.tcsetpgrp(terminal, os.getpgrp())
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    finally:
        signal.signal(signal.SIGTTOU, stopping)
