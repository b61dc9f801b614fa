"""A loop that is killed, shown what is old, or not told of what happens: all comes to the same end as undisturbed.

The scenarios are those of `test_crash_points.py`, but the passes are made by a daemon, for many scenarios at once.
Once they run undisturbed, which tells how it has to end, how often each thing is made, and what there is to disturb.
Then each of them is disturbed: the daemon killed the moment that one of its effects is done; a look shown that is
older than the one before; news of it dropped. By day in one run at one moment of each, by night at every one alone.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine_api import Engine
from tests.faults.crash_scenarios import AUTOMATIC, SCENARIOS
from tests.faults.disturbed import CRASH, DROPPED, EVERY, STALE
from tests.faults.test_crash_points import AT_NIGHT, NIGHTLY, difference
from tests.faults.world import Run, World

pytestmark = [pytest.mark.engine, pytest.mark.root, pytest.mark.timeout(1200)]

GROUPS = 3
"""Each with a home and a daemon."""
Orders = dict[str, dict[str, int]]
COUNTED_AS = {CRASH: "effect", STALE: "change", DROPPED: "news"}
PLAYED = [one for one in SCENARIOS if one.code == 0 and (NIGHTLY or one.name not in AT_NIGHT)]
"""Without what can't come to rest."""


def test_there_are_at_least_thirty_of_them() -> None:
    assert len(PLAYED) >= 30


@pytest.fixture(params=range(GROUPS))
def world(engine: Engine, namespace: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    it = World(engine, namespace, tmp_path, AUTOMATIC, PLAYED[request.param :: GROUPS])
    try:
        yield it
    finally:
        it.leave()


def test_disturbed_at_any_moment_it_comes_to_the_same_end(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    calm = world.run()
    assert not calm.afterwards
    hit: defaultdict[str, set[str]] = defaultdict(set)
    for orders in by_night(calm, world) if NIGHTLY else by_day(calm, world):
        disturbed = world.run(**orders)
        assert not (differing := difference(calm.end, disturbed.end)), f"{orders}:\n{differing}"
        assert not (twice := disturbed.deeds - calm.deeds), f"{orders}: done twice: {twice}"
        assert not disturbed.afterwards, orders
        for (how, name), seconds in disturbed.hits.items():
            hit[how].add(world.stories[name].scenario.name)
            record_property("disturbed", (how, seconds))
        record_property("lost", sum(len(calm.end[kind].keys() - disturbed.end[kind].keys()) for kind in calm.end))
        record_property("made twice", (disturbed.deeds - calm.deeds).total())
    for how in (CRASH, STALE):
        missed = {world.stories[name].scenario.name for name in there(how, calm, world)} - hit[how]
        assert not missed, f"{how}: not disturbed"
    assert hit[DROPPED], "whoever is dead when it happens has no news of it; but not all are"


def there(how: str, calm: Run, world: World) -> dict[str, int]:
    """By namespace how often it can be disturbed so. Of some things there are no news: a round finds them."""
    counts = {name: calm.counts[name][COUNTED_AS[how]] for name in world.stories if name in calm.counts}
    return {name: count for name, count in counts.items() if count}


def by_day(calm: Run, world: World) -> Iterator[Orders]:
    """All three at once: killed after one of its effects, shown the first change late, and told no news at all."""
    lots = {name: zlib.crc32(story.scenario.name.encode()) for name, story in world.stories.items()}
    yield {
        CRASH: {name: 1 + lots[name] % count for name, count in there(CRASH, calm, world).items()},
        STALE: dict.fromkeys(there(STALE, calm, world), 1),
        DROPPED: dict.fromkeys(there(DROPPED, calm, world), EVERY),
    }


def by_night(calm: Run, world: World) -> Iterator[Orders]:
    """All of them, round after round."""
    for how in COUNTED_AS:
        counts = there(how, calm, world)
        for number in range(1, max(counts.values(), default=0) + 1):
            yield {how: {name: number for name, count in counts.items() if count >= number}}
