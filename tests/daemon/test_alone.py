"""The real program in a home of its own, on a machine without an engine: what it looks after is its own processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import warm
from tests.scenarios.proc import Proc, processes_with
from tests.waiting import until

SECONDS = 60
SPEC = json.dumps({
    "apiVersion": "reconciler/v1", "kind": "Service", "metadata": {"name": "web"},
    "spec": {"process": {"command": ["sleep", "100000"]}, "stop": {"graceSeconds": 0}},
})  # fmt: skip


@dataclass
class Place:
    path: Path

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def environment(self) -> dict[str, str]:
        own = {"HOME": str(self.path), "RECONCILER_HOME": str(self.home), "DOCKER_HOST": f"unix://{self.path}/none"}
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return {**kept, **own, "PYTHONUTF8": "1"}

    def cli(self, *arguments: str) -> str:
        told = warm.run(["-n", "alone", *arguments], env=self.environment, cwd=self.path)
        assert told.returncode == 0, told
        return told.stdout

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "reconciler", "-n", "alone", *arguments]
        return subprocess.Popen(argv, env=self.environment, cwd=self.path, stderr=subprocess.PIPE)

    def running(self) -> list[Proc]:
        owner = self.home / "owner"
        if not owner.exists():
            return []
        marks = {f"RECONCILER_OWNER={owner.read_text().split()[0]}", "RECONCILER_KEY=service/alone/web/0"}
        return [one for one in processes_with(marks) if one.command.startswith("sleep")]

    def kept(self) -> list[str]:
        return sorted(file.name for file in (self.home / "applied" / "alone").glob("*.yaml"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "web.yaml").write_text(SPEC)
    it = Place(tmp_path)
    yield it
    it.cli("daemon", "stop")
    it.cli("delete", "all", "--all")


def test_watch_leaves_what_it_has_brought(place: Place) -> None:
    watching = place.begin("watch", "specs", "--resync", "1s")
    try:
        (before,) = until(place.running, SECONDS)
        watching.send_signal(signal.SIGTERM)
        _, said = watching.communicate(timeout=SECONDS)
    finally:
        watching.kill()
    assert watching.returncode == 0, said
    assert place.kept() == ["service-web.yaml"]
    place.cli("apply", "-f", "specs")
    assert place.running() == [before], "nothing was to be done"


def test_a_command_hands_its_passes_over_and_the_daemons_end_is_nobody_elses(place: Place) -> None:
    place.cli("daemon", "start")  # whose next round is far off: it would do by itself what nobody hands over
    place.cli("apply", "-f", "specs")
    (before,) = place.running()
    assert "action=Create" in (place.home / "daemon.log").read_text(), "the daemon did it"
    place.cli("daemon", "stop")
    assert place.running() == [before]
