"""Hosts that somebody else looks after: what would be done there waits, and says for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.core.graph import Graph
from reconciler.model.hostfacts import Lease
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Snapshot
from reconciler.model.plan import Action, Outcome, Plan, Reason, Result, Verb, Wait


def withheld(planned: Plan, graph: Graph, snapshot: Snapshot) -> Plan:
    """The same, without what would change something on a host of which another installation holds the lease."""
    taken = {
        view.host: view.lease
        for view in snapshot.views
        if view.lease and graph.owner and view.lease.owner != graph.owner
    }
    if not taken:
        return planned
    kept, waits = [], list(planned.waits)
    for sequence in planned.sequences:
        lease = next((taken[host] for host in _hosts(sequence) if host in taken), None)
        if lease is None:
            kept.append(sequence)
        else:
            host = next(host for host in _hosts(sequence) if taken.get(host) is lease)
            waits += [Wait(key, Reason.HOST_TAKEN, why_taken(host, lease)) for key in _keys(sequence)]
    return replace(planned, sequences=tuple(kept), waits=tuple(waits))


def why_taken(host: str, lease: Lease | None) -> str:
    """Always in the same words, or each look would be news."""
    who = f"{lease.who} (installation {lease.owner[:12]})" if lease else "somebody else"
    return f"host {host} is looked after by {who}; nothing is changed there"


def left_alone(graph: Graph, snapshot: Snapshot, outcomes: Iterable[Outcome]) -> list[str]:
    """Hosts of which we held the lease, or came to hold it just now, and where nothing of ours is left."""
    done = [outcome.action for outcome in outcomes if outcome.result is Result.DONE]
    acted = {host for action in done for host in _hosts([action])}
    ours = {view.host for view in snapshot.views if view.lease and view.lease.owner == graph.owner}
    busy = {host for host in acted | ours if not _all_seen(snapshot, host)}
    busy |= {action.desired.host for action in done if action.verb is Verb.CREATE and action.desired}
    gone = {action.seen.id for action in done if action.verb is Verb.REMOVE and action.seen}
    stay = (thing for thing in snapshot.objects() if thing.owner == graph.owner and thing.id not in gone)
    busy |= {thing.host for thing in stay if thing.kind == INSTANCE}
    far = {view.host for view in snapshot.views if view.machine}
    return sorted(((acted | ours) & far) - busy)


def _all_seen(snapshot: Snapshot, host: str) -> bool:
    """An engine that is not there holds nothing that anybody could change; so the account's own things count."""
    return any(view.reachable and view.machine for view in snapshot.views if view.host == host)


def _hosts(sequence: Iterable[Action]) -> Iterator[str]:
    for action in sequence:
        yield from (thing.host for thing in (action.seen, action.desired) if thing is not None)


def _keys(sequence: Iterable[Action]) -> list[Key]:
    return list(dict.fromkeys(action.key for action in sequence))
