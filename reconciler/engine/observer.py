"""One look at the world, complete: every runtime, every listening port that matters, every probe that is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from reconciler.core import hostfacts
from reconciler.core.attached import Running, claimed
from reconciler.core.graph import Graph
from reconciler.core.masking import masking
from reconciler.core.topology import RUNTIME as MESH
from reconciler.engine.finding import processes
from reconciler.engine.places.grounds import Ground
from reconciler.engine.places.survey import Survey, survey
from reconciler.engine.probes.prober import Prober
from reconciler.errors import ReconcilerError
from reconciler.kinds.attach import RunningProcess
from reconciler.kinds.host import HostSpec
from reconciler.kinds.probes import Probes
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import port_range
from reconciler.model.key import Key
from reconciler.model.observed import Listener, Observed, Phase, Snapshot, View
from reconciler.model.place import LOCAL, Place
from reconciler.ports import Host
from reconciler.ports import Observer as Looker

Target = tuple[Observed, Probes, Mapping[str, int]]


class Observer:
    """Has no verb: who holds only this can't change anything."""

    def __init__(
        self,
        runtimes: Mapping[str, Looker],
        host: Host,
        prober: Prober,
        know: Callable[[Mapping[str, HostSpec]], Mapping[str, Ground]] = lambda _: {},
    ) -> None:
        """`know` tells of hosts what is there; `runtimes` has all of it by its place."""
        self._runtimes = runtimes
        self._host = host
        self._prober = prober
        self.know = know

    def look(self, graph: Graph, now: float, *, deep: bool = False, once: bool = False) -> Snapshot:
        """`once` asks every probe now and takes its answer: for who looks without a loop."""
        far = self.know(graph.hosts)
        views, listeners = self._views(far, graph, deep=deep)
        views = hostfacts.explained(views) if far else views
        listeners[self._host.name] = self._listeners(graph, views)
        views, unattached = self._attached(graph, far, views)
        snapshot = Snapshot(views, listeners, {}, self._host.ephemeral_ports(), unattached)
        targets = _targets(graph, snapshot)
        if not targets:
            return snapshot
        health = self._prober.ask_once(targets, now) if once else self._prober.look(targets, now)
        masked = masking(graph)
        return replace(snapshot, health={i: replace(h, message=masked(h.message)) for i, h in health.items()})

    def attached(self, graph: Graph, key: Key) -> Observed | None:
        """What others run, and this service is attached to."""
        far = self.know(graph.hosts)
        views, _ = self._attached(graph, far, self._views(far, graph, deep=False)[0])
        return next((t for view in views for t in view.objects if t.attached and t.key and t.key.resource == key), None)

    def _attached(
        self, graph: Graph, far: Mapping[str, Ground], views: tuple[View, ...]
    ) -> tuple[tuple[View, ...], Mapping[Key, str]]:
        """With what others run, and services are attached to."""
        targets = {key.instance(0): spec for key, spec in graph.services() if spec.attach_to}
        if not targets:
            return views, {}
        found: dict[Key, list[Running]] = {}
        silent: dict[Key, str] = {}
        for name, wanted in _processes(targets, views).items():
            try:
                found |= processes(self._host if name == LOCAL else far[name].host, wanted)
            except ReconcilerError as error:
                silent |= dict.fromkeys(wanted, f"nobody can say now whether it runs: {error.message}")
        views, missing = claimed(graph.owner, targets, views, found)
        return views, {**missing, **silent}

    def _views(
        self, far: Mapping[str, Ground], graph: Graph, *, deep: bool
    ) -> tuple[tuple[View, ...], dict[str, tuple[Listener, ...]]]:
        """All places at once: a hanging engine, or a host, costs its own deadline and nobody else's."""
        runtimes = {place: self._runtimes[place] for place in _places(self._runtimes, far)}
        every = {name: self._survey(ground, name, sockets=_publishes(graph, name)) for name, ground in far.items()}
        surveys = {name: one for name, one in every.items() if one.asking}  # where all hang, nobody dials
        *others, last = (place for place in runtimes if not any(place in one.asking for one in surveys.values()))
        if not others and not surveys:
            return (runtimes[last].observe(deep=deep),), {}
        with ThreadPoolExecutor(len(others) + len(surveys), "observe") as pool:
            made = {name: pool.submit(one.made) for name, one in surveys.items()}  # first, for they take the longest
            begun = {place: pool.submit(runtimes[place].observe, deep=deep) for place in others}
            own = runtimes[last].observe(deep=deep)  # a thread of its own would be late by as long as it takes to wake
            seen = {last: own, **{place: one.result() for place, one in begun.items()}}
            for views, _ in (one.result() for one in made.values()):
                seen |= views
        sockets = {name: one.result()[1] for name, one in made.items() if surveys[name].sockets}
        return tuple(seen[place] for place in runtimes), sockets

    def _survey(self, ground: Ground, name: str, *, sockets: bool) -> Survey:
        there = (Place(runtime, name) for runtime in ground.runtimes)
        return survey(ground.host, {place: self._runtimes[place] for place in there}, sockets=sockets)

    def _listeners(self, graph: Graph, views: tuple[View, ...]) -> tuple[Listener, ...]:
        """Holders are looked up, which is dear, only for numbers that somebody insists on and does not have."""
        ports = [port.host_port for _, spec in graph.workloads() if spec.run_on == LOCAL for port in spec.ports]
        if not ports:
            return ()
        things = [thing for view in views if view.host == LOCAL for thing in view.objects]
        taken = {binding.port for thing in things for binding in thing.bindings}
        return self._host.listeners(number for port in ports for number in _numbers(port) if number not in taken)


def _processes(targets: Mapping[Key, ServiceSpec], views: Iterable[View]) -> dict[str, dict[Key, RunningProcess]]:
    """What is looked for, by the hosts that answer."""
    there = {view.place for view in views if view.reachable}
    wanted: dict[str, dict[Key, RunningProcess]] = {}
    for key, spec in targets.items():
        if spec.attach_to and spec.attach_to.process and spec.place in there:
            wanted.setdefault(spec.run_on, {})[key] = spec.attach_to.process
    return wanted


def _places(runtimes: Mapping[str, Looker], far: Mapping[str, Ground]) -> list[str]:
    """Everything here, and on the hosts that this namespace knows. A mesh of one has nobody to look for."""
    there = [Place(runtime, name) for name, ground in far.items() for runtime in ground.runtimes]
    here = (name for name in runtimes if Place.of(name).host == LOCAL and (far or name != MESH))
    return sorted([*here, *there])


def _publishes(graph: Graph, host: str) -> bool:
    return any(spec.ports and spec.run_on == host for _, spec in graph.workloads())


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
