"""To which earlier wish an undo goes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.engine import edits
from reconciler.engine.revisions import undone
from reconciler.errors import ReconcilerError
from reconciler.model.resource import Resource
from tests.core.build import container


def generation(number: int, **spec: object) -> Resource:
    return replace(container("web", **spec), generation=number)


def test_it_is_the_last_one_that_differs_and_scaling_is_no_difference() -> None:
    earlier = [generation(1, env={"V": "1"}), generation(2, env={"V": "2"}), generation(3, env={"V": "2"}, replicas=3)]
    back = undone(earlier[-1], earlier)
    assert (back.spec.env, back.spec.replicas) == ({"V": "1"}, 3)


def test_where_nothing_differs_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(ReconcilerError, match="no earlier revision that differs"):
        undone(generation(2, replicas=2), [generation(1), generation(2, replicas=2)])


def test_who_is_stopped_stays_so_and_a_start_brings_back_as_many_as_there_were() -> None:
    before = generation(2, env={"V": "2"}, replicas=3)
    stopped = edits.stop(before)
    back = undone(stopped, [generation(1, env={"V": "1"}), before, stopped])
    started = edits.start(back)
    assert (back.spec.replicas, started.spec.replicas, started.spec.env) == (0, 3, {"V": "1"})
