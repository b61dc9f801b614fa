"""What a controller that was killed has left in the world is taken away, by whoever comes next."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from reconciler.campaigns.ground import GOES_ON, inner_first, instances_of
from reconciler.campaigns.records import Busy, Records
from reconciler.core.campaign.manifest import State
from reconciler.engine.reconcile import Parts
from reconciler.errors import Gone, ReconcilerError
from reconciler.model.desired import Stop
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.values import dataclass

PERIOD = 60.0
"""Seconds between two looks of a daemon."""


@dataclass(frozen=True, slots=True)
class Reaper:
    """Of a daemon: looks now and then, where any campaign was ever begun."""

    parts: Parts
    records: Records

    def turn(self, _of: str) -> float:
        if self.records.keys():
            reap(self.parts, self.records)
        return PERIOD


def reap(parts: Parts, records: Records, *, but: Key | None = None) -> list[Observed]:
    """Instances of campaigns that nobody runs. What was left on purpose stays, and so does what `but` will see to."""
    left = instances_of(parts, lambda key: key != but)
    found: list[Observed] = []
    for key in sorted({thing.key.resource for thing in left if thing.key}):
        mine = [thing for thing in left if thing.key and thing.key.resource == key]
        if not records.attended(key) and not left_on_purpose(records, key):
            found += _taken_away(parts, records, key, mine)
    return found


def left_on_purpose(records: Records, key: Key) -> bool:
    """Whether its runner came to an end, were it by Ctrl-C, and said that it stays. Who was killed has said nothing: of
    him a run is still written down as under way.
    """
    try:
        manifest = records.manifest(key)
    except ReconcilerError:
        return True
    return manifest is not None and manifest.keeps and not manifest.of(State.RUNNING)


def _taken_away(parts: Parts, records: Records, key: Key, things: Iterable[Observed]) -> list[Observed]:
    gone: list[Observed] = []
    try:
        with records.held(key):
            for thing in sorted(things, key=inner_first):
                with suppress(Gone):
                    if thing.phase in GOES_ON:
                        parts.runtimes[thing.place].stop(thing, Stop())
                parts.runtimes[thing.place].remove(thing)
                gone.append(thing)
    except Busy:
        return gone
    return gone
