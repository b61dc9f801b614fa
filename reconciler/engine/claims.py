"""Whose declarations are: what a program has up for a while wears its mark, and only that goes down with it.

The mark is an annotation of the kept document. So whoever declares the same anew, by `apply`, makes it his own, and a
program that was killed leaves something of which the next one can tell that nobody holds on to it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.core.world import World
from reconciler.engine.reconcile import Parts
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.values import dataclass

UP_BY = "reconciler/up-by"
FOUND = "reconciler/found-with-data"
"""Of a volume that was there before, though nobody declared it: its data is not the program's to take away."""


class Claimed(ReconcilerError):
    """Somebody else has declared it, or has left something of it there."""

    reason = "Claimed"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one program has up. `holds` says of another's mark whether that one is still at work."""

    parts: Parts
    mark: str
    holds: Callable[[str], bool]

    def admit(self, given: Sequence[Resource]) -> list[Resource]:
        """The same, marked as ours; to be asked in the turn in which they are kept. Raises if one is another's."""
        namespaces = sorted({resource.key.namespace for resource in given})
        grounds = {namespace: self._ground(namespace) for namespace in namespaces}
        return [self._admitted(resource, grounds[resource.key.namespace]) for resource in given]

    def mine(self, keys: Iterable[Key]) -> tuple[list[Key], list[Key]]:
        """Those that still are, and of them the ones whose data is not."""
        wanted = set(keys)
        kept = [r for space in sorted({key.namespace for key in wanted}) for r in self.parts.source.resources(space)]
        ours = [r for r in kept if r.key in wanted and r.annotations.get(UP_BY) == self.mark]
        return [r.key for r in ours], [r.key for r in ours if FOUND in r.annotations]

    def _ground(self, namespace: str) -> _Ground:
        parts = self.parts
        nothing = parts.source.graph(namespace, parts.home.identity(make=False), ())  # no probes, no ports: only things
        now = parts.clock.now()
        snapshot = parts.observer.look(nothing, now)
        return _Ground(
            kept={r.key: r for r in parts.source.resources(namespace)},
            damaged=parts.source.damaged(namespace),
            things=frozenset(key.resource for key, _ in World(nothing, snapshot, now).ours()),
            silent=any(not view.reachable for view in snapshot.views),
        )

    def _admitted(self, resource: Resource, ground: _Ground) -> Resource:
        key, before = resource.key, ground.kept.get(resource.key)
        if before and not before.deleting:
            self._demand_left(before)
        elif key in ground.damaged:
            raise _claimed(key, f"is declared already, and nobody can say by whom: {ground.damaged[key]}")
        elif before is None and key in ground.things and key.kind != "volume":
            raise _claimed(key, "is there already, though nobody declares it")
        marks = {UP_BY: self.mark, **({FOUND: "true"} if key.kind == "volume" and ground.found(key) else {})}
        return replace(resource, annotations={**resource.annotations, **marks})

    def _demand_left(self, before: Resource) -> None:
        mark = before.annotations.get(UP_BY)
        if mark is None:
            raise _claimed(before.key, "is declared already, by somebody else")
        if self.holds(mark):
            raise _claimed(before.key, f"is up already, by another block ({mark})")


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is there of a namespace before anything is brought up in it."""

    kept: Mapping[Key, Resource]
    """Tombstones included: what still is on its way out is nobody's."""
    damaged: Mapping[Key, str]
    things: frozenset[Key]
    silent: bool

    def found(self, volume: Key) -> bool:
        """Whether there is data in it that no program has brought. One that was left behind is as it was found; and
        where not all can be seen, it may well be there.
        """
        before = self.kept.get(volume)
        if before and UP_BY in before.annotations:
            return FOUND in before.annotations
        return volume in self.things or self.silent


def _claimed(key: Key, why: str) -> Claimed:
    delete = f"reconciler delete {key.short} -n {key.namespace}"
    return Claimed(
        f"{key.short} in namespace {key.namespace} {why}; it stays as it is",
        hint=f"choose another namespace: up(..., namespace=...); or delete it first: {delete}",
    )
