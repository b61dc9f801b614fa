"""A world as one small tuple: equal for worlds that no planner could tell apart, so that each is looked at once.

What is renamed and what is rounded, and why that hides nothing:

- *Ids* follow from runtime, kind and name, which an engine keeps unique. A plan that is carried out late is carried
  out on the world before it is brought into this form, so an old id never reaches a new thing by accident.
- *Time* is discrete. It is always NOW; what began less than STEADY_SECONDS ago is young, all else is old. A pause of
  the back-off is either over or has all of its time before it. A good stretch that makes failures forgotten never
  comes between two faults; it comes at the end, when a settled world is asked whether it stays silent.
- *Probation* is left out: what was started again because it had ended counts as steady as soon as what is new does.
  That it takes longer is a delay, of the same state "young"; how long is a matter of values.
- *Counts* of failures stop where the pause stops growing; messages, restarts and times of the past decide nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from reconciler.core.backoff import earliest
from reconciler.core.graph import Graph
from reconciler.core.standing import STEADY_SECONDS
from reconciler.kinds.service import Restart
from reconciler.model.key import Key
from reconciler.model.observed import Facts, Listener, Observed, View
from reconciler.model.plan import Record
from reconciler.values import replace
from tests.convergence.world import World

NOW = 1000.0
OLD = NOW - 100.0
MOMENT = 1.21
"""What is young grows old, and jobs end; a long pause is not over yet."""
LONG = 5.0
"""Longer than any pause in the small worlds."""
PAUSES = Restart(initial_seconds=1, max_seconds=4)
MOST_FAILURES = 3
"""From here on a pause is as long as it gets."""

State = tuple[int, ...]
"""Numbers of interned parts: the surroundings first, then things and records in order."""
_BROUGHT_INTO_FORM = ("id", "started_at", "finished_at")
_MADE_OF_PARTS = ("grants", "facts")
_as_it_is = attrgetter(*(f.name for f in fields(Observed) if f.name not in _BROUGHT_INTO_FORM + _MADE_OF_PARTS))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is true of a world besides its things and its diary."""

    listeners: tuple[Listener, ...] = ()
    buried: frozenset[Key] = frozenset()
    down: frozenset[str] = frozenset()
    partial: bool = False
    sick: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a state stands for."""

    views: dict[str, View]
    journal: dict[Key, Record]
    foreign: dict[str, Observed]
    copies: dict[str, Observed]


@dataclass(slots=True)
class Forms:
    """Turns worlds of one declaration into states and back."""

    declared: Graph
    _numbers: dict[Hashable, int] = field(default_factory=dict)
    _parts: list[Any] = field(default_factory=list)
    _known: dict[int, int] = field(default_factory=dict)
    """By the identity of a thing that is in `_parts` and so can't be another one."""
    _shown: dict[int, tuple[Any, Hashable]] = field(default_factory=dict)
    _graphs: dict[frozenset[Key], Graph] = field(default_factory=dict)
    _kept: dict[tuple[int, bool], int] = field(default_factory=dict)
    """By the identity of a record that is in `_parts`, and whether its pause holds."""
    _world: World | None = None
    _opened: tuple[State, _Opened] | None = None
    """The state that was asked for last: it is asked for again and again, to do different things to it."""

    def state(self, world: World, down: frozenset[str] = frozenset(), *, partial: bool = False) -> State:
        names: dict[str, str] = {}
        copies = _copies(world)
        things = [self._thing(world, thing, names, copies) for thing in world.objects()]
        records = [self._record(world, key, record) for key, record in world.journal.items()]
        gone = frozenset(self.declared.removed) - frozenset(world.graph.removed)
        sick = frozenset(names.get(old, old) for old in world.sick if old in names or self._is_there(world, old))
        around = Surroundings(tuple(sorted(world.listeners, key=str)), gone, down, partial and bool(down), sick)
        return (self._number(around, around), *sorted(things), *sorted(records))

    def world(self, state: State) -> tuple[World, Surroundings]:
        """The one scratch world of this declaration: good until the next call."""
        around: Surroundings = self._parts[state[0]]
        world = self._world = self._world or World(self.declared)
        world.now, world.effects = NOW, 0
        world.graph = self._graph(around.buried)
        world.listeners, world.sick = list(around.listeners), set(around.sick)
        world.blame, world.history, world.copied = [], [], set()
        if self._opened is None or self._opened[0] != state:
            self._opened = state, self._open(state, world)
        opened = self._opened[1]
        for name, runtime in world.runtimes.items():
            runtime.view = opened.views[name]
        world.journal, world.foreign, world.copies = dict(opened.journal), dict(opened.foreign), dict(opened.copies)
        return world, around

    def _open(self, state: State, world: World) -> _Opened:
        held: dict[str, list[Observed]] = {name: [] for name in world.runtimes}
        journal: dict[Key, Record] = {}
        for number in state[1:]:
            match self._parts[number]:
                case Observed() as thing:
                    held[thing.runtime].append(thing)
                case key, record:
                    journal[key] = record
        views = {name: replace(r.view, objects=tuple(held[name])) for name, r in world.runtimes.items()}
        everything = {thing.id: thing for things in held.values() for thing in things}
        foreign = {name: thing for name, thing in everything.items() if name.startswith("x")}
        copies = {name: thing for name, thing in everything.items() if name.startswith("copy-")}
        return _Opened(views, journal, foreign, copies)

    def surroundings(self, state: State) -> Surroundings:
        return self._parts[state[0]]  # type: ignore[no-any-return]

    def things(self, state: State) -> list[Observed]:
        return [part for number in state[1:] if isinstance(part := self._parts[number], Observed)]

    def unrest(self, state: State) -> bool:
        """Whether time alone will change it."""
        young = any(thing.started_at == NOW for thing in self.things(state))
        return young or any(isinstance(p := self._parts[n], tuple) and p[1].last_at == NOW for n in state[1:])

    def young(self, state: State) -> bool:
        return any(thing.started_at == NOW for thing in self.things(state))

    def _graph(self, buried: frozenset[Key]) -> Graph:
        if buried not in self._graphs:
            left = {key: resource for key, resource in self.declared.removed.items() if key not in buried}
            self._graphs[buried] = replace(self.declared, removed=left)
        return self._graphs[buried]

    @staticmethod
    def _is_there(world: World, thing_id: str) -> bool:
        return any(thing.id == thing_id for thing in world.objects())

    def _thing(self, world: World, thing: Observed, names: dict[str, str], copies: frozenset[str]) -> int:
        known = self._known.get(id(thing))
        adopted = thing.id in world.copies and thing.id not in copies
        if known is not None and not _aged(thing, world.now) and not adopted:
            return known
        mark = "x" if thing.id in world.foreign else "copy-" if thing.id in copies else "o"
        began = thing.started_at
        young = began is not None and world.now - began < STEADY_SECONDS
        name = names[thing.id] = f"{mark}:{thing.runtime}:{thing.kind}:{thing.name}"
        started = None if began is None else NOW if young else OLD
        finished = None if thing.finished_at is None else OLD
        parts = _frozen(thing.grants, self._shown), _frozen(thing.facts, self._shown)
        form = name, started, finished, parts, _as_it_is(thing)
        if (number := self._numbers.get(form)) is None:
            canonical = replace(thing, id=name, started_at=started, finished_at=finished)
            number = self._number(form, canonical)
            self._known[id(canonical)] = number
        return number

    def _record(self, world: World, key: Key, record: Record) -> int:
        if record.failures > MOST_FAILURES:
            record = replace(record, failures=MOST_FAILURES)
        held = record.failures > 0 and earliest(key, record, PAUSES) > world.now
        if (known := self._kept.get((id(record), held))) is not None:
            return known
        canonical = replace(
            record, last_at=NOW if held else OLD, message="it failed" if record.failures else "", restarts=0, crashes=0,
            avoid=tuple(sorted(record.avoid)),
        )  # fmt: skip
        number = self._number((key, canonical), (key, canonical))
        self._kept[id(self._parts[number][1]), held] = number
        return number

    def _number(self, form: Hashable, part: object) -> int:
        number = self._numbers.get(form)
        if number is None:
            number = self._numbers[form] = len(self._parts)
            self._parts.append(part)
        return number


def _aged(thing: Observed, now: float) -> bool:
    return thing.started_at == NOW and now - NOW >= STEADY_SECONDS


def _copies(world: World) -> frozenset[str]:
    """Those whose genuine one is still there. The next pass adopts the others; not this one, in the midst of it."""
    before = dict(world.copies)
    if before:
        world.adopt()
    left, world.copies = frozenset(world.copies), before
    return left


def _frozen(value: Any, shown: dict[int, tuple[Any, Hashable]]) -> Hashable:
    """The value itself, or a form of it that can be compared; which of big ones is made once."""
    if isinstance(value, Mapping):
        return tuple(sorted(((name, _frozen(item, shown)) for name, item in value.items()), key=lambda pair: pair[0]))
    if not isinstance(value, Facts):
        return value  # type: ignore[no-any-return]
    if id(value) not in shown:
        parts = tuple(_frozen(getattr(value, part.name), shown) for part in fields(value))
        shown[id(value)] = value, parts  # with the value, so that nothing else can get its identity
    return shown[id(value)][1]
