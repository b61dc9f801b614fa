"""Which earlier wish an undo goes back to. Scaling is no revision of that kind: replicas stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.advice import command_line
from reconciler.errors import ReconcilerError
from reconciler.model.resource import Resource

OURS = "reconciler/"
"""How annotations begin that verbs left, not a person. They are of now: how many a `start` brings back, for one."""


def undone(now: Resource, earlier: Sequence[Resource], generation: int | None = None) -> Resource:
    """What is to be wanted instead: as that generation had it, or the last one that had it otherwise."""
    found = _last_other(now, earlier) if generation is None else _numbered(now, earlier, generation)
    theirs = {name: text for name, text in found.annotations.items() if not name.startswith(OURS)}
    marks = {name: text for name, text in now.annotations.items() if name.startswith(OURS)}
    return replace(found, annotations={**theirs, **marks}, spec=replace(found.spec, replicas=now.spec.replicas))


def _last_other(now: Resource, earlier: Sequence[Resource]) -> Resource:
    for old in reversed(earlier):
        if old.generation < now.generation and _differs(now, old):
            return old
    raise ReconcilerError(f"{now.key.short} has no earlier revision that differs", hint=_history(now))


def _numbered(now: Resource, earlier: Sequence[Resource], generation: int) -> Resource:
    found = next((old for old in earlier if old.generation == generation), None)
    if found is None:
        known = ", ".join(str(old.generation) for old in earlier) or "none"
        raise ReconcilerError(f"{now.key.short} has no revision {generation}; there are {known}", hint=_history(now))
    return found


def _differs(now: Resource, old: Resource) -> bool:
    return (replace(old.spec, replicas=now.spec.replicas), old.labels) != (now.spec, now.labels)


def _history(now: Resource) -> str:
    return f"see: {command_line(now.key, 'rollout history')}"
