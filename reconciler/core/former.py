"""Hosts that lead elsewhere than they did: to another account, engine or machine. What runs where they led before
has to leave it, so the former way stays known until nothing of ours is there: as a tombstone, under a name of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.core.advice import command_line
from reconciler.core.graph import Graph
from reconciler.kinds.host import NO_ENGINE, HostSpec, host_id
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Observed, Snapshot, View
from reconciler.model.place import Place
from reconciler.model.plan import Reason, Wait
from reconciler.model.resource import FORMER, Resource

NAME_LENGTH = 48
"""Of the host's own; what is put behind it has to fit too."""


def left(before: Mapping[Key, Resource], keep: Iterable[Resource]) -> list[Resource]:
    """As tombstones, the hosts that are about to lead elsewhere, as they were. One whose address alone is another may
    well be the same machine; only its key would tell.
    """
    hosts = ((before.get(new.key), new) for new in keep if new.key.kind == "host" and not new.deleting)
    return [_former(old) for old, new in hosts if old and not old.deleting and not _same(old.spec, new.spec)]


def _former(host: Resource) -> Resource:
    digest = hashlib.sha256(repr(host.spec).encode()).hexdigest()[:6]
    key = Key("host", host.key.namespace, f"{host.key.name[:NAME_LENGTH]}-was-{digest}")
    return Resource(key, host.spec, annotations={FORMER: host.key.name}, deleting=True)


def _same(old: HostSpec, new: HostSpec) -> bool:
    if old.ssh is None or new.ssh is None:
        return True
    moved = (old.ssh.host, old.ssh.port) != (new.ssh.host, new.ssh.port)
    keys = {old.ssh.host_key, new.ssh.host_key}
    other_machine = moved and len(keys) == 2 and "" not in keys
    same_account = (old.ssh.user, old.state) == (new.ssh.user, new.state)
    return same_account and old.engine in (new.engine, NO_ENGINE) and not other_machine


def inhabited(graph: Graph, snapshot: Snapshot, key: Key) -> bool:
    """Whether something of ours, in whichever namespace, is where a host led before, or nobody can say. What is found
    by the new way too is where it ought to be.
    """
    name = host_id(key.namespace, key.name)
    there = set(_ids(graph, (view for view in snapshot.views if view.host == name)))
    elsewhere = set(_ids(graph, (view for view in snapshot.views if view.host != name)))
    return bool(there - elsewhere) or not _account(snapshot, key).reachable


def _ids(graph: Graph, views: Iterable[View]) -> Iterable[str]:
    return (thing.id for view in views for thing in view.objects if _counts(graph, thing))


def _counts(graph: Graph, thing: Observed) -> bool:
    return thing.kind == INSTANCE and bool(thing.owner) and thing.owner == graph.owner and not thing.attached


def unseen(graph: Graph, snapshot: Snapshot) -> list[Wait]:
    """Of those that can't be looked at: that they may still hold something, and what to do if they are gone."""
    found = []
    for key, tombstone in sorted(graph.removed.items()):
        problem = _account(snapshot, key).problem if FORMER in tombstone.annotations else ""
        if problem:
            what = f"nobody can see what is left where {tombstone.annotations[FORMER]} led before: {problem}"
            then = f"if that is gone for good: {command_line(key, 'delete')}"
            found.append(Wait(key, Reason.UNREACHABLE, f"{what}; {then}"))
    return found


def unlooked(graph: Graph, snapshot: Snapshot) -> list[tuple[Key, str]]:
    """Other hosts that were deleted and can't be looked at. They are forgotten, and what may be left there is not."""
    hosts = [r for r in graph.removed.values() if r.key.kind == "host" and FORMER not in r.annotations and r.spec.ssh]
    problems = [(host.key, _account(snapshot, host.key).problem) for host in hosts]
    what = "it can't be looked at, so whatever of ours is there stays there"
    return [(key, f"{what}: {problem}") for key, problem in sorted(problems) if problem]


def given_up(tombstone: Resource) -> Resource:
    """Once a person has said so, it is a host like any other that was deleted."""
    kept = {name: value for name, value in tombstone.annotations.items() if name != FORMER}
    return replace(tombstone, annotations=kept)


def _account(snapshot: Snapshot, key: Key) -> View:
    return snapshot.view(Place("process", host_id(key.namespace, key.name)))
