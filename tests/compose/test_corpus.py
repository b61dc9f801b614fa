"""Files as people write them: each is imported whole, or refused with every line that can't be carried.

What comes of each stands beside it. `GOLDEN=write pytest tests/compose` writes these files anew; read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.parse import Text, parse
from tests.compose.reading import CORPUS, told

FILES = sorted(path.name for path in CORPUS.glob("*.yml"))
PROJECTS = {
    "merged": ["merged/compose.yaml", "merged/compose.override.yaml"],
    "included": ["included/compose.yaml"],
    "extended": ["extended/compose.yaml"],
}


@pytest.mark.parametrize("name", [*FILES, *PROJECTS])
def test_a_compose_file_becomes_what_stands_beside_it(name: str) -> None:
    found = told(PROJECTS.get(name, [name]))
    golden(CORPUS / f"{name.removesuffix('.yml')}.out", found)
    if found.startswith("#"):
        assert_it_can_be_applied(found)
    else:
        assert_each_problem_has_a_place_and_a_reason(found)


@pytest.mark.parametrize("name", ["refused.yml", "elk.yml", "wireguard.yml"])
def test_what_can_t_be_carried_may_be_left_out_with_a_list(name: str) -> None:
    found = told([name], lenient=True)
    golden(CORPUS / f"{name.removesuffix('.yml')}.lenient.out", found)
    refused = told([name])
    assert found.count("# dropped: ") == refused.count("can't be carried: ")
    assert_it_can_be_applied(found)


def test_a_profile_brings_its_services() -> None:
    assert "name: flower" not in told(["airflow.yml"])
    assert "name: flower" in told(["airflow.yml"], profiles=["flower"])


def golden(file: Path, found: str) -> None:
    if os.environ.get("GOLDEN") == "write":
        file.write_text(found)
    assert found == file.read_text()


def assert_it_can_be_applied(text: str) -> None:
    """What is printed is a spec, wherever it is put."""
    assert parse([Text("printed.yaml", text.encode(), "/elsewhere")], environment={"TOKEN": "t"})


def assert_each_problem_has_a_place_and_a_reason(text: str) -> None:
    heads = [line for line in text.splitlines() if not line.startswith((" ", "  hint"))]
    assert heads
    for head in heads:
        file, line, column, message = head.split(":", 3)
        assert file.endswith(("yml", "yaml")), head
        assert int(line) * int(column) > 0, head
        assert message.strip(), head
