"""Who reaches whom, and how: decided for each pair of hosts, from what can be seen of both.

The rule. On one host there is nothing to decide. Of two, the one that is called has an address, which its document
says (`address`, or else where ssh finds it). The LAN is enough where that address really is on one of its interfaces,
and the caller has an interface in the same network; likewise where either says `mesh: never`, or its interfaces can't
be read. Every other pair needs the mesh: the one that is called is behind a router, or the two are at different sites.

Equal numbers alone prove nothing, for two houses may both be 192.168.1.0/24: so addresses that nobody declared are
never taken for those of a common LAN. While one of two hosts can't be asked, the other one's part of the mesh still
says whether they were in it, and that stands.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from reconciler.core.graph import Graph
from reconciler.kinds.host import MESH_NETWORK
from reconciler.model.key import Key
from reconciler.model.observed import Footing, Leg, Observed, Snapshot, View
from reconciler.model.place import LOCAL, Place
from reconciler.values import dataclass

RUNTIME = "mesh"
DEVICE = "rcm"
"""What the names of our devices begin with."""
FIRST_PORT, PORTS = 30000, 2000
"""Above those that services get by themselves, and below what the kernel hands out."""
VIRTUAL = re.compile(r"lo|docker\d+|br-[0-9a-f]{12}|veth.*|virbr\d+|rcm.*")
"""Interfaces that lead to nobody outside of a machine."""


class Means(StrEnum):
    SAME = "same host"
    LAN = "lan"
    MESH = "mesh"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Way:
    """From a host to a host."""

    means: Means
    address: str = ""
    why: str = ""
    """A sentence's end: what it was decided by."""
    number: str = ""
    """What the address stands for there, where that is known: nobody can be published at a name."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What is wanted and what was seen, as one thing: equal is only what is the very same."""

    graph: Graph
    snapshot: Snapshot

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sight) and self.graph is other.graph and self.snapshot is other.snapshot

    def __hash__(self) -> int:
        return hash((id(self.graph), id(self.snapshot)))


def way(graph: Graph, snapshot: Snapshot, caller: str, callee: str) -> Way:
    known = _known(Sight(graph, snapshot))
    if (caller, callee) not in known:
        known[caller, callee] = _way(graph, snapshot, caller, callee)
    return known[caller, callee]


@lru_cache(maxsize=2)
def _known(sight: Sight) -> dict[tuple[str, str], Way]:  # noqa: ARG001 -- each has its own
    """They are asked for again and again while one plan is made; after that nobody wants to keep all that was seen."""
    return {}


def _way(graph: Graph, snapshot: Snapshot, caller: str, callee: str) -> Way:
    if caller == callee:
        return Way(Means.SAME)
    spec = graph.machine(callee)
    at = spec.reached_at if spec else ""
    refuses = [name for name in (caller, callee) if (other := graph.machine(name)) and other.mesh == "never"]
    if refuses:
        return _declared(graph, snapshot, callee, f"{called(refuses[0])} says mesh: never")
    views = [view_of(snapshot, name) for name in (caller, callee)]
    if not at or None in views:
        return _declared(graph, snapshot, callee, "it is declared so")
    means, why = _by_sight(graph, snapshot, (caller, callee), at)
    if means is Means.LAN:
        return _declared(graph, snapshot, callee, why)
    return Way(means, mesh_address(graph, snapshot, callee) if means is Means.MESH else at, why)


def _declared(graph: Graph, snapshot: Snapshot, callee: str, why: str) -> Way:
    """A name that is there for ssh may be an alias that nobody else knows: others are told what it led to."""
    spec, known = graph.machine(callee), footing(snapshot, callee)
    at = spec.reached_at if spec else ""
    number = at if literal(at) else known.met_at if known else ""
    if spec is None or spec.address or literal(at) or not view_of(snapshot, callee):
        return Way(Means.LAN, at, why, number)
    if known is None:
        return Way(Means.UNKNOWN, at, f"{called(callee)} does not answer")
    return Way(Means.LAN, number or at, why, number)


def _by_sight(graph: Graph, snapshot: Snapshot, pair: tuple[str, str], at: str) -> tuple[Means, str]:
    caller, callee = map(called, pair)
    mine, theirs = (footing(snapshot, name) for name in pair)
    if mine is None or theirs is None:
        away = " and ".join(called(name) for name, known in zip(pair, (mine, theirs), strict=True) if known is None)
        if _recorded(graph, snapshot, *pair):
            return Means.MESH, f"it was so when {away} last answered"
        if theirs or (mine and _within(at, mine.legs)):
            return Means.LAN, "it is declared so"
        return Means.UNKNOWN, f"{away} does not answer"
    if not mine.legs or not theirs.legs:
        blind = caller if not mine.legs else callee
        return Means.LAN, f"the interfaces of {blind} can't be read"
    own = literal(at) or literal(theirs.met_at)
    if own is None:
        return Means.LAN, f"nobody knows what {at} stands for on {callee}"
    if all(_ip(leg) != own for leg in theirs.legs):
        return Means.MESH, f"{at} is not on an interface of {callee}: it is behind a router"
    if _within(str(own), mine.legs):
        return Means.LAN, f"{caller} has an interface in the network of {at}"
    return Means.MESH, f"{caller} has no interface in the network of {at}"


def view_of(snapshot: Snapshot, host: str) -> View | None:
    """None where nobody asked."""
    place = Place(RUNTIME, host)
    return next((view for view in snapshot.views if view.place == place), None)


def footing(snapshot: Snapshot, host: str) -> Footing | None:
    view = view_of(snapshot, host)
    return view.footing if view and view.reachable else None


def literal(text: str) -> Any:
    """An address, unless it is a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _ip(leg: Leg) -> Any:
    return literal(leg.address.partition("/")[0])


def _within(address: str, legs: tuple[Leg, ...]) -> bool:
    wanted = literal(address)
    return wanted is not None and any(
        wanted in ipaddress.ip_network(leg.address, strict=False) and wanted != _ip(leg)
        for leg in legs
        if not VIRTUAL.fullmatch(leg.device)
    )


# -- whose part of the mesh is where


def member(graph: Graph, host: str) -> Key:
    """A host's part of this namespace's mesh."""
    return Key(RUNTIME, graph.namespace, called(host))


def part(graph: Graph, snapshot: Snapshot, host: str) -> Observed | None:
    """As it is there."""
    view, key = view_of(snapshot, host), member(graph, host)
    things = view.objects if view and view.reachable else ()
    return next((thing for thing in things if thing.key == key and thing.owner == graph.owner), None)


def facts(thing: Observed | None) -> Mapping[str, Any]:
    return thing.facts.fields if thing and thing.facts else {}


def _recorded(graph: Graph, snapshot: Snapshot, one: str, other: str) -> bool:
    """Whether a part that can be seen knows the other host as one that is found in the mesh."""
    known = [facts(part(graph, snapshot, a)).get("hosts", {}).get(b) for a, b in ((one, other), (other, one))]
    return any(known)


def called(host: str) -> str:
    """As its documents call it."""
    return host.rpartition("/")[2]


def everybody(graph: Graph) -> list[str]:
    """Of all hosts the ids, this one's first, however many documents there are about it."""
    return [LOCAL, *(host for host in sorted(graph.hosts) if host.rpartition("/")[2] != LOCAL)]


def network(graph: Graph) -> Any:
    """From which everybody gets an address."""
    here = graph.machine(LOCAL)
    return ipaddress.ip_network((here.mesh_network if here else "") or MESH_NETWORK)


def mesh_address(graph: Graph, snapshot: Snapshot, host: str) -> str:
    return mesh_addresses(graph, snapshot)[host]


def mesh_addresses(graph: Graph, snapshot: Snapshot) -> Mapping[str, str]:
    return _mesh_addresses(Sight(graph, snapshot))


@lru_cache(maxsize=2)
def _mesh_addresses(sight: Sight) -> Mapping[str, str]:
    """Of every host that is known, member or not: the one that it has, or was last told of to others; else one that
    depends on its name, and on nothing that others do.
    """
    graph, snapshot = sight.graph, sight.snapshot
    pool = network(graph)
    hosts = everybody(graph)
    found: dict[str, str] = {}
    for host, address in _had(graph, snapshot, hosts):
        if literal(address) and literal(address) in pool and address not in found.values():
            found.setdefault(host, address)
    for host in hosts:
        if host not in found:
            taken = set(found.values())
            found[host] = next(one for one in _wished(graph, pool, host) if one not in taken)
    return found


def _had(graph: Graph, snapshot: Snapshot, hosts: list[str]) -> Iterator[tuple[str, str]]:
    parts = [(host, facts(part(graph, snapshot, host))) for host in hosts]
    yield from ((host, known["wanted_address"]) for host, known in parts if known.get("wanted_address"))
    for _, known in parts:
        yield from ((host, known.get("hosts", {})[host]) for host in hosts if known.get("hosts", {}).get(host))


def _wished(graph: Graph, pool: Any, host: str) -> Iterator[str]:
    """Neither the first nor the last one of the pool."""
    size = pool.num_addresses - 2
    start = zlib.crc32(f"{graph.owner}/{graph.namespace}/{host}".encode()) % size
    yield from (str(pool[1 + (start + step) % size]) for step in range(size))


def device(graph: Graph) -> str:
    """Of this namespace of this installation, on each host."""
    return f"{DEVICE}{zlib.crc32(f'{graph.owner}/{graph.namespace}'.encode()):08x}"


def port(graph: Graph, snapshot: Snapshot, host: str) -> int:
    """The one that it was given, and else the same on all hosts; the next one where somebody else has that."""
    known, footed = facts(part(graph, snapshot, host)), footing(snapshot, host)
    taken = footed.datagrams - {known.get("port")} if footed else frozenset()
    start = (known.get("wanted_port") or FIRST_PORT + zlib.crc32(device(graph).encode())) - FIRST_PORT
    wished = (FIRST_PORT + (start + step) % PORTS for step in range(PORTS))
    return next((one for one in wished if one not in taken), FIRST_PORT + start % PORTS)
