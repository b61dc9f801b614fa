"""What has to go: deleted, scaled away, or left behind. Only on positive evidence, and users before the used.

That something is not declared is no evidence. A tombstone is; so is a declared service with fewer replicas.
Things of ours that nobody declares are orphans: they are told of, and stay until somebody names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.core import former
from reconciler.core.backoff import held_back
from reconciler.core.graph import DEFAULT_NETWORK, PLANNED, Graph, seen_as_service
from reconciler.core.instances import Decision, take_down, unsettled
from reconciler.core.ports import NO_EXTRAS, Extras
from reconciler.core.world import World
from reconciler.kinds.host import host_id
from reconciler.kinds.service import Restart
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.place import LOCAL, Place
from reconciler.model.plan import Journal, Outcome, Reason, Result, Verb, Wait
from reconciler.model.resource import FORMER, Resource


def teardown(world: World, journal: Journal, extras: Extras = NO_EXTRAS) -> tuple[list[Decision], list[Wait]]:
    """What goes, and notes on what is left alone. `extras` are instances that an update still needs."""
    decisions: list[Decision] = _unreachable(world)
    notes: list[Wait] = []
    for key, thing in world.ours():
        cause = "" if key.index in extras.get(key.resource, ()) else _why_it_goes(world, key, thing)
        if cause:
            decisions.append(_take_down(world, journal, key, thing, cause))
        elif _forgotten(world, key):
            notes.append(Wait(key, Reason.ORPHAN, "it is ours, but nobody declares it"))
    return decisions, notes


def _why_it_goes(world: World, key: Key, thing: Observed) -> str:
    if thing.attached:
        return ""
    resource, spec = world.graph.resources.get(key.resource), world.graph.spec(key)
    tombstone = world.graph.removed.get(key.resource)
    match key.kind:
        case kind if kind in PLANNED and spec and (key.index or 0) >= spec.replicas:
            wanted = f"only {spec.replicas} of them {'is' if spec.replicas == 1 else 'are'} wanted"
            return wanted if spec.replicas else "it is stopped: replicas is 0"
        case "service" | "job" | "campaign" | "network" if tombstone and resource is None:
            return "it was deleted"
        case "volume" if tombstone and tombstone.delete_data and resource is None:
            return "it was deleted, with its data"
        case "network" if key.name == DEFAULT_NETWORK and resource is None and _unneeded(world.graph):
            return "" if world.users(thing) else "nobody uses it any more"
        case "mesh" if thing.host not in world.mesh.parts and not world.graph.damaged:
            return "nobody needs it any more"
        case "network" if _moved_on(world, key, thing):
            return f"nobody on {thing.host} uses it any more"
        case _:
            return ""


def _moved_on(world: World, key: Key, thing: Observed) -> bool:
    """Whether all who need it are on other hosts now."""
    graph = world.graph
    wanted = graph.network(key.name) is not None and key not in graph.damaged
    needed = thing.place in graph.network_places(key.name) or world.users(thing)
    return wanted and not needed and not any(key.is_workload for key in graph.damaged)


def _unneeded(graph: Graph) -> bool:
    """As far as one can tell: a workload whose document can't be read may want it."""
    return not graph.uses_default_network() and not any(key.is_workload for key in graph.damaged)


def _forgotten(world: World, key: Key) -> bool:
    graph = world.graph
    known = any(key.resource in those for those in (graph.resources, graph.removed, graph.damaged))
    implicit = (key.kind == "network" and key.name == DEFAULT_NETWORK) or key.kind == "mesh"
    # A campaign may be run without having been declared, and whoever runs it takes away what it leaves.
    return not known and not implicit and key.kind != "campaign"


def _take_down(world: World, journal: Journal, key: Key, thing: Observed, cause: str) -> Decision:
    busy = unsettled(thing)
    if busy:
        return (), Wait(key, *busy)
    users = _users(world, key, thing)
    if users:
        return (), Wait(key, Reason.IN_USE, f"{', '.join(users[:3])} must go first")
    held = held_back(key, "", journal.get(key), Restart(), world.now)
    known = world.graph.resources.get(key.resource) or world.graph.removed.get(key.resource)
    spec = seen_as_service(known) if known else None
    return ((), held) if held else (take_down(key, thing, cause, spec), None)


def _users(world: World, key: Key, thing: Observed) -> list[str]:
    if key.kind == "network":
        return sorted(user.name for user in world.users(thing))
    if key.kind == "volume":
        return sorted({user.short for user, _ in world.ours() if _mounts(world, user.resource, key.name)})
    if key.is_workload and key.resource in world.graph.removed:
        leaving = [d for d in world.graph.dependents(key.name) if d in world.graph.removed]
        return [d.short for d in leaving if any(k.resource == d for k, _ in world.ours())]
    return []


def _mounts(world: World, user: Key, volume: str) -> bool:
    resource = world.graph.resources.get(user) or world.graph.removed.get(user)
    if user in world.graph.damaged:
        return user.is_workload  # it may; and data outlives a doubt
    spec = seen_as_service(resource) if resource else None
    return spec is not None and any(mount.volume == volume for mount in spec.volumes)


def _unreachable(world: World) -> list[Decision]:
    """Tombstones of which nobody can say now whether their things still exist."""
    waits: list[Decision] = []
    seen = {key.resource for key, _ in world.ours()} if world.graph.removed else set()
    for key in sorted(world.graph.removed):
        resource = world.graph.removed[key]
        found = key.kind == "volume" and key in seen and _here_only(world.snapshot)  # it lies in one place
        problem = _problem(world.graph, world.snapshot, key, resource)
        if _holds_things(key, resource) and problem and not found:
            waits.append(((), Wait(key, Reason.UNREACHABLE, problem)))
    return waits + [((), wait) for wait in former.unseen(world.graph, world.snapshot)]


def buried(graph: Graph, snapshot: Snapshot, outcomes: Iterable[Outcome] = ()) -> Iterator[Key]:
    """Tombstones that have done their work: a complete look shows nothing of them any more. A volume that was
    just removed needs no such look, for which the engine would have to answer of whom it never knew. One that stays
    with its data goes with the last who was deleted with it and used it: until then it is nobody's orphan.
    """
    done = set(_done(graph, snapshot, outcomes))
    for key, resource in graph.removed.items():
        if key.kind == "host" and _inhabited(graph, snapshot, key, done):
            continue
        if key in done and not (_stays(key, resource) and _users_of(graph, key) - done):
            yield key


def _inhabited(graph: Graph, snapshot: Snapshot, host: Key, done: set[Key]) -> bool:
    """Whether something of ours is there, or is to be, as far as this namespace knows."""
    if FORMER in graph.removed[host].annotations:
        return former.inhabited(graph, snapshot, host)
    name = host_id(host.namespace, host.name)
    left = [r for r in (*graph.resources.values(), *graph.removed.values()) if r.key not in done]
    there = any((spec := graph.placed(r)) and spec.run_on == name for r in left if r.key.is_workload)
    # Its last part of a mesh, this machine's, is only looked for while there are other hosts.
    return there or any(thing.host == name or thing.kind == "mesh" for _, thing in World(graph, snapshot, 0.0).ours())


def _users_of(graph: Graph, volume: Key) -> set[Key]:
    """Workloads that were deleted, as it was."""
    gone = {key: seen_as_service(resource) for key, resource in graph.removed.items()}
    return {key for key, spec in gone.items() if spec and any(mount.volume == volume.name for mount in spec.volumes)}


def _done(graph: Graph, snapshot: Snapshot, outcomes: Iterable[Outcome]) -> Iterator[Key]:
    there = list(World(graph, snapshot, 0.0).ours()) if graph.removed else []
    ours = {key.resource for key, _ in there}
    removed = [o.action.seen for o in outcomes if o.action.verb is Verb.REMOVE and o.result is Result.DONE]
    left = {key.resource for key, thing in there if thing not in removed}  # who moved has one in each place
    for key, resource in graph.removed.items():
        looked_for = not _problem(graph, snapshot, key, resource) and key not in ours
        data_gone = key.kind == "volume" and key in ours - left and _here_only(snapshot)
        if not _holds_things(key, resource) or looked_for or data_gone:
            yield key


def _holds_things(key: Key, resource: Resource) -> bool:
    stays = getattr(resource.spec, "external", False) or _stays(key, resource)
    return (key.is_workload or key.kind in {"network", "volume"}) and not stays


def _stays(key: Key, resource: Resource) -> bool:
    return key.kind == "volume" and not resource.delete_data


def _here_only(snapshot: Snapshot) -> bool:
    """On another host there may be one more of a volume."""
    return all(view.host == LOCAL for view in snapshot.views)


def _problem(graph: Graph, snapshot: Snapshot, key: Key, resource: Resource) -> str:
    """Why not all is seen of where it may be; a volume lies with whoever used it."""
    if key.kind == "volume":
        return next((view.problem for view in snapshot.views if not view.reachable), "")
    if key.kind == "network":
        everybody = (graph.placed(other) for other in (*graph.resources.values(), *graph.removed.values()))
        places = {spec.place for spec in everybody if spec and key.name in graph.network_names(spec)}
        return next(filter(None, (snapshot.view(place).problem for place in sorted(places or {Place("docker")}))), "")
    spec = graph.placed(resource)
    return snapshot.view(spec.place if spec else Place("docker")).problem
