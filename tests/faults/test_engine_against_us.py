"""A daemon whose engine is spoken to through a proxy that spoils it: one thing hangs, news is lost or comes wrong,
lists lie, answers to what was done never come. It costs time, and nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.engine_api import Engine
from tests.faults.oracle import Oracle
from tests.faults.proxy import Asked, Fault, Judge, Proxy, Retell, between, never, reply, the_write, truly
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, changed, config, native, server, volume
from tests.scenarios.stage import Stage, eventually

pytestmark = pytest.mark.engine

RESYNC = ("--resync", "1s")
SPOILT = [Fault.LOST, Fault.REFUSED]
if os.environ.get("HYPOTHESIS_PROFILE") == "nightly":
    SPOILT += [Fault.CONFLICT, Fault.BROKEN, Fault.BUSY, Fault.TRUNCATED, Fault.GARBAGE]
DEADLINE = 5.0
"""Of whoever asks an engine for something."""
CANARY = "it must not be lost"
DATA, PAGE = volume("data"), config("page", **{"index.html": "hello"})
WEB = server("web", volumes=[{"config": "page", "mountPath": "/www"}, {"volume": "data", "mountPath": "/data"}])
STACK = (DATA, PAGE, WEB)


@pytest.fixture
def proxy(engine: Engine, stage: Stage, tmp_path: Path) -> Iterator[Proxy]:
    with between(engine.address, tmp_path).listening() as proxy:
        stage.environment["DOCKER_HOST"] = proxy.address
        yield proxy
        proxy.judge, proxy.retell = never, truly


@pytest.fixture
def oracle(stage: Stage, proxy: Proxy) -> Iterator[Oracle]:
    stage.intruder(f"{stage.namespace}-bystander")
    it = Oracle(Daemon(stage))
    yield it
    proxy.judge, proxy.retell = never, truly
    it.daemon.kill()


def killed(stage: Stage, *names: str) -> None:
    for name in names:
        stage.signal(stage.name(name), "kill")


def runs(stage: Stage, name: str) -> bool:
    return bool(stage.container(name)["State"]["Running"])


def run_again(stage: Stage, *names: str) -> float:
    """In how many seconds."""
    began = time.monotonic()
    for name in names:
        eventually(lambda name=name: runs(stage, name), f"{name} runs again")
    return time.monotonic() - began


# -- one of them hangs


def test_F16_one_container_whose_inspection_hangs_is_left_alone_and_costs_the_others_one_deadline(
    stage: Stage, proxy: Proxy, oracle: Oracle
) -> None:
    boxes = [box(name) for name in ("stuck", "a", "b", "c")]
    stage.apply(*boxes, native("worker"))
    oracle.start(*RESYNC)
    oracle.begin()
    identity = stage.id("stuck")
    proxy.begin(lambda asked: Fault.SILENT if asked.path == f"/containers/{identity}/json" else None)
    killed(stage, "stuck", "a")
    asking = stage.start_cli("get", "service", "stuck", "-o", "json")
    run_again(stage, "a")
    for name in ("b", "c"):
        killed(stage, name)
        assert run_again(stage, name) < DEADLINE, "it was waited for once"
    worker = stage.process("worker")
    worker.signal(signal.SIGKILL)
    began = time.monotonic()
    eventually(lambda: stage.process("worker").pid != worker.pid, "the native one runs again")
    assert time.monotonic() - began < DEADLINE

    told = json.loads(asking.communicate(timeout=60)[0])["status"]["conditions"]
    condition = next(c for c in told if c["type"] == "Ready")
    assert (condition["reason"], "did not answer" in condition["message"]) == ("Unreachable", True)
    assert not runs(stage, "stuck"), "nothing is done to what can't be seen"
    proxy.judge = never
    run_again(stage, "stuck")
    oracle.check({f"Start {name}/0": 1 for name in ("stuck", "a", "b", "c", "worker")})


# -- news


def twice(event: bytes) -> Iterable[bytes]:
    return [event, event]


def nothing(_event: bytes) -> Iterable[bytes]:
    return []


def in_halves(event: bytes) -> Iterable[bytes]:
    return [event[: len(event) // 2] + b"\n"]


def swapped() -> Retell:
    """Each one after its successor."""
    held: list[bytes] = []

    def retell(event: bytes) -> Iterable[bytes]:
        told = [event, *held] if held else []
        held[:] = [] if held else [event]
        return told

    return retell


def of_long_ago() -> Retell:
    """All that was ever told, each time."""
    told: list[bytes] = []

    def retell(event: bytes) -> Iterable[bytes]:
        told.append(event)
        return [*told]

    return retell


def stream(fault: Fault) -> Judge:
    return lambda asked: fault if asked.path.startswith("/events") else None


NEWS: dict[str, tuple[Judge, Retell]] = {
    "lost": (never, nothing),
    "twice": (never, twice),
    "swapped": (never, swapped()),
    "old": (never, of_long_ago()),
    "halved": (never, in_halves),
    "refused": (stream(Fault.REFUSED), truly),
    "ended": (stream(Fault.EMPTY), truly),
    "silent": (stream(Fault.SILENT), truly),
}


def test_F17_news_that_is_lost_or_comes_wrong_costs_time_only(stage: Stage, proxy: Proxy, oracle: Oracle) -> None:
    stage.apply(*(box(name) for name in NEWS))
    oracle.start(*RESYNC)
    oracle.begin()
    for name, (judge, retell) in NEWS.items():
        proxy.begin(judge)
        proxy.retell = retell
        if judge is not never:
            proxy.cut("/events")
            eventually(lambda: any(asked.path.startswith("/events") for asked in [*proxy.asked]), "it listens anew")
            oracle.quiet(1)
        killed(stage, name)
        print(f"{name}: {run_again(stage, name):.2f} s")
    oracle.check({f"Start {name}/0": 1 for name in NEWS})


# -- lists


def lists(fault: Fault | bytes) -> Judge:
    return lambda asked: fault if asked.lists else None


def containers(fault: Fault | bytes) -> Judge:
    return lambda asked: fault if asked.path.startswith("/containers/json") else None


LIES: dict[str, Judge] = {
    "there is nothing": lists(Fault.EMPTY),
    "there are no containers": containers(Fault.EMPTY),
    "null": lists(reply(200, b"null")),
    "no containers but null": containers(reply(200, b"null")),
    "nothing at all": lists(reply(200, b"")),
    "an object": lists(reply(200, b"{}")),
    "half of it": lists(Fault.TRUNCATED),
    "no JSON": lists(Fault.GARBAGE),
    "429": lists(Fault.BUSY),
    "500": lists(Fault.BROKEN),
    "500 to everything": lambda _: Fault.BROKEN,
    "429 to everything": lambda _: Fault.BUSY,
    "a broken connection": lambda _: Fault.REFUSED,
}


def test_F18_lists_that_lie_or_break_cost_nobody_his_life_or_his_data(
    stage: Stage, proxy: Proxy, oracle: Oracle
) -> None:
    stage.apply(*STACK, box("gone"))
    stage.run_inside("web", "sh", "-c", f"echo {CANARY} > /data/canary")
    oracle.start(*RESYNC)
    stage.apply(*STACK, "--prune")
    life = stage.life(stage.name("web"))
    with stage.events_during() as happened:
        for lie, judge in LIES.items():
            proxy.begin(judge)
            oracle.quiet(2)
            assert proxy.spoilt, f"{lie}: nobody asked"
            assert proxy.removals == [], lie
            assert stage.life(stage.name("web")) == life, lie
        proxy.begin(never)
        oracle.quiet(2)
    made_again = {"volume create "}  # the very one that is there, as the engine has it
    assert set(happened) <= made_again
    oracle.begin()
    killed(stage, "web")
    run_again(stage, "web")
    assert stage.run_inside("web", "cat", "/data/canary").strip() == CANARY
    oracle.check({"Start web/0": 1})
    assert proxy.removals == []


# -- answers to what was done


def seen_by_engine(told: list[str], name: str) -> list[str]:
    """What became of the container, as the engine tells it."""
    mine = [event.split()[1] for event in told if event.startswith("container ") and event.split()[-1] == name]
    return [action for action in mine if action in {"create", "start", "destroy"}]


@pytest.mark.parametrize("fault", SPOILT)
def test_F19_an_answer_lost_after_any_write_of_a_healing_makes_nothing_twice(
    stage: Stage, proxy: Proxy, oracle: Oracle, fault: Fault
) -> None:
    stage.apply(*STACK)
    stage.run_inside("web", "sh", "-c", f"echo {CANARY} > /data/canary")
    oracle.start(*RESYNC)
    proxy.begin(never)
    stage.engine.remove(stage.name("web"))
    run_again(stage, "web")
    writes = proxy.writes
    assert writes >= 2, "it is made, and started"
    for number in range(writes):
        with stage.events_during() as told:
            proxy.begin(the_write(number, fault))
            stage.engine.remove(stage.name("web"))
            run_again(stage, "web")
        assert len(proxy.spoilt) == 1, number
        assert proxy.removals == [], "the wreck of a try is used"
        assert seen_by_engine(told, stage.name("web")) == ["destroy", "create", "start"], f"after write {number}"
        assert stage.run_inside("web", "cat", "/data/canary").strip() == CANARY
    oracle.quiet(1)  # what is done can be seen a moment before it is told
    oracle.begin()
    oracle.check({})


def test_F23_a_removal_that_is_under_way_already_is_waited_for(stage: Stage, proxy: Proxy, oracle: Oracle) -> None:
    stage.apply(*STACK, box("other"))
    stage.run_inside("web", "sh", "-c", f"echo {CANARY} > /data/canary")
    oracle.start(*RESYNC)
    words = json.dumps({"message": "removal of container web is already in progress"}).encode()

    def somebody_else_is_at_it(asked: Asked) -> bytes | None:
        if asked.method != "DELETE" or proxy.spoilt:
            return None
        threading.Timer(1.0, stage.engine.remove, [stage.id("web")]).start()
        return reply(409, words)

    proxy.begin(somebody_else_is_at_it)
    with stage.events_during() as told:
        stage.apply(DATA, PAGE, changed(WEB, env={"STEP": "2"}), box("other"))
    assert len(proxy.spoilt) == 1
    assert seen_by_engine(told, stage.name("web")).count("create") == 1
    assert stage.environment_of("web")["STEP"] == "2"
    assert stage.run_inside("web", "cat", "/data/canary").strip() == CANARY
    oracle.begin()
    oracle.check({})


# -- races


Ports = Callable[[], int]


def test_F21_a_name_that_is_taken_between_the_look_and_the_create_is_left_to_who_has_it(
    stage: Stage, proxy: Proxy, oracle: Oracle
) -> None:
    oracle.start("--resync", "1s")
    taken: list[str] = []

    def first(asked: Asked) -> None:
        if asked.path.startswith("/containers/create") and stage.name("web") in asked.path and not taken:
            taken.append(stage.intruder(stage.name("web")))

    proxy.begin(first)  # type: ignore[arg-type]
    told = stage.apply(box("web"), box("other"), "--timeout", "5", expect=1)
    assert "NameConflict" in [reason for _, reason, _ in told.waits]
    assert taken[0][:12] in told.err
    life = stage.life(taken[0])
    assert runs(stage, "other")
    oracle.quiet(2)
    assert stage.life(taken[0]) == life, "nobody touches it"
    stage.foreign.remove(taken[0])
    oracle.begin()
    stage.engine.remove(taken[0])
    run_again(stage, "web")
    assert stage.id("web") != taken[0]
    assert proxy.removals == []
    oracle.check({"Create web/0": 1})


def test_F24_a_port_that_is_taken_between_the_look_and_the_start_is_waited_for_or_left(
    stage: Stage, proxy: Proxy, oracle: Oracle, free_port: Ports
) -> None:
    oracle.start("--resync", "1s")
    fixed, movable = free_port(), free_port()
    ports = {"fixed": [{"name": "http", "port": 80, "hostPort": fixed}],
             "movable": [{"name": "http", "port": 80, "hostPort": movable, "onConflict": "reassign"}]}  # fmt: skip
    taken: list[socket.socket] = []

    def at_the_last_moment(asked: Asked) -> None:
        if asked.path.endswith("/start") and not taken:
            taken.extend(socket.create_server(("127.0.0.1", port)) for port in (fixed, movable))

    proxy.begin(at_the_last_moment)  # type: ignore[arg-type]
    try:
        told = stage.apply(*(server(name, ports=given) for name, given in ports.items()), box("other"),
                           "--timeout", "15", expect=1)  # fmt: skip
        assert [(key, reason) for key, reason, _ in told.waits] == [("fixed/0", "PortInUse")]
        assert f"pid {os.getpid()}" in told.waits[0][2]
        assert stage.container("fixed")["State"]["Status"] == "created"
        assert stage.published("movable") != movable
        assert runs(stage, "other")
        wreck, moved = stage.id("fixed"), stage.published("movable")
    finally:
        for one in taken:
            one.close()
    run_again(stage, "fixed")
    assert (stage.id("fixed"), stage.published("fixed")) == (wreck, fixed), "what was made is started"
    killed(stage, "movable")
    run_again(stage, "movable")
    assert stage.published("movable") == moved, "where it went it stays"
    oracle.quiet(1)  # what a pass has done is told at its end
    oracle.begin()
    oracle.check({})
