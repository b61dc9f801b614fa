"""Starts the daemon in the background, sees whether it is up, and ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.api.call import health
from reconciler.daemon import lock
from reconciler.daemon.log import log_path
from reconciler.errors import ReconcilerError
from reconciler.waiting import until

START_SECONDS = 15.0
STOP_SECONDS = 10.0
LAST_LINES = 10


def start(home: str, flags: Sequence[str]) -> int:
    """Detached from the terminal and from us; returns its pid when it answers."""
    if (pid := lock.holder(home)) is not None:
        raise lock.Held(home, pid)
    Path(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    log = os.open(log_path(home), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(log).st_size
        child = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "--home", home, "daemon", "run", *flags],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
        )  # fmt: skip
    finally:
        os.close(log)
    return _up(home, child, before)


def _up(home: str, child: subprocess.Popen[bytes], log_from: int) -> int:
    def answers() -> bool:
        answer = health(home)
        return answer is not None and answer["pid"] == child.pid

    if until(lambda: answers() or child.poll() is not None, START_SECONDS) and child.returncode is None:
        return child.pid
    if child.returncode is not None:
        raise ReconcilerError(
            f"the daemon ended at once, with exit code {child.returncode}: {_last_words(home, log_from)}",
            hint=f"all that it said is in {log_path(home)}",
        )
    raise ReconcilerError(
        f"the daemon (pid {child.pid}) has not answered for {START_SECONDS:g} s",
        hint=f"see what it says: reconciler daemon logs; {log_path(home)}",
    )


def _last_words(home: str, begin: int) -> str:
    said = Path(log_path(home)).read_bytes()[begin:].decode(errors="replace").splitlines()
    return " / ".join(said[-LAST_LINES:]) or "it said nothing"


def stop(home: str) -> int | None:
    """The pid of the one that ended; None when there was none. What it looks after goes on running."""
    pid = lock.holder(home)
    if pid is None:
        return None
    if not pid:
        raise ReconcilerError("the daemon has not written its pid down yet", hint="try again in a moment")
    handle = _handle(pid)
    if handle is not None:
        try:
            _end(home, pid, handle)
        finally:
            os.close(handle)
    if not until(lambda: lock.holder(home) != pid, STOP_SECONDS):
        raise ReconcilerError(
            f"the daemon (pid {pid}) did not end within {STOP_SECONDS:g} s",
            hint=f"kill -9 {pid} harms nothing: whoever comes next goes on from what is there",
        )
    return pid


def restart(home: str, flags: Sequence[str]) -> tuple[int | None, int]:
    """The pids of the one that ended and of its successor, which is told what that one was told; `flags` are for the
    case that there was none. Where systemd keeps it, systemd starts the next one.
    """
    old = lock.holder(home)
    if not old:
        return None, start(home, flags)
    told, kept = _told(old, flags), b"NOTIFY_SOCKET=" in _of_process(old, "environ")
    stop(home)
    return old, _successor(home, old) if kept else start(home, told)


def _told(pid: int, otherwise: Sequence[str]) -> Sequence[str]:
    """What stands behind `daemon run` on its command line."""
    words = [word.decode() for word in _of_process(pid, "cmdline").split(b"\0")[:-1]]
    begins = [at for at in range(1, len(words)) if words[at - 1 : at + 1] == ["daemon", "run"]]
    if words and not begins:
        raise ReconcilerError(
            f"the loop is no daemon, but a `watch` in the foreground (pid {pid})", hint="end that one where it runs"
        )
    return words[begins[0] + 1 :] if begins else otherwise


def _of_process(pid: int, name: str) -> bytes:
    """Empty of one that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _successor(home: str, old: int) -> int:
    def another() -> int | None:
        answer = health(home)
        return int(answer["pid"]) if answer and answer["pid"] != old else None

    if pid := until(another, START_SECONDS):
        return pid
    raise ReconcilerError(
        f"the daemon (pid {old}) has ended, and systemd has not started another one for {START_SECONDS:g} s",
        hint="see: systemctl status reconciler (systemctl --user, if it is yours)",
    )


def _end(home: str, pid: int, handle: int) -> None:
    if lock.holder(home) == pid:  # and not somebody else who has got its number since
        with suppress(ProcessLookupError):  # by itself, meanwhile
            signal.pidfd_send_signal(handle, signal.SIGTERM)


def _handle(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
