"""One container whose inspection hangs, while the engine answers all else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model.desired import Desired
from reconciler.model.observed import Phase
from reconciler.runtimes.docker.connection import READ_SECONDS
from reconciler.runtimes.docker.endpoint import Endpoint
from reconciler.runtimes.docker.runtime import DockerRuntime
from tests.docker.conftest import OWNER, World
from tests.faults.proxy import Fault, Judge, Proxy, between, never
from tests.waiting import until

pytestmark = pytest.mark.engine


class Looking:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.runtime = DockerRuntime(lambda: Endpoint(proxy.address), owner=OWNER)

    def phase(self, desired: Desired) -> Phase | None:
        view = self.runtime.observe(deep=True)
        assert view.reachable, view.problem
        return next((thing.phase for thing in view.objects if thing.key == desired.key), None)


@pytest.fixture
def looking(world: World, tmp_path: Path) -> Iterator[Looking]:
    with between(os.environ.get("DOCKER_HOST") or world.engine.address, tmp_path).listening() as proxy:
        yield Looking(proxy)
        proxy.judge = never
        until(lambda: "asking for what hangs" not in [thread.name for thread in threading.enumerate()])


def inspection_of(*identities: str) -> Judge:
    paths = {f"/containers/{identity}/json" for identity in identities}
    return lambda asked: Fault.SILENT if asked.path in paths else None


def test_F16_it_costs_one_deadline_once_and_is_looked_at_as_soon_as_there_is_an_answer(
    world: World, looking: Looking
) -> None:
    stuck, gone, other = (world.service(name) for name in ("stuck", "gone", "other"))
    hanging = [world.made(stuck).id, world.made(gone).id]
    world.made(other)
    looking.proxy.judge = inspection_of(*hanging)
    assert looking.phase(stuck) is Phase.UNKNOWN
    world.engine.remove(hanging[1])
    assert looking.phase(gone) is None
    for _ in range(10):
        began = time.monotonic()
        assert looking.phase(stuck) is Phase.UNKNOWN
        assert looking.phase(other) is Phase.RUNNING
        assert time.monotonic() - began < READ_SECONDS, "it is waited for again"
    world.made(gone)
    assert looking.phase(gone) is Phase.RUNNING, "another one of that name is asked about anew"
    looking.proxy.judge = never
    until(lambda: looking.phase(stuck) is Phase.RUNNING)


def test_F16_one_that_refuses_is_asked_at_each_look(world: World, looking: Looking) -> None:
    stuck = world.service("stuck")
    identity = world.made(stuck).id
    looking.proxy.judge = lambda asked: Fault.BROKEN if asked.path == f"/containers/{identity}/json" else None
    assert looking.phase(stuck) is Phase.UNKNOWN
    looking.proxy.judge = never
    assert looking.phase(stuck) is Phase.RUNNING
