"""Every world that four faults, a crash after any action and plans that come too late can make of a few small
declarations: from each of them the planner finds home, and nothing that must never happen happens on any edge.

`make test` looks at more than 200,000 worlds, HYPOTHESIS_PROFILE=nightly at more than 1,000,000. What is checked, by
the numbers of the promises: few steps (P1), then silence (P2), twice is once (P3), nothing foreign is touched (P4), one
of each runs (P5), nothing ends for want of a view (P6), data stays (P7), no generation comes back (P8), and who says
that all is well is right (P9).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import settings

from reconciler.core import world as worlds
from reconciler.model.resource import Resource
from tests.smallworld.declared import SETS, Declared
from tests.smallworld.explore import Explorer, Violation
from tests.smallworld.remembering import remembered

pytestmark = pytest.mark.timeout(900)
NIGHTLY = settings.default.max_examples >= 100_000
ENOUGH = 200_000


@pytest.mark.parametrize("declared", SETS, ids=lambda declared: declared.name)
def test_every_small_world_finds_home(declared: Declared, record_property: Callable[[str, object], None]) -> None:
    with remembered(), keeping_all():
        explorer = Explorer(declared, declared.nightly if NIGHTLY else declared.faults)
        found = explorer.explore()
    record_property("worlds", found.worlds)
    record_property("edges", found.edges)
    record_property("longest", found.longest)
    assert found.longest_from is not None
    print(f"{found}\nfarthest from rest:\n{explorer.road(found.longest_from)}")
    assert found.worlds >= declared.least, "something is not explored any more"


@contextmanager
def keeping_all() -> Iterator[None]:
    """A search throws hardly anything away, so nobody needs to look for garbage through all that it has found."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_there_are_enough_of_them() -> None:
    assert sum(declared.least for declared in SETS) >= ENOUGH
    kinds = {type(r.spec).__name__ for d in SETS for r in (*d.graph.resources.values(), *d.graph.removed.values())}
    assert {"ServiceSpec", "NetworkSpec", "VolumeSpec"} <= kinds
    assert all(len([r for r in d.graph.resources.values() if _is_service(r)]) <= 3 for d in SETS)


def _is_service(resource: Resource) -> bool:
    return resource.key.kind == "service"


def test_a_planner_that_asks_for_no_owner_is_told_as_a_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest road to it, step by step."""
    monkeypatch.setattr(worlds.World, "_claims", lambda _self, thing: thing.key is not None)
    with pytest.raises(Violation, match=r"(?s)1\. nothing is there\n.*takes the name.*P4: .* is foreign"):
        Explorer(SETS[0], 1).explore()
