"""What to do about one instance: a table over (does it match, what phase is it in)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.backoff import held_back
from reconciler.core.render import stop_of
from reconciler.core.standing import Stands
from reconciler.core.verdict import Adjust, outdated, verdict
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Observed, Phase
from reconciler.model.place import Place
from reconciler.model.plan import Action, Reason, Record, Verb, Wait
from reconciler.values import dataclass

Decision = tuple[Sequence[Action], Wait | None]
NETWORK_IS_MISSING = {Reason.NETWORK, Reason.EXTERNAL_MISSING}


@dataclass(frozen=True, slots=True)
class Case:
    """One instance, and what its surroundings say."""

    item: Desired
    spec: ServiceSpec
    record: Record | None
    obstacle: Wait | None
    """Gates construction; teardown never, where anybody waits for it."""
    hold: Wait | None
    """Why an old one can't be replaced now, while a rolling update has its hands full."""
    must_go: bool
    """Somebody waits for the old one to leave its network or its port."""
    arrival: str = "it does not exist"
    """Why it is made where nothing is."""


def decide(world: World, case: Case) -> Decision:
    item = case.item
    seen = world.seen(item.key, item.place)
    moved = world.elsewhere(item.key, item.place)
    for thing in (*moved, *([seen] if seen else ())):
        busy = unsettled(thing)
        if busy:
            return (), Wait(item.key, *busy)
    rival = world.holder(item)
    if rival and (seen is None or seen.name != item.name):
        return (), Wait(item.key, Reason.NAME_CONFLICT, world.conflict(rival))
    if seen is None or outdated(item, seen) or case.must_go:
        return _make(world, case, [*moved, *([seen] if seen else ())])
    doubles = [action for thing in moved for action in take_down(item.key, thing, "it was moved", case.spec, item)]
    actions, wait = _keep(world, case, seen)
    return (*doubles, *actions), wait


def together(decisions: Mapping[Key, Decision], old: frozenset[int]) -> Iterator[Decision]:
    """All old ones leave before the first new one comes: one sequence, so that what the new ones need is fetched
    before anybody leaves. Where one can't leave yet, nobody does.
    """
    moving = {key: found for key, found in decisions.items() if key.index in old or _makes(found)}
    yield from (found for key, found in decisions.items() if key not in moving)
    stuck = next((key for key, (actions, _) in moving.items() if key.index in old and not actions), None)
    if stuck:
        wait = f"all old ones leave together, and {stuck.name}/{stuck.index} can't yet"
        yield from (((), Wait(key, Reason.ROLLING, wait)) if _makes(found) else found for key, found in moving.items())
        return
    actions = [action for found, _ in moving.values() for action in found]
    # All are asked to stop before the first is removed: so they can be at once, and take as long as one.
    yield sorted(actions, key=lambda action: (action.verb is not Verb.STOP, action.verb is Verb.CREATE)), None
    yield from (((), wait) for _, wait in moving.values() if wait)


def _makes(decision: Decision) -> bool:
    return any(action.verb is Verb.CREATE for action in decision[0])


def unsettled(thing: Observed) -> tuple[Reason, str] | None:
    """Somebody else is at work on it, or nobody knows: hands off."""
    match thing.phase:
        case Phase.REMOVING:
            return Reason.TERMINATING, "the one before is still being removed"
        case Phase.STARTING:
            return Reason.STARTING, "it is being started"
        case Phase.UNKNOWN:
            return Reason.UNREACHABLE, "its state can't be read" + (f": {thing.detail}" if thing.detail else "")
        case _:
            return None


def take_down(
    key: Key, seen: Observed, cause: str, spec: ServiceSpec | None, item: Desired | None = None
) -> list[Action]:
    """Stopped as its spec says, where there still is one, and removed."""
    remove = Action(Verb.REMOVE, key, cause, item, seen)
    if seen.kind == INSTANCE and (seen.phase in {Phase.RUNNING, Phase.PAUSED} or seen.stragglers):
        return [Action(Verb.STOP, key, cause, item, seen, stop=stop_of(spec) if spec else None), remove]
    return [remove]


def _make(world: World, case: Case, old: Sequence[Observed]) -> Decision:
    """The old one stays until the new one can be made, unless it is in somebody's way. Then teardown goes ahead."""
    item = case.item
    obstacle = case.obstacle or _back_off(world, case)
    if old and not case.must_go and all(thing.name == item.name or thing.adopted for thing in old):
        if case.hold:
            return (), case.hold
        if obstacle:
            return (), obstacle
    cause = _why(case, old)
    gone = [action for thing in old for action in take_down(item.key, thing, cause, case.spec, item)]
    return (gone, obstacle) if obstacle else ((*gone, Action(Verb.CREATE, item.key, cause, item)), None)


def _why(case: Case, old: Sequence[Observed]) -> str:
    item = case.item
    if not old:
        return case.arrival
    before = old[0].place
    if before != item.place:
        return _moved(before, item.place)
    return outdated(item, old[0]) or "a network that it is in has to be made anew"


def _moved(before: Place, now: Place) -> str:
    """In the words of its spec."""
    if before.host == now.host:
        return f"it moved from {before.runtime} to {now.runtime}"
    from reconciler.core.topology import called  # noqa: PLC0415 -- few ever move

    said = f"it moved from {called(before.host)} to {called(now.host)}"
    return said if before.runtime == now.runtime else f"{said}, and from {before.runtime} to {now.runtime}"


def _keep(world: World, case: Case, seen: Observed) -> Decision:
    """It is the right one. Is it in order?"""
    item = case.item
    adjust, missing = _adjust(case, seen)
    if missing:
        return adjust, missing
    held = _back_off(world, case) if adjust and case.record and case.record.reason else None
    if held:
        return (), held
    stands = world.standing(item.key, case.spec)
    match stands.stands:
        case Stands.READY | Stands.COMPLETED | Stands.FAILED:
            return adjust, None
        case Stands.STARTING:
            return adjust, Wait(item.key, Reason.NOT_READY, stands.message, stands.until)
        case Stands.SICK:
            cause = f"its probe failed: {stands.message}"
            stop = Action(Verb.STOP, item.key, cause, item, seen, stop=stop_of(case.spec))
            return _start(world, case, seen, cause, (*adjust, stop))
        case _ if seen.phase is Phase.PAUSED:
            return adjust, None
        case _:
            cause = "it was never started" if seen.phase is Phase.CREATED else stands.message
            return _start(world, case, seen, cause, adjust)


def _start(world: World, case: Case, seen: Observed, cause: str, before: Sequence[Action]) -> Decision:
    """Nothing is stopped for a start that has to wait."""
    wait = case.obstacle or _back_off(world, case, cause)
    if wait:
        return [action for action in before if action.verb is not Verb.STOP], wait
    return (*before, Action(Verb.START, case.item.key, cause, case.item, seen)), None


def _adjust(case: Case, seen: Observed) -> tuple[tuple[Action, ...], Wait | None]:
    """Nobody joins a network before it is there."""
    match verdict(case.item, seen):
        case Adjust(changes, cause):
            networks = case.obstacle if case.obstacle and case.obstacle.reason in NETWORK_IS_MISSING else None
            if "networks" in changes and networks:
                return (), networks
            return (Action(Verb.ADJUST, case.item.key, cause, case.item, seen, changes),), None
        case _:
            return (), None


def _back_off(world: World, case: Case, cause: str = "") -> Wait | None:
    return held_back(case.item.key, case.item.fingerprint, case.record, case.spec.restart, world.now, cause)
