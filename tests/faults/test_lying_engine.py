"""An engine whose answers get lost, come late, come broken or lie: all converges, and nothing goes that should stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine_api import Engine
from tests.faults.proxy import Fault, Judge, Proxy, between, never, now_and_then, the_write
from tests.scenarios.documents import box, changed, config, server, volume
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.engine

CANARY = "it must not be lost"
KEEPER = box("keeper", volumes=[{"volume": "data", "mountPath": "/data"}])
WEB = server("web", dependsOn=["keeper"], volumes=[{"config": "page", "mountPath": "/www"}])
PAGE = config("page", **{"index.html": "hello"})
BEFORE = (volume("data"), PAGE, KEEPER, WEB)
AFTER = (volume("data"), PAGE, changed(KEEPER, env={"STEP": "2"}), changed(WEB, env={"STEP": "2"}))
TRIES = 12
SHARE = 0.12
"""Of all requests; a pass makes some thirty."""
STRIDE = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 4
"""Every write is tried by night, every third one by day."""


@pytest.fixture
def stage(engine: Engine, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    it = Stage(engine, namespace, tmp_path)
    try:
        yield it
    finally:
        it.clear()


@pytest.fixture
def proxy(engine: Engine, stage: Stage, tmp_path: Path) -> Iterator[Proxy]:
    with between(engine.address, tmp_path).listening() as proxy:
        stage.environment["DOCKER_HOST"] = proxy.address
        yield proxy


def settle(stage: Stage, proxy: Proxy, judge: Judge, *documents: dict[str, object]) -> list[str]:
    """Applies again and again while answers are spoilt, then once undisturbed. Tells what was removed on the way."""
    removed = []
    for _ in range(TRIES):
        proxy.begin(judge)
        told = stage.apply(*documents, "--timeout", "20", expect=None)
        removed += proxy.removals
        assert "Traceback" not in told.err
        assert told.code in (0, 1), told
        if told.code == 0:
            break
    proxy.begin(never)
    stage.apply(*documents)
    removed += proxy.removals
    proxy.begin(never)
    again = stage.apply(*documents)
    assert again.actions == []
    assert proxy.writes == 0
    return removed


def check(stage: Stage, step: str = "") -> None:
    """One of each, as declared, with its data."""
    assert stage.containers() == [stage.name("keeper"), stage.name("web")]
    assert stage.networks() == [f"{stage.namespace}-default"]
    assert stage.volumes() == [f"{stage.namespace}-data"]
    for name in ("keeper", "web"):
        seen = stage.container(name)
        assert seen["State"]["Running"]
        assert ("STEP=2" in seen["Config"]["Env"]) == (step == "2")


def put_canary(stage: Stage) -> None:
    stage.run_inside("keeper", "sh", "-c", f"echo {CANARY} > /data/canary")


def canary(stage: Stage) -> str:
    return stage.run_inside("keeper", "cat", "/data/canary").strip()


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.SILENT])
def test_faults_now_and_then_delay_and_do_no_harm(stage: Stage, proxy: Proxy, fault: Fault) -> None:
    bystander = stage.engine.run(f"{stage.namespace}-bystander")
    stage.foreign.append(bystander)
    life = stage.life(bystander)

    removed = settle(stage, proxy, now_and_then(fault, SHARE, 1), *BEFORE)
    assert removed == [], "nothing had to go"
    assert stage.life(bystander) == life
    stage.engine.remove(bystander)
    check(stage)
    put_canary(stage)

    settle(stage, proxy, now_and_then(fault, SHARE, 2), *AFTER)
    check(stage, "2")
    assert canary(stage) == CANARY

    for attempt in range(TRIES):
        proxy.begin(now_and_then(fault, SHARE, 3 + attempt))
        if stage.delete(*AFTER, "--timeout", "20", expect=None).code == 0:
            break
    proxy.begin(never)
    stage.delete(*AFTER)
    assert (stage.containers(), stage.networks()) == ([], [])
    assert stage.volumes() == [f"{stage.namespace}-data"], "data outlives everything"


def test_an_answer_lost_after_any_write_of_a_first_apply_costs_nothing(stage: Stage, proxy: Proxy) -> None:
    proxy.begin(never)
    stage.apply(*BEFORE)
    writes = proxy.writes
    assert writes > 5
    put_canary(stage)
    for number in range(0, writes, STRIDE):
        stage.delete("all", "--all")
        removed = settle(stage, proxy, the_write(number, Fault.LOST), *BEFORE)
        assert removed == [], f"after write {number}"
        check(stage)
        assert canary(stage) == CANARY


def test_an_answer_lost_after_any_write_of_a_change_costs_nothing(stage: Stage, proxy: Proxy) -> None:
    stage.apply(*BEFORE)
    put_canary(stage)
    proxy.begin(never)
    stage.apply(*AFTER)
    writes = proxy.writes
    for number in range(0, writes, STRIDE):
        stage.apply(*BEFORE)
        settle(stage, proxy, the_write(number, Fault.LOST), *AFTER)
        check(stage, "2")
        assert canary(stage) == CANARY


def test_an_answer_that_never_comes_is_unknown_and_not_tried_blindly_again(stage: Stage, proxy: Proxy) -> None:
    proxy.begin(
        lambda asked: Fault.SILENT if asked.path.startswith("/containers/create") and not proxy.spoilt else None
    )
    told = stage.apply(box("one"), "--timeout", "60")
    assert len(proxy.spoilt) == 1
    assert told.results == {"one": "created"}
    assert stage.containers() == [stage.name("one")]


def test_a_read_that_never_comes_deletes_nothing(stage: Stage, proxy: Proxy) -> None:
    stage.apply(*BEFORE)
    put_canary(stage)
    proxy.begin(lambda asked: Fault.SILENT if asked.lists else None)
    told = stage.apply(server("other"), "--prune", "--timeout", "1", expect=1)
    assert "Unreachable" in told.err
    assert proxy.writes == 0
    check(stage)
    assert canary(stage) == CANARY
