"""When a namespace is looked at again: what time alone brings about is told by the plan."""

from __future__ import annotations

import pytest

from reconciler.core.graph import Graph
from reconciler.engine.loop.pace import FIRST, FURTHEST, Pace
from reconciler.engine.reconcile import Pass
from reconciler.model.key import Key
from reconciler.model.observed import Snapshot
from reconciler.model.plan import Plan, Reason, Wait


def seen(*waits: Wait, wake: float | None = None) -> Pass:
    return Pass(Graph("shop"), Snapshot(), {}, Plan(waits=waits, wake=wake), (), {}, 0.0)


@pytest.mark.parametrize(("wake", "expected"), [(None, None), (1030.0, 30.0), (1000.0 + 1e7, FURTHEST), (990.0, 0.02)])
def test_a_schedule_wakes_what_is_at_rest_and_clocks_are_not_trusted_for_long(
    wake: float | None, expected: float | None
) -> None:
    pace = Pace()
    assert pace.next(seen(wake=wake), 1000.0) == expected
    assert pace.rested


def test_what_waits_for_something_else_is_woken_by_a_schedule_too() -> None:
    wait = Wait(Key("service", "shop", "web", 0), Reason.NOT_READY, "not yet")
    assert Pace().next(seen(wait, wake=1000.1), 1000.0) == pytest.approx(0.1)
    assert Pace().next(seen(wait, wake=1100.0), 1000.0) == FIRST
