"""The smallest Reach there can be: programs of this machine, ports of loopback, lines of a list."""

# ruff: noqa: ARG002 -- a Reach has the arguments that the seam demands

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence

from reconciler.errors import OutcomeUnknown
from reconciler.model.observed import Observed
from reconciler.ports import Completed


class LoopbackReach:
    """Runs what it is told as a child of the test, with the deadline that it is given."""

    def __init__(self) -> None:
        self.output: list[bytes] = []
        self.log_reads = 0
        self.runs = 0
        self.since: list[float | None] = []
        self.hang: threading.Event | None = None
        """When set, nobody gets an answer before the event, whatever the deadline."""

    def logs(
        self,
        seen: Observed,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        self.log_reads += 1
        self.since.append(since)
        yield from self.output

    def run(
        self, seen: Observed, argv: Sequence[str], *, deadline: float, env: Mapping[str, str] | None = None
    ) -> Completed:
        self.runs += 1
        if self.hang:
            self.hang.wait(30)
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            stdout, stderr = child.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise OutcomeUnknown(f"{argv[0]} did not end in time") from None
        return Completed(child.returncode, stdout, stderr)

    def attach(
        self,
        seen: Observed,
        argv: Sequence[str],
        *,
        tty: bool,
        stdin: bool,
        env: Mapping[str, str],
        user: str = "",
        workdir: str = "",
    ) -> int:
        raise NotImplementedError("no probe attaches")

    def address(self, seen: Observed, port: int, protocol: str = "tcp") -> tuple[str, int]:
        return ("127.0.0.1", port)
