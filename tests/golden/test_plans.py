"""Each folder under plans/ is a question and its answer: what is wanted, what is there, and what will be done.

desired.yaml says what is wanted. observed.yaml says what is there: the world that an earlier apply left (before.yaml,
or desired.yaml itself), and what happened to it since. plan.txt is the answer, pass after pass, as a preview sees it.
`make golden` writes the answers anew; read the diff.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.preview import fold
from tests.golden.scene import Scene

PLANS = Path(__file__).parent / "plans"
CASES = sorted(path for path in PLANS.iterdir() if path.is_dir())
SECRETS = ("hunter2", "correct-horse")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_this_is_what_is_done(case: Path) -> None:
    told = "\n".join(_passes(Scene.read(case))) + "\n"
    expected = case / "plan.txt"
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(told)
    assert told == expected.read_text(), f"GOLDEN=write pytest {__file__} accepts the new text"
    assert not any(secret in told for secret in SECRETS)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 30


def _passes(scene: Scene) -> Iterator[str]:
    before = ""
    for number, plan in enumerate(fold(scene.graph, scene.snapshot, scene.journal, scene.now), 1):
        notes = [f"Note {note.key}: {note.message}" for note in plan.notes]
        told = "\n".join([str(plan), *notes])
        if told != before:
            yield f"pass {number}"
            yield told
        before = told
    for key, item in plan.desired.items():
        if item.grants:
            yield f"Ports {key}: " + ", ".join(f"{name}={grant.port}" for name, grant in item.grants.items())
