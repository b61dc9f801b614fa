"""Who calls whom, from where to where, and how: for people to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core import topology
from reconciler.core.graph import Graph, shared_network
from reconciler.core.topology import Means, called
from reconciler.model.observed import Snapshot
from reconciler.values import dataclass

ENGINE = "engine"
"""Both are in one network of one engine, and find one another by name."""


@dataclass(frozen=True, slots=True)
class Call:
    caller: str
    host: str
    callee: str
    there: str
    how: str
    address: str
    why: str


@dataclass(frozen=True, slots=True)
class Member:
    """A host's part of the mesh, as it was seen."""

    host: str
    address: str
    device: str
    peers: Mapping[str, str]
    """By host, where each was found last; empty for one that was not heard of yet."""


def calls(graph: Graph, snapshot: Snapshot) -> list[Call]:
    found = []
    for key, caller, name, callee in graph.calls():
        way = topology.way(graph, snapshot, caller.run_on, callee.run_on)
        together = way.means is Means.SAME and caller.container and callee.container
        by_name = together and bool(shared_network(graph, caller, callee))
        how = ENGINE if by_name else str(way.means)
        address = name if by_name else way.address
        hosts = called(caller.run_on), called(callee.run_on)
        found.append(Call(key.name, hosts[0], name, hosts[1], how, address, way.why))
    return found


def members(graph: Graph, snapshot: Snapshot) -> list[Member]:
    found = []
    for host in topology.everybody(graph):
        seen = topology.part(graph, snapshot, host)
        known = topology.facts(seen)
        if seen:
            peers = {called(name): _endpoint(known, key) for name, key in sorted(known.get("keys", {}).items())}
            found.append(Member(called(host), known.get("wanted_address", ""), seen.id, peers))
    return found


def _endpoint(known: Mapping[str, Any], key: str) -> str:
    peer = known.get("peers", {}).get(key, {})
    return str(peer.get("endpoint", "")) if peer.get("shook") else ""
