"""What others do to the world between our passes: to our things, beside them, and under our names."""

from __future__ import annotations

from reconciler.model.key import Key
from reconciler.model.observed import Binding, Facts, Grant, Listener, Observed, Phase
from reconciler.values import replace
from tests.convergence.choose import Choose
from tests.convergence.specs import NAMES, NAMESPACE, NETWORKS, OWNER, VOLUMES
from tests.convergence.world import World

PASSING_PHASES = (Phase.STARTING, Phase.REMOVING, Phase.UNKNOWN)


def meddle(choose: Choose, world: World) -> None:
    match choose.pick(
        ("hurt", "hurt", "hurt", "hurt", "hurt", "hurt", "foreign", "namesake", "copy", "holder", "orphan", "neighbour")
    ):
        case "hurt":
            _hurt(choose, world)
        case "foreign":
            _appear(world, _stranger(choose, world, f"stranger-{len(world.foreign)}"))
        case "namesake":
            _appear(world, _stranger(choose, world, choose.pick(_our_names())))
        case "copy":
            _copy(choose, world)
        case "holder":
            binding = Binding(choose.number(8000, 8003), "tcp", choose.pick(("0.0.0.0", "127.0.0.1", "10.0.0.1")))
            if not any(b.clashes(binding) for thing in world.objects() for b in thing.bindings):
                world.listeners.append(Listener(binding, 77, "nc"))
        case "orphan":
            key = Key("service", NAMESPACE, "z", 0)
            _appear(world, _stranger(choose, world, key.engine_name, owner=OWNER, key=key))
        case "neighbour":
            key = Key("service", "other", choose.pick(NAMES), choose.number(0, 1))
            grants = {"http": Grant(choose.number(8000, 8003), "auto")} if choose.maybe(50) else {}
            _appear(world, _stranger(choose, world, key.engine_name, owner=OWNER, key=key, grants=grants))


def _our_names() -> list[str]:
    instances = [f"{NAMESPACE}-{name}-{index}" for name in NAMES for index in range(3)]
    return instances + [f"{NAMESPACE}-{name}" for name in (*NETWORKS, *VOLUMES, "default")]


def _stranger(choose: Choose, world: World, name: str, **labels: object) -> Observed:
    """Somebody else's object, perhaps with labels like ours of another owner, perhaps with a port."""
    last = name.rsplit("-", 1)[-1]
    kind = "network" if last in (*NETWORKS, "default") else "volume" if last in VOLUMES else "service"
    runtime = "docker" if kind == "network" else choose.pick(("docker", "process"))
    phase = choose.pick((Phase.RUNNING, Phase.EXITED, Phase.PAUSED)) if kind == "service" else Phase.RUNNING
    thing = Observed(id=f"x{world.effects}-{len(world.foreign)}", name=name, kind=kind, runtime=runtime, phase=phase)
    if not labels and choose.maybe(50):
        labels = {"owner": "somebody", "key": Key(kind, NAMESPACE, choose.pick(NAMES), 0), "fingerprint": "f00"}
    if kind == "service" and phase is Phase.RUNNING and choose.maybe(40):
        labels["bindings"] = (Binding(choose.number(8000, 8003), "tcp", choose.pick(("0.0.0.0", "127.0.0.1"))),)
    return replace(thing, **labels)  # type: ignore[arg-type]


def _appear(world: World, thing: Observed) -> None:
    """Only where the world has room for it: names and held ports are exclusive."""
    for other in world.objects():
        same_name = (other.runtime, other.kind, other.name) == (thing.runtime, thing.kind, thing.name)
        if same_name or any(a.clashes(b) for a in thing.bindings for b in other.bindings):
            return
    if any(listener.binding.clashes(b) for listener in world.listeners for b in thing.bindings):
        return
    world.runtimes[thing.runtime].put(thing)
    world.foreign[thing.id] = thing


def _copy(choose: Choose, world: World) -> None:
    """As `docker commit` and `docker run` make one: all our labels, another name."""
    genuine = [thing for key, thing in world.ours() if thing.name == key.engine_name and thing.kind == "service"]
    thing = choose.pick(genuine) if genuine else None
    if thing and thing.phase in {Phase.RUNNING, Phase.EXITED} and thing.key not in world.copied:
        world.copied.add(thing.key)
        copy = replace(
            thing, id=f"copy-{world.effects}-{len(world.copies)}", name=f"copy-{len(world.copies)}", bindings=()
        )
        world.runtimes[copy.runtime].put(copy)
        world.copies[copy.id] = copy


def _hurt(choose: Choose, world: World) -> None:  # noqa: C901, PLR0912 -- a flat table
    things = sorted(world.ours(), key=lambda item: (item[0], item[1].id))
    if not things:
        return
    _, thing = choose.pick(things)
    runtime = world.runtimes[thing.runtime]
    if thing.kind != "service":
        used = any(thing.name in other.networks for other in world.objects())
        if thing.kind == "network" and choose.maybe(50) and not used:
            runtime.take(thing.id)
        return
    match choose.pick(
        (
            "exit",
            "kill",
            "pause",
            "remove",
            "rename",
            "created",
            "fingerprint",
            "phase",
            "straggle",
            "sick",
            "limit",
            "leave",
            "join",
            "field",
        )
    ):
        case "exit":
            world.end(thing, choose.pick((0, 1, 143, None)))
        case "kill":
            world.end(thing, 137)
        case "pause" if thing.phase is Phase.RUNNING:
            runtime.put(replace(thing, phase=Phase.PAUSED))
        case "remove":
            runtime.take(thing.id)
        case "rename" if thing.key not in world.copied:  # or nobody could tell which is which
            taken = {other.name for other in runtime.view.objects}
            name = choose.pick(("renamed", f"{NAMESPACE}-b-0", f"{NAMESPACE}-a-1", f"{NAMESPACE}-c-0"))
            if name not in taken:
                runtime.put(replace(thing, name=name))
        case "created":
            runtime.put(replace(thing, phase=Phase.CREATED, bindings=(), started_at=None))
        case "fingerprint":
            runtime.put(replace(thing, fingerprint="0ld", generation=0))
        case "phase":
            runtime.put(replace(thing, phase=choose.pick(PASSING_PHASES)))
        case "straggle" if thing.phase is Phase.EXITED:
            runtime.put(replace(thing, stragglers=True))
        case "sick":
            world.sick.add(thing.id)
        case "limit" if thing.facts:
            runtime.put(_with(thing, "limits", {"cpus": None, "memory": choose.pick((None, 1 << 20)), "pids": 7}))
        case "leave" if thing.networks:
            runtime.put(replace(thing, networks=thing.networks[1:]))
        case "join" if thing.networks:
            runtime.put(replace(thing, networks=(*thing.networks, "elsewhere")))
        case "field" if thing.facts:
            runtime.put(_with(thing, "command", ("something", "else")))


def _with(thing: Observed, field: str, value: object) -> Observed:
    """As somebody made it who kept our labels on it."""
    facts = thing.facts or Facts()
    return replace(thing, facts=replace(facts, fields={**facts.fields, field: value}))


def heal(choose: Choose, world: World) -> None:
    """Faults stop: what was in between comes to its end. Foreign things stay where they are."""
    world.sick.clear()
    for _, thing in list(world.ours()):
        match thing.phase:
            case Phase.REMOVING:
                world.runtimes[thing.runtime].take(thing.id)
            case Phase.STARTING:
                world.runtimes[thing.runtime].put(replace(thing, phase=Phase.RUNNING, started_at=world.now))
            case Phase.UNKNOWN if choose.maybe(50):
                world.end(thing, 137)
            case Phase.UNKNOWN:
                world.runtimes[thing.runtime].put(replace(thing, phase=Phase.RUNNING))
