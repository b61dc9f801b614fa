"""Which replicas may be replaced now, so that enough of them stay up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.rolling import may_replace
from reconciler.core.world import World
from reconciler.kinds.service import Update
from reconciler.model.observed import Health, Phase, Snapshot
from tests.core.build import NOW, changed, container, graph, key, process, rendered, settled

ONE_BY_ONE = Update()


def may(snapshot: Snapshot, update: Update = ONE_BY_ONE, replicas: int = 3) -> set[int]:
    desired = graph(container("web", replicas=replicas, env={"NEW": "1"}, update=update))
    spec = desired.service("web")
    return set(may_replace(World(desired, snapshot, NOW), key("web", None), spec, rendered(desired, snapshot).desired))


@pytest.fixture
def before() -> Snapshot:
    return settled(graph(container("web", replicas=3)))


def test_nobody_may_go_where_nothing_changed(before: Snapshot) -> None:
    same = graph(container("web", replicas=3))
    found = may_replace(World(same, before, NOW), key("web", None), same.service("web"), rendered(same, before).desired)
    assert not found


def test_one_at_a_time_by_default(before: Snapshot) -> None:
    assert may(before) == {0}


@pytest.mark.parametrize(("unavailable", "expected"), [(0, {0}), (1, {0}), (2, {0, 1}), (5, {0, 1, 2})])
def test_as_many_as_may_be_unavailable(before: Snapshot, unavailable: int, expected: set[int]) -> None:
    assert may(before, Update(max_unavailable=unavailable)) == expected


def test_recreate_replaces_all_at_once(before: Snapshot) -> None:
    assert may(before, Update(strategy="Recreate")) == {0, 1, 2}


def test_who_does_not_work_goes_first_and_counts_as_away(before: Snapshot) -> None:
    broken = changed(before, key("web", 2), phase=Phase.EXITED, bindings=())
    assert may(broken) == {2}


def test_all_who_do_not_work_may_go_together(before: Snapshot) -> None:
    broken = changed(before, key("web", 2), phase=Phase.EXITED, bindings=())
    assert may(changed(broken, key("web", 0), phase=Phase.CREATED, bindings=())) == {0, 2}


def test_who_has_not_been_heard_yet_is_neither_taken_for_broken_nor_for_serving(before: Snapshot) -> None:
    """All three may be well: to replace all at once for want of an answer would be the outage itself."""
    ids = [thing.id for thing in before.objects() if thing.kind == "service"]
    silent = Health(ready=False, known=False)
    assert may(replace(before, health=dict.fromkeys(ids, silent))) == set()
    assert may(replace(before, health={ids[1]: silent})) == set()
    assert may(replace(before, health={ids[1]: Health(ready=False, message="no")})) == {1}


def test_newcomers_count_as_away_until_they_serve(before: Snapshot) -> None:
    assert may(before, replicas=4) == set()


def test_a_new_one_has_to_stay_ready_for_a_while(before: Snapshot) -> None:
    young = changed(before, key("web", 0), started_at=NOW - 3)
    assert may(young, Update(min_ready_seconds=10)) == {0}
    assert may(young, Update(min_ready_seconds=2)) == {0}
    fresh = graph(container("web", replicas=3, env={"NEW": "1"}, update=Update(min_ready_seconds=10)))
    wanted = rendered(fresh, before).desired[key("web", 0)].fingerprint
    assert may(changed(young, key("web", 0), fingerprint=wanted, facts=None), Update(min_ready_seconds=10)) == set()


def test_one_that_seems_to_start_a_little_after_now_serves_all_the_same(before: Snapshot) -> None:
    """An engine tells a start by the second, and is asked a moment after `now`."""
    assert may(changed(before, key("web", 2), started_at=NOW + 0.3)) == {0}


def test_what_moves_to_another_runtime_rolls_too() -> None:
    before = settled(graph(process("web", replicas=3)))
    assert may(before) == {0}
