"""Processes by their marks, read from /proc, and signalled by descriptor so that no stranger is ever hit."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Proc:
    pid: int
    parent: int = field(compare=False)
    """May change: orphans are adopted."""
    started: int
    """In ticks since the boot: with the pid, who it is."""
    command: str

    @property
    def alive(self) -> bool:
        now = read(self.pid)
        return now is not None and now.started == self.started

    @property
    def state(self) -> str:
        """R, S, T, Z ...; empty when it is gone."""
        try:
            return _stat(self.pid)[0]
        except OSError:
            return ""

    @property
    def session(self) -> int:
        return int(_fields(self.pid)[3])

    @property
    def terminal(self) -> int:
        """Its controlling terminal's number; 0 for none."""
        return int(_fields(self.pid)[4])

    def signal(self, number: signal.Signals) -> None:
        """Gone already is fine."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)

    def environment(self) -> dict[str, str]:
        items = Path(f"/proc/{self.pid}/environ").read_bytes().decode().split("\0")
        return dict(item.split("=", 1) for item in items if "=" in item)


def processes_with(marks: Iterable[str]) -> list[Proc]:
    """Those whose environment holds all of the marks, oldest first. A zombie's is empty."""
    wanted = {mark.encode() for mark in marks}
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted <= set((directory / "environ").read_bytes().split(b"\0")):
                process = read(int(directory.name))
                found += [process] if process else []
    return sorted(found)


def read(pid: int) -> Proc | None:
    """None for one that is gone, or a zombie."""
    try:
        state, parent, started = _stat(pid)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    return None if state == "Z" else Proc(pid, parent, started, command)


def _stat(pid: int) -> tuple[str, int, int]:
    fields = _fields(pid)
    return fields[0], int(fields[1]), int(fields[19])


def _fields(pid: int) -> list[str]:
    """From the state on: what stands before it may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
