"""Every world that can come to be, breadth first, and from each of them the road on which it comes to rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.core.planner import plan
from reconciler.core.summarize import statuses
from reconciler.core.world import World as Indexed
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.model.plan import Plan, Verb
from tests.convergence.story import bound, come_to_rest
from tests.convergence.verdict import faults as faults_of
from tests.convergence.world import Faults, World
from tests.smallworld.declared import Declared
from tests.smallworld.faults import Fault, faults, heal
from tests.smallworld.state import NOW, Forms, State, Surroundings
from tests.smallworld.step import Done, Look, carry_out, later, look

CALL_FAULTS = {
    "call {} is denied": "denied",
    "call {} gets lost": "lost",
    "call {} is done but its answer gets lost": "done",
}
A_LONG_TIME = 700.0


class Violation(AssertionError):
    """Something happened that must never happen; the message is the shortest road to it."""


@dataclass(frozen=True, slots=True)
class Came:
    """How a world came to be."""

    before: State | None
    how: str


@dataclass(slots=True)
class Found:
    worlds: int = 0
    edges: int = 0
    settled: int = 0
    longest: int = 0
    """Passes from the world that is farthest from rest."""
    longest_from: State | None = None


@dataclass(slots=True)
class Explorer:
    declared: Declared
    limit: int
    """So many faults may happen on one road."""
    forms: Forms = field(init=False)
    found: Found = field(default_factory=Found)
    _came: dict[State, Came] = field(default_factory=dict)
    _next: dict[State, tuple[State, int]] = field(default_factory=dict)
    """Where it goes when nothing goes wrong any more, and how many effects that takes."""
    _worse: list[State] = field(default_factory=list)
    """Worlds that take one fault more to get to."""
    _now: list[State] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forms = Forms(self.declared.graph)

    def explore(self) -> Found:
        self._worse = list(self._beginnings())
        for count in range(self.limit + 1):
            self._now, self._worse = self._worse, []
            for state in self._now:  # grows while it is walked
                self._expand(state, more=count < self.limit)
        self.found.worlds = len(self._came)
        self._walk_home()
        return self.found

    def road(self, state: State) -> str:
        """The story of how it came to this."""
        steps: list[str] = []
        at: State | None = state
        while at is not None:
            came = self._came[at]
            steps.append(came.how)
            at = came.before
        return "\n".join(f"{number:3}. {step}" for number, step in enumerate(reversed(steps), 1))

    def _beginnings(self) -> Iterator[State]:
        nothing = self.forms.state(World(self.declared.graph))
        yield self._born(nothing, "nothing is there")
        before = World(self.declared.before)
        come_to_rest(before)
        before.journal.clear()
        before.graph = self.declared.graph
        before.now += A_LONG_TIME
        was_there = self.forms.state(before)
        if was_there != nothing:
            yield self._born(was_there, "what was declared before is there")

    def _born(self, state: State, how: str) -> State:
        self._came.setdefault(state, Came(None, how))
        return state

    def _reach(self, before: State, after: State, how: str, *, worse: bool = False) -> None:
        self.found.edges += 1
        if after not in self._came:
            self._came[after] = Came(before, how)
            (self._worse if worse else self._now).append(after)

    def _expand(self, state: State, *, more: bool) -> None:
        world, around = self.forms.world(state)
        seen = look(world, around)
        if seen.plan.sequences:
            well = self._passes(state, seen, more=more)
        else:
            self._is_honest(state, world, around, seen)
            well = later(self.forms, state, seen.plan), 0
            self._reach(state, well[0], "time goes by")
        self._peace(state, seen, well)
        if more:
            for fault in list(faults(*self.forms.world(state))):  # all of them, before the world is used again
                self._strike(state, seen, fault)

    def _passes(self, state: State, seen: Look, *, more: bool) -> tuple[State, int]:
        """Where a pass leads that goes well, and its effects. On the way all that can become of it is reached."""
        told = _print(seen.plan)
        well = self._carry(state, seen, Faults(), f"a pass: {told}")
        self._again(state, well, seen)
        if len(seen.plan.sequences) > 1:
            self._carry(state, seen, Faults(order=lambda items: items[::-1]), f"a pass, backwards: {told}")
        if more:
            for number in range(len(seen.plan.actions)):
                for fault, code in CALL_FAULTS.items():
                    how = f"a pass, {fault.format(number + 1)}: {told}"
                    self._carry(state, seen, Faults(refusals=[""] * number + [code]), how, worse=True)
            for fault in ("image", "port"):
                self._carry(state, seen, Faults(refusals=[fault]), f"a pass, no {fault} for it: {told}", worse=True)
        return well.after, well.effects

    def _carry(self, state: State, seen: Look, faults: Faults, how: str, *, worse: bool = False) -> Done:
        done = carry_out(self.forms, *self.forms.world(state), seen, faults)
        for last, between in done.between:
            self._reach(state, between, f"{how}\n       the power goes {last}", worse=worse)
        self._reach(state, done.after, how, worse=worse)
        self._blame(state, how, done.blame)
        return done

    def _again(self, state: State, once: Done, seen: Look) -> None:
        """P3: the same plan once more, by somebody who planned at the same time, changes nothing more. It is carried
        out on the world that the first one has left behind, with the ids that it gave.
        """
        how = f"the same plan twice: {_print(seen.plan)}"
        world, around = once.world, self.forms.surroundings(state)
        before = _shape(world)
        twice = carry_out(self.forms, world, around, seen, Faults(stale=1), power_may_go=False)
        self._reach(state, twice.after, how)
        changed = [] if _shape(world) == before else [f"P3: once gives {before}, twice {_shape(world)}"]
        self._blame(state, how, [*twice.blame, *changed])

    def _strike(self, state: State, seen: Look, fault: Fault) -> None:
        world, around = self.forms.world(state)
        down, partial = (around.down, around.partial) if fault.down is None else (fault.down, fault.partial)
        fault.deed(world)
        self._reach(state, self.forms.state(world, down, partial=partial), fault.story, worse=True)
        if seen.plan.sequences and fault.down is None:
            how = f"{fault.story}, and a pass that has not seen it: {_print(seen.plan)}"
            world, around = self.forms.world(state)
            fault.deed(world)
            done = carry_out(self.forms, world, around, seen, Faults(stale=1))
            for last, between in done.between:
                self._reach(state, between, f"{how}\n       the power goes {last}", worse=True)
            self._reach(state, done.after, how, worse=True)
            self._blame(state, how, done.blame)

    def _peace(self, state: State, seen: Look, well: tuple[State, int]) -> None:
        """What follows when nothing goes wrong any more. What did not answer does, and what was in between ends."""
        world, around = self.forms.world(state)
        heal(world)
        healed = self.forms.state(world)
        if healed != state:
            if around.down:
                self._is_blind_but_careful(state, seen)
            self._reach(state, healed, "all is well again")
            self._next[state] = (healed, 0)
        else:
            self._next[state] = well

    def _is_honest(self, state: State, world: World, around: Surroundings, seen: Look) -> None:
        """P9: who says that all is as declared is right."""
        if seen.plan.settled and not around.down and not world.sick:
            self._blame(state, "it is said to be settled", [f"P9: {fault}" for fault in faults_of(world, seen.plan)])
        indexed = Indexed(world.graph, seen.snapshot, world.now)
        for key, status in statuses(world.graph, indexed, seen.plan, world.journal, {}).items():
            if status.ready and key.kind == "service" and _lies(world, seen.plan, key):
                self._blame(state, "a status is told", [f"P9: {key} is said to be Ready: {status}"])

    def _is_blind_but_careful(self, state: State, seen: Look) -> None:
        """P6: what can't be seen is not touched, and nothing ends for want of a view."""
        world, around = self.forms.world(state)
        for action in seen.plan.actions:
            thing = action.seen or action.desired
            if thing and thing.runtime in around.down:
                self._blame(state, "a pass that can't see all", [f"P6: {action}"])
        ends = [a for a in seen.plan.actions if a.seen and a.verb in {Verb.STOP, Verb.REMOVE}]
        if not ends:
            return
        seeing = plan(world.graph, world.look(), world.journal, world.now)
        right = {(a.verb, a.seen.id) for a in seeing.actions if a.seen}
        moving = any(t.runtime != world.home(key) for key, t in world.ours() if key.kind == "service")
        for action in ends:
            wanted = seeing.desired.get(action.key)
            as_declared = action.seen and wanted and wanted.fingerprint == action.seen.fingerprint
            wrong = action.seen and (action.verb, action.seen.id) not in right
            if as_declared and wrong and not moving and action.key not in world.journal:
                self._blame(state, "a pass that can't see all", [f"P6: {action}, for want of a view"])

    def _walk_home(self) -> None:
        """From every world to the end of its road, each step once: no circles, no dead ends, no long ways."""
        passes: dict[State, int] = {}
        effects: dict[State, int] = {}
        for start in self._came:
            road: list[State] = []
            on_it: set[State] = set()
            at = start
            while at not in passes:
                if at in on_it:
                    circle = [self.forms.things(state) for state in road[road.index(at) :]]
                    self._blame(start, "it never comes to rest", [f"a circle of {len(circle)} worlds: {circle}"])
                road.append(at)
                on_it.add(at)
                following, _ = self._next[at]
                if following == at:
                    passes[at] = effects[at] = 0
                    self._rests(at)
                    break
                at = following
            for state in reversed(road):
                if state not in passes:
                    following, done = self._next[state]
                    passes[state], effects[state] = passes[following] + 1, effects[following] + done
            self._is_short(start, effects[start])
            if passes[start] > self.found.longest:
                self.found.longest, self.found.longest_from = passes[start], start

    def _is_short(self, state: State, effects: int) -> None:
        """P1."""
        limit = bound(self.forms.world(state)[0])
        if effects > limit:
            self._blame(state, "it comes to rest", [f"P1: {effects} effects on the road; allowed are {limit}"])

    def _rests(self, state: State) -> None:
        """At the end it is as declared, or waits for a person; and P2: it stays so, whatever time goes by."""
        self.found.settled += 1
        world, around = self.forms.world(state)
        assert not around.down
        seen = look(world, around)
        problems = list(faults_of(world, seen.plan))
        world.now = NOW + A_LONG_TIME
        late = plan(world.graph, world.look(), world.journal, world.now)
        problems += [f"P2: not quiet: {action}" for action in late.actions]
        self._blame(state, "it is at rest", problems)

    def _blame(self, state: State, how: str, blame: list[str]) -> None:
        if blame:
            things = "\n".join(f"     {thing}" for thing in self.forms.things(state))
            told = "\n".join(f"  !! {line}" for line in blame)
            raise Violation(
                f"{self.declared.name}:\n{self.road(state)}\n     {how}\n{told}\nthe world before:\n{things}"
            )


def _shape(world: World) -> list[tuple[str, ...]]:
    return sorted((t.runtime, t.kind, t.name, t.phase, t.fingerprint, str(t.key)) for t in world.objects())


def _lies(world: World, planned: Plan, key: Key) -> bool:
    spec = world.graph.resources[key].spec
    for index in range(spec.replicas):
        instance = key.instance(index)
        mine = [t for k, t in world.ours() if k == instance and t.runtime == spec.runtime]
        if not any(_is_as_declared(thing, planned, instance) for thing in mine):
            return True
    return False


def _is_as_declared(thing: Observed, planned: Plan, key: Key) -> bool:
    wanted = planned.desired.get(key)
    alive = thing.phase in {"Running", "Exited"}
    return alive and (
        wanted is None or wanted.fingerprint == thing.fingerprint or any(w.key == key for w in planned.waits)
    )


def _print(planned: Plan) -> str:
    return "; ".join(str(action) for action in planned.actions)
