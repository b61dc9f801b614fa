"""What to do about one instance: a table over (does it match, what phase is it in)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.backoff import earliest
from reconciler.core.standing import Stands
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import Desired
from reconciler.model.observed import Observed, Phase
from reconciler.model.plan import Action, Reason, Record, Verb, Wait

Decision = tuple[Sequence[Action], Wait | None]


def decide(
    world: World, item: Desired, spec: ServiceSpec, obstacle: Wait | None, record: Record | None, *, may_replace: bool
) -> Decision:
    """`obstacle` gates construction; `may_replace` is false while a rolling update has its hands full."""
    seen = world.seen(item.key, item.runtime)
    moved = world.elsewhere(item.key, item.runtime)
    rival = world.holder(item)
    if rival and (seen is None or seen.name != item.name):
        return (), Wait(item.key, Reason.NAME_CONFLICT, _conflict(rival))
    if seen is None:
        gone = [action for thing in moved for action in _take_down(item, thing, "it was moved")]
        cause = f"it moved from {moved[0].runtime} to {item.runtime}" if moved else "it does not exist"
        return _construct(
            gone, (Action(Verb.CREATE, item.key, cause, item),), obstacle or _back_off(world, item, spec, record)
        )
    match seen.phase:
        case Phase.REMOVING:
            return (), Wait(item.key, Reason.TERMINATING, "the one before is still being removed")
        case Phase.STARTING:
            return (), Wait(item.key, Reason.STARTING, "it is being started")
        case Phase.UNKNOWN:
            return (), Wait(item.key, Reason.UNREACHABLE, f"its state can't be read{_why(seen)}")
    if seen.fingerprint != item.fingerprint:
        return _replace(item, seen, obstacle or _back_off(world, item, spec, record), may_replace=may_replace)
    return _keep(world, item, spec, seen, obstacle, record)


def _replace(item: Desired, seen: Observed, obstacle: Wait | None, *, may_replace: bool) -> Decision:
    if not may_replace:
        return (), Wait(item.key, Reason.ROLLING, "it is replaced once others are Ready")
    cause = "what it is made of has changed"
    return _construct(_take_down(item, seen, cause), (Action(Verb.CREATE, item.key, cause, item),), obstacle)


def _construct(gone: Sequence[Action], made: Sequence[Action], obstacle: Wait | None) -> Decision:
    """Teardown goes ahead; what follows may have to wait."""
    return (tuple(gone), obstacle) if obstacle else ((*gone, *made), None)


def _take_down(item: Desired, seen: Observed, cause: str) -> list[Action]:
    remove = Action(Verb.REMOVE, item.key, cause, item, seen)
    if seen.phase in {Phase.RUNNING, Phase.PAUSED} or seen.stragglers:
        return [Action(Verb.STOP, item.key, cause, item, seen), remove]
    return [remove]


def _keep(
    world: World, item: Desired, spec: ServiceSpec, seen: Observed, obstacle: Wait | None, record: Record | None
) -> Decision:
    """It is the right one. Is it in order?"""
    actions = []
    changes = _changes(item, seen)
    if changes:
        actions.append(Action(Verb.ADJUST, item.key, _adjust_cause(item, seen, changes), item, seen, changes))
    stands = world.standing(item.key, spec)
    match stands.stands:
        case Stands.READY | Stands.COMPLETED | Stands.FAILED:
            return actions, None
        case Stands.STARTING:
            return actions, Wait(item.key, Reason.NOT_READY, stands.message, stands.until)
        case Stands.SICK:
            return _restart(world, item, spec, seen, record, f"its probe failed: {stands.message}", actions)
        case _ if seen.phase is Phase.PAUSED:
            return actions, None
        case _:
            cause = "it was never started" if seen.phase is Phase.CREATED else stands.message
            wait = obstacle or _back_off(world, item, spec, record, cause)
            start = () if wait else (Action(Verb.START, item.key, cause, item, seen),)
            return (*actions, *start), wait


def _restart(
    world: World, item: Desired, spec: ServiceSpec, seen: Observed, record: Record | None, cause: str,
    before: Sequence[Action],
) -> Decision:  # fmt: skip
    wait = _back_off(world, item, spec, record, cause)
    if wait:
        return before, wait
    stop = Action(Verb.STOP, item.key, cause, item, seen)
    return (*before, stop, Action(Verb.START, item.key, cause, item, seen)), None


def _changes(item: Desired, seen: Observed) -> tuple[str, ...]:
    changes = []
    if seen.name != item.name:
        changes.append("rename")
    if seen.phase is Phase.PAUSED:
        changes.append("unpause")
    return tuple(changes)


def _adjust_cause(item: Desired, seen: Observed, changes: Sequence[str]) -> str:
    causes = {"rename": f"it was renamed to {seen.name}, from {item.name}", "unpause": "it was paused"}
    return " and ".join(causes[change] for change in changes)


def _back_off(world: World, item: Desired, spec: ServiceSpec, record: Record | None, cause: str = "") -> Wait | None:
    """A changed spec is tried at once; the same one only after its pause."""
    if record is None or record.fingerprint != item.fingerprint:
        return None
    until = earliest(record, spec.restart)
    if until <= world.now:
        return None
    said = record.message or cause
    return Wait(item.key, Reason.BACK_OFF, f"{said}; tried {record.failures} times", until)


def _conflict(rival: Observed) -> str:
    return f"{rival.title} has the name, and is not ours; rename or remove it, or choose another name"


def _why(seen: Observed) -> str:
    return f": {seen.detail}" if seen.detail else ""
