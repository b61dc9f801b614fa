"""A suite that finds nothing proves nothing: each of these bugs is put into a copy of the tree, and has to be found.

Most of them, and all that only a real engine shows, are on trial in `make mutants`; here they are asked whether they
can still be made.
"""

from __future__ import annotations

import ast
import os

import pytest

from tests.convergence.test_mutants import MUTANTS as PLANNERS
from tests.mutants.catalog import MUTANTS, Mutant
from tests.mutants.trial import try_

BY_DAY = 4 if os.environ.get("HYPOTHESIS_PROFILE") != "nightly" else 1
"""One in so many is on trial in `make test`, all of them by night and in `make mutants`."""
TRIED = [mutant for mutant in MUTANTS if not mutant.engine][::BY_DAY]


@pytest.mark.parametrize("mutant", TRIED, ids=lambda mutant: mutant.name)
def test_this_bug_is_found_out(mutant: Mutant) -> None:
    sentence = try_(mutant)
    assert sentence.killed, f"it survives:\n{sentence.said}"
    print(f"killed by {sentence.killer} in {sentence.seconds:.1f} s")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_this_bug_can_still_be_made(mutant: Mutant) -> None:
    ast.parse(mutant.mutated())


def test_there_are_enough_of_them() -> None:
    assert len(PLANNERS) + len(MUTANTS) >= 40
