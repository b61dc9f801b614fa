"""A hanging engine costs its deadline once; who looks meanwhile is told so at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.engine.loop.breaker import Patient
from reconciler.runtimes.docker.connection import READ_SECONDS
from reconciler.runtimes.docker.endpoint import Endpoint
from reconciler.runtimes.docker.runtime import DockerRuntime
from tests.engine_api import Engine
from tests.faults.proxy import Fault, Proxy, between, never
from tests.own_engine import own_engine
from tests.waiting import until


class Asked:
    """A patient look at a real engine, through a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.told: list[str] = []
        self.runtime = DockerRuntime(lambda: Endpoint(proxy.address), owner="me")
        self.patient = Patient(self.runtime, self.told.append)

    def look(self) -> tuple[str, float]:
        began = time.monotonic()
        view = self.patient.observe()
        return view.problem, time.monotonic() - began


@pytest.fixture
def asked(engine: Engine, tmp_path: Path) -> Iterator[Asked]:
    with between(engine.address, tmp_path).listening() as proxy:
        yield Asked(proxy)
        proxy.judge = never
        until(lambda: not [thread for thread in threading.enumerate() if thread.name == "asking docker"])


@pytest.mark.engine
def test_F15_a_hanging_engine_costs_one_deadline_once(asked: Asked) -> None:
    asked.proxy.judge = lambda _: Fault.SILENT
    problem, first = asked.look()
    assert "did not answer" in problem
    assert first >= READ_SECONDS * 0.9
    for _ in range(20):
        again, took = asked.look()
        assert again == problem
        assert took < READ_SECONDS / 4
    assert asked.told == []


@pytest.mark.engine
def test_F15_when_it_answers_again_all_is_looked_at(asked: Asked) -> None:
    asked.proxy.judge = lambda _: Fault.SILENT
    asked.look()
    asked.proxy.judge = never
    until(lambda: asked.told == [""])
    problem, _ = asked.look()
    assert problem == ""
    assert asked.told == [""]


@pytest.mark.engine
def test_F15_one_that_refuses_is_asked_at_each_look(asked: Asked) -> None:
    asked.proxy.judge = lambda _: Fault.REFUSED
    for _ in range(3):
        problem, took = asked.look()
        assert problem
        assert took < 1
    asked.proxy.judge = never
    assert asked.look()[0] == ""
    assert asked.told == []


@pytest.mark.engine
def test_F15_a_hanging_one_that_then_refuses_is_no_longer_spoken_for(asked: Asked) -> None:
    asked.proxy.judge = lambda _: Fault.SILENT
    hung, _ = asked.look()
    asked.proxy.judge = lambda _: Fault.REFUSED
    until(lambda: asked.told == [""])
    assert asked.look()[0] != hung


@pytest.mark.engine
def test_F15_many_who_look_at_once_wait_for_the_same_deadline(asked: Asked) -> None:
    asked.proxy.judge = lambda _: Fault.SILENT
    began = time.monotonic()
    threads = [threading.Thread(target=asked.look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < READ_SECONDS * 1.5
    assert len([thread for thread in threading.enumerate() if thread.name == "asking docker"]) == 1


@pytest.mark.engine
@pytest.mark.root
def test_F15_a_stopped_dockerd_is_noticed_once_and_its_return_too() -> None:
    with own_engine() as engine:
        told: list[str] = []
        patient = Patient(DockerRuntime(lambda: Endpoint(engine.address), owner="me"), told.append)
        until(lambda: patient.observe().reachable)
        told.clear()
        engine.send(signal.SIGSTOP)
        hung = patient.observe()
        assert not hung.reachable
        assert patient.observe() is hung, "nobody asks again"
        engine.send(signal.SIGCONT)
        until(lambda: told == [""])
        until(lambda: patient.observe().reachable)
