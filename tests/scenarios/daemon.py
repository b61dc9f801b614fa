"""The daemon of a stage's home: started as users do, and hurt as they would not."""

from __future__ import annotations

import fcntl
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.scenarios.proc import read
from tests.scenarios.stage import Stage, eventually

SELDOM = ("--resync", "10m")


class Daemon:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def start(self, *flags: str, env: Mapping[str, str] | None = None) -> int:
        """Its pid; up when this returns. Unless rounds are asked for, none comes to make up for what it missed."""
        rounds = () if "--resync" in flags else SELDOM
        told = self.stage.cli("daemon", "start", *rounds, *flags, env=env)
        found = re.search(r"pid (\d+)", told.out)
        assert found, told
        return int(found[1])

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.stage.cli("daemon", "status", "-o", "json", expect=None).json
        return found

    @property
    def log(self) -> str:
        return (self.stage.home / "daemon.log").read_text()

    def done(self, verb: str = "") -> int:
        """How many actions it has done, as it says itself."""
        return len(re.findall(rf"action ended +action={verb or chr(92) + 'w+'}", self.log))

    def kill(self) -> None:
        """As the kernel does for want of memory; gone when this returns."""
        if pid := self.status()["pid"]:
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: (it := read(pid)) is None or not it.alive, "it has gone")

    def halt_at_rest(self, pid: int) -> None:
        """Between two of its passes. Whoever is halted in the middle of one has his turn, and others wait for him."""
        eventually(lambda: self._halted_without_a_turn(pid), "it is at rest")

    def _halted_without_a_turn(self, pid: int) -> bool:
        os.kill(pid, signal.SIGSTOP)
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]  # each of them stops a moment later
        eventually(lambda: all("State:\tT" in (task / "status").read_text() for task in tasks), "all have stopped")
        with (self.stage.home / "lock").open("ab") as turn:
            try:
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.kill(pid, signal.SIGCONT)
                return False
        return True
