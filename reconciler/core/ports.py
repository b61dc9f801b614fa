"""Which host port each named port gets: kept where it was, told apart from everybody else's, never guessed twice.

A port is sticky: the label on the instance says what it got and for which request, and as long as the request
stays the same it gets it again. Where nothing is left to read, the search starts at a place that depends on the
name alone, so that even a thing made anew from nothing mostly finds its old port.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from enum import IntEnum
from types import MappingProxyType

from reconciler.core import attached
from reconciler.core.graph import Graph
from reconciler.core.standing import Stands
from reconciler.core.topology import way
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Port, port_range
from reconciler.model.desired import PortBinding
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Binding, Grant, Listener, Observed, Phase, Snapshot
from reconciler.model.place import LOCAL
from reconciler.model.plan import Journal, Reason, Wait
from reconciler.values import dataclass

REASSIGN_REACH = 100
"""How far from a taken number a free one is looked for."""
ALIVE = {Phase.RUNNING, Phase.PAUSED, Phase.STARTING}


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


class Obstacle(IntEnum):
    """How much stands in the way of a number; the least is taken."""

    NONE = 0
    LEAVING = 1
    """One of ours holds it, and will not hold it for long."""
    REFUSED = 2
    """Nobody is seen to hold it, but it was refused lately."""
    HELD = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody has this port, or has a right to it."""

    binding: Binding
    holder: str
    key: Key | None = None
    given: bool = False
    """In this very pass."""
    leaving: bool = False
    host: str = LOCAL


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
        self._claims = _Claims(world, extras)
        self._free = _automatic(world.graph, world.snapshot)
        self._numbers: dict[Key, dict[str, int]] = {}
        self._problems: dict[Key, Wait] = {}
        self._moved: list[Wait] = []
        self._handovers: dict[Key, Wait] = {}
        self._holders: dict[Key, Key] = {}
        self._leaving: set[Key] = set()

    def rank(self, key: Key, spec: ServiceSpec, port: Port) -> tuple[bool, bool, bool, bool]:
        return (_extra(key, spec), not spec.replicas, not _insists(port), not self._claims.runs(key))

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
        if thing and thing.attached:
            bindings[key], grants[key] = attached.bindings(spec, thing), thing.grants
        elif not view.reachable:
            self._problems[key] = Wait(key, Reason.UNREACHABLE, view.problem)
        else:
            why = self._world.snapshot.unattached.get(key, f"{spec.attach_to} was not found")
            self._problems[key] = Wait(key, Reason.EXTERNAL_MISSING, why)

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
        if view.reachable or all(_insists(port) for port in spec.ports):
            return None
        return Wait(key, Reason.UNREACHABLE, view.problem)

    def _unforeseeable(self, key: Key, spec: ServiceSpec, port: Port) -> Wait | None:
        """Where a stopped service will be depends on all who have ports: its callers must not follow half a look."""
        silent = {view.place: view.problem for view in self._world.snapshot.views if not view.reachable}
        if spec.replicas or _insists(port) or not silent:
            return None
        used = (other.place for _, other in self._world.graph.workloads())
        problem = next((silent[place] for place in used if place in silent), "")
        return Wait(key, Reason.UNREACHABLE, problem) if problem else None

    def _choose(self, key: Key, spec: ServiceSpec, port: Port) -> int | Wait:
        if not spec.replicas and isinstance(port.host_port, int) and _insists(port):
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


def _insists(port: Port) -> bool:
    return isinstance(port.host_port, int) and port.on_conflict != "reassign"


def _stuck(key: Key, port: Port, obstacle: Claim | None) -> Wait:
    holder = obstacle.holder if obstacle else "nobody that can be seen, yet it was refused"
    if _insists(port):
        message = (
            f"port {port.host_port}/{port.protocol} is held by {holder}; free it, choose another hostPort, "
            "or set onConflict: reassign"
        )
        return Wait(key, Reason.PORT_IN_USE, message)
    wanted = "the automatic range" if port.host_port == "auto" else str(port.host_port)
    return Wait(key, Reason.PORTS_EXHAUSTED, f"port {port.label}: all of {wanted} is taken, first by {holder}")


class _Claims:
    """Who has which port: things in the world, sockets that listen, and what this pass has given away."""

    def __init__(self, world: World, extras: Extras) -> None:
        self._world = world
        self._extras = extras
        self._own = _own(world)
        self._insisted = _insisted(world.graph)
        self._by_port: dict[tuple[str, int, str], list[Claim]] = {}
        found = [thing for thing in world.snapshot.objects() if thing.kind == INSTANCE]
        things = sorted(found, key=lambda thing: (thing.place, thing.name, thing.id))
        for thing in things:
            key = self._genuine(thing)
            for binding in thing.bindings:
                leaving = self._leaves(key, thing.host, binding)
                self._add(Claim(binding, thing.title, key, leaving=leaving, host=thing.host))
        # A socket of a thing that we see is that thing's: its own, or its proxy's.
        for host, one in [(h, one) for h, one in _listeners(world.snapshot) if not self._clashing(h, one.binding)]:
            self._add(Claim(one.binding, one.holder, host=host))
        for thing in things:
            for binding in self._wants_again(thing):
                self._add(Claim(binding, f"{thing.key} (stopped)", thing.key, host=thing.host))

    def _genuine(self, thing: Observed) -> Key | None:
        if thing.key is None or thing.attached:
            return None
        return thing.key if any(thing is own for own in self._own.get(thing.key, ())) else None

    def _leaves(self, key: Key | None, host: str, binding: Binding) -> bool:
        """Whether one of ours that holds a port now will not hold it much longer."""
        if key is None:
            return False
        spec = self._spec(key)
        if spec is None:
            return key.resource in self._world.graph.removed
        stays = self._stays(key, spec) and spec.run_on == host
        return not stays or all(kept.port != binding.port for kept in self._kept(key, spec))

    def _stays(self, key: Key, spec: ServiceSpec) -> bool:
        return (key.index or 0) < spec.replicas or key.index in self._extras.get(key.resource, ())

    def _wants_again(self, thing: Observed) -> Iterator[Binding]:
        """What something of ours that has stopped will take when it starts."""
        key = thing.key
        if thing.bindings or key is None or thing.owner != self._world.graph.owner:
            return
        if key.namespace != self._world.graph.namespace:
            yield from (Binding(grant.port) for grant in thing.grants.values())
        elif self._genuine(thing) and (spec := self._spec(key)) and self._starts_again(key, spec, thing):
            yield from self._kept(key, spec)

    def _starts_again(self, key: Key, spec: ServiceSpec, thing: Observed) -> bool:
        stands = self._world.stands(key, spec, thing).stands
        return self._stays(key, spec) and stands not in {Stands.COMPLETED, Stands.FAILED}

    def _kept(self, key: Key, spec: ServiceSpec) -> Iterator[Binding]:
        """What it had and will have again. Who may choose makes room for who insists."""
        for port in spec.ports:
            number = self.sticky(key, port)
            binding = Binding(number or 0, port.protocol, port.bind)
            if number and (_insists(port) or not self._insisted_by_others(key, binding)):
                yield binding

    def _insisted_by_others(self, key: Key, binding: Binding) -> bool:
        spec = self._spec(key)
        wishes = self._insisted.get((spec.run_on, binding.port, binding.protocol), ()) if spec else ()
        return any(other != key.resource and wish.clashes(binding) for other, wish in wishes)

    def _spec(self, key: Key) -> ServiceSpec | None:
        return self._world.graph.spec(key)

    def _add(self, claim: Claim) -> None:
        self._by_port.setdefault((claim.host, claim.binding.port, claim.binding.protocol), []).append(claim)

    def runs(self, key: Key) -> bool:
        return any(thing.phase in ALIVE for thing in self._own.get(key, ()))

    def give(self, key: Key, host: str, binding: Binding) -> None:
        self._add(Claim(binding, str(key), key, given=True, host=host))

    def sticky(self, key: Key, port: Port) -> int | None:
        """What it had, if that was the answer to the same request."""
        grants = (thing.grants.get(port.label) for thing in self._own.get(key, ()))
        return next((grant.port for grant in grants if grant and grant.request == port.request), None)

    def against(self, key: Key, host: str, binding: Binding) -> tuple[Obstacle, Claim | None]:
        """Who stands in the way of this one having it. Things are named before sockets."""
        claims = [claim for claim in self._clashing(host, binding) if claim.given or claim.key != key]
        held = next((c for c in claims if not c.leaving), None)
        if held:
            return Obstacle.HELD, held
        return (Obstacle.LEAVING, claims[0]) if claims else (Obstacle.NONE, None)

    def _clashing(self, host: str, binding: Binding) -> list[Claim]:
        claims = self._by_port.get((host, binding.port, binding.protocol), ())
        return [claim for claim in claims if claim.binding.clashes(binding)]


def _insisted(graph: Graph) -> dict[tuple[str, int, str], list[tuple[Key, Binding]]]:
    """Numbers that workloads of this namespace insist on."""
    found: dict[tuple[str, int, str], list[tuple[Key, Binding]]] = {}
    for key, spec in graph.workloads():
        for port in spec.ports if spec.replicas else ():
            if isinstance(port.host_port, int) and _insists(port):
                wish = Binding(port.host_port, port.protocol, port.bind)
                found.setdefault((spec.run_on, wish.port, wish.protocol), []).append((key, wish))
    return found


def _own(world: World) -> dict[Key, list[Observed]]:
    """What counts for each instance: where it is to be first, then where it was before it moved."""
    own: dict[Key, list[Observed]] = {}
    for key, thing in world.ours():
        spec = world.graph.spec(key)
        at_home = spec is not None and thing.place == spec.place
        own.setdefault(key, []).insert(0 if at_home else len(own.get(key, [])), thing)
    return own


def _listeners(snapshot: Snapshot) -> list[tuple[str, Listener]]:
    everywhere = ((host, one) for host, listeners in snapshot.listeners.items() for one in listeners)
    return sorted(everywhere, key=_of_listener)


def _of_listener(found: tuple[str, Listener]) -> tuple[str, int, str, str, str]:
    host, one = found
    return host, one.binding.port, one.binding.protocol, one.binding.address, one.holder
