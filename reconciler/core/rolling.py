"""Which replicas of a service may be replaced now, so that enough of them stay up."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.standing import standing
from reconciler.core.verdict import outdated
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import Observed


def may_replace(world: World, key: Key, spec: ServiceSpec, desired: Mapping[Key, Desired]) -> frozenset[int]:
    """Indexes that may go. Those that don't work anyway go first and count as away already."""
    everyone = range(spec.replicas)
    outdated = [index for index in everyone if _outdated(world, key.instance(index), spec, desired)]
    if spec.update.strategy == "Recreate" or not outdated:
        return frozenset(outdated)
    away = [index for index in everyone if not _serves(world, key.instance(index), spec)]
    budget = max(1, spec.update.max_unavailable) - len(away)
    serving = [index for index in outdated if index not in away]
    broken = [index for index in outdated if index in away and _known(world, key.instance(index), spec)]
    return frozenset(broken + serving[: max(0, budget)])


def _outdated(world: World, key: Key, spec: ServiceSpec, desired: Mapping[Key, Desired]) -> bool:
    """What still stands where it was before a move is out of date too."""
    seen, wanted = _current(world, key, spec), desired.get(key)
    return seen is not None and wanted is not None and bool(outdated(wanted, seen))


def _serves(world: World, key: Key, spec: ServiceSpec) -> bool:
    seen = _current(world, key, spec)
    if seen is None or not standing(spec, seen, world.snapshot, world.now).good:
        return False
    # An engine tells a start by the second: what has just begun may seem to begin a little after now.
    age = max(0.0, world.now - (seen.started_at or 0.0))
    return age >= spec.update.min_ready_seconds


def _known(world: World, key: Key, spec: ServiceSpec) -> bool:
    """One whose probe has not answered yet may well serve: it is not taken for broken, nor for serving."""
    seen = _current(world, key, spec)
    health = world.snapshot.health.get(seen.id) if seen else None
    return health is None or health.known


def _current(world: World, key: Key, spec: ServiceSpec) -> Observed | None:
    seen = world.seen(key, spec.runtime)
    return seen or next(iter(world.elsewhere(key, spec.runtime)), None)
