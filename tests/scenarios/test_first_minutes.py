"""The README's first minutes, typed in: each section's files are written, and its commands run."""

from __future__ import annotations

import re

import pytest

from tests.scenarios.readme import chapter, type_in
from tests.scenarios.stage import Stage

AUDIENCES = ["developer", "test author", "researcher", "small team"]


def sections() -> dict[str, str]:
    parts = re.split(r"^### (.+)\n", chapter("First minutes"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_there_is_one_for_each_of_those_it_is_made_for() -> None:
    assert all(any(audience in title.lower() for title in sections()) for audience in AUDIENCES)


@pytest.mark.parametrize("title", sections())
def test_what_a_section_says_works_as_it_stands(title: str, stage: Stage) -> None:
    type_in(stage, sections()[title])
