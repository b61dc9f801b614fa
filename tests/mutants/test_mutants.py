"""A suite that finds nothing proves nothing: each of these bugs is put into a copy of the tree, and has to be found.

Those that only a real engine or much patience shows, and every other one of the rest, are on trial by night and in
`make mutants`; else they are asked whether they can still be made.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable

import pytest

from tests.convergence.test_mutants import MUTANTS as PLANNERS
from tests.mutants.catalog import MUTANTS, Mutant
from tests.mutants.trial import try_

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
NEEDS_AN_ENGINE = pytest.mark.engine
QUICK = [mutant for mutant in MUTANTS if not (mutant.engine or mutant.slow)]
TRIED = MUTANTS if NIGHTLY else QUICK[::2]


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(mutant, marks=NEEDS_AN_ENGINE if mutant.engine else ()) for mutant in TRIED],
    ids=[mutant.name for mutant in TRIED],
)
def test_this_bug_is_found_out(mutant: Mutant, record_property: Callable[[str, object], None]) -> None:
    sentence = try_(mutant)
    assert sentence.killed, f"it survives:\n{sentence.said}"
    print(f"killed by {sentence.killer} in {sentence.seconds:.1f} s")
    record_property("mutants", 1)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_this_bug_can_still_be_made(mutant: Mutant) -> None:
    ast.parse(mutant.mutated())


def test_there_are_enough_of_them() -> None:
    """Those on trial each day, the planner's included."""
    assert len(PLANNERS) + len(TRIED) >= 40
