"""From one world to the next: a pass, its crashes, a plan that is carried out too late, time that goes by.

Effects go through the Guard of the convergence suite, which blames what must never happen when it happens. This one
also keeps every world that there was between two effects: there the power may go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reconciler.core.backoff import remembered
from reconciler.core.planner import plan
from reconciler.core.teardown import buried
from reconciler.engine.executor import perform
from reconciler.model.key import Key
from reconciler.model.observed import Snapshot
from reconciler.model.plan import Action, Outcome, Plan
from reconciler.values import replace
from tests.convergence.specs import OWNER
from tests.convergence.world import Faults, Guard, World
from tests.smallworld.state import LONG, MOMENT, Forms, State, Surroundings


@dataclass(slots=True)
class Look:
    """What a pass sees, and what it makes of it."""

    snapshot: Snapshot
    plan: Plan


@dataclass(slots=True)
class Done:
    """What came of carrying out a plan."""

    after: State
    between: list[tuple[str, State]]
    """The worlds in which the power may go, each with the last thing that was done."""
    effects: int
    blame: list[str]
    world: World
    """As it was left, with the ids that things were given; good until the scratch world is used again."""


@dataclass(slots=True)
class Recorder(Guard):
    each: Callable[[], None] = field(default=lambda: None)

    def _effect(self, effect: Callable[[], None]) -> None:
        Guard._effect(self, effect)
        self.each()


def look(world: World, around: Surroundings) -> Look:
    snapshot = world.look(Faults(unreachable=around.down, partial=around.partial))
    return Look(snapshot, plan(world.graph, snapshot, world.journal, world.now))


def carry_out(
    forms: Forms, world: World, around: Surroundings, seen: Look, faults: Faults, *, power_may_go: bool = True
) -> Done:
    """The plan, on the world as it is now: which need not be the one that the plan was made from."""
    between: list[tuple[str, State]] = []
    generations = _generations(world)
    doing: list[Action] = []

    def keep() -> None:
        if power_may_go:
            between.append((f"after {doing[-1]}", forms.state(world, around.down, partial=around.partial)))

    faults = replace(faults, unreachable=around.down)
    guards = {
        name: Recorder(world, runtime, seen.snapshot, seen.plan, faults, each=keep)
        for name, runtime in world.runtimes.items()
    }
    outcomes: list[Outcome] = []
    for sequence in faults.order(seen.plan.sequences):
        alone: Sequence[tuple[Action, ...]] = (sequence,)  # type: ignore[assignment]
        outcomes += perform(replace(seen.plan, sequences=tuple(alone)), guards, doing.append)  # type: ignore[arg-type]
    changed = remembered(world.graph, world.journal, outcomes, world.now)
    world.journal |= {key: record for key, record in changed.items() if record}
    if not faults.stale:
        done = set(buried(world.graph, seen.snapshot))
        left = {key: resource for key, resource in world.graph.removed.items() if key not in done}
        world.graph = replace(world.graph, removed=left)
    world.check_foreign()
    blame = [*world.blame, *_back_in_time(generations, _generations(world))]
    return Done(forms.state(world, around.down, partial=around.partial), between, world.effects, blame, world)


def later(forms: Forms, state: State, planned: Plan) -> State:
    """Nothing is to be done now: time goes by, a little for what is young, and else long enough for every pause."""
    world, around = forms.world(state)
    until = [wait.until - world.now for wait in planned.waits if wait.until]
    world.pass_time(MOMENT if forms.young(state) else max([LONG, *until]) + 0.01)
    return forms.state(world, around.down, partial=around.partial)


def _generations(world: World) -> dict[tuple[str, Key], int]:
    things = (
        thing for thing in world.objects() if thing.key and thing.owner == OWNER and thing.name == thing.key.engine_name
    )
    return {(thing.runtime, thing.key): thing.generation for thing in things if thing.key}


def _back_in_time(before: dict[tuple[str, Key], int], after: dict[tuple[str, Key], int]) -> list[str]:
    return [
        f"P8: {place[1]} went from generation {before[place]} back to {generation}"
        for place, generation in after.items()
        if generation < before.get(place, 0)
    ]
