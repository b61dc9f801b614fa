"""One kind of work, done by several contestants in turns, and what came of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


def nothing() -> None:
    """Neither before nor after."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """`run` is what the clock sees, unless it returns seconds of its own; `before` and `after` make the same start for
    everybody.
    """

    name: str
    run: Callable[[], object]
    before: Callable[[], object] = nothing
    after: Callable[[], object] = nothing
    times: int = 1
    """How often it runs in one turn, where making the start costs more than the work."""

    def turn(self) -> list[float]:
        self.before()
        try:
            return [self._once() for _ in range(self.times)]
        finally:
            self.after()

    def _once(self) -> float:
        started = time.perf_counter()
        taken = self.run()
        return taken if isinstance(taken, float) else time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Sample:
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.seconds), max(self.seconds)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `limit` is what the ratio may be; None: told, not judged."""

    title: str
    bar: str
    ratio: float
    limit: float | None = None
    samples: dict[str, Sample] = field(default_factory=dict)
    remark: str = ""

    @property
    def ok(self) -> bool | None:
        return None if self.limit is None else self.ratio <= self.limit


@dataclass(frozen=True, slots=True)
class Contest:
    """The first contestant is us, the second the floor; whoever comes after them is a peer."""

    title: str
    bar: str
    contestants: Sequence[Contestant]
    limit: float | None = None
    rounds: int = 5

    def lines(self) -> list[Line]:
        taken = self._hold()
        ours, floor, *peers = taken
        line = Line(self.title, self.bar, _ratio(taken[ours], taken[floor]), self.limit, _samples(taken, ours, floor))
        return [line, *(self._beside(taken, ours, peer) for peer in peers)]

    def _hold(self) -> dict[str, list[float]]:
        """Turn by turn, each round begun by another one: what the machine does meanwhile happens to all of them."""
        taken: dict[str, list[float]] = {one.name: [] for one in self.contestants}
        for number in range(self.rounds):
            start = number % len(self.contestants)
            for one in (*self.contestants[start:], *self.contestants[:start]):
                taken[one.name] += one.turn()
        return taken

    def _beside(self, taken: dict[str, list[float]], ours: str, peer: str) -> Line:
        return Line(
            f"{self.title} beside {peer}", "", _ratio(taken[ours], taken[peer]), None, _samples(taken, ours, peer)
        )


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' own ratios: a slow minute slows both."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def _samples(taken: dict[str, list[float]], ours: str, other: str) -> dict[str, Sample]:
    return {"ours": Sample(tuple(taken[ours])), other: Sample(tuple(taken[other]))}
