"""Native processes in two settings: with cgroups of their own, and as an ordinary user has them, without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.model.desired import Stop
from reconciler.runtimes.process.cgroup import Cgroups
from reconciler.runtimes.process.identity import environ
from tests.conftest import absent
from tests.contract.harness import OWNER
from tests.contract.processes import Processes
from tests.waiting import until


@pytest.fixture(params=["cgroup", "bare"])
def setting(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make(home: Path, namespace: str, setting: str) -> Iterator[Callable[[], Processes]]:
    """Runtimes on one home: as many as there are invocations of a command."""
    if setting == "cgroup" and not Cgroups.find().mount:
        absent("root", "no cgroup hierarchy that this user may write to")

    def runtime() -> Processes:
        processes = Processes(home, namespace)
        if setting == "bare":
            processes.runtime._starter.cgroups = Cgroups()
        return processes

    yield runtime
    end_all(runtime())
    assert not marked(namespace), "processes are left"
    assert not [*Path("/sys/fs/cgroup").glob(f"*/reconciler/*-{namespace}.*")], "cgroups are left"
    assert not [*home.glob("processes/*")], "directories are left"


@pytest.fixture
def processes(make: Callable[[], Processes]) -> Processes:
    return make()


def end_all(processes: Processes) -> None:
    for thing in processes.runtime.observe().objects:
        if thing.key is not None and thing.kind == "service":
            processes.runtime.stop(thing, Stop("KILL", 0))
            processes.runtime.remove(thing)


def marked(namespace: str) -> list[int]:
    """Everybody who carries the marker of this test's services, whatever cgroup or session they are in."""
    prefix = f"service/{namespace}/".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        env = environ(int(entry.name))
        if env.get(b"RECONCILER_OWNER") == OWNER.encode() and env.get(b"RECONCILER_KEY", b"").startswith(prefix):
            found.append(int(entry.name))
    return found


def log(processes: Processes, seen: object) -> bytes:
    return b"".join(processes.runtime.logs(seen))


def saying(processes: Processes, seen: object, word: bytes) -> bytes:
    """The log, once the word stands in it."""
    return until(lambda: (text := log(processes, seen)) and word in text and text)
