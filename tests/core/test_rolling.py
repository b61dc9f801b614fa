"""How an update goes through the replicas: enough of them serve at any moment, and never too many exist."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.planner import plan
from reconciler.kinds.probes import Probes
from reconciler.kinds.service import Update
from reconciler.model.key import Key
from reconciler.model.observed import Health, Phase
from reconciler.model.plan import Reason, Record, Verb
from tests.core.build import (
    EMPTY,
    NOW,
    changed,
    http,
    key,
    process,
    seen,
    settled,
)
from tests.core.updating import (
    Play,
    made_of,
    never_too_few_or_too_many,
    web,
)

UPDATES = [
    (replicas, extra, unavailable)
    for replicas in (1, 2, 3, 4)
    for extra in (0, 1, 2, None)
    for unavailable in (0, 1, 2)
    if (extra, unavailable) != (0, 0)
]


@pytest.mark.parametrize(("replicas", "extra", "unavailable"), UPDATES)
def test_enough_serve_at_any_moment_of_an_update_and_it_ends(
    replicas: int, extra: int | None, unavailable: int, crashing: bool
) -> None:
    update = Update(max_surge=extra, max_unavailable=unavailable)
    before = settled(web("1", replicas=replicas))
    play = Play(web("2", replicas=replicas, update=update), before, crashing=crashing, check=never_too_few_or_too_many)
    plans = play.all()
    assert plans[-1].settled, plans[-1]
    assert [t.key for t in play.things()] == [key("web", index) for index in range(replicas)]
    assert all(map(made_of("2", replicas=replicas), play.things()))


@pytest.mark.parametrize(("replicas", "extra", "unavailable"), UPDATES)
def test_an_update_that_does_not_become_ready_stops_and_undoing_it_restores_all(
    replicas: int, extra: int | None, unavailable: int, crashing: bool
) -> None:
    update = Update(max_surge=extra, max_unavailable=unavailable)
    old = made_of("1", replicas=replicas)
    play = Play(
        web("2", replicas=replicas, update=update), settled(web("1", replicas=replicas)), old, crashing=crashing,
        check=never_too_few_or_too_many,
    )  # fmt: skip
    plans = list(play.passes(40))
    assert not any(planned.actions for planned in plans[-10:]), plans[-1]
    assert len([t for t in play.serving() if old(t)]) >= replicas - unavailable
    if any(old(t) for t in play.things()):
        told = [wait.message for wait in plans[-1].waits if wait.reason is Reason.ROLLING]
        assert any("which is new, is Ready: no answer" in message for message in told), plans[-1]
    play.graph = web("1", replicas=replicas, update=update)
    assert play.all()[-1].settled
    assert all(map(old, play.things()))
    assert len(play.things()) == replicas


def test_a_third_version_takes_the_place_of_a_second_that_failed(crashing: bool) -> None:
    bad = made_of("2")
    play = Play(web("2"), settled(web("1")), lambda t: not bad(t), crashing=crashing)
    play.check = never_too_few_or_too_many
    list(play.passes(20))
    play.graph = web("3")
    assert play.all()[-1].settled
    assert all(map(made_of("3"), play.things()))


def test_no_further_old_one_is_touched_while_a_new_one_fails_though_it_fails_itself() -> None:
    bad: list[str] = []
    old = made_of("1")
    play = Play(web("2"), settled(web("1")), lambda t: old(t) and t.id not in bad)
    list(play.passes(10))
    bad.append(seen(play.snapshot, key("web", 1)).id)
    assert not any(planned.actions for planned in play.passes(10))


def test_those_who_do_not_work_go_first_all_together() -> None:
    before = settled(web("1"))
    for index in (0, 2):
        before = changed(before, key("web", index), phase=Phase.EXITED, exit_code=1, bindings=())
    first = Play(web("2"), before).one()
    assert {a.key.index for a in first.actions if a.verb is Verb.REMOVE} == {0, 2}


@pytest.mark.parametrize("room", [{}, {"ports": (http("8000-8002"),)}], ids=["with an extra one", "without"])
def test_those_who_run_but_are_not_ready_stay_until_a_new_one_has_done_better(room: dict[str, Any]) -> None:
    """It may be the probe that was declared wrongly, and then all of them serve."""
    nobody = Play(web("2", **room), settled(web("1", **room)), lambda t: False)  # noqa: ARG005
    list(nobody.passes(10))
    old = made_of("1", **room)
    assert sum(map(old, nobody.things())) == (2 if room else 3)
    rescue = Play(web("2", **room), settled(web("1", **room)), lambda t: not old(t))
    assert rescue.all()[-1].settled
    assert not any(map(old, rescue.things()))


def test_who_has_not_been_heard_yet_is_neither_taken_for_broken_nor_for_serving() -> None:
    """All three may be well: to replace all at once for want of an answer would be the outage itself."""
    before = settled(web("1"))
    silent = {thing.id: Health(ready=False, known=False) for thing in before.objects() if thing.kind == "service"}
    found = plan(web("2"), replace(before, health=silent), {}, NOW).actions
    assert [(action.verb, action.key.index) for action in found] == [(Verb.CREATE, 3)]


def test_a_new_one_has_to_be_ready_for_a_while_and_it_is_known_until_when() -> None:
    patient = {"update": Update(min_ready_seconds=10)}
    play = Play(web("2", **patient), settled(web("1", **patient)), ready_after=50)
    play.one()
    ready_at = (seen(play.snapshot, key("web", 3)).started_at or 0.0) + 50
    play.now = ready_at + 2
    waits = {wait.key: wait for wait in play.one().waits}
    assert waits[key("web", 0)].until == ready_at + 10, "not since its start: it has only just become Ready"
    assert "long enough" in waits[key("web", 0)].message
    play.now = ready_at + 10
    assert {action.key for action in play.one().actions} == {key("web", 0)}


def test_the_extra_one_is_waited_for_until_the_last_new_one_is_of_age() -> None:
    patient = {"update": Update(min_ready_seconds=10), "replicas": 1}
    play = Play(web("2", **patient), settled(web("1", **patient)))
    for last in play.passes(40):
        if not last.actions:
            play.now = max([play.now, *(wait.until for wait in last.waits if wait.until)])
    assert last.settled
    (survivor,) = play.things()
    assert play.now - (survivor.started_at or 0.0) >= 10


def test_one_that_seems_to_start_a_little_after_now_serves_all_the_same() -> None:
    """An engine tells a start by the second, and is asked a moment after `now`."""
    before = changed(settled(web("1")), key("web", 2), started_at=NOW + 0.3)
    found = plan(web("2", update=Update(max_unavailable=1)), before, {}, NOW)
    assert key("web", 0) in {action.key for action in found.actions}


def test_it_is_said_which_one_fails_and_how_to_go_back() -> None:
    """What could not even be made has no other voice than the journal's."""
    before = settled(web("1"))
    wanted = plan(web("2"), before, {}, NOW).desired[key("web", 3)]
    failed = Record(failures=2, last_at=NOW, fingerprint=wanted.fingerprint, reason="ImageUnavailable", message="none")
    found = plan(web("2"), before, {key("web", 3): failed}, NOW)
    assert not found.actions
    (told,) = {wait.message for wait in found.waits if wait.reason is Reason.ROLLING}
    assert told == (
        "it is replaced once web/3, which is new, is Ready: none; to go back: reconciler rollout undo web -n shop"
    )


def test_the_extra_one_says_whom_it_waits_for_before_it_leaves() -> None:
    """Once the last old one is gone nobody else is left to say why the update stands still."""
    three, two = (web("2", replicas=replicas, probes=Probes(), update=Update(max_surge=1)) for replicas in (3, 2))
    broken = changed(settled(three), key("web", 1), phase=Phase.EXITED, exit_code=3)
    (told,) = (wait.message for wait in plan(two, broken, {}, NOW).waits if wait.key == key("web", 2))
    assert told.startswith("it leaves once web/1, which is new, is Ready: it exited with code 3")


# -- what is no update


def test_what_somebody_meddled_with_is_put_right_without_an_extra_one() -> None:
    before = settled(web("1"))
    cut_off = changed(before, key("web", 1), networks=(), facts=None)
    assert not any(action.key == key("web", 3) for action in plan(web("1"), cut_off, {}, NOW).actions)


def test_who_is_scaled_away_leaves_once_the_others_serve() -> None:
    before = settled(web("1", replicas=4))
    lame = changed(before, key("web", 0), phase=Phase.EXITED, exit_code=1, bindings=())
    play = Play(web("1", replicas=2), lame)
    first = play.one()
    assert {action.key.index for action in first.actions if action.verb is Verb.REMOVE} == {3}
    assert play.all()[-1].settled
    assert len(play.things()) == 2


def test_what_is_stopped_leaves_at_once_extra_ones_too() -> None:
    play = Play(web("2"), settled(web("1")))
    play.one()
    play.graph = web("2", replicas=0)
    assert {a.key.index for a in play.one().actions if a.verb is Verb.REMOVE} == {0, 1, 2, 3}


def test_who_comes_by_scaling_up_takes_over_the_place_of_an_extra_one(crashing: bool) -> None:
    play = Play(web("2"), settled(web("1")), crashing=crashing)
    play.one()
    play.graph = web("2", replicas=5)
    assert play.all()[-1].settled
    assert len(play.things()) == 5


def test_what_moves_to_another_runtime_rolls_too() -> None:
    before = settled(web("1", process))
    play = Play(web("1"), before)
    assert {action.key for action in play.one().actions} == {Key("network", "shop", "default")}
    assert {action.key for action in play.one().actions} == {key("web", 3)}
    assert play.all()[-1].settled
    assert {t.runtime for t in play.things()} == {"docker"}


def test_a_first_apply_needs_no_extra_one() -> None:
    play = Play(web("1"), EMPTY)
    keys = {action.key for planned in play.passes() for action in planned.actions}
    assert key("web", 3) not in keys
