"""What has to be there before something is made or started.

Construction is gated, teardown never is: what is deleted goes, and so does who is in somebody's way. An instance that
is only to be replaced waits whole: to take down the old one before the new one can be made helps nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.jobs import Stage, outlook, standing
from reconciler.core.mesh import deviations, obstacle
from reconciler.core.standing import Stands
from reconciler.core.verdict import outdated
from reconciler.core.world import World
from reconciler.kinds.service import Dependency, ServiceSpec
from reconciler.model.desired import ContainerPayload, Desired
from reconciler.model.key import Key
from reconciler.model.observed import Phase
from reconciler.model.plan import Reason, Wait


def gate(world: World, desired: Mapping[Key, Desired], item: Desired, spec: ServiceSpec) -> Wait | None:
    """Why this instance can't be made now; None if it can."""
    for dependency in spec.dependencies:
        message = _dependency(world, desired, dependency)
        if message:
            return Wait(item.key, Reason.DEPENDENCY, message)
    return _networks(world, desired, item) or _volumes(world, desired, item) or _mesh(world, item)


def _dependency(world: World, desired: Mapping[Key, Desired], dependency: Dependency) -> str:
    name = dependency.service
    key = world.graph.called(name)
    if key.kind == "job" and key in world.graph.resources:
        return _job(world, desired, key, dependency.condition)
    target = world.graph.service(name)
    if target is None:
        return f"{name}, which it depends on, is not declared"
    if target.replicas == 0:
        return f"{name}, which it depends on, is stopped"
    for index in range(target.replicas):
        message = _condition(world, desired, key.instance(index), target, dependency.condition)
        if message:
            return f"waits for {name} to be {dependency.condition}: {message}"
    return ""


def _job(world: World, desired: Mapping[Key, Desired], key: Key, condition: str) -> str:
    """To be Ready is, for a job, to have completed. What has to be run anew has not."""
    item = desired.get(key.instance(0))
    found = outlook(world, key, item)
    stands = standing(found)
    begun = found.stage in {Stage.RUNNING, Stage.COMPLETED} or found.attempts
    if item is None:
        return f"waits for {key.name} to be Completed: what it ought to be is not known yet"
    if stands.stands is Stands.COMPLETED or (condition == "Started" and begun):
        return ""
    return f"waits for {key.name} to be {'Started' if condition == 'Started' else 'Completed'}: {stands.message}"


def _condition(world: World, desired: Mapping[Key, Desired], key: Key, spec: ServiceSpec, condition: str) -> str:
    seen = world.seen(key, spec.place)
    wanted = desired.get(key)
    if seen is None:
        return "it does not exist yet"
    if wanted is None or outdated(wanted, seen):
        return "it is about to be replaced"
    stands = world.standing(key, spec)
    match condition:
        case "Started" if seen.phase in {Phase.RUNNING, Phase.EXITED}:
            return ""
        case "Completed" if seen.phase is Phase.EXITED and seen.exit_code == 0:
            return ""
        case "Completed" if seen.phase is Phase.RUNNING:
            return "it still runs"
        case "Ready" if stands.stands in {Stands.READY, Stands.COMPLETED}:
            return ""
    return stands.message or f"it is {seen.phase.lower()}"


def _networks(world: World, desired: Mapping[Key, Desired], item: Desired) -> Wait | None:
    for name in item.payload.networks if isinstance(item.payload, ContainerPayload) else ():
        wanted = _ours(world, desired, "network", name)
        if wanted is None:
            if world.named(item.place, "network", name) is None:
                return Wait(item.key, Reason.EXTERNAL_MISSING, f"network {name}, which is external, does not exist")
        elif (seen := world.seen(wanted.key, item.place)) is None or seen.fingerprint != wanted.fingerprint:
            return Wait(item.key, Reason.NETWORK, f"network {name} is not there yet")
    return None


def _mesh(world: World, item: Desired) -> Wait | None:
    """Who calls through it, or is called, has to have an address in it first."""
    part = world.mesh.parts.get(item.host)
    if part is None or item.key.name not in world.mesh.names:
        return None
    if hindered := obstacle(world.graph, world.snapshot, world.mesh, item.host):
        return Wait(item.key, hindered.reason, f"it needs the mesh: {hindered.message}")
    seen = world.seen(part.key, part.place)
    if seen is None or list(deviations(part, seen)):
        return Wait(item.key, Reason.NETWORK, f"{item.host} is not in the mesh yet")
    return None


def _volumes(world: World, desired: Mapping[Key, Desired], item: Desired) -> Wait | None:
    """A volume that has our name but is not ours is not there: its data is somebody else's."""
    for name in [mount.volume for mount in getattr(item.payload, "mounts", ()) if mount.volume]:
        wanted = _ours(world, desired, "volume", name)
        if wanted is None:
            if world.named(item.place, "volume", name) is None:
                return Wait(item.key, Reason.EXTERNAL_MISSING, f"volume {name}, which is external, does not exist")
        elif world.seen(wanted.key, item.place) is None:
            return Wait(item.key, Reason.VOLUME, f"volume {name} is not there yet")
    return None


def _ours(world: World, desired: Mapping[Key, Desired], kind: str, engine_name: str) -> Desired | None:
    """What we make under this name on the engine; None for what is external."""
    namespace = world.graph.namespace
    return desired.get(Key(kind, namespace, engine_name.removeprefix(f"{namespace}-")))
