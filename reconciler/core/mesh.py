"""Each host's part of the mesh: who is in it, who speaks with whom, and what is not as it should be.

A pair of hosts that needs the mesh speaks directly where one of the two has an address that is really its own, and so
can be called by the other, who need not have one. Where neither has, a third one relays between them. Nobody is in
the mesh whom no pair needs.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.core import topology
from reconciler.core.fingerprint import fingerprint
from reconciler.core.graph import Graph
from reconciler.core.topology import Means, called, facts, footing, literal, member, part, way
from reconciler.model.desired import Desired, MeshPayload, Peer
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.place import LOCAL
from reconciler.model.plan import Reason, Wait
from reconciler.values import dataclass

KEEPALIVE_SECONDS = 25


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
    return bool(_endpoint(graph, snapshot, host))


def _endpoint(graph: Graph, snapshot: Snapshot, host: str) -> str:
    """Where its part is found by others: where its address is its own, or a person said which one it is that leads
    there. Empty where it has to go to the others. Of who is away it is what they were told.
    """
    spec, known = graph.machine(host), footing(snapshot, host)
    if spec is None or spec.mesh == "never":
        return ""
    if known is None:
        others = (facts(part(graph, snapshot, one)).get("endpoints", {}) for one in topology.everybody(graph))
        return next(filter(None, (other.get(host, "") for other in others)), "")
    own = literal(spec.reached_at) or literal(known.met_at)
    on_a_leg = any(literal(leg.address.partition("/")[0]) == own for leg in known.legs)
    at = str(own) if own and on_a_leg else spec.address if host != LOCAL else ""
    port = topology.port(graph, snapshot, host)
    return f"[{at}]:{port}" if ":" in at else f"{at}:{port}" if at else ""


def _part(graph: Graph, snapshot: Snapshot, host: str, routes: Routes, addresses: Mapping[str, str]) -> Desired:
    key, peers = member(graph, host), routes[host]
    found = [_peer(graph, snapshot, host, other, peers[other], addresses) for other in sorted(peers)]
    payload = MeshPayload(
        device=topology.device(graph),
        address=addresses[host],
        port=topology.port(graph, snapshot, host),
        peers=tuple(peer for peer in found if peer.key),
        relays=any(len(seen) > 1 for other in peers for seen in (routes.get(other, {}).get(host, set()),)),
    )
    becomes = _becomes(graph, snapshot, host, peers)
    to_call = tuple(peer.key for peer in payload.peers if becomes or _forgot(graph, snapshot, peer, host))
    now = replace(payload, becomes=becomes, to_call=() if _callable(graph, snapshot, host) else to_call)
    return Desired(
        key=key, runtime=topology.RUNTIME, host=host, payload=now, fingerprint=fingerprint(payload),
        owner=graph.owner,
    )  # fmt: skip


def _forgot(graph: Graph, snapshot: Snapshot, peer: Peer, host: str) -> bool:
    """Whether it has another device by now than the one with which the host agreed upon a session. The host would go
    on with that until WireGuard agrees anew by itself, two minutes at the most, if it has nothing to say meanwhile.
    Once it calls it has not agreed upon anything, so that it is told only once.
    """
    known, own = footing(snapshot, peer.host), facts(part(graph, snapshot, host))
    agreed = own.get("peers", {}).get(peer.key, {})
    if known is None or known.lacking or not agreed.get("shook"):
        return False
    theirs = facts(part(graph, snapshot, peer.host))
    seen = theirs.get("peers", {}).get(own.get("public"))
    if not theirs.get("up") or seen is None:
        return True
    return bool(agreed.get("settled")) and not seen.get("shook")  # who agrees hears of it before the other one does


def _becomes(graph: Graph, snapshot: Snapshot, host: str, peers: Iterable[str]) -> str:
    """The key that it is to have from now on: a new one that was made there, as soon as all its neighbours know it.
    Then nobody has to wait for anybody: make before break.
    """
    coming = facts(part(graph, snapshot, host)).get("next", "")
    known = all(coming in facts(part(graph, snapshot, other)).get("peers", {}) for other in peers)
    return coming if known else ""


def _peer(
    graph: Graph, snapshot: Snapshot, host: str, other: str, through: set[str], addresses: Mapping[str, str]
) -> Peer:
    """Without a key where none is known: it is made by that host, and until then nobody can speak with it."""
    seen = facts(part(graph, snapshot, other))
    key = seen.get("public") or facts(part(graph, snapshot, host)).get("keys", {}).get(other, "")
    endpoint = _endpoint(graph, snapshot, other)
    reached = [addresses[name] for name in (other, *sorted(through - {other}))]
    return Peer(other, key, tuple(reached), endpoint, seen.get("next", ""))


# -- what is there, and what ought to be


def deviations(item: Desired, seen: Observed) -> Iterator[str]:
    """What is not as it should be, each as a sentence. An endpoint that moved is not: whoever roams does that."""
    wanted, found = item.payload, facts(seen)
    assert isinstance(wanted, MeshPayload), "a part of the mesh"
    if not found.get("up"):
        yield f"its device {wanted.device} is gone"
        return
    if wanted.address not in found["addresses"]:
        yield f"its address {wanted.address} is missing"
    if (found["port"], found["live_public"]) != (wanted.port, found["public"]):
        yield "its key or port was changed"
    if wanted.becomes:
        yield "its next key is known to all, and becomes its key"
    elif forgot := [called(peer.host) for peer in wanted.peers if peer.key in wanted.to_call]:
        yield f"the device of {' and '.join(forgot)} is another one, and can't call it"
    yield from _of_others(item, seen)


def _of_others(item: Desired, seen: Observed) -> Iterator[str]:
    wanted, found = item.payload, facts(seen)
    assert isinstance(wanted, MeshPayload), "a part of the mesh"
    wrong = [one for peer in wanted.peers for one in _of_peer(peer, found["peers"], found["routes"])]
    yield from wrong
    if not wrong and seen.fingerprint != item.fingerprint:
        yield "others are elsewhere now"
    if set(found["peers"]) - {key for peer in wanted.peers for key in (peer.key, peer.next_key)}:
        yield "somebody is in it who does not belong there"


def _of_peer(peer: Peer, known: Mapping[str, Mapping[str, Any]], routes: Collection[str]) -> Iterator[str]:
    name = called(peer.host)
    if peer.next_key and peer.next_key not in known:
        yield f"{name} is about to have another key"
    if peer.key not in known:
        yield f"{name} is not in it"
    elif set(known[peer.key]["reached"]) != set(peer.reached):
        yield f"who is found through {name} was changed"
    elif peer.endpoint and not known[peer.key]["endpoint"]:
        yield f"where {name} is was lost"
    elif not set(peer.reached) <= set(routes):
        yield f"the route to {name} is missing"


def obstacle(graph: Graph, snapshot: Snapshot, found: Mesh, host: str) -> Wait | None:
    """Why a host can't be made part of it, whoever comes."""
    key, known = member(graph, host), footing(snapshot, host)
    if known and known.lacking:
        return Wait(key, Reason.DENIED, known.lacking)
    pool = topology.network(graph)
    for leg in known.legs if known else ():
        taken = ipaddress.ip_network(leg.address, strict=False)
        if taken.overlaps(pool) and not leg.device.startswith(topology.DEVICE):
            message = (
                f"{pool}, from which the mesh has its addresses, overlaps with {taken} ({leg.device} of {called(host)})"
            )
            hint = "choose another one: meshNetwork of the Host called local"
            return Wait(key, Reason.DENIED, f"{message}; {hint}")
    for one, other in found.without:
        if host in (one, other):
            message = f"neither {called(one)} nor {called(other)} has an address at which the other could call it"
            return Wait(key, Reason.DENIED, f"{message}; declare one (address), or a third host that has one")
    return None
