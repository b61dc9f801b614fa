"""The loop over worlds that are values: it heals, paces itself, spares rounds, and knows when it is not well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler import failpoints
from reconciler.engine.loop.loop import RESYNC, SLOW_AT_ONCE, Loop, Turn
from reconciler.engine.loop.stillness import MOST, Stillness
from reconciler.engine.loop.threads import Threads
from reconciler.engine.loop.unhurried import UnderWay, Unhurried
from reconciler.engine.reconcile import Pass
from reconciler.errors import ReconcilerError
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Container
from reconciler.model.desired import Desired, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.place import place
from reconciler.model.resource import Resource
from tests.engine.stage import NAMESPACE, Rough, Running, Stage
from tests.waiting import until

WEB = Resource(Key("service", NAMESPACE, "web"), ServiceSpec(container=Container(image="web:1")))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, Running())


class Ring:
    """An alarm in our hands."""

    def __init__(self) -> None:
        self.tell: Callable[[str], None] = lambda _: None
        self.listened = threading.Event()

    def watch(self, tell: Callable[[str], None], stopping: threading.Event) -> None:
        self.tell = tell
        self.listened.set()
        stopping.wait()


@contextmanager
def running(stage: Stage, resync: float = 3600.0, **more: object) -> Iterator[tuple[Loop, Ring, list[Pass]]]:
    passes: list[Pass] = []
    ring = Ring()
    loop = Loop(stage.parts, {"ring": ring}, resync=resync, passed=passes.append, **more)  # type: ignore[arg-type]
    loop.start()
    ring.listened.wait(30)
    try:
        yield loop, ring, passes
    finally:
        assert loop.stop(30), "threads are left"


def test_it_makes_what_is_declared_and_then_rests(stage: Stage) -> None:
    stage.source.keep([WEB])
    with running(stage) as (_, _, passes):
        until(lambda: passes and passes[-1].plan.settled)
        count = len(passes)
        assert stage.objects() == ["shop-web-0"]
        assert count <= 8
        time.sleep(0.3)
        assert len(passes) == count, "it goes on though nothing happened"


def test_what_is_slow_holds_up_nobody_and_has_its_turn_again(stage: Stage) -> None:
    """A dozen servers that hang, where there are four workers."""
    stage.source.keep([WEB])
    go, turns = threading.Event(), []

    def hang(of: str) -> float | None:
        turns.append(of)
        go.wait(30)
        return None

    with running(stage, 0.01, handlers={"sync": hang}, slow=["sync"]) as (loop, ring, _):
        for number in range(12):
            loop.wake(Turn("sync", str(number)))
        until(lambda: len(turns) == SLOW_AT_ONCE)
        for _ in range(2):
            loop.wake(Turn("sync", "0"))
        until(lambda: stage.objects() == ["shop-web-0"])
        stage.change("shop-web-0", phase=Phase.EXITED, exit_code=137)
        ring.tell(NAMESPACE)
        until(lambda: stage.thing("shop-web-0").phase is Phase.RUNNING)
        assert loop.troubles() == [], "it is used to that"
        assert len(turns) == len(set(turns)) == SLOW_AT_ONCE, "so many at once, each in one pair of hands"
        go.set()
        until(lambda: len(turns) == 13)
        assert len(set(turns)) == 12, "the others had only to wait"
        assert turns.count("0") == 2, "what was told meanwhile is looked at afterwards, once"


def test_an_alarm_has_its_namespace_looked_at(stage: Stage) -> None:
    stage.source.keep([WEB])
    with running(stage) as (_, ring, passes):
        until(lambda: passes and passes[-1].plan.settled)
        stage.change("shop-web-0", phase=Phase.EXITED, exit_code=137)
        ring.tell(NAMESPACE)
        until(lambda: stage.thing("shop-web-0").phase is Phase.RUNNING)


def test_F17_what_no_alarm_told_is_found_by_the_next_round(stage: Stage) -> None:
    stage.source.keep([WEB])
    with running(stage, resync=0.1) as (_, _, passes):
        until(lambda: passes and passes[-1].plan.settled)
        stage.change("shop-web-0", phase=Phase.EXITED, exit_code=137)
        until(lambda: stage.thing("shop-web-0").phase is Phase.RUNNING)


def test_rounds_over_a_world_at_rest_make_no_passes(stage: Stage) -> None:
    stage.source.keep([WEB])
    with running(stage, resync=0.05) as (loop, _, passes):
        until(lambda: loop._stillness._spared >= 3)
        count = len(passes)
        until(lambda: loop._stillness._spared >= 6)
        assert len(passes) == count


def test_who_makes_its_passes_himself_is_left_alone_and_it_is_looked_at_when_he_has_gone(stage: Stage) -> None:
    stage.source.keep([WEB])
    with running(stage) as (loop, ring, passes):
        until(lambda: passes and passes[-1].plan.settled)
        with loop.leaving([NAMESPACE]):
            stage.change("shop-web-0", phase=Phase.EXITED, exit_code=137)
            ring.tell(NAMESPACE)
            until(lambda: loop._queue.alone(RESYNC))
            assert stage.thing("shop-web-0").phase is Phase.EXITED
        until(lambda: stage.thing("shop-web-0").phase is Phase.RUNNING)


def test_a_round_over_a_world_that_is_not_at_rest_looks(stage: Stage) -> None:
    stage.source.keep([WEB])

    def prepare(_desired: Desired) -> None:
        raise UnderWay("it is being fetched")

    stage.docker.prepare = prepare  # type: ignore[method-assign]
    with running(stage, resync=0.05) as (_, _, passes):
        until(lambda: len(passes) > 40)


@pytest.mark.parametrize("error", [ReconcilerError("not now"), RuntimeError("a bug")])
def test_trouble_in_one_namespace_keeps_nobody_from_another_and_is_tried_again(
    stage: Stage, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.source.keep([WEB, Resource(Key("service", "other", "api"), ServiceSpec(container=Container(image="a")))])
    broken = [error]
    whole = stage.source.graph

    def graph(namespace: str, *rest: object, **more: object) -> object:
        if namespace == NAMESPACE and broken:
            raise broken[0]
        return whole(namespace, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.source, "graph", graph)
    with running(stage) as (loop, _, _):
        until(lambda: stage.objects() == ["other-api-0"])
        assert loop.troubles() == []
        broken.clear()
        until(lambda: stage.objects() == ["other-api-0", "shop-web-0"])


@pytest.mark.parametrize(
    ("point", "thread"), [("loop.worker.turn", "worker-"), ("loop.timer.turn", "timer"), ("loop.alarm.begun", "ring")]
)
def test_F12_a_thread_that_died_is_told(
    stage: Stage, point: str, thread: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failpoints.arm({failpoints.VARIABLE: f"{point}=1*error"})
    try:
        loop = Loop(stage.parts, {"ring": Ring()}, resync=0.1)
        loop.start()
        (trouble,) = until(loop.troubles)
        assert trouble.startswith(f"thread {thread}")
        assert "has died of Refused" in trouble
        loop.stop(30)
    finally:
        failpoints.arm({})


def test_F12_one_that_is_stuck_is_told(stage: Stage) -> None:
    stage.source.keep([WEB])
    go_on = threading.Event()
    stage.docker.prepare = lambda _desired: go_on.wait(30) and None  # type: ignore[method-assign]
    loop = Loop(stage.parts, {}, resync=0.1)
    loop.start()
    until(lambda: any("has been at pass shop for" in trouble for trouble in loop.troubles()))
    go_on.set()
    until(lambda: not loop.troubles())  # who was stuck is not waited for
    assert loop.stop(30)


def test_threads_that_end_because_they_are_to_are_no_trouble() -> None:
    threads = Threads(patience=60)
    end = threading.Event()
    threads.start("one", end.wait)  # type: ignore[arg-type]
    threads.stopping()
    end.set()
    assert threads.join(30)
    assert threads.troubles() == []


# -- slow verbs


def test_a_slow_verb_goes_on_behind_and_is_told_when_it_is_over(stage: Stage) -> None:
    stage.source.keep([WEB])
    stage.controller.apply([WEB])
    go_on, told = threading.Event(), []
    stage.docker.stop = lambda _seen, _stop: go_on.wait(30) and None  # type: ignore[method-assign]
    unhurried = Unhurried(stage.docker, told.append, patience=0.02)
    seen = stage.thing("shop-web-0")
    for _ in range(2):
        with pytest.raises(UnderWay):
            unhurried.stop(seen, Stop())
    assert len(unhurried._jobs) == 1, "the second joined the first"
    go_on.set()
    until(lambda: told == [NAMESPACE])
    unhurried.stop(seen, Stop())
    assert not unhurried._jobs


def test_how_a_slow_verb_failed_is_told_to_who_asks_again(stage: Stage) -> None:
    stage.controller.apply([WEB])
    go_on, told = threading.Event(), []

    def fail(_seen: object, _stop: object) -> None:
        go_on.wait(30)
        raise ReconcilerError("it will not")

    stage.docker.stop = fail  # type: ignore[method-assign]
    unhurried = Unhurried(stage.docker, told.append, patience=0.02)
    with pytest.raises(UnderWay):
        unhurried.stop(stage.thing("shop-web-0"), Stop())
    go_on.set()
    until(lambda: told)
    with pytest.raises(ReconcilerError, match="it will not"):
        unhurried.stop(stage.thing("shop-web-0"), Stop())


def test_what_became_of_an_earlier_stop_is_nothing_to_who_stops_it_after_a_new_start(stage: Stage) -> None:
    stage.source.keep([WEB])
    stage.controller.apply([WEB])
    go_on, told, stops = threading.Event(), [], []

    def stop(seen: Observed, _stop: Stop) -> None:
        stops.append(seen.pid)
        go_on.wait(30)
        if seen.pid == 1:
            raise ReconcilerError("it will not")

    stage.docker.stop = stop  # type: ignore[method-assign]
    unhurried = Unhurried(stage.docker, told.append, patience=0.02)
    first, second, third = (replace(stage.thing("shop-web-0"), pid=pid) for pid in (1, 2, 3))
    for seen in (first, second):
        with pytest.raises(UnderWay):
            unhurried.stop(seen, Stop())
    assert stops == [1], "while it is under way it is joined, however it looks meanwhile"
    go_on.set()
    until(lambda: told)
    unhurried.stop(second, Stop())
    unhurried.stop(third, Stop())
    assert stops == [1, 2, 3]


def test_that_a_slow_verb_went_well_keeps_nobody_from_asking_for_it_again(stage: Stage) -> None:
    stage.controller.apply([WEB])
    go_on, told, stops = threading.Event(), [], []
    stage.docker.stop = lambda _seen, _stop: stops.append(go_on.wait(30))  # type: ignore[method-assign]
    unhurried = Unhurried(stage.docker, told.append, patience=0.02)
    seen = stage.thing("shop-web-0")
    with pytest.raises(UnderWay):
        unhurried.stop(seen, Stop())
    go_on.set()
    until(lambda: told)
    unhurried.stop(seen, Stop())
    assert stops == [True, True], "it may have been started again, and looks as it did"


def test_what_is_quick_is_as_if_nobody_stood_between(stage: Stage) -> None:
    unhurried = Unhurried(stage.docker, pytest.fail)
    stage.controller.apply([WEB])
    assert unhurried.observe() == stage.docker.observe()
    unhurried.stop(stage.thing("shop-web-0"), Stop())
    assert stage.thing("shop-web-0").phase is Phase.EXITED


def test_a_slow_fetch_keeps_nobody_else_waiting(stage: Stage) -> None:
    api = Resource(Key("service", NAMESPACE, "api"), ServiceSpec(container=Container(image="slow")))
    stage.source.keep([WEB, api])
    go_on = threading.Event()

    def prepare(desired: Desired) -> None:
        if getattr(desired.payload, "image", "") == "slow":
            go_on.wait(30)

    stage.docker.prepare = prepare  # type: ignore[method-assign]
    runtimes = {**stage.parts.runtimes, "docker": Unhurried(stage.docker, lambda _: None, patience=0.05)}
    object.__setattr__(stage.parts, "runtimes", runtimes)
    with running(stage) as (_, _, passes):
        until(lambda: stage.objects() == ["shop-web-0"])
        stage.change("shop-web-0", phase=Phase.EXITED, exit_code=1)
        until(lambda: stage.thing("shop-web-0").phase is Phase.RUNNING)
        go_on.set()
        until(lambda: stage.objects() == ["shop-api-0", "shop-web-0"])
        until(lambda: passes[-1].plan.settled)


# -- rounds that are spared


class Place:
    def __init__(self) -> None:
        self.told = "a"

    def glance(self) -> str:
        return self.told


def test_a_round_is_spared_only_when_all_is_at_rest_and_looks_as_before() -> None:
    place = Place()
    stillness = Stillness([place])
    assert not stillness.still(at_rest=True), "nothing to compare with"
    assert stillness.still(at_rest=True)
    assert not stillness.still(at_rest=False)
    assert stillness.still(at_rest=True)
    place.told = "b"
    assert not stillness.still(at_rest=True)
    assert stillness.still(at_rest=True)
    place.told = ""
    assert not stillness.still(at_rest=True), "what can't be told is looked at"
    assert not stillness.still(at_rest=True)


def test_what_changes_while_the_passes_look_is_not_taken_for_how_it_has_always_been() -> None:
    place = Place()
    stillness = Stillness([place])
    stillness.still(at_rest=False)
    place.told = "b"
    assert not stillness.still(at_rest=True)
    assert stillness.still(at_rest=True)


def test_a_look_is_taken_every_so_often_in_any_case() -> None:
    stillness = Stillness([Place()])
    rounds = [stillness.still(at_rest=True) for _ in range(3 * (MOST + 1))]
    assert [number for number, spared in enumerate(rounds) if not spared] == [0, MOST + 1, 2 * (MOST + 1)]


def test_who_is_disturbed_looks() -> None:
    stillness = Stillness([Place()])
    stillness.still(at_rest=True)
    stillness.disturb()
    assert not stillness.still(at_rest=True)


def test_what_has_not_succeeded_for_long_is_told_with_its_reason(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that only fails is alive, and does nothing."""
    stage.source.keep([WEB])

    def graph(*_: object, **__: object) -> object:
        raise ReconcilerError("somebody has the lock")

    monkeypatch.setattr(stage.source, "graph", graph)
    with running(stage, resync=0.1) as (loop, _, _):
        (told,) = until(loop.unhealed)
        assert told.startswith(f"pass {NAMESPACE} has not succeeded for")
        assert told.endswith("somebody has the lock")
        assert loop.troubles() == [], "to begin anew would not help"
        monkeypatch.undo()
        until(lambda: not loop.unhealed())


def test_a_round_that_can_be_spared_here_is_not_spared_for_who_knows_other_machines(tmp_path: Path) -> None:
    """They take more than a glance: nobody waits for one that is away."""
    stage = Stage(tmp_path, Running())
    asked: list[str] = []

    class Away(Rough):
        def glance(self) -> str:
            asked.append(self.name)
            return ""

    stage.parts.runtimes[place("docker", f"{NAMESPACE}/node")] = Away("docker", now=time.time)  # type: ignore[index]
    other = Resource(Key("service", "other", "web"), WEB.spec)
    stage.source.keep([WEB, other])
    with running(stage, resync=0.05) as (_, _, passes):
        until(lambda: (seen := [p.graph.namespace for p in passes]).count(NAMESPACE) >= seen.count("other") + 5)
    assert asked == []
