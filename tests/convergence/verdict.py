"""Is the world as declared? Judged from the declaration and the world.

Of the planner only the waits are believed, and each of them has to be rooted in something that only a person can
change.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from reconciler.core.graph import Graph
from reconciler.core.standing import Stands, standing
from reconciler.core.surge import surge
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase, Snapshot
from reconciler.model.plan import Plan, Reason, Wait
from tests.convergence.specs import NAMESPACE, OWNER
from tests.convergence.world import World


def faults(world: World, last: Plan) -> Iterator[str]:
    """Everything that is not as it should be, once the world has come to rest."""
    waits: dict[Key, list[Wait]] = {}
    for wait in last.waits:
        waits.setdefault(wait.key, []).append(wait)
    snapshot = world.look()
    yield from _missing(world, snapshot, last, waits)
    yield from _left_over(world, waits)
    for wait in last.waits:
        yield from _unrooted(world, last, wait, waits, frozenset())


def _missing(world: World, snapshot: Snapshot, last: Plan, waits: dict[Key, list[Wait]]) -> Iterator[str]:
    for key, spec in world.graph.services():
        for index in range(spec.replicas):
            instance = key.instance(index)
            if instance in waits:
                continue
            thing = _named(world, spec.runtime, instance)
            wanted = last.desired.get(instance)
            if thing is None or wanted is None:
                yield f"{instance} is missing, and nothing waits for it"
            elif thing.fingerprint != wanted.fingerprint:
                yield f"{instance} is out of date: {thing}"
            elif (at_rest := standing(spec, thing, snapshot, world.now)).stands not in {
                Stands.READY, Stands.COMPLETED, Stands.FAILED,
            }:  # fmt: skip
                yield f"{instance} is at rest, but {at_rest}: {thing}"
    for key, wanted in last.desired.items():
        if key.kind != "service" and key not in waits and _named(world, wanted.runtime, key) is None:
            yield f"{key} is missing, and nothing waits for it"


def _named(world: World, runtime: str, key: Key) -> Observed | None:
    noun = key.kind
    things = (t for t in world.runtimes[runtime].view.objects if (t.kind, t.name) == (noun, key.engine_name))
    return next((t for t in things if t.owner == OWNER and t.key == key), None)


def _left_over(world: World, waits: dict[Key, list[Wait]]) -> Iterator[str]:
    for key, thing in world.ours():
        if key in waits:
            continue
        resource = world.graph.resources.get(key.resource)
        tombstone = world.graph.removed.get(key.resource)
        if tombstone and resource is None and (key.kind != "volume" or tombstone.delete_data):
            yield f"{key} was deleted, and is still there"
        if resource and key.kind == "service":
            if (key.index or 0) >= resource.spec.replicas:
                yield f"{key} was scaled away, and is still there"
            elif thing.runtime != resource.spec.runtime:
                yield f"{key} was moved, and is still in {thing.runtime}"


def _unrooted(  # noqa: C901, PLR0912 -- a flat table
    world: World, last: Plan, wait: Wait, waits: dict[Key, list[Wait]], path: frozenset[Key]
) -> Iterator[str]:
    """A wait that nobody outside causes, or that waits for itself."""
    if wait.key in path:
        yield f"deadlock: {wait} waits for itself through {sorted(map(str, path))}"
        return
    deeper = partial(_behind, world, last, waits, path | {wait.key})
    graph = world.graph
    match wait.reason:
        case Reason.NAME_CONFLICT:
            names = {t.name for t in world.objects() if t.id in world.foreign or t.key != wait.key}
            if wait.key.engine_name not in names:
                yield f"no one has the name: {wait}"
        case Reason.TERMINATING | Reason.PORT_IN_USE if "is about to leave it" in wait.message:
            # Of a port that is handed over: who holds it stays for as long as its own next one can't be made.
            yield from deeper(wait, [t.key for _, t in world.ours() if t.title in wait.message and t.key])
        case Reason.PORT_IN_USE:
            yield from _port_is_held(world, last, wait)
        case Reason.EXTERNAL_MISSING | Reason.PORTS_EXHAUSTED:
            pass
        case Reason.VOLUME_DIFFERS:
            if _named(world, "docker", wait.key) is None and _named(world, "process", wait.key) is None:
                yield f"there is no such volume: {wait}"
        case Reason.DEPENDENCY:
            yield from _dependency_is_stuck(world, wait, deeper)
        case Reason.NETWORK:
            spec = graph.resources[wait.key.resource].spec
            networks = [Key("network", NAMESPACE, name) for name in graph.network_names(spec)]
            others = [k for k, _ in graph.services()]
            yield from deeper(wait, networks, instances_of(graph, others))
        case Reason.VOLUME:
            spec = graph.resources[wait.key.resource].spec
            yield from deeper(wait, [Key("volume", NAMESPACE, mount.volume) for mount in spec.volumes if mount.volume])
        case Reason.ROLLING:
            yield from deeper(wait, [k for k in _fleet(graph, wait.key.resource) if k != wait.key])
        case Reason.IN_USE if wait.key.kind == "network":
            users = [t for t in world.objects() if wait.key.engine_name in t.networks]
            if not any(t.id in world.foreign or t.id.startswith("copy-") for t in users):
                yield from deeper(wait, [t.key for t in users if t.key])
        case Reason.IN_USE if wait.key.kind == "volume":
            users = [k for k, spec in graph.services() if any(m.volume == wait.key.name for m in spec.volumes)]
            if not users:
                yield from deeper(wait, [k for k, _ in world.ours()])
        case _:
            yield f"this should have passed: {wait}"


def instances_of(graph: Graph, services: list[Key]) -> list[Key]:
    return [key.instance(i) for key in services for i in range(graph.resources[key].spec.replicas)]


def _fleet(graph: Graph, key: Key) -> list[Key]:
    """All instances of a service, those that an update has beside the replicas included."""
    spec = graph.resources[key].spec
    return [key.instance(index) for index in range(spec.replicas + surge(graph, spec).count)]


def _behind(
    world: World, last: Plan, waits: dict[Key, list[Wait]], path: frozenset[Key], wait: Wait, *causes: list[Key]
) -> Iterator[str]:
    """At least one of the causes has to wait itself, or to have failed for good, and not because of us."""
    found: list[str] = []
    for key in (key for keys in causes for key in keys):
        if _failed(world, key):
            return
        for other in waits.get(key, []):
            problems = list(_unrooted(world, last, other, waits, path))
            if not problems:
                return
            found += problems
    yield found[0] if found else f"nothing stands behind this: {wait}"


def _failed(world: World, key: Key) -> bool:
    resource = world.graph.resources.get(key.resource)
    thing = _named(world, resource.spec.runtime, key) if resource and key.kind == "service" else None
    return thing is not None and thing.phase is Phase.EXITED and thing.exit_code != 0


def _dependency_is_stuck(world: World, wait: Wait, deeper: partial[Iterator[str]]) -> Iterator[str]:
    spec = world.graph.resources[wait.key.resource].spec
    targets = [key for key, _ in world.graph.services() if "the ports of" in wait.message]
    for dependency in spec.dependencies:
        target = world.graph.service(dependency.service)
        if target is None or target.replicas == 0:
            return
        if (
            dependency.condition == "Completed"
            and "job" not in world.graph.resources[Key("service", NAMESPACE, dependency.service)].annotations
        ):
            return  # it never ends by itself
        targets.append(Key("service", NAMESPACE, dependency.service))
    yield from deeper(wait, instances_of(world.graph, targets))


def _port_is_held(world: World, last: Plan, wait: Wait) -> Iterator[str]:
    """By a stranger, a neighbour, an orphan; or by one of ours that has the same right to it."""
    spec = world.graph.resources[wait.key.resource].spec
    insisted = {port.host_port for port in spec.ports if isinstance(port.host_port, int)}
    if any(listener.binding.port in insisted for listener in world.listeners):
        return
    for thing in world.objects():
        wanted = last.desired.get(thing.key) if thing.key else None
        rightful = thing.id in world.foreign or (wanted is not None and wanted.fingerprint == thing.fingerprint)
        ports = {binding.port for binding in thing.bindings} | {grant.port for grant in thing.grants.values()}
        other = thing.id in world.foreign or thing.key != wait.key
        if other and rightful and ports & insisted:
            return
    given = [d for key, d in last.desired.items() if key != wait.key for d in getattr(d.payload, "ports", ())]
    if not any(port.host_port in insisted for port in given):
        yield f"no one holds the port: {wait}"
