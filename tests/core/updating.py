"""An update played pass by pass, on a world that is a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.graph import Graph
from reconciler.core.planner import plan
from reconciler.core.preview import advance
from reconciler.core.standing import standing
from reconciler.kinds.probes import Probe, Probes, TcpSocket
from reconciler.kinds.service import ServiceSpec
from reconciler.model.observed import Health, Observed, Phase, Snapshot
from reconciler.model.plan import Action, Plan
from reconciler.model.resource import Resource
from tests.core.build import (
    NOW,
    container,
    graph,
    key,
    settled,
)

PROBED = Probes(readiness=Probe(tcp_socket=TcpSocket(port=1)))
READY_AFTER = 0.4
TICK = 0.25
Build = Callable[..., Resource]


def web(version: str, build: Build = container, **spec: Any) -> Graph:
    return graph(build("web", **{"env": {"V": version}, "probes": PROBED, "replicas": 3, **spec}))


@dataclass
class Play:
    """An update, pass by pass. `well` says of which fingerprints instances become Ready."""

    graph: Graph
    snapshot: Snapshot
    well: Callable[[Observed], bool] = lambda thing: True  # noqa: ARG005
    now: float = NOW
    ready_after: float = READY_AFTER
    crashing: bool = False
    """Only the first action of a pass happens: the power goes after it."""
    check: Callable[[Play], None] = lambda play: None  # noqa: ARG005

    @property
    def spec(self) -> ServiceSpec:
        return self.graph.resources[key("web", None)].spec

    def things(self) -> list[Observed]:
        return sorted((t for t in self.snapshot.objects() if t.kind == "service"), key=lambda t: t.key or key("web"))

    def serving(self) -> list[Observed]:
        return [t for t in self.things() if standing(self.spec, t, self.look(), self.now).good]

    def look(self) -> Snapshot:
        return replace(self.snapshot, health={t.id: self._health(t) for t in self.things() if t.phase is Phase.RUNNING})

    def _health(self, thing: Observed) -> Health:
        ready = self.well(thing) and self.now - (thing.started_at or 0.0) >= self.ready_after
        since = (thing.started_at or 0.0) + self.ready_after if ready else None
        return Health(ready=ready, message="" if ready else "no answer", ready_since=since)

    def one(self) -> Plan:
        planned = plan(self.graph, self.look(), {}, self.now)
        for action in planned.actions[: 1 if self.crashing else None]:
            self.snapshot = advance(self.snapshot, action, self.now)
            self.now += 0.001
            self.check(self)
        self.now += TICK
        return planned

    def passes(self, most: int = 200) -> Iterator[Plan]:
        """Until nothing is left to do or to wait for."""
        for _ in range(most):
            planned = self.one()
            yield planned
            if planned.settled:
                return

    def all(self) -> list[Plan]:
        return list(self.passes())


def made_of(version: str, **spec: Any) -> Callable[[Observed], bool]:
    """Whether a thing is of this version."""
    wanted = web(version, **spec)
    known = {item.fingerprint for item in plan(wanted, settled(wanted), {}, NOW).desired.values()}
    extra = web(version, **{**spec, "replicas": 9})
    known |= {item.fingerprint for item in plan(extra, settled(extra), {}, NOW).desired.values()}
    return lambda thing: thing.fingerprint in known


def bounds(spec: ServiceSpec) -> tuple[int, int]:
    """How few may serve, and how many may exist."""
    extra = 1 if spec.update.max_surge is None else spec.update.max_surge
    return spec.replicas - spec.update.max_unavailable, spec.replicas + extra


def never_too_few_or_too_many(play: Play) -> None:
    least, most = bounds(play.spec)
    assert len(play.serving()) >= least, [str(t) for t in play.things()]
    assert len(play.things()) <= most


def never_fewer_than(play: Play, least: int) -> None:
    assert len(play.serving()) >= least
    assert len(play.things()) <= play.spec.replicas


def verbs(actions: tuple[Action, ...]) -> list[str]:
    return [str(action.verb) for action in actions]
