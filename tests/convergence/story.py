"""One story: a world that came from an earlier revision or from chaos, a run of bad days, and then peace."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core.planner import plan
from reconciler.core.surge import surge
from reconciler.model.observed import Snapshot
from reconciler.model.plan import Plan, Verb
from tests.convergence.choose import Choose
from tests.convergence.meddling import heal, meddle
from tests.convergence.specs import desired_state, edited, linked
from tests.convergence.verdict import faults as faults_of
from tests.convergence.world import Faults, World

QUIET_PASSES = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 6
"""Twice each of the times that go by between them: what a pass leaves alone can only be changed by time."""
Note = Callable[[str], None]


@dataclass(slots=True)
class Rest:
    """How a world came to rest."""

    last: Plan
    actions: int
    acting_passes: int


def tell(choose: Choose, note: Note = lambda _: None) -> None:
    """Raises AssertionError if anything happens in it that must never happen."""
    world = World(desired_state(choose))
    if choose.maybe(70):
        come_to_rest(world)
        _meddle(choose, world, note)
        world.graph = edited(choose, world.graph)
    else:
        _meddle(choose, world, note)
    for _ in range(choose.number(0, 5)):
        _bad_day(choose, world, note)
    heal(choose, world)
    _peace(world, note)


def _meddle(choose: Choose, world: World, note: Note) -> None:
    for _ in range(choose.number(0, 6)):
        meddle(choose, world)


def _bad_day(choose: Choose, world: World, note: Note) -> None:
    faults = _faults(choose)
    if any(thing.name != key.engine_name for key, thing in world.ours()):
        faults.stale = 0  # a stale look would make another one, and then a renamed one can't be told from a copy
    if choose.maybe(20):
        world.journal.clear()
        note("the diary is lost")
    if faults.unreachable and not faults.stale:
        _check_blindness(world, faults)
    planned = world.run_pass(faults)
    for wait in planned.waits:
        note(f"wait {wait.reason}")
    for action in planned.actions:
        note(f"{action.verb} {action.key.kind}")
    if not faults.unreachable and not faults.stale:
        check_determinism(choose, world, planned)
    check(world)
    world.pass_time(choose.pick((0.0, 0.2, 0.7, 3.0)))
    if choose.maybe(40):
        meddle(choose, world)
    if choose.maybe(15):
        world.graph = edited(choose, world.graph)
        note("edited half-way")


def _faults(choose: Choose) -> Faults:
    kinds = ("image", "port", "denied", "lost", "done")
    return Faults(
        unreachable=frozenset(choose.some(("docker", "process"), 15)),
        partial=choose.maybe(50),
        stale=choose.number(1, 3) if choose.maybe(20) else 0,
        crash_after=choose.number(0, 6) if choose.maybe(50) else None,
        refusals=[choose.pick(kinds) for _ in range(choose.number(1, 3))] if choose.maybe(35) else [],
        order=choose.shuffled,
    )


def _check_blindness(world: World, faults: Faults) -> None:
    """P6: what can't be seen is not touched, and nothing goes that would stay if all could be seen.

    Who depends on a service that is just moving out of sight may have to follow it, whatever its address was.
    """
    moving = any(thing.runtime != world.home(key) for key, thing in world.ours() if key.kind == "service")
    blind = plan(world.graph, world.look(faults), world.journal, world.now)
    seeing = plan(world.graph, world.look(), world.journal, world.now)
    ends = {(action.verb, action.seen.id) for action in seeing.actions if action.seen}
    for action in blind.actions:
        thing = action.seen or action.desired
        assert thing is not None
        assert thing.runtime not in faults.unreachable, f"P6: {action}, in a view that could not be read"
        wanted = seeing.desired.get(action.key)
        settled = action.key not in world.journal  # a refused port makes another one worth a try
        right = (
            settled and action.seen is not None and wanted is not None and wanted.fingerprint == action.seen.fingerprint
        )
        if right and not moving and action.seen and action.verb in {Verb.STOP, Verb.REMOVE}:
            assert (action.verb, action.seen.id) in ends, f"P6: {action}, for want of a view\n{blind}\n--\n{seeing}"


def check_determinism(choose: Choose, world: World, planned: Plan) -> None:
    """The order in which things are listed means nothing."""
    snapshot = world.look()
    again = plan(world.graph, snapshot, world.journal, world.now)
    shuffled = linked(choose.shuffled([*world.graph.resources.values(), *world.graph.removed.values()]))
    views = [Snapshot.view(snapshot, name) for name in ("process", "docker")]
    mixed = Snapshot(
        tuple(type(view)(view.runtime, view.host, tuple(choose.shuffled(view.objects))) for view in views),
        {"local": tuple(choose.shuffled(snapshot.listeners["local"]))},
        snapshot.health,
    )
    permuted = plan(shuffled, mixed, world.journal, world.now)
    assert again.notes == permuted.notes, f"{again.notes}\n--\n{permuted.notes}"
    assert str(again) == str(permuted), f"not deterministic:\n{again}\n--\n{permuted}"
    assert again.desired == permuted.desired


def come_to_rest(world: World) -> Rest:
    """Passes until nothing moves, with time going by whenever there is nothing to do."""
    actions = acting = idle = 0
    last = Plan()
    limit = bound(world)
    while idle < 3:
        before = world.effects
        last = world.run_pass()
        check(world)
        done = world.effects - before
        actions += done
        acting += 1 if last.actions else 0
        idle = 0 if last.actions else idle + 1
        assert actions <= limit, f"{actions} actions, and no end; allowed are {limit}; last: {last}"
        assert acting <= limit, f"{acting} passes with actions, and no end; last: {last}"
        if not last.actions:
            until = [wait.until - world.now for wait in last.waits if wait.until]
            world.pass_time(max([1.2, *until]) + 0.01)
    return Rest(last, actions, acting)


def bound(world: World) -> int:
    """4 |S| + 10, where S is all that ought to be, extra ones included, and all of ours that is."""
    wanted = sum(r.spec.replicas if k.kind == "service" else 1 for k, r in world.graph.resources.items())
    wanted += sum(surge(world.graph, spec).count for _, spec in world.graph.services())
    return 4 * (wanted + 1 + sum(1 for _ in world.ours())) + 10


def _peace(world: World, note: Note) -> None:
    rest = come_to_rest(world)
    note(f"acting passes {min(rest.acting_passes, 12)}")
    problems = list(faults_of(world, rest.last))
    assert not problems, "\n".join(problems)
    for wait in rest.last.waits:
        note(f"final wait {wait.reason}")
    quiet(world)


def quiet(world: World) -> None:
    """Nothing happens any more, whatever time goes by."""
    for i in range(QUIET_PASSES):
        world.pass_time((0.3, 2.0, 700.0)[i % 3])
        planned = world.run_pass()
        assert not planned.actions, f"not quiet: {planned}"
        check(world)


def check(world: World) -> None:
    world.check_foreign()
    assert not world.blame, "\n".join(world.blame)
    world.history = world.history[-4:]
