"""Who runs of those of whom nothing is kept: their document was lost or can't be read, and the world knows better."""

from __future__ import annotations

from collections.abc import Container, Iterable

from reconciler.engine.edits import waits_for_start
from reconciler.engine.places.grounds import place_of
from reconciler.engine.reconcile import Parts
from reconciler.model.key import Key
from reconciler.model.observed import Phase
from reconciler.model.resource import Resource


def running(parts: Parts, given: Iterable[Resource], kept: Container[Key]) -> frozenset[Key]:
    """Asked only about newcomers that wait to be started: to stop one that runs would be nobody's wish."""
    wanted = [r for r in given if waits_for_start(r) and r.key not in kept]
    owner = parts.home.identity(make=False).owner
    if not wanted or not owner:
        return frozenset()
    places = {r.key: place_of(parts, r) for r in wanted}
    views = [parts.runtimes[place].observe(deep=False) for place in sorted({*places.values()} & {*parts.runtimes})]
    things = [thing for view in views for thing in view.objects if thing.key and thing.owner == owner]
    return frozenset(
        thing.key.resource
        for thing in things
        if thing.key and thing.phase is Phase.RUNNING and places.get(thing.key.resource) == thing.place
    )
