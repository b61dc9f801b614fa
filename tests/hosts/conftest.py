"""The hosts that the one suite runs over, and test machines for what concerns one kind of them."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.hosts.local import LocalHost
from reconciler.hosts.ssh import Ssh
from reconciler.hosts.sshline import Target
from reconciler.ports import Host
from tests.machines.lab import Lab
from tests.machines.machine import Machine

_count = itertools.count()


@dataclass(frozen=True)
class Place:
    """A host, a directory on it, and a way there that is not the host's own."""

    host: Host
    directory: str
    console: Callable[..., bytes]

    def names(self, directory: str = "") -> set[str]:
        return set(self.console("ls", "-A", directory or self.directory).decode().split())


@pytest.fixture(scope="session")
def far(lab: Lab) -> Machine:
    """One that nobody hurts."""
    return lab.machine("far")


@pytest.fixture
def dial(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., Ssh]]:
    """Connections to machines, closed again at the end. All of one test share a directory, as those of a home do."""
    made = []

    def connect(machine: Machine, *, user: str = "root", **changes: object) -> Ssh:
        spec = {"host": machine.address, "user": user, "identity_file": str(lab.identity), "host_key": machine.host_key}
        made.append(Ssh(machine.name, Target(**(spec | changes)), tmp_path / "ssh"))  # type: ignore[arg-type]
        return made[-1]

    yield connect
    for host in made:
        host.close()


@pytest.fixture(scope="session")
def lasting(lab: Lab, far: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ssh]]:
    """For tests that would all open the same connection: by user."""
    directory = tmp_path_factory.mktemp("lasting") / "ssh"
    hosts = {}
    for user in ("root", "tester", "sparse"):
        target = Target(far.address, user=user, identity_file=str(lab.identity), host_key=far.host_key)
        hosts[user] = Ssh("far", target, directory)
    yield hosts
    for host in hosts.values():
        host.close()


@pytest.fixture(
    params=["local", pytest.param("ssh", marks=pytest.mark.root), pytest.param("sparse", marks=pytest.mark.root)]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The last is one where nothing is found but busybox."""
    if request.param == "local":
        return Place(LocalHost(), str(tmp_path), lambda *argv: subprocess.check_output(argv))
    far, lasting = request.getfixturevalue("far"), request.getfixturevalue("lasting")
    user, home = ("root", "/root") if request.param == "ssh" else ("sparse", "/home/sparse")
    directory = f"{home}/place{next(_count)}"
    far.run("install", "-d", "-o", user, directory)
    return Place(lasting[user], directory, far.run)
