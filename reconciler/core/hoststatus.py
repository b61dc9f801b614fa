"""What is told of a host: whether it answers, what it is, and who looks after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.core.graph import Graph
from reconciler.kinds.host import NO_ENGINE, HostSpec, host_id
from reconciler.model.key import Key
from reconciler.model.observed import Snapshot, View
from reconciler.model.place import LOCAL, Place
from reconciler.model.plan import Reason
from reconciler.model.status import Condition, Event, HostStatus, Status

NEVER_SEEN = Status()
HERE = Condition(type="Ready", status="True", reason=Reason.READY, message="")
AWAY = "Unreachable"
"""Of all problems the one that tells nothing about the host itself."""


def host_status(graph: Graph, key: Key, snapshot: Snapshot, before: Status | None) -> Status:
    """What it was when it was last heard is still told of one that is away."""
    resource = graph.resources[key]
    spec: HostSpec = resource.spec
    if key.name == LOCAL:
        return Status(observed_generation=resource.generation, conditions=(HERE,))
    name = host_id(key.namespace, key.name)
    account, engine = (snapshot.view(Place(runtime, name)) for runtime in ("process", "docker"))
    conditions = [_ready(account)]
    if spec.engine != NO_ENGINE:
        conditions.append(_engine(account, engine))
    told = tuple(replace(one, observed_generation=resource.generation) for one in conditions)
    heard = _heard(account, engine, graph.owner) or (before.host if before else None)
    return Status(observed_generation=resource.generation, conditions=told, host=heard)


def news(before: Mapping[Key, Status], current: Mapping[Key, Status], now: float) -> list[Event]:
    """What hosts have done since they were last looked at: gone, come back, shown another key, begun anew."""
    hosts = [key for key in current if key.kind == "host" and key.name != LOCAL]
    return [event for key in hosts for event in _news(key, before.get(key, NEVER_SEEN), current[key], now)]


def _news(key: Key, before: Status, current: Status, now: float) -> Iterator[Event]:
    was, ready = before.condition("Ready"), current.condition("Ready")
    if ready and (was is None or (was.status, was.reason) != (ready.status, ready.reason)):
        kind = "Normal" if ready.status == "True" else "Warning"
        yield Event(time=now, type=kind, reason=ready.reason, key=key, message=ready.message or "it answers")
    if before.host and current.host and before.host.boot_id != current.host.boot_id:
        yield Event(time=now, type="Normal", reason="Rebooted", key=key, message="it was started anew since")


def _ready(account: View) -> Condition:
    if account.reachable:
        return HERE
    standing = "Unknown" if account.reason == AWAY else "False"
    return Condition(type="Ready", status=standing, reason=account.reason, message=account.problem)


def _engine(account: View, engine: View) -> Condition:
    """Of a host that is away nobody knows."""
    if engine.reachable:
        return Condition(type="Engine", status="True", reason=Reason.READY, message=engine.engine)
    standing = "False" if account.reachable else "Unknown"
    return Condition(type="Engine", status=standing, reason=engine.reason, message=engine.problem)


def _heard(account: View, engine: View, owner: str) -> HostStatus | None:
    facts, lease = account.machine, account.lease
    if facts is None:
        return None
    return HostStatus(
        os=facts.os, kernel=facts.kernel, arch=facts.arch, user=facts.user, engine=engine.engine,
        cgroups=facts.cgroups, wg=facts.wireguard, boot_id=facts.boot_id, clock_skew=facts.skew,
        held_by=f"{lease.who} ({lease.owner[:12]})" if lease and lease.owner != owner else "",
    )  # fmt: skip
