"""Which host port each named port gets: kept where it was, told apart from everybody else's, never guessed twice.

A port is sticky: the label on the instance says what it got and for which request, and as long as the request
stays the same it gets it again. Where nothing is left to read, the search starts at a place that depends on the
name alone, so that even a thing made anew from nothing mostly finds its old port.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from reconciler.core import attached
from reconciler.core.claims import ALIVE, Claim, Claims, Obstacle, insists
from reconciler.core.graph import Graph
from reconciler.core.topology import way
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Port, port_range
from reconciler.model.desired import PortBinding
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Grant, Snapshot
from reconciler.model.plan import Journal, Reason, Wait
from reconciler.values import dataclass

REASSIGN_REACH = 100
"""How far from a taken number a free one is looked for."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Ports by instance. An instance with a problem has none, and waits."""

    bindings: Mapping[Key, tuple[PortBinding, ...]] = field(default_factory=dict)
    grants: Mapping[Key, Mapping[str, Grant]] = field(default_factory=dict)
    problems: Mapping[Key, Wait] = field(default_factory=dict)
    moved: tuple[Wait, ...] = ()
    """Ports that had to move, and who was in the way: worth telling."""
    handovers: Mapping[Key, Wait] = field(default_factory=dict)
    """Instances whose port is still held by another one of ours that is about to leave it."""
    holders: Mapping[Key, Key] = field(default_factory=dict)
    """Whom each of these waits for."""
    leaving: frozenset[Key] = frozenset()
    """Those others: somebody waits for them to go."""


@dataclass(frozen=True, slots=True)
class Candidate:
    number: int
    obstacle: Obstacle
    claim: Claim | None


Extras = Mapping[Key, tuple[int, ...]]
"""Indexes of instances beside the replicas, by service."""
NO_EXTRAS: Extras = MappingProxyType({})


def assign(world: World, journal: Journal, extras: Extras = NO_EXTRAS) -> Assignment:
    """Every port of every instance of the graph. Who insists on a number is served before anybody who may choose, and
    an extra instance, which is there for a while only, after all others.
    """
    desk = _Desk(world, journal, extras)
    asked = [(desk.rank(key, spec, port), key, spec, port) for key, spec in desk.instances for port in spec.ports]
    for _, key, spec, port in sorted(asked, key=lambda item: item[:2]):
        desk.serve(key, spec, port)
    return desk.assignment()


def _instances(graph: Graph, extras: Extras) -> Iterator[tuple[Key, ServiceSpec]]:
    for key, spec in graph.workloads():
        if spec.attach_to:
            continue  # its ports are others' affair
        # A stopped service keeps its place: who was told its address is not to be told another one.
        for index in (*range(max(spec.replicas, 1)), *extras.get(key, ())):
            yield key.instance(index), spec


class _Desk:
    """Serves one instance after another, and writes down what each one got."""

    def __init__(self, world: World, journal: Journal, extras: Extras) -> None:
        self.instances = list(_instances(world.graph, extras))
        self._world = world
        self._called = world.graph.called_from_elsewhere()
        self._journal = journal
        self._claims = Claims(world, extras)
        self._free = _automatic(world.graph, world.snapshot)
        self._numbers: dict[Key, dict[str, int]] = {}
        self._problems: dict[Key, Wait] = {}
        self._moved: list[Wait] = []
        self._handovers: dict[Key, Wait] = {}
        self._holders: dict[Key, Key] = {}
        self._leaving: set[Key] = set()

    def rank(self, key: Key, spec: ServiceSpec, port: Port) -> tuple[bool, bool, bool, bool]:
        return (_extra(key, spec), not spec.replicas, not insists(port), not self._claims.runs(key))

    def serve(self, key: Key, spec: ServiceSpec, port: Port) -> None:
        found = self._unreadable(key, spec) or self._unforeseeable(key, spec, port) or self._choose(key, spec, port)
        if isinstance(found, Wait):
            self._problems.setdefault(key, found)
        else:
            for bind in self._binds(key, spec, port):
                self._claims.give(key, spec.run_on, Binding(found, port.protocol, bind))
            self._numbers.setdefault(key, {})[port.label] = found

    def assignment(self) -> Assignment:
        bindings: dict[Key, tuple[PortBinding, ...]] = {}
        grants: dict[Key, Mapping[str, Grant]] = {}
        for key, spec in self.instances:
            if key not in self._problems:
                numbers = self._numbers.get(key, {})
                bindings[key] = tuple(
                    _binding(port, numbers[port.label], bind)
                    for port in spec.ports
                    for bind in self._binds(key, spec, port)
                )
                grants[key] = {port.label: Grant(numbers[port.label], port.request) for port in spec.ports}
        for key, spec in self._world.graph.services():
            if spec.attach_to:
                self._seen(key.instance(0), spec, bindings, grants)
        moved, leaving = tuple(sorted(self._moved, key=str)), frozenset(self._leaving)
        return Assignment(bindings, grants, self._problems, moved, self._handovers, self._holders, leaving)

    def _seen(
        self, key: Key, spec: ServiceSpec, bindings: dict[Key, tuple[PortBinding, ...]],
        grants: dict[Key, Mapping[str, Grant]],
    ) -> None:  # fmt: skip
        """Of what others run they are as they are."""
        view, thing = self._world.snapshot.view(spec.place), self._world.seen(key, spec.place)
        if thing and thing.attached and thing.phase not in ALIVE:
            self._problems[key] = Wait(key, Reason.NOT_THERE, f"{spec.attach_to} does not run")
        elif thing and thing.attached:
            bindings[key], grants[key] = attached.bindings(spec, thing), thing.grants
        elif not view.reachable:
            self._problems[key] = Wait(key, Reason.UNREACHABLE, view.problem)
        else:
            why = self._world.snapshot.unattached.get(key, f"{spec.attach_to} was not found")
            self._problems[key] = Wait(key, Reason.NOT_THERE, why)

    def _binds(self, key: Key, spec: ServiceSpec, port: Port) -> list[str]:
        """Where it is published. Who is called from other hosts has to be found by them, and by nobody else."""
        graph, callers = self._world.graph, self._called.get(key.name, ())
        if not (spec.container and port.bind.startswith("127.")):
            return [port.bind]
        ways = (way(graph, self._world.snapshot, host, spec.run_on) for host in {host for _, host in callers})
        return sorted({one.number or one.address for one in ways if one.address}) or [port.bind]

    def _unreadable(self, key: Key, spec: ServiceSpec) -> Wait | None:
        """What it has can't be read now, so a chosen port is not known. A declared one is."""
        view = self._world.snapshot.view(spec.place)
        if view.reachable or all(insists(port) for port in spec.ports):
            return None
        return Wait(key, Reason.UNREACHABLE, view.problem)

    def _unforeseeable(self, key: Key, spec: ServiceSpec, port: Port) -> Wait | None:
        """Where a stopped service will be depends on all who have ports: its callers must not follow half a look."""
        silent = {view.place: view.problem for view in self._world.snapshot.views if not view.reachable}
        if spec.replicas or insists(port) or not silent:
            return None
        used = (other.place for _, other in self._world.graph.workloads())
        problem = next((silent[place] for place in used if place in silent), "")
        return Wait(key, Reason.UNREACHABLE, problem) if problem else None

    def _choose(self, key: Key, spec: ServiceSpec, port: Port) -> int | Wait:
        if not spec.replicas and isinstance(port.host_port, int) and insists(port):
            return port.host_port  # it does not take it now; this is where it will be
        sticky = self._claims.sticky(key, port)
        weighed: list[Candidate] = []
        for number in self._candidates(key, port, sticky):
            weighed.append(self._weigh(key, spec, port, number))
            if weighed[-1].obstacle is Obstacle.NONE:
                break
        best = min(weighed, key=lambda candidate: candidate.obstacle, default=None)
        first = next((candidate.claim for candidate in weighed if candidate.claim), None)
        # An extra one has no right to a place for which another one would have to leave.
        if best is None or best.obstacle is Obstacle.HELD or (_extra(key, spec) and best.obstacle is Obstacle.LEAVING):
            return _stuck(key, port, first)
        if _extra(key, spec):
            return best.number
        self._tell_of_handover(key, port, best)
        self._tell_of_move(key, port, best.number, sticky, first)
        return best.number

    def _weigh(self, key: Key, spec: ServiceSpec, port: Port, number: int) -> Candidate:
        wishes = [Binding(number, port.protocol, bind) for bind in self._binds(key, spec, port)]
        found = [self._claims.against(key, spec.run_on, wish) for wish in wishes]
        obstacle, claim = max(found, key=lambda one: one[0])
        refused = key in self._journal and number in self._journal[key].avoid
        return Candidate(number, max(obstacle, Obstacle.REFUSED) if refused else obstacle, claim)

    def _candidates(self, key: Key, port: Port, sticky: int | None) -> Iterator[int]:
        """What it had, if that was the answer to the same request; then in order of preference."""
        if sticky:
            yield sticky
        yield from (number for number in self._wished(key, port) if number != sticky)

    def _wished(self, key: Key, port: Port) -> Iterator[int]:
        if isinstance(port.host_port, int):
            reach = REASSIGN_REACH if port.on_conflict == "reassign" else 0
            yield from range(port.host_port, min(port.host_port + reach, 65535) + 1)
        elif bounds := port_range(port.host_port):
            yield from range(bounds[0], bounds[1] + 1)
        elif self._free:
            start = zlib.crc32(f"{key}/{port.label}".encode()) % len(self._free)
            yield from (self._free[(start + i) % len(self._free)] for i in range(len(self._free)))

    def _tell_of_handover(self, key: Key, port: Port, best: Candidate) -> None:
        claim = best.claim
        if claim and claim.leaving and claim.key:
            self._leaving.add(claim.key)
            self._holders[key] = claim.key
            message = f"port {port.label}: {best.number} is still held by {claim.holder}, which is about to leave it"
            self._handovers[key] = Wait(key, Reason.TERMINATING, message)

    def _tell_of_move(self, key: Key, port: Port, number: int, sticky: int | None, first: Claim | None) -> None:
        wanted = port.host_port if isinstance(port.host_port, int) else sticky
        if first and wanted and wanted != number:
            message = f"port {port.label}: {wanted} is held by {first.holder}; moved to {number}"
            self._moved.append(Wait(key, Reason.PORT_IN_USE, message))


def _automatic(graph: Graph, snapshot: Snapshot) -> Sequence[int]:
    """Never what the kernel hands out by itself: it would be gone by the time that we come back for it."""
    everything = range(graph.port_range[0], graph.port_range[1] + 1)
    low, high = snapshot.ephemeral
    if low > everything[-1] or high < everything[0]:
        return everything
    return [number for number in everything if not low <= number <= high]


def _binding(port: Port, number: int, bind: str) -> PortBinding:
    return PortBinding(port.label, port.port or number, number, port.protocol, bind)


def _extra(key: Key, spec: ServiceSpec) -> bool:
    return (key.index or 0) >= max(spec.replicas, 1)


def _stuck(key: Key, port: Port, obstacle: Claim | None) -> Wait:
    holder = obstacle.holder if obstacle else "nobody that can be seen, yet it was refused"
    if insists(port):
        message = (
            f"port {port.host_port}/{port.protocol} is held by {holder}; free it, choose another hostPort, "
            "or set onConflict: reassign"
        )
        return Wait(key, Reason.PORT_IN_USE, message)
    wanted = "the automatic range" if port.host_port == "auto" else str(port.host_port)
    return Wait(key, Reason.PORTS_EXHAUSTED, f"port {port.label}: all of {wanted} is taken, first by {holder}")
