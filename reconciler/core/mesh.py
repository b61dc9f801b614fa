"""Each host's part of the mesh: who is in it, who speaks with whom, and what is not as it should be.

A pair of hosts that needs the mesh speaks directly where one of the two has an address that is really its own, and so
can be called by the other, who need not have one. Where neither has, a third one relays between them. Nobody is in
the mesh whom no pair needs.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Mapping

from reconciler.core import topology
from reconciler.core.fingerprint import fingerprint
from reconciler.core.graph import Graph
from reconciler.core.topology import Means, facts, footing, literal, member, part, way
from reconciler.model.desired import Desired, MeshPayload, Peer
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.place import LOCAL
from reconciler.model.plan import Reason, Wait
from reconciler.values import dataclass

KEEPALIVE_SECONDS = 25
ROTATED = "reconciler/mesh-rotated-at"
"""Annotation of a Host: a new value is a new key."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """What ought to be, by host. `without` are pairs whom nobody can bring together."""

    parts: Mapping[str, Desired]
    without: tuple[tuple[str, str], ...] = ()
    names: frozenset[str] = frozenset()
    """Services that are called through it, or call somebody through it."""


NOBODY = Mesh({})


def mesh(graph: Graph, snapshot: Snapshot) -> Mesh:
    calls = [] if topology.view_of(snapshot, LOCAL) is None else list(_calls(graph))
    through = [(caller, callee) for caller, callee in calls if _needs(graph, snapshot, caller[1], callee[1])]
    if not through:
        return NOBODY
    pairs = sorted({tuple(sorted((caller[1], callee[1]))) for caller, callee in through})
    routes, without = _routes(graph, snapshot, pairs)
    addresses = topology.mesh_addresses(graph, snapshot)
    parts = {host: _part(graph, snapshot, host, routes, addresses) for host in sorted(routes)}
    names = frozenset(name for call in through for name, _ in call)
    return Mesh(parts, tuple(without), names)


def _calls(graph: Graph) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Caller and callee on different hosts, each with its host."""
    for callee, callers in graph.called_from_elsewhere().items():
        spec = graph.service(callee)
        if spec:
            yield from (((name, host), (callee, spec.run_on)) for name, host in sorted(callers))


def _needs(graph: Graph, snapshot: Snapshot, caller: str, callee: str) -> bool:
    return way(graph, snapshot, caller, callee).means is Means.MESH


Routes = dict[str, dict[str, set[str]]]
"""By host and neighbour: the hosts that are found through that one."""


def _routes(graph: Graph, snapshot: Snapshot, pairs: list[tuple[str, ...]]) -> tuple[Routes, list[tuple[str, str]]]:
    routes: defaultdict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    without = []
    for one, other in pairs:
        between = _between(graph, snapshot, one, other, sorted({host for pair in pairs for host in pair}))
        if between is None:
            without.append((one, other))
        for a, b in ((one, other), (other, one)):
            peers = routes[a]  # a member, even if it can't speak with anybody yet
            if between is not None:
                peers[between or b] |= {between or b, b}
                routes[between or b][a] |= {a}
    return {host: dict(peers) for host, peers in routes.items()}, without


def _between(graph: Graph, snapshot: Snapshot, one: str, other: str, members: list[str]) -> str | None:
    """Who relays; empty where nobody has to; None where nobody can."""
    if _callable(graph, snapshot, one) or _callable(graph, snapshot, other):
        return ""
    others = [*members, *topology.everybody(graph)]
    return next((host for host in others if host not in (one, other) and _callable(graph, snapshot, host)), None)


def _callable(graph: Graph, snapshot: Snapshot, host: str) -> bool:
    """Whether its address is its own; or a person said which one it is that leads there."""
    spec, known = graph.machine(host), footing(snapshot, host)
    if spec is None or spec.mesh == "never" or not spec.reached_at:
        return False
    if spec.address and host != LOCAL:
        return True
    if known is None:  # then it is as the others were told
        others = (facts(part(graph, snapshot, one)) for one in topology.everybody(graph))
        return any(other.get("endpoints", {}).get(host) for other in others)
    own = literal(spec.reached_at) or literal(known.met_at)
    return any(literal(leg.address.partition("/")[0]) == own for leg in known.legs)


def _part(graph: Graph, snapshot: Snapshot, host: str, routes: Routes, addresses: Mapping[str, str]) -> Desired:
    key, peers = member(graph, host), routes[host]
    found = (_peer(graph, snapshot, host, other, peers[other], addresses) for other in sorted(peers))
    resource = graph.resources.get(Key("host", graph.namespace, key.name))
    payload = MeshPayload(
        device=topology.device(graph),
        address=addresses[host],
        port=topology.port(graph),
        peers=tuple(peer for peer in found if peer.key),
        relays=any(len(seen) > 1 for other in peers for seen in (routes.get(other, {}).get(host, set()),)),
        rotated_at=resource.annotations.get(ROTATED, "") if resource else "",
    )
    return Desired(
        key=key, runtime=topology.RUNTIME, host=host, payload=payload, fingerprint=fingerprint(payload),
        owner=graph.owner,
    )  # fmt: skip


def _peer(
    graph: Graph, snapshot: Snapshot, host: str, other: str, through: set[str], addresses: Mapping[str, str]
) -> Peer:
    """Without a key where none is known: it is made by that host, and until then nobody can speak with it."""
    seen = facts(part(graph, snapshot, other))
    key = seen.get("public") or facts(part(graph, snapshot, host)).get("keys", {}).get(other, "")
    spec = graph.machine(other)
    endpoint = f"{spec.reached_at}:{topology.port(graph)}" if spec and _callable(graph, snapshot, other) else ""
    reached = [addresses[name] for name in (other, *sorted(through - {other}))]
    return Peer(other, key, tuple(reached), endpoint)


# -- what is there, and what ought to be


def deviations(item: Desired, seen: Observed) -> Iterator[str]:
    """What is not as it should be, each as a sentence. An endpoint that moved is not: whoever roams does that."""
    wanted, found = item.payload, facts(seen)
    assert isinstance(wanted, MeshPayload), "a part of the mesh"
    if not found.get("up"):
        yield f"its device {wanted.device} is gone"
        return
    if seen.fingerprint != item.fingerprint:
        yield "others are in it, or elsewhere"
    if wanted.address not in found["addresses"]:
        yield f"its address {wanted.address} is missing"
    if (found["port"], found["live_public"]) != (wanted.port, found["public"]):
        yield "its key or port was changed"
    known = found["peers"]
    for peer in wanted.peers:
        if peer.key not in known or set(known[peer.key]["reached"]) != set(peer.reached):
            yield f"{peer.host} was taken out of it"
        elif peer.endpoint and not known[peer.key]["endpoint"]:
            yield f"where {peer.host} is was lost"
        elif not set(peer.reached) <= set(found["routes"]):
            yield f"the route to {peer.host} is missing"
    if set(known) - {peer.key for peer in wanted.peers}:
        yield "somebody is in it who does not belong there"


def obstacle(graph: Graph, snapshot: Snapshot, found: Mesh, host: str) -> Wait | None:
    """Why a host can't be made part of it, whoever comes."""
    key, known = member(graph, host), footing(snapshot, host)
    if known and known.lacking:
        return Wait(key, Reason.DENIED, known.lacking)
    pool = topology.network(graph)
    for leg in known.legs if known else ():
        taken = ipaddress.ip_network(leg.address, strict=False)
        if taken.overlaps(pool) and not leg.device.startswith(topology.DEVICE):
            message = f"{pool}, from which the mesh has its addresses, overlaps with {taken} ({leg.device} of {host})"
            hint = "choose another one: meshNetwork of the Host called local"
            return Wait(key, Reason.DENIED, f"{message}; {hint}")
    for one, other in found.without:
        if host in (one, other):
            message = f"neither {one} nor {other} has an address at which the other could call it"
            return Wait(key, Reason.DENIED, f"{message}; declare one (address), or a third host that has one")
    return None
