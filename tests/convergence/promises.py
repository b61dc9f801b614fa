"""What is promised beyond coming to rest, each as a short story of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from reconciler.core.graph import Graph
from reconciler.core.planner import plan
from reconciler.core.preview import fold
from reconciler.core.standing import standing
from reconciler.core.surge import surge
from reconciler.kinds.service import Container, Port, Process, Restart, ServiceSpec
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Grant, Observed, Phase
from reconciler.model.plan import Verb
from reconciler.model.resource import Resource
from reconciler.values import replace
from tests.convergence.choose import Choose
from tests.convergence.meddling import meddle
from tests.convergence.specs import desired_state, linked, service
from tests.convergence.story import check, come_to_rest
from tests.convergence.world import Faults, World

Promise = Callable[[Choose], None]


def settled(choose: Choose) -> World:
    world = World(desired_state(choose))
    for _ in range(choose.number(0, 2)):
        meddle(choose, world)
    come_to_rest(world)
    return world


def with_new_images(graph: Graph) -> Graph:
    """Each service made of something else, and nothing else changed."""
    changed = [
        replace(r, spec=replace(r.spec, env={**r.spec.env, "BUILD": "2"})) if r.key.kind == "service" else r
        for r in graph.resources.values()
    ]
    return linked([*changed, *graph.removed.values()])


def ports_stick(choose: Choose) -> None:
    """Over an end, a restart, a replacement and a lost diary."""
    world = settled(choose)
    before = _grants(world)
    world.journal.clear()
    for _, thing in list(world.ours()):
        if thing.phase is Phase.RUNNING and thing.kind == "service" and choose.maybe(40):
            world.end(thing, 137)
    if choose.maybe(50):
        world.graph = with_new_images(world.graph)
    come_to_rest(world)
    after = _grants(world)
    assert {key: grants for key, grants in before.items() if key in after} == {
        key: after[key] for key in before if key in after
    }


def _grants(world: World) -> dict[Key, dict[str, Grant]]:
    return {key: dict(t.grants) for key, t in world.ours() if t.kind == "service" and t.phase is Phase.RUNNING}


def ports_are_handed_over(choose: Choose) -> None:
    """Services that swap their host ports get them, in few steps and without a person."""
    names = ("a", "b", "c")[: choose.number(2, 3)]
    numbers = [8000 + i for i in range(len(names))]
    world = World(linked(_holding(choose, name, number) for name, number in zip(names, numbers, strict=True)))
    come_to_rest(world)
    numbers = choose.shuffled(numbers)
    world.graph = linked(_holding(choose, name, number) for name, number in zip(names, numbers, strict=True))
    rest = come_to_rest(world)
    assert not rest.last.waits, rest.last
    held = {key.name: [binding.port for binding in thing.bindings] for key, thing in world.ours() if thing.bindings}
    assert held == {name: [number] for name, number in zip(names, numbers, strict=True)}


def _holding(choose: Choose, name: str, number: int) -> Resource:
    resource = service(choose, name, ())
    spec = replace(
        resource.spec, replicas=1, ports=(Port(name="http", port=80, host_port=number),), env={}, env_from=(),
        volumes=(), restart=Restart(), process=resource.spec.process and Process(command=("run",)),
        container=resource.spec.container and Container(image="i:1"),
    )  # fmt: skip
    return Resource(resource.key, spec)


def a_crash_loop_is_slowed_down(choose: Choose) -> None:
    """Services that end as soon as they are started, for 24 s: pauses double, from 0.5 s to 4 s."""
    world = settled(choose)
    starts: Counter[Key] = Counter()
    for _ in range(60):
        for _, thing in list(world.ours()):
            if thing.kind == "service" and thing.phase is Phase.RUNNING:
                world.end(thing, 1)
        starts.update(action.key for action in world.run_pass().actions if action.verb is Verb.START)
        world.pass_time(0.4)
        check(world)
    assert all(count <= 12 for count in starts.values()), starts


def enough_replicas_stay_up(choose: Choose) -> None:
    """While a rolling update goes on, and nothing else is wrong."""
    world = settled(choose)
    world.graph = with_new_images(world.graph)
    before = {key: _serving(world, key) for key, _ in world.graph.services()}
    for _ in range(40):
        world.run_pass()
        for key, spec in world.graph.services():
            whole = before[key] == spec.replicas
            least = spec.replicas - _may_be_away(world, spec)
            if whole and spec.update.strategy == "RollingUpdate" and not spec.depends_on:
                assert _up(world, key) >= least, f"{key}: {_up(world, key)} of {spec.replicas} are up"
        world.pass_time(0.25)
        check(world)


def _may_be_away(world: World, spec: ServiceSpec) -> int:
    """None needs to, where an extra one can come; others may have taken its name or its port."""
    room = not (spec.ports or world.foreign or world.copies or world.listeners)
    return (
        spec.update.max_unavailable if room and surge(world.graph, spec).count else max(1, spec.update.max_unavailable)
    )


def _serving(world: World, key: Key) -> int:
    spec, snapshot = world.graph.resources[key].spec, world.look()
    mine = [t for k, t in world.ours() if k.resource == key]
    return sum(standing(spec, thing, snapshot, world.now).good for thing in mine)


def _up(world: World, key: Key) -> int:
    """Those that were not taken away: just made ones are on their way, and are counted as away."""
    spec = world.graph.resources[key].spec
    young = spec.update.min_ready_seconds
    snapshot = world.look()
    good = [t for k, t in world.ours() if k.resource == key and standing(spec, t, snapshot, world.now).good]
    return sum(t.phase is Phase.EXITED or world.now - (t.started_at or 0) >= young or young == 0 for t in good)


def the_old_one_stays_while_the_new_one_cannot_be_made(choose: Choose) -> None:
    """No image, no teardown: however often it is tried."""
    world = settled(choose)
    before = {t.id for k, t in world.ours() if t.kind == "service" and t.phase is Phase.RUNNING and not world.is_job(k)}
    world.graph = with_new_images(world.graph)
    for _ in range(12):
        world.run_pass(Faults(refusals=["image"] * 99))
        world.pass_time(0.4)
        check(world)
    left = {t.id for k, t in world.ours() if t.phase is Phase.RUNNING}
    assert before <= left, f"{before - left} were taken down for nothing"


def strangers_change_nothing(choose: Choose) -> None:
    """Objects that clash with nothing are not even noticed."""
    world = World(desired_state(choose))
    for _ in range(choose.number(0, 6)):
        world.run_pass()
        world.pass_time(0.3)
        meddle(choose, world)
    before = plan(world.graph, world.look(), world.journal, world.now)
    for i, runtime in enumerate(("docker", "process", "docker")):
        binding = (Binding(50000 + i),) if choose.maybe(50) else ()
        labels = {"owner": "somebody", "key": Key("service", "theirs", "a", i)} if choose.maybe(50) else {}
        thing = Observed(id=f"~{i}", name=f"theirs-{i}", kind="service", runtime=runtime, bindings=binding, **labels)  # type: ignore[arg-type]
        world.runtimes[runtime].put(thing)
    after = plan(world.graph, world.look(), world.journal, world.now)
    assert str(before) == str(after)
    assert before.desired == after.desired


def a_lost_diary_changes_nothing(choose: Choose) -> None:
    """In the world: the same things come to be as with it."""
    world = World(desired_state(choose))
    for _ in range(choose.number(0, 6)):
        meddle(choose, world)
    for _ in range(choose.number(0, 3)):
        world.run_pass(Faults(crash_after=choose.number(0, 5)))
        world.pass_time(0.5)
    twin = World(world.graph, now=world.now, listeners=list(world.listeners), foreign=dict(world.foreign))
    twin.copies, twin.copied, twin.sick = dict(world.copies), set(world.copied), set()
    world.sick.clear()
    for name, runtime in world.runtimes.items():
        twin.runtimes[name].view = runtime.view
    if any(t.phase in {Phase.STARTING, Phase.REMOVING, Phase.UNKNOWN} for t in world.objects()):
        return
    come_to_rest(world)
    come_to_rest(twin)
    assert _shape(world) == _shape(twin)


def _shape(world: World) -> list[tuple[str, ...]]:
    things = [t for t in world.objects() if t.owner]
    return sorted((t.runtime, t.kind, t.name, t.phase, t.fingerprint, str(t.key)) for t in things)


def a_preview_foresees_what_is_done(choose: Choose) -> None:
    """Its first wave is the plan; and it ends, without an error, where nothing is left to do."""
    world = World(desired_state(choose))
    for _ in range(choose.number(0, 4)):
        meddle(choose, world)
        world.run_pass(Faults(crash_after=choose.number(0, 9)))
        world.pass_time(0.3)
    snapshot = world.look()
    waves = list(fold(world.graph, snapshot, world.journal, world.now))
    assert str(waves[0]) == str(plan(world.graph, snapshot, world.journal, world.now))
    assert not waves[-1].actions
    assert snapshot == world.look(), "a preview changes nothing"
    removed = [
        a for wave in waves for a in wave.actions if a.verb is Verb.REMOVE and a.seen and a.seen.id in world.foreign
    ]
    assert not removed


PROMISES: tuple[Promise, ...] = (
    ports_stick,
    ports_are_handed_over,
    a_crash_loop_is_slowed_down,
    enough_replicas_stay_up,
    the_old_one_stays_while_the_new_one_cannot_be_made,
    strangers_change_nothing,
    a_lost_diary_changes_nothing,
    a_preview_foresees_what_is_done,
)
