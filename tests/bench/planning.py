"""The planner alone: a thousand services, and whether each costs as much as each of ten."""

from __future__ import annotations

import time
from collections.abc import Iterator

from reconciler.core.graph import Graph, graph_of
from reconciler.core.planner import plan
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Container, Port
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Observed, Snapshot, View
from reconciler.model.resource import Resource
from tests.bench.contest import Line, Sample

NOW = 1_000_000.0
SIZES = (10, 1000)


def lines(*, quick: bool) -> Iterator[Line]:
    rounds = 5 if quick else 15
    for world in ("nothing there", "all there"):
        taken = {size: _seconds(size, settled=world == "all there", rounds=rounds) for size in SIZES}
        small, large = (Sample(tuple(taken[size])) for size in SIZES)
        yield Line(f"plan of {SIZES[1]}, {world}, seconds", "P12", large.median, 1.0, {"ours": large})
        each = (large.median / SIZES[1]) / (small.median / SIZES[0])
        remark = f"{small.median / SIZES[0] * 1e6:.0f} and {large.median / SIZES[1] * 1e6:.0f} µs each"
        yield Line(f"per object, {SIZES[1]} to {SIZES[0]}, {world}", "P12", each, 1.2, {}, remark)


def _seconds(size: int, *, settled: bool, rounds: int) -> list[float]:
    graph = _graph(size)
    snapshot = Snapshot((View("docker"), View("process")))
    if settled:
        snapshot = _settled(graph, snapshot)
        assert plan(graph, snapshot, {}, NOW).settled
    return [_once(graph, snapshot, max(1, 200 // size)) for _ in range(rounds)]


def _once(graph: Graph, snapshot: Snapshot, times: int) -> float:
    """Small ones several times, or the clock's own grain would be measured."""
    started = time.perf_counter()
    for _ in range(times):
        plan(graph, snapshot, {}, NOW)
    return (time.perf_counter() - started) / times


def _graph(size: int) -> Graph:
    """Each has a port and an environment of its own."""
    specs = [
        ServiceSpec(
            container=Container(image="web:1", command=("run",)),
            env={"LOG": "debug", "INDEX": str(index)},
            ports=(Port(name="http", port=80, host_port="auto"),),
        )
        for index in range(size)
    ]
    keys = [Key("service", "bench", f"s{index}") for index in range(size)]
    return graph_of("bench", map(Resource, keys, specs), owner="me")


def _settled(graph: Graph, nothing: Snapshot) -> Snapshot:
    """The world as the plan wants it."""
    wanted = plan(graph, nothing, {}, NOW).desired.values()
    things = tuple(
        Observed(
            id=item.name, name=item.name, kind=item.key.kind, runtime=item.runtime, key=item.key, owner="me",
            fingerprint=item.fingerprint, grants=item.grants, started_at=NOW - 60,
            networks=getattr(item.payload, "networks", ()),
            bindings=tuple(Binding(grant.port) for grant in item.grants.values()),
        )
        for item in wanted
    )  # fmt: skip
    return Snapshot((View("docker", objects=things), View("process")))
