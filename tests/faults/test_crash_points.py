"""Killed at any effect and run again, a verb comes to the same end: nothing twice, nothing lost, nobody else touched.

Each scenario runs once undisturbed and leaves a trace of the points that it passed. Then, for each of them by night and
for every other one by day, from the same start: killed there, run again, run a third time. The state before is made by
the program itself, in the same home and namespace each time, so that names, fingerprints and ports can be compared as
they are.
"""

from __future__ import annotations

import difflib
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.failpoints import EFFECTS
from tests.engine_api import Engine
from tests.faults.crash_scenarios import AUTOMATIC, SCENARIOS, Scenario
from tests.faults.crash_site import CANARY, Look, Ran, Site

pytestmark = [pytest.mark.engine, pytest.mark.root, pytest.mark.timeout(600)]


@pytest.fixture
def site(engine: Engine, namespace: str, tmp_path: Path) -> Iterator[Site]:
    it = Site(engine, namespace, tmp_path, AUTOMATIC)
    it.settle_in()
    it.bring_strangers()
    try:
        yield it
    finally:
        it.leave()


AT_NIGHT = {
    "first apply of a chain", "first apply of a container in two networks", "another image", "another secret",
    "another place of a volume", "another environment of a container", "another command above a volume of processes",
    "another port of a container", "a port that others were told", "another content of a config",
    "delete of everything", "first apply of a container that needs a process", "from a container to a process",
}  # fmt: skip
"""Much like others that are killed by day too."""
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
PLAYED = [scenario for scenario in SCENARIOS if NIGHTLY or scenario.name not in AT_NIGHT]


def test_there_are_at_least_thirty_of_them() -> None:
    assert {scenario.name for scenario in SCENARIOS} >= AT_NIGHT
    assert len(PLAYED) >= 30


@pytest.mark.parametrize("scenario", PLAYED, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_killed_at_any_effect_it_comes_to_the_same_end(
    scenario: Scenario, site: Site, record_property: Callable[[str, object], None]
) -> None:
    play = Play(site, scenario)
    places = kills(play.undisturbed(), steps=scenario.steps)
    assert places, "it does nothing"
    chosen = places if NIGHTLY else by_day(scenario, places)
    for point, passing in chosen:
        play.killed_at(point, passing)
    record_property("kills", len(chosen))
    record_property("places", len(places))


def by_day(scenario: Scenario, places: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Every other one; of some scenarios the even ones, of others the odd ones, for many have effects in common."""
    first = zlib.crc32(scenario.name.encode()) % min(2, len(places))
    return places[first::2]


def kills(trace: list[str], *, steps: bool) -> list[tuple[str, int]]:
    """Every effect, before and after; where `steps` are wanted too, each of them once. What only fetches is no effect,
    and what is passed right behind the end of an effect is the same place once more.
    """
    seen: Counter[str] = Counter()
    places = []
    for last, point in pairwise(["", *trace]):
        seen[point] += 1
        wanted = point in EFFECTS or (steps and seen[point] == 1)
        if wanted and ".prepare." not in point and not (last in EFFECTS and last.endswith(".after")):
            places.append((point, seen[point]))
    return places


def difference(end: Look | None, seen: Look) -> str:
    """As lines, for the eye."""
    texts = [json.dumps(look, indent=1, sort_keys=True).splitlines() for look in (end, seen)]
    return "\n".join(difflib.unified_diff(*texts, "undisturbed", "disturbed", lineterm="", n=2))


@dataclass
class Play:
    site: Site
    scenario: Scenario
    end: Look | None = None

    def undisturbed(self) -> list[str]:
        """The points it passes. What it comes to is what every other run is measured by."""
        trace = self.site.directory / "trace"
        self._begin()
        self._finishes(self._run(trace=trace))
        self.end = self._seen()
        self._nothing_more()
        self._away()
        return trace.read_text().split()

    def killed_at(self, point: str, passing: int) -> None:
        place = f"killed at {point}, passing {passing}"
        self._begin()
        strangers = self.site.lives()
        killed = self._run(points=f"{point}={passing - 1}*off->1*kill")
        assert killed.code == -9, f"{place}: it was not: {killed}"
        self._seen()
        self._finishes(self._run())
        assert not (differing := difference(self.end, self._seen())), f"{place}:\n{differing}"
        self._nothing_more()
        assert self.site.lives() == strangers, place
        self._away()

    def _begin(self) -> None:
        if self.scenario.before:
            spec = self.site.spec("before", self.scenario.before)
            self._done("apply", "-f", str(spec), "--wait" if self.scenario.ready else "--no-wait")
        if self.scenario.prologue:
            self._done(*self.scenario.prologue)
        self.site.write_canaries()
        if self.scenario.meddle:
            self.scenario.meddle(self.site)

    def _done(self, *arguments: str) -> None:
        told = self.site.run(*arguments)
        assert told.code == 0, told

    def _run(self, points: str = "", trace: Path | None = None) -> Ran:
        spec = self.site.spec("after", self.scenario.after) if self.scenario.after else None
        verb = self.scenario.verb or ("apply", "-f", str(spec), *self.scenario.options)
        return self.site.run(*verb, "-o", "json", points=points, trace=trace)

    def _finishes(self, told: Ran) -> None:
        assert told.code == self.scenario.code, told

    def _nothing_more(self) -> None:
        told = self._run()
        self._finishes(told)
        assert told.actions == []

    def _seen(self) -> Look:
        """Whatever else there is: a volume that was there holds what it held."""
        look = self.site.look()
        if self.end is None:
            return look
        kept = [name for name, (_, canary) in self.end["volumes"].items() if canary]
        assert [name for name in kept if look["volumes"][name][1] != CANARY] == []
        return look

    def _away(self) -> None:
        for container in self.site.foreign[2:]:
            self.site.engine.remove(container)
        del self.site.foreign[2:]
        self.site.clear()
