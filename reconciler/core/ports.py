"""Which host port each named port gets: kept where it was, told apart from everybody else's, never guessed twice.

A port is sticky: the label on the instance says what it got and for which request, and as long as the request
stays the same it gets it again. Where nothing is left to read, the search starts at a place that depends on the
name alone, so that even a thing made anew from nothing mostly finds its old port.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.core.graph import Graph
from reconciler.kinds.service import Port, ServiceSpec, port_range
from reconciler.model.desired import PortBinding
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Grant, Observed, Phase, Snapshot
from reconciler.model.plan import Journal, Reason, Wait

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


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody has this port, or has a right to it."""

    binding: Binding
    holder: str
    key: Key | None = None
    given: bool = False
    """In this very pass."""


def assign(graph: Graph, snapshot: Snapshot, journal: Journal) -> Assignment:
    """Every port of every instance of the graph, in the order of their names."""
    claims = _Claims(graph, snapshot)
    bindings: dict[Key, tuple[PortBinding, ...]] = {}
    grants: dict[Key, dict[str, Grant]] = {}
    problems: dict[Key, Wait] = {}
    moved: list[Wait] = []
    # Who runs keeps what it has: they are served before anybody chooses.
    order = sorted(_instances(graph), key=lambda item: (not claims.runs(item[0]), item[0]))
    for key, spec in order:
        avoid = frozenset(journal[key].avoid) if key in journal else frozenset()
        chosen: list[PortBinding] = []
        for port in spec.ports:
            number, obstacle = _choose(graph, snapshot, claims, key, port, avoid)
            if number is None:
                problems[key] = obstacle or Wait(key, Reason.PORTS_EXHAUSTED, "no port is free")
                break
            if obstacle:
                moved.append(obstacle)
            claims.take(key, Binding(number, port.protocol, port.bind))
            chosen.append(PortBinding(port.label, port.port or number, number, port.protocol, port.bind))
        else:
            bindings[key] = tuple(chosen)
            grants[key] = {b.name: Grant(b.host_port, p.request) for b, p in zip(chosen, spec.ports, strict=True)}
    return Assignment(bindings, grants, problems, tuple(moved))


def _instances(graph: Graph) -> Iterator[tuple[Key, ServiceSpec]]:
    for key, spec in graph.services():
        # A stopped service keeps its place: who was told its address is not to be told another one.
        for index in range(max(spec.replicas, 1)):
            yield key.instance(index), spec


def _choose(
    graph: Graph, snapshot: Snapshot, claims: _Claims, key: Key, port: Port, avoid: frozenset[int]
) -> tuple[int | None, Wait | None]:
    """The number, and what had to be avoided for it or stands in the way of any."""
    first: Claim | None = None
    sticky = claims.sticky(key, port)
    candidates = _candidates(graph, snapshot, key, port)
    for number in ([sticky] if sticky else []) + [n for n in candidates if n != sticky]:
        obstacle = claims.against(key, Binding(number, port.protocol, port.bind))
        if obstacle is None and number not in avoid:
            wish = port.host_port if isinstance(port.host_port, int) else sticky
            return number, _moved(key, port, wish, number, first)
        first = first or obstacle
    return None, _stuck(key, port, first)


def _candidates(graph: Graph, snapshot: Snapshot, key: Key, port: Port) -> list[int]:
    if isinstance(port.host_port, int):
        reach = REASSIGN_REACH if port.on_conflict == "reassign" else 0
        return [n for n in range(port.host_port, port.host_port + reach + 1) if n <= 65535]
    bounds = port_range(port.host_port)
    if bounds:
        return list(range(bounds[0], bounds[1] + 1))
    low, high = graph.port_range
    free = [n for n in range(low, high + 1) if not snapshot.ephemeral[0] <= n <= snapshot.ephemeral[1]]
    start = zlib.crc32(f"{key}/{port.label}".encode()) % max(len(free), 1)
    return free[start:] + free[:start]


def _moved(key: Key, port: Port, wish: int | None, number: int, first: Claim | None) -> Wait | None:
    if wish is None or wish == number or first is None:
        return None
    return Wait(key, Reason.PORT_IN_USE, f"port {port.label}: {wish} is held by {first.holder}; moved to {number}")


def _stuck(key: Key, port: Port, obstacle: Claim | None) -> Wait:
    holder = obstacle.holder if obstacle else "nobody that can be seen, yet it was refused"
    if isinstance(port.host_port, int) and port.on_conflict != "reassign":
        message = (
            f"port {port.host_port}/{port.protocol} is held by {holder}; free it, choose another hostPort, "
            "or set onConflict: reassign"
        )
        return Wait(key, Reason.PORT_IN_USE, message)
    wanted = "the automatic range" if port.host_port == "auto" else str(port.host_port)
    return Wait(key, Reason.PORTS_EXHAUSTED, f"port {port.label}: all of {wanted} is taken, first by {holder}")


class _Claims:
    """Who has which port: things in the world, sockets that listen, and what this pass has given away."""

    def __init__(self, graph: Graph, snapshot: Snapshot) -> None:
        self._own: dict[Key, Observed] = {}
        self._by_port: dict[tuple[int, str], list[Claim]] = {}
        for thing in snapshot.objects():
            if thing.kind == "service":
                self._note(graph, thing)
        for listeners in snapshot.listeners.values():
            for listener in listeners:
                self._add(Claim(listener.binding, listener.holder))

    def _note(self, graph: Graph, thing: Observed) -> None:
        ours = thing.key is not None and thing.owner == graph.owner
        if ours and thing.key and thing.key.namespace == graph.namespace:
            self._own.setdefault(thing.key, thing)
        for binding in thing.bindings:
            self._add(Claim(binding, thing.title, thing.key if ours else None))
        if ours and not thing.bindings and thing.key and not self._leaves(graph, thing.key):
            for grant in thing.grants.values():  # it has stopped, and will want it again
                self._add(Claim(Binding(grant.port), f"{thing.key} (stopped)", thing.key))

    @staticmethod
    def _leaves(graph: Graph, key: Key) -> bool:
        if key.namespace != graph.namespace:
            return False
        resource = graph.resources.get(key.resource)
        return resource is None or (key.index or 0) >= resource.spec.replicas

    def _add(self, claim: Claim) -> None:
        self._by_port.setdefault((claim.binding.port, claim.binding.protocol), []).append(claim)

    def runs(self, key: Key) -> bool:
        return key in self._own and self._own[key].phase in ALIVE

    def take(self, key: Key, binding: Binding) -> None:
        self._add(Claim(binding, str(key), key, given=True))

    def sticky(self, key: Key, port: Port) -> int | None:
        """What it had, if that was the answer to the same request."""
        grant = self._own[key].grants.get(port.label) if key in self._own else None
        return grant.port if grant and grant.request == port.request else None

    def against(self, key: Key, binding: Binding) -> Claim | None:
        """Who stands in the way of this one having it. Containers are named before their proxies' sockets."""
        claims = self._by_port.get((binding.port, binding.protocol), [])
        twin = next((c for c in claims if c.key == key and c.given and c.binding.clashes(binding)), None)
        if twin:
            return twin  # another port of its own
        if any(claim.key == key for claim in claims) and self.runs(key):
            return None  # it has it: the socket that listens is its own
        return next((c for c in claims if c.key != key and c.binding.clashes(binding)), None)
