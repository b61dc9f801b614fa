"""A dockerd that is stopped, ended, or killed and started again under a daemon, with and without live-restore: nobody
is given up for it, native services know nothing of it, and each container is started at most once.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.oracle import Oracle
from tests.image import ensure_images
from tests.own_engine import OwnEngine, own_engine
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, native
from tests.scenarios.stage import Stage, eventually

pytestmark = [pytest.mark.engine, pytest.mark.root]

BOXES = ("ours", "theirs")
"""One whose restarts are ours, and one that the engine itself restarts."""
WORKER = "Start worker/0"
AGAIN = 60.0


@pytest.fixture(params=[False, True], ids=["plain", "live-restore"])
def own(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    with own_engine(live_restore=request.param) as engine:
        ensure_images(engine.api)
        yield engine


@pytest.fixture
def oracle(own: OwnEngine, namespace: str, tmp_path: Path) -> Iterator[Oracle]:
    stage = Stage(own.api, namespace, tmp_path)
    stage.environment["DOCKER_HOST"] = own.address
    it = Oracle(Daemon(stage))
    yield it
    it.daemon.kill()
    stage.clear()


def starts(stage: Stage) -> dict[str, tuple[str, str]]:
    """Who they are, and since when they run."""
    seen = {name: stage.container(name) for name in BOXES}
    return {name: (one["Id"], one["State"]["StartedAt"]) for name, one in seen.items()}


def all_run(stage: Stage) -> bool:
    return all(stage.container(name)["State"]["Running"] for name in BOXES)


def native_is_healed(oracle: Oracle) -> float:
    stage = oracle.stage
    before, often = stage.process("worker"), oracle.deeds()[WORKER]
    before.signal(signal.SIGKILL)
    began = time.monotonic()
    eventually(lambda: stage.process("worker").pid != before.pid, "the native one runs again")
    took = time.monotonic() - began
    eventually(lambda: oracle.deeds()[WORKER] > often, "it is told, so it is wholly started")
    return took


def told_as_unknown(stage: Stage) -> None:
    ready = next(c for c in stage.status_of("ours")["conditions"] if c["type"] == "Ready")
    assert (ready["status"] != "True", ready["reason"]) == (True, "Unreachable"), ready


def test_F14_F15_an_engine_that_hangs_ends_or_is_killed_costs_nothing_but_its_absence(
    own: OwnEngine, oracle: Oracle
) -> None:
    stage = oracle.stage
    quick = {"restart": {"initialSeconds": 0.1, "maxSeconds": 1}}
    stage.apply(box("ours"), box("theirs", restart={"by": "engine"}), native("worker", **quick))
    before = starts(stage)
    pid = oracle.start("--resync", "1s")
    oracle.begin()

    own.send(signal.SIGSTOP)
    print(f"stopped: native healed in {[round(native_is_healed(oracle), 2) for _ in range(3)]} s")
    own.send(signal.SIGCONT)
    eventually(lambda: all_run(stage), "it answers again")
    oracle.check({WORKER: 3})
    assert starts(stage) == before

    for how in (own.end, own.kill):
        oracle.begin()
        before = starts(stage)
        how()
        healed = native_is_healed(oracle)
        told_as_unknown(stage)
        own.start()
        began = time.monotonic()
        eventually(lambda: all_run(stage), "all run again", within=AGAIN)
        print(f"{how.__name__}: native healed in {healed:.2f} s, back in {time.monotonic() - began:.2f} s")
        now = starts(stage)
        assert {name: life[0] for name, life in now.items()} == {name: life[0] for name, life in before.items()}
        started = now["ours"] != before["ours"]
        assert started is not own.live_restore, "with it they live on"
        oracle.check({WORKER: 1, **({"Start ours/0": 1} if started else {})})
    assert oracle.daemon.status()["pid"] == pid
    assert oracle.daemon.log.count("loop begun") == 1, "a daemon that waits for an engine is not stuck"


def test_F15_an_apply_under_way_waits_for_an_engine_that_is_started_anew(own: OwnEngine, oracle: Oracle) -> None:
    """It answered when the apply began. What came down with it is started once more."""
    stage = oracle.stage
    told_to = {"readiness": {"exec": {"command": ["test", "-f", "/ready"]}, "periodSeconds": 1}}
    spec = stage.write(box("slow", probes=told_to))
    with stage.start_cli("apply", "-f", str(spec), "-o", "json", "--timeout", "100") as applying:
        eventually(lambda: stage.container("slow")["State"]["Running"], "it is waited for")
        own.kill()
        assert applying.stderr is not None
        assert any("no container engine answers" in line for line in applying.stderr), "it has been found out"
        own.start()
        eventually(lambda: stage.container("slow")["State"]["Running"], "it runs, again or still")
        stage.run_inside("slow", "touch", "/ready")
        out, err = applying.communicate(timeout=100)
    assert applying.returncode == 0, err
    assert json.loads(out)["settled"]
    verbs = [action["verb"] for action in json.loads(out)["actions"] if action["key"].endswith("/slow/0")]
    assert verbs == (["Create"] if own.live_restore else ["Create", "Start"])
