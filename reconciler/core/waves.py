"""Waves: what has to be Ready before the rest of a revision is begun. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from reconciler.kinds.base import Fault
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.values import dataclass

WAVE = "reconciler/wave"
"""Annotation: a whole number; lower ones come first, and 0 is where everybody is who says nothing."""
NUMBER = re.compile(r"-?[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Step:
    """As far as a revision may go now."""

    keep: tuple[Resource, ...] = ()
    waiting: tuple[Key, ...] = ()
    """Who has to become Ready before the next wave; empty when there is none to come."""
    last: bool = True
    """Nothing is held back: what vanished may go."""


def wave_of(resource: Resource) -> int:
    said = resource.annotations.get(WAVE, "0")
    return int(said) if NUMBER.fullmatch(said) else 0


def wave_fault(resource: Resource) -> Fault | None:
    said = resource.annotations.get(WAVE, "0")
    if NUMBER.fullmatch(said):
        return None
    return Fault((), f"the annotation {WAVE} is {said[:40]!a}, and should be a whole number", f'like {WAVE}: "1"')


def step(wanted: Sequence[Resource], changed: Collection[Key], ready: Collection[Key]) -> Step:
    """`changed` are those that are still to be kept, `ready` those that are Ready as they were kept last."""
    keep: list[Resource] = []
    waves = sorted({wave_of(resource) for resource in wanted})
    for wave in waves:
        members = [resource for resource in wanted if wave_of(resource) == wave]
        keep += [resource for resource in members if resource.key in changed]
        waiting = tuple(sorted(r.key for r in members if r.key in changed or r.key not in ready))
        if waiting and _more(wanted, wave, changed):
            return Step(tuple(keep), waiting, last=False)
    return Step(tuple(keep))


def _more(wanted: Iterable[Resource], wave: int, changed: Collection[Key]) -> bool:
    """Whether a later wave has anything to be begun: one that is in force already waits for nobody."""
    return any(wave_of(resource) > wave and resource.key in changed for resource in wanted)
