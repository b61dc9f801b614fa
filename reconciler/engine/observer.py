"""One look at the world, complete: every runtime, every listening port that matters, every probe that is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from reconciler.core.graph import Graph
from reconciler.core.masking import masking
from reconciler.engine.prober import Prober
from reconciler.kinds.probes import Probes
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import port_range
from reconciler.model.observed import Listener, Observed, Phase, Snapshot, View
from reconciler.ports import Host
from reconciler.ports import Observer as Looker

Target = tuple[Observed, Probes, Mapping[str, int]]


class Observer:
    """Looks at one machine. Has no verb: who holds only this can't change anything."""

    def __init__(self, runtimes: Mapping[str, Looker], host: Host, prober: Prober) -> None:
        self._runtimes = runtimes
        self._host = host
        self._prober = prober

    def look(self, graph: Graph, now: float, *, deep: bool = False, once: bool = False) -> Snapshot:
        """`once` asks every probe now and takes its answer: for who looks without a loop."""
        views = self._views(deep=deep)
        listeners = self._listeners(graph, views)
        snapshot = Snapshot(views, {self._host.name: listeners}, {}, self._host.ephemeral_ports())
        targets = _targets(graph, snapshot)
        if not targets:
            return snapshot
        health = self._prober.ask_once(targets, now) if once else self._prober.look(targets, now)
        masked = masking(graph)
        return replace(snapshot, health={i: replace(h, message=masked(h.message)) for i, h in health.items()})

    def _views(self, *, deep: bool) -> tuple[View, ...]:
        """All runtimes at once: a hanging engine costs its own deadline and nobody else's."""
        runtimes = [self._runtimes[name] for name in sorted(self._runtimes)]
        if len(runtimes) == 1:
            return (runtimes[0].observe(deep=deep),)
        *others, last = runtimes
        with ThreadPoolExecutor(len(others), "observe") as pool:
            begun = [pool.submit(runtime.observe, deep=deep) for runtime in others]
            own = last.observe(deep=deep)  # a thread of its own would be late by as long as it takes to be woken
            return (*(one.result() for one in begun), own)

    def _listeners(self, graph: Graph, views: tuple[View, ...]) -> tuple[Listener, ...]:
        """Holders are looked up, which is dear, only for numbers that somebody insists on and does not have."""
        ports = [port.host_port for _, spec in graph.workloads() for port in spec.ports]
        if not ports:
            return ()
        taken = {binding.port for view in views for thing in view.objects for binding in thing.bindings}
        return self._host.listeners(number for port in ports for number in _numbers(port) if number not in taken)


def _numbers(port: int | str) -> Iterable[int]:
    """What is asked for by number. Nobody insists on an automatic one."""
    if isinstance(port, int):
        return (port,)
    bounds = port_range(port)
    return range(bounds[0], bounds[1] + 1) if bounds else ()


def _targets(graph: Graph, snapshot: Snapshot) -> list[Target]:
    """Running instances of ours that have probes, and where their ports are asked."""
    targets: list[Target] = []
    for thing in snapshot.objects():
        spec = _spec_of(graph, thing)
        if spec and spec.probes.any and thing.phase is Phase.RUNNING:
            targets.append((thing, spec.probes, _ports(spec, thing)))
    return targets


def _spec_of(graph: Graph, thing: Observed) -> ServiceSpec | None:
    return graph.spec(thing.key) if thing.key and thing.owner == graph.owner else None


def _ports(spec: ServiceSpec, thing: Observed) -> dict[str, int]:
    """A native process listens on its host port itself; a container on the port inside."""
    if spec.process:
        return {name: grant.port for name, grant in thing.grants.items()}
    return {port.label: port.port for port in spec.ports if port.port}
