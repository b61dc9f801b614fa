"""Native processes as they are run on other hosts, by a shell, for the contract suite: that shell is this machine's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from reconciler.hosts.local import LocalHost
from reconciler.runtimes.remote.runtime import RemoteProcesses
from tests.contract.harness import OWNER
from tests.contract.processes import Processes


class Wire(LocalHost):
    """To a host that is this machine."""

    def stream(self, argv: Sequence[str]) -> Iterator[bytes]:
        yield subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout

    def terminal(self, argv: Sequence[str], *, tty: bool, stdin: bool) -> int:  # noqa: ARG002 -- it is ours anyway
        return subprocess.call(argv)

    def reach(self, address: str, port: int) -> tuple[str, int]:
        return address, port


class Elsewhere(Processes):
    limits = any(os.access(f"/sys/fs/cgroup/{file}", os.W_OK) for file in ("memory/tasks", "cgroup.procs"))

    def __init__(self, home: Path, namespace: str) -> None:
        self.home = home
        self.namespace = namespace
        self.runtime = RemoteProcesses(Wire(), OWNER, state=str(home))  # type: ignore[assignment]

    def close(self) -> None:
        """It makes no groups."""
