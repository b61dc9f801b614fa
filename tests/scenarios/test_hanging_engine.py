"""An engine that hangs is one trouble; native services know nothing of it, and what was missed is made up for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine_api import Engine
from tests.faults.proxy import Fault, Proxy, between, never
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, native
from tests.scenarios.stage import Stage, eventually

pytestmark = pytest.mark.engine


@pytest.fixture
def proxy(engine: Engine, stage: Stage, tmp_path: Path) -> Iterator[Proxy]:
    with between(engine.address, tmp_path).listening() as proxy:
        stage.environment["DOCKER_HOST"] = proxy.address
        yield proxy
        proxy.judge = never


@pytest.fixture
def daemon(stage: Stage, proxy: Proxy) -> Iterator[Daemon]:
    it = Daemon(stage)
    yield it
    it.kill()


def healed(stage: Stage, service: str) -> float:
    """In how many seconds, after it was killed."""
    before = stage.process(service).pid
    os.kill(before, signal.SIGKILL)
    began = time.monotonic()
    eventually(lambda: stage.process(service).pid != before, f"{service} runs again")
    return time.monotonic() - began


def test_F15_native_services_are_healed_while_the_engine_hangs(stage: Stage, proxy: Proxy, daemon: Daemon) -> None:
    names = [f"web{number}" for number in range(3)]
    stage.apply(box("db"), *(native(name) for name in names))
    daemon.start()
    proxy.judge = lambda _: Fault.SILENT
    first, *others = [healed(stage, name) for name in names]
    print(f"first {first:.2f} s, others {[f'{seconds:.2f}' for seconds in others]} s")
    assert max(others) < 2.5, "its deadline was paid for once"

    stage.engine.post(f"/containers/{stage.name('db')}/kill")
    proxy.judge = never
    eventually(lambda: stage.container("db")["State"]["Running"], "what died meanwhile runs again")
