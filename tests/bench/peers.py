"""Others who do such work. Who is installed takes part, each with its own way to write the same thing down."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.floor import COMMAND, IMAGE
from tests.bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    up: Callable[[int], None]
    down: Callable[[int], None]
    change: Callable[[int, int], None] | None = None
    """The first of so many gets another environment."""
    most: int = 1000
    """With more than these it says nothing new: one after the other, twice as many take twice as long."""

    @property
    def changes(self) -> bool:
        return self.change is not None


def container_peers(stage: Stage) -> list[Peer]:
    found = []
    if stage.engine and _answers("docker", "compose", "version"):
        found.append(_compose(stage, "compose v2", ["docker", "compose"]))
    if stage.engine and _answers("docker-compose", "version"):
        found.append(_compose(stage, "compose v1", ["docker-compose"]))
    if stage.engine and _answers("docker", "version"):
        found.append(_docker_run(stage))
    return found


def absent() -> list[str]:
    """Who could have taken part, in words."""
    asked = {
        "compose v2": ("docker", "compose", "version"),
        "compose v1": ("docker-compose", "version"),
        "docker run": ("docker", "--version"),
        "supervisor": ("supervisord", "--version"),
    }
    missing = [name for name, argv in asked.items() if not _answers(*argv)]
    return missing if shutil.which("runsv") else [*missing, "runit"]


def supervisor(stage: Stage) -> Peer | None:
    """Only its start and end are compared: it has no pass that looks at what runs."""
    if not _answers("supervisord", "--version"):
        return None
    config = stage.directory / "supervisord.conf"

    def up(count: int) -> None:
        config.write_text(_supervised(stage.directory, count))
        stage.run("supervisord", "-c", config)
        stage.run("supervisorctl", "-c", config, "start", "all")

    def down(_count: int) -> None:
        stage.run("supervisorctl", "-c", config, "shutdown")
        until(lambda: not (stage.directory / "supervisor.sock").exists())

    return Peer("supervisor", up, down)


def _compose(stage: Stage, name: str, program: list[str]) -> Peer:
    project = f"peer{stage.token}"

    def call(count: int, step: int, *verb: str) -> None:
        stage.run(*program, "-p", project, "-f", _compose_file(stage.directory, count, step), *verb)

    return Peer(
        name,
        up=lambda count: call(count, 0, "up", "-d"),
        down=lambda count: call(count, 0, "down"),
        change=lambda count, step: call(count, step, "up", "-d"),
    )


def _compose_file(directory: Path, count: int, step: int) -> Path:
    """JSON is YAML. A dollar would be theirs."""
    command = [word.replace("$", "$$") for word in COMMAND]
    services = {
        f"s{index}": {
            "image": IMAGE, "command": command, "environment": {"STEP": str(0 if index else step)},
            "stop_grace_period": "10s",
        }
        for index in range(count)
    }  # fmt: skip
    path = directory / f"compose-{count}-{step}.json"
    path.write_text(json.dumps({"version": "2.4", "services": services}))
    return path


def _docker_run(stage: Stage) -> Peer:
    """A loop in a shell script, as people write it. It looks before it makes, so that it can be run again."""
    network = f"run{stage.token}-net"

    def up(count: int) -> None:
        if not _answers("docker", "network", "inspect", network):
            stage.run("docker", "network", "create", network)
        for name in _names(stage, count):
            if not _answers("docker", "inspect", name):
                stage.run("docker", "run", "-d", "--network", network, "--name", name, IMAGE, *COMMAND)

    def down(count: int) -> None:
        for name in _names(stage, count):
            stage.run("docker", "stop", name)
            stage.run("docker", "rm", name)
        stage.run("docker", "network", "rm", network)

    return Peer("docker run", up, down, most=10)


def _names(stage: Stage, count: int) -> list[str]:
    return [f"run{stage.token}-{index}" for index in range(count)]


def _supervised(directory: Path, count: int) -> str:
    programs = "".join(
        f"[program:s{index}]\ncommand=sleep 3600\nautostart=false\nstartsecs=0\nstdout_logfile=AUTO\n"
        for index in range(count)
    )
    return f"""[supervisord]
directory={directory}
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
childlogdir={directory}
[unix_http_server]
file={directory}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{directory}/supervisor.sock
{programs}"""


def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("bench: what should have ended did not")
        time.sleep(0.01)


def _answers(*argv: str) -> bool:
    if shutil.which(argv[0]) is None:
        return False
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
