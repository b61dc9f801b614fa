"""An engine room over worlds that are values: real passes, a real home and source, a clock that is set by hand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.engine.controller import Controller
from reconciler.engine.observer import Observer
from reconciler.engine.probes.prober import Prober
from reconciler.engine.reconcile import Parts
from reconciler.errors import ReconcilerError
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Listener, Observed, View
from reconciler.model.resource import Resource
from reconciler.runtimes.memory import MemoryRuntime
from reconciler.sources.applied import Applied
from reconciler.sources.home import Home
from reconciler.store.memory import Memory

NAMESPACE = "shop"


@dataclass(slots=True)
class Clock:
    time: float = 1000.0
    naps: int = 0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.naps += 1


@dataclass(slots=True)
class Machine:
    """A host on which nothing runs but what is told to listen."""

    name: str = "local"
    taken: list[int] = field(default_factory=list)

    def listeners(self, ports: Iterable[int] = ()) -> tuple[Listener, ...]:
        list(ports)
        return tuple(Listener(Binding(number), 77, "nc") for number in self.taken)

    def ephemeral_ports(self) -> tuple[int, int]:
        return (32768, 60999)


class Rough(MemoryRuntime):
    """A runtime that can be told to fail, and that writes down what it was asked to do."""

    def __init__(self, name: str, **more: Any) -> None:
        super().__init__(name, **more)
        self.failing: dict[str, ReconcilerError | Exception] = {}
        self.problem = ""
        self.calls: list[str] = []

    def observe(self, *, deep: bool = False) -> View:
        return View(self.name, problem=self.problem) if self.problem else super().observe(deep=deep)

    def prepare(self, desired: Desired) -> None:
        self._fail("prepare", desired.key)

    def create(self, desired: Desired) -> None:
        self._fail("create", desired.key)
        super().create(desired)

    def start(self, seen: Observed, desired: Desired) -> None:
        self._fail("start", desired.key)
        super().start(seen, desired)

    def stop(self, seen: Observed, stop: Any) -> None:
        self._fail("stop", seen.key)
        super().stop(seen, stop)

    def remove(self, seen: Observed) -> None:
        self._fail("remove", seen.key)
        super().remove(seen)

    def _fail(self, verb: str, key: Key | None) -> None:
        self.calls.append(f"{verb} {key.name if key else '?'}")
        failure = self.failing.get(verb) or self.failing.get(f"{verb} {key.name if key else ''}")
        if failure:
            raise failure


class Running(Clock):
    """A clock that nobody has to set."""

    def now(self) -> float:
        return time.time()


class Stage:
    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.host = Machine()
        self.docker = Rough("docker", now=self.clock.now)
        self.process = Rough("process", now=self.clock.now)
        runtimes = {"docker": self.docker, "process": self.process}
        self.home = Home(str(path / "home"))
        self.source = Applied(self.home)
        self.store = Memory()
        observer = Observer(runtimes, self.host, Prober({}, self.clock))  # type: ignore[arg-type]
        self.parts = Parts(runtimes, {}, observer, self.source, self.store, self.home, self.clock)
        self.controller = Controller(self.parts)

    def objects(self) -> list[str]:
        """Names of all services and volumes there are."""
        views = (self.docker.view, self.process.view)
        return sorted(thing.name for view in views for thing in view.objects if thing.kind != "network")

    def thing(self, name: str) -> Observed:
        return next(t for r in (self.docker, self.process) for t in r.view.objects if t.name == name)

    def change(self, name: str, **how: Any) -> None:
        thing = self.thing(name)
        self.parts.runtimes[thing.runtime].put(replace(thing, **how))  # type: ignore[attr-defined]

    def kept(self) -> list[str]:
        return [resource.key.short for resource in self.source.resources(NAMESPACE)]


def keys(resources: Sequence[Resource]) -> list[Key]:
    return [resource.key for resource in resources]
