"""`make mutants`: each bug of both lists on trial, as a table. Exit code 1 if one survives or can not be made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.convergence.test_mutants import MUTANTS as PLANNERS
from tests.engine_api import Engine
from tests.mutants.catalog import MUTANTS, ROOT, Mutant
from tests.mutants.trial import try_

BESIDE = 3
Row = tuple[str, str, float]
"""A mutant, what killed it (nothing: it survives), and the seconds that it took."""


def main() -> int:
    trials: list[Callable[[], Row]] = [partial(_planner, mutate.__name__) for mutate in PLANNERS]
    trials += [partial(_source, mutant) for mutant in MUTANTS if not mutant.engine]
    with ThreadPoolExecutor(min(BESIDE, os.cpu_count() or 1)) as pool:
        rows = list(pool.map(_shown, trials))
    rows += [_shown(partial(_source, mutant)) for mutant in MUTANTS if mutant.engine and Engine.reachable()]
    skipped = len(trials) + sum(mutant.engine for mutant in MUTANTS) - len(rows)
    survivors = [name for name, killer, _ in rows if not killer]
    print(f"\n{len(rows) - len(survivors)} of {len(rows)} mutants killed", end="")
    print(f"; {skipped} not tried, for want of an engine" if skipped else "")
    return 1 if survivors else 0


def _shown(trial: Callable[[], Row]) -> Row:
    name, killer, seconds = trial()
    print(f"{name:58} {seconds:5.1f} s  {killer or 'SURVIVES'}", flush=True)
    return name, killer, seconds


def _source(mutant: Mutant) -> Row:
    try:
        sentence = try_(mutant)
    except (ValueError, subprocess.TimeoutExpired) as error:
        return mutant.name, "", _complain(str(error))
    return mutant.name, sentence.killer, sentence.seconds


def _complain(text: str) -> float:
    print(text, file=sys.stderr)
    return 0.0


def _planner(name: str) -> Row:
    """In a process of its own: what one changes is no other one's concern."""
    begun = time.monotonic()
    node = f"tests/convergence/test_mutants.py::test_a_planner_with_this_bug_is_found_out[{name}]"
    pytest = [sys.executable, "-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", "-p", "no:xdist", node]
    done = subprocess.run(pytest, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    found = re.search(r"^found by (story \d+)", done.stdout, re.MULTILINE)
    killer = f"tests/convergence: {found[1]}" if found and done.returncode == 0 else ""
    return name.replace("_", " "), killer, time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
