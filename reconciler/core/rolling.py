"""How an update goes through the replicas of a service, from one look at them.

Replicas are replaced in place, for names go by index. So that enough of them serve at any time, extra ones with the
new payload come first, at the indexes above (see `surge`), and leave once all replicas are new and serve. Nothing of
this is remembered: a thing of ours at such an index is an extra one for as long as the replicas can't do without it,
and a crash anywhere leaves a world in which the same questions have answers.

While a new one is not Ready no further old one is touched, not even one that fails: it may well be the better one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.advice import command_line
from reconciler.core.past import lies_ahead
from reconciler.core.ports import Extras
from reconciler.core.standing import Standing, Stands
from reconciler.core.surge import surge
from reconciler.core.verdict import outdated
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.model.plan import Journal, Reason, Record, Wait
from reconciler.values import dataclass

ARRIVAL = "one more, for as long as the others are replaced"
"""Why an extra one is made."""


@dataclass(frozen=True, slots=True)
class Roll:
    """What an update of one service may do now."""

    replaceable: frozenset[int] = frozenset()
    together: bool = False
    """All that are old leave before the first new one comes."""
    held: str = "others are Ready"
    """Until when the rest of them stay as they are."""
    until: float | None = None
    blamed: Key | None = None
    """Whom they wait for, where it is one that is not Ready."""

    def wait(self, key: Key) -> Wait:
        """Of an old one."""
        return Wait(key, Reason.ROLLING, f"it is replaced once {self.held}", self.until)

    def parting(self, key: Key) -> Wait:
        """Of an extra one: without it the update would seem to be over before it has left."""
        awaited = "all others are new and serve" if self.blamed in {None, key} else self.held
        return Wait(key, Reason.ROLLING, f"it leaves once {awaited}", self.until)


def present(world: World) -> Extras:
    """Indexes at which extra ones may be, and something is."""
    found = {}
    for key, spec in world.graph.services():
        there = tuple(index for index in _slots(world, spec) if _current(world, key.instance(index), spec))
        if there:
            found[key] = there
    return found


def wanted(world: World, desired: Mapping[Key, Desired], leaving: frozenset[Key]) -> Extras:
    """Indexes at which extra ones ought to be. None come to a service of which some leave in any case."""
    found = {}
    hindered = {key.resource for key in leaving}
    for key, spec in world.graph.services():
        extra = _wanted(world, key, spec, desired, may_come=key not in hindered)
        if extra:
            found[key] = extra
    return found


def possible(world: World, desired: Mapping[Key, Desired], extras: Extras) -> Extras:
    """Without those for whom there is no port or no name: an update must not wait for a stranger to go away."""
    left = {}
    for key, indexes in extras.items():
        kept = tuple(index for index in indexes if _possible(world, key.instance(index), desired))
        if kept:
            left[key] = kept
    return left


def _possible(world: World, key: Key, desired: Mapping[Key, Desired]) -> bool:
    if any(known == key for known, _ in world.ours()):
        return True
    return key in desired and world.holder(desired[key]) is None


def roll(
    world: World, key: Key, spec: ServiceSpec, desired: Mapping[Key, Desired], extra: Sequence[int], journal: Journal
) -> Roll:
    """Those that don't work may go first, and count as away already."""
    members = _members(world, key, spec, desired, (*range(spec.replicas), *extra))
    old = [member for member in members if member.outdated]
    if spec.update.strategy == "Recreate":
        return Roll(frozenset(member.key.index or 0 for member in old), together=bool(old))
    if not old and not extra:
        return Roll()
    unproven = any(member.fresh and not member.standing.good for member in members)
    broken = [] if unproven else [*_dead(old), *_limping(spec, members)]
    serving = [member for member in old if member.serves and not member.extra]
    budget = sum(member.serves for member in members) - spec.replicas + _unavailable(spec, extra)
    going = (*broken, *serving[: max(0, budget)])
    blamed = next((member for member in members if not member.outdated and not member.standing.good), None)
    held, until = (_blame(blamed, journal.get(blamed.key)), None) if blamed else _held(members)
    indexes = frozenset(member.key.index or 0 for member in going)
    return Roll(indexes, held=held, until=until, blamed=blamed.key if blamed else None)


def _dead(old: Sequence[_Member]) -> list[_Member]:
    return [member for member in old if member.given_up]


def _limping(spec: ServiceSpec, members: Sequence[_Member]) -> Sequence[_Member]:
    """Old ones that run, but are not Ready by the probes that are declared now. It may be those that are wrong, so
    they don't go before one of the new ones has shown that it can do better, or else a few at a time.
    """
    found = [member for member in members if member.outdated and member.broken and not member.given_up]
    if any(member.fresh for member in members):
        return found
    if any(member.extra and not member.outdated for member in members):
        return ()  # a new one is about to come
    return found[: max(1, spec.update.max_unavailable)]


def _unavailable(spec: ServiceSpec, extra: Sequence[int]) -> int:
    """Where no extra one comes an old one goes first, or nothing would ever move."""
    return spec.update.max_unavailable if extra else max(1, spec.update.max_unavailable)


@dataclass(frozen=True, slots=True)
class _Member:
    """One instance, as far as an update is concerned."""

    key: Key
    standing: Standing
    extra: bool
    fingerprint: str = ""
    """Of what it ought to be."""
    fresh: bool = False
    """It is what it ought to be."""
    outdated: bool = False
    """Neither, where nobody can say now what it ought to be."""
    changed: bool = False
    """Outdated since something else was declared, not since somebody meddled with it."""
    broken: bool = False
    """One whose probe has not answered yet may well serve: it is not taken for broken, nor for serving."""
    serves: bool = False
    """Ready, and for long enough."""
    ripe_at: float = 0.0

    @property
    def given_up(self) -> bool:
        """It does not even run any more, or not as it should."""
        return self.standing.stands in {Stands.DOWN, Stands.SICK, Stands.FAILED}


def _members(
    world: World, key: Key, spec: ServiceSpec, desired: Mapping[Key, Desired], indexes: Sequence[int]
) -> list[_Member]:
    return [_member(world, key.instance(index), spec, desired.get(key.instance(index))) for index in indexes]


def _member(world: World, key: Key, spec: ServiceSpec, item: Desired | None) -> _Member:
    """What still stands where it was before a move is out of date too."""
    seen = _current(world, key, spec)
    stands = world.stands(key, spec, seen)
    extra, fingerprint = (key.index or 0) >= spec.replicas, item.fingerprint if item else ""
    if seen is None:
        return _Member(key, stands, extra, fingerprint)
    ripe_at = _ready_since(world, key, spec, seen) + spec.update.min_ready_seconds
    moved = item is not None and item.place != seen.place  # on another host it may be the very same otherwise
    old = moved or (item is not None and bool(outdated(item, seen)))
    return _Member(
        key, stands, extra, fingerprint,
        fresh=item is not None and not old,
        outdated=old,
        changed=moved or (item is not None and item.fingerprint != seen.fingerprint),
        broken=_broken(world, seen, stands),
        serves=stands.good and world.now >= ripe_at,
        ripe_at=ripe_at,
    )  # fmt: skip


def _ready_since(world: World, key: Key, spec: ServiceSpec, seen: Observed) -> float:
    """As its probes tell, or else since its start, when one without probes is soon taken for Ready."""
    health = world.snapshot.health.get(seen.life)
    told = health.ready_since if health else None
    since = (seen.started_at or 0.0) if told is None else told
    if lies_ahead(since, world.now):
        return 0.0
    if told is not None:
        return told
    # An engine tells a start by the second: what has just begun may seem to begin a little after now.
    return min(since, world.now) + (0.0 if spec.probes.any else world.steady_seconds(key, spec, seen))


def _broken(world: World, seen: Observed, stands: Standing) -> bool:
    health = world.snapshot.health.get(seen.life)
    if stands.stands is Stands.STARTING:
        return seen.restarting or (health is not None and health.known)
    return not stands.good


def _current(world: World, key: Key, spec: ServiceSpec) -> Observed | None:
    seen = world.seen(key, spec.place)
    return seen or next(iter(world.elsewhere(key, spec.place)), None)


def _slots(world: World, spec: ServiceSpec) -> range:
    count = surge(world.graph, spec).count if spec.replicas else 0
    return range(spec.replicas, spec.replicas + count)


def _wanted(
    world: World, key: Key, spec: ServiceSpec, desired: Mapping[Key, Desired], *, may_come: bool
) -> tuple[int, ...]:
    """Those that are there stay until all replicas are new and serve. More come for what is to be replaced only:
    what somebody meddled with is put right with the fewest steps.
    """
    base = _members(world, key, spec, desired, range(spec.replicas))
    if all(member.fresh and member.serves for member in base):
        return ()
    slots = _slots(world, spec)
    there = tuple(index for index in slots if _current(world, key.instance(index), spec))
    changed = sum(member.changed and not member.given_up for member in base) if may_come else 0
    free = [index for index in slots if index not in there]
    return tuple(sorted((*there, *free[: max(0, min(len(slots), changed) - len(there))])))


def _held(members: Sequence[_Member]) -> tuple[str, float | None]:
    """What everybody waits for, where nobody new is to blame."""
    ripe_at = max((member.ripe_at for member in members if member.fresh and not member.serves), default=None)
    if ripe_at is not None:
        return "the new ones have been Ready for long enough", ripe_at
    return "others are Ready", max(_next_looks(members), default=None)


def _blame(member: _Member, record: Record | None) -> str:
    """Whom everybody waits for, and why that one is not Ready."""
    name = f"{member.key.name}/{member.key.index}"
    failing = record is not None and record.fingerprint == member.fingerprint and record.failures > 0
    absent = member.standing.stands is Stands.ABSENT
    told = record.message if record and failing and record.message else "" if absent else member.standing.message
    back = f"; to go back: {command_line(member.key, 'rollout undo')}" if failing or member.given_up else ""
    return f"{name}, which is new, is Ready: {told}{back}" if told else f"{name}, which is new, is Ready"


def _next_looks(members: Sequence[_Member]) -> Iterator[float]:
    for member in members:
        if member.outdated and not member.serves:
            yield member.standing.until or member.ripe_at
