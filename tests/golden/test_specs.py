"""Bad specs, and word for word what is said about each. `make golden` rewrites the texts; review the diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.graph import graph_of
from reconciler.core.linking import link_faults
from reconciler.core.parse import Document, Text, parse
from reconciler.errors import Problem, SpecError

SPECS = Path(__file__).parent / "specs"
CASES = sorted(path for path in SPECS.iterdir() if path.suffix != ".txt")
ENVIRONMENT = {"HOME": "/home/ada", "COLOUR": "blue", "EMPTY": ""}
SECRETS = ("hunter", "1234567", "7654321")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_bad_spec_is_explained(case: Path) -> None:
    said = _complaints(case)
    expected = case.with_suffix(".txt")
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(said)
    assert said == expected.read_text(), f"GOLDEN=write pytest {__file__} accepts the new text"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_an_explanation_has_place_and_next_step(case: Path) -> None:
    """Each problem is at most four lines: place and message, the excerpt with its caret, the hint."""
    for problem in _problems(case):
        assert problem.line > 0
        assert problem.message
        assert problem.hint, str(problem)
        assert len(problem.message) <= 160, problem.message
        assert len(str(problem).splitlines()) <= 4


def test_there_are_enough_of_them_and_no_orphans() -> None:
    assert len(CASES) >= 65
    assert {path.stem for path in SPECS.glob("*.txt")} == {path.stem for path in CASES}


def test_no_explanation_shows_a_secret() -> None:
    for case in (case for case in CASES if case.stem.startswith("secret-")):
        assert not [word for word in SECRETS if word in _complaints(case)], case.stem


def _complaints(case: Path) -> str:
    return "\n".join(str(problem) for problem in _problems(case)) + "\n"


def _problems(case: Path) -> tuple[Problem, ...]:
    try:
        documents = parse(_texts(case), environment=ENVIRONMENT)
        _link(documents)
    except SpecError as error:
        return error.problems
    raise AssertionError(f"{case.name} was accepted")


def _link(documents: list[Document]) -> None:
    """What can only be seen between documents, as `validate` and `apply` look for it."""
    by_key = {document.resource.key: document for document in documents}
    graph = graph_of("default", [document.resource for document in documents])
    problems = [by_key[key].problem(fault) for key, fault in link_faults(graph)]
    if problems:
        raise SpecError(problems)


def _texts(case: Path) -> list[Text]:
    files = sorted(case.iterdir()) if case.is_dir() else [case]
    return [Text(str(file.relative_to(SPECS)), file.read_bytes(), "/srv/specs") for file in files]
