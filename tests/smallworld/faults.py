"""Everything that the surroundings can do to a small world in one step, listed instead of drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.core.graph import Graph
from reconciler.kinds.service import ServiceSpec
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Listener, Observed, Phase
from reconciler.values import replace
from tests.convergence.specs import NAMESPACE
from tests.convergence.world import World
from tests.smallworld.state import Surroundings

Deed = Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens, as half a sentence, and how the world is changed by it."""

    story: str
    deed: Deed
    down: frozenset[str] | None = None
    """What does not answer from now on, where that changes."""
    partial: bool = False


def faults(world: World, around: Surroundings) -> Iterator[Fault]:
    for key, thing in sorted(world.ours(), key=lambda item: (item[0], item[1].id)):
        if key.kind == "service":
            yield from _to_an_instance(world, thing)
        elif key.kind == "network" and not any(thing.name in other.networks for other in world.objects()):
            yield _take(thing)
    yield from _names_taken(world)
    yield from _ports_taken(world)
    yield from _strangers_leave(world)
    if world.journal:
        yield Fault("the diary is lost", lambda world: world.journal.clear())
    if not around.down:
        for runtime in sorted({spec.runtime for _, spec in world.graph.services()}):
            yield Fault(f"{runtime} does not answer any more", _nothing, frozenset({runtime}))
            yield Fault(f"reading {runtime} breaks off half-way", _nothing, frozenset({runtime}), partial=True)


def heal(world: World) -> None:
    """What is in between comes to its end; foreign things stay."""
    world.sick.clear()
    for _, thing in list(world.ours()):
        match thing.phase:
            case Phase.REMOVING:
                world.runtimes[thing.runtime].take(thing.id)
            case Phase.STARTING | Phase.UNKNOWN:
                _put(world, replace(thing, phase=Phase.RUNNING, started_at=world.now))


def _to_an_instance(world: World, thing: Observed) -> Iterator[Fault]:
    yield _take(thing)
    yield _becomes(thing, "is being removed by somebody", phase=Phase.REMOVING, bindings=())
    yield _becomes(thing, "can't be read", phase=Phase.UNKNOWN)
    if thing.fingerprint != "0ld":
        yield _becomes(thing, "is changed behind our back", fingerprint="0ld", generation=0)
    if thing.phase in {Phase.RUNNING, Phase.PAUSED}:
        yield Fault(f"{thing.name} ends well", lambda world: world.end(thing, 0))
        yield Fault(f"{thing.name} is killed", lambda world: world.end(thing, 137))
    match thing.phase:
        case Phase.RUNNING:
            yield _becomes(thing, "is paused", phase=Phase.PAUSED)
            yield from _adjusted(thing)
            if _probed(world, thing) and thing.id not in world.sick:
                yield Fault(f"{thing.name} falls sick", lambda world: world.sick.add(thing.id))
        case Phase.EXITED:
            yield _becomes(thing, "is found as it was before its first start", phase=Phase.CREATED, started_at=None)
            yield _becomes(thing, "is started by somebody who is not done yet", phase=Phase.STARTING)
            if thing.runtime == "process" and not thing.stragglers:
                yield _becomes(thing, "left processes behind", stragglers=True)
    # A process has no name that could be changed, and labels that are its own.
    if thing.runtime == "docker" and not any(copy.key == thing.key for copy in world.copies.values()):
        yield from _renamed(world, thing)
        yield from _copied(world, thing)


def _adjusted(thing: Observed) -> Iterator[Fault]:
    """What can be put right on the living thing."""
    if thing.facts is not None:
        limits = {"cpus": None, "memory": None, "pids": 7}
        if thing.facts.fields["limits"] != limits:
            facts = replace(thing.facts, fields={**thing.facts.fields, "limits": limits})
            yield _becomes(thing, "gets other limits", facts=facts)
    if thing.networks:
        yield _becomes(thing, "is taken out of its network", networks=())


def _renamed(world: World, thing: Observed) -> Iterator[Fault]:
    """Once: to a name that is nobody's, and to one that another of ours ought to have."""
    if thing.key is None or thing.name != thing.key.engine_name:
        return
    taken = {other.name for other in world.objects() if other.runtime == thing.runtime}
    free = [key.engine_name for key in instances(world.graph) if key.engine_name not in taken]
    for name in ["renamed", *free[:1]]:
        if name not in taken:
            yield _becomes(thing, f"is renamed to {name}", name=name)


def _copied(world: World, thing: Observed) -> Iterator[Fault]:
    named = thing.key is not None and thing.name == thing.key.engine_name
    free = all(other.name != "copy" for other in world.objects())
    if named and free and thing.phase in {Phase.RUNNING, Phase.EXITED}:
        copy = replace(thing, id="copy-", name="copy", bindings=())

        def deed(world: World) -> None:
            _put(world, copy)
            world.copies[copy.id] = copy

        yield Fault(f"somebody makes a copy of {thing.name}, labels and all", deed)


def _names_taken(world: World) -> Iterator[Fault]:
    for key in instances(world.graph):
        runtime = world.graph.resources[key.resource].spec.runtime
        if any((t.runtime, t.kind, t.name) == (runtime, "service", key.engine_name) for t in world.objects()):
            continue
        stranger = Observed(id="x!", name=key.engine_name, kind="service", runtime=runtime, phase=Phase.EXITED)
        yield _appears(stranger, f"a stranger takes the name {key.engine_name}")
        labelled = replace(stranger, phase=Phase.RUNNING, owner="somebody", key=key, fingerprint="f00")
        yield _appears(labelled, f"another owner's {key.engine_name} takes the name")


def _ports_taken(world: World) -> Iterator[Fault]:
    for number in _wanted_ports(world.graph):
        binding = Binding(number, "tcp", "127.0.0.1")
        held = [b for thing in world.objects() for b in thing.bindings] + [one.binding for one in world.listeners]
        if any(binding.clashes(other) for other in held):
            continue
        listener = Listener(binding, 77, "nc")
        yield Fault(f"nc takes port {number}", lambda world, listener=listener: world.listeners.append(listener))
        if not any(thing.name == "holder" for thing in world.objects()):
            holder = Observed(id="x!", name="holder", kind="service", runtime="docker", bindings=(binding,))
            yield _appears(holder, f"a stranger's container takes port {number}")


def _strangers_leave(world: World) -> Iterator[Fault]:
    for thing in sorted(world.foreign.values(), key=lambda thing: thing.id):

        def deed(world: World, thing: Observed = thing) -> None:
            world.runtimes[thing.runtime].take(thing.id)
            del world.foreign[thing.id]

        yield Fault(f"the stranger {thing.name} leaves", deed)
    for listener in world.listeners:
        text = f"nc gives port {listener.binding.port} back"
        yield Fault(text, lambda world, listener=listener: world.listeners.remove(listener))


def instances(graph: Graph) -> list[Key]:
    return [key.instance(i) for key, spec in graph.services() for i in range(spec.replicas)]


def _wanted_ports(graph: Graph) -> list[int]:
    specs: list[ServiceSpec] = [spec for _, spec in graph.services()]
    return sorted({port.host_port for spec in specs for port in spec.ports if isinstance(port.host_port, int)})


def _probed(world: World, thing: Observed) -> bool:
    resource = world.graph.resources.get(thing.key.resource) if thing.key else None
    return bool(resource and resource.key.namespace == NAMESPACE and resource.spec.probes.any)


def _take(thing: Observed) -> Fault:
    return Fault(f"{thing.name} is removed", lambda world: world.runtimes[thing.runtime].take(thing.id))


def _becomes(thing: Observed, story: str, **changed: object) -> Fault:
    changed_one = replace(thing, **changed)  # type: ignore[arg-type]
    return Fault(f"{thing.name} {story}", lambda world: _put(world, changed_one))


def _appears(thing: Observed, story: str) -> Fault:
    def deed(world: World) -> None:
        own = replace(thing, id=f"x!{thing.name}")
        _put(world, own)
        world.foreign[own.id] = own

    return Fault(story, deed)


def _put(world: World, thing: Observed) -> None:
    world.runtimes[thing.runtime].put(thing)


def _nothing(world: World) -> None:
    """It is not the world that changes, but whether it can be seen."""
