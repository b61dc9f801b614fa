"""Where all old ones leave before the first new one comes."""

from __future__ import annotations

from reconciler.core.planner import plan
from reconciler.kinds.service import Update
from reconciler.model.observed import Phase
from reconciler.model.plan import Reason
from tests.core.build import (
    NOW,
    changed,
    key,
    settled,
)
from tests.core.updating import (
    Play,
    made_of,
    verbs,
    web,
)


def test_with_recreate_all_old_ones_leave_before_the_first_new_one_comes(crashing: bool) -> None:
    old, new = made_of("1"), made_of("2")

    def never_both(play: Play) -> None:
        assert not (any(map(old, play.things())) and any(map(new, play.things())))

    play = Play(web("2", update=Update(strategy="Recreate")), settled(web("1")), crashing=crashing, check=never_both)
    assert play.all()[-1].settled
    assert len(play.serving()) == 3


def test_with_recreate_what_the_new_ones_need_is_fetched_before_the_first_old_one_leaves() -> None:
    """One sequence: who carries it out prepares all of it first."""
    found = plan(web("2", update=Update(strategy="Recreate")), settled(web("1")), {}, NOW)
    (sequence,) = found.sequences
    assert verbs(sequence) == ["Stop"] * 3 + ["Remove"] * 3 + ["Create"] * 3


def test_with_recreate_nobody_leaves_while_one_of_them_cannot() -> None:
    before = changed(settled(web("1")), key("web", 1), phase=Phase.UNKNOWN)
    found = plan(web("2", update=Update(strategy="Recreate")), before, {}, NOW)
    assert not found.actions
    assert {wait.reason for wait in found.waits} == {Reason.ROLLING, Reason.UNREACHABLE}
