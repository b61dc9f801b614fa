"""A dockerd beside the one that all tests share, to be stopped, killed and started again. It has no network."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine_api import Engine
from tests.waiting import until


class OwnEngine:
    def __init__(self, directory: Path, *, live_restore: bool = False) -> None:
        self._directory = directory
        self.live_restore = live_restore
        self.address = f"unix://{directory}/s"
        self.api = Engine(self.address)
        self.start()

    def start(self) -> None:
        (self._directory / "daemon.json").write_text(json.dumps({"live-restore": self.live_restore}))
        options = {"config-file": "daemon.json", "data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        # In a network namespace of its own: without a bridge it takes away the one that the other has.
        argv = ["unshare", "--net", "dockerd", "--bridge=none", "--iptables=false", f"--host={self.address}"]
        argv += [f"--{name}={self._directory}/{place}" for name, place in options.items()]
        with (self._directory / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until(self.api.answers)

    def send(self, number: int) -> None:
        self._daemon.send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self._daemon.pid, os.WSTOPPED)  # each of its threads has come to a stop

    def end(self) -> None:
        """As it is asked to, and as its packages do when there is a newer one."""
        self.send(signal.SIGTERM)
        self._daemon.wait(60)

    def kill(self) -> None:
        """As kill -9 does, with its containerd, which would be in the way of the next one."""
        os.killpg(self._daemon.pid, signal.SIGKILL)
        self._daemon.wait(30)
        (self._directory / "pid").unlink(missing_ok=True)


@contextlib.contextmanager
def own_engine(*, live_restore: bool = False) -> Iterator[OwnEngine]:
    """In a directory with a short name, for a socket's can't be long."""
    if os.environ.get("RECONCILER_TEST_ENGINE") != "private" or shutil.which("dockerd") is None:
        pytest.skip("starts a dockerd beside the rig's own")
    directory = Path(tempfile.mkdtemp(prefix="own.", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp")))
    engine = None
    try:
        engine = OwnEngine(directory, live_restore=live_restore)
        yield engine
    finally:
        if engine:
            engine.kill()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{directory}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        shutil.rmtree(directory, ignore_errors=True)
