"""The table of rows is whole, and what it says is shown by tests that carry the rows' ids in their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from reconciler.cli.catalog import SUMMARIES

ROOT = Path(__file__).parents[2]
ROWS = ROOT / "docs" / "rows.md"
KNOWN = {"K": 26, "R": 24, "L": 25, "H": 24}
REAL = {*(f"K{n}" for n in (13, *range(21, 27))), *(f"R{n}" for n in range(16, 25)), *(f"L{n}" for n in range(14, 26))}
"""What only the programs do; all other rows are said in their documents, or implied."""
IMPLIED = {"K2", "K3", "K20", "L13", "H20"}
LATER = {"H23"}
"""What is not here yet, and is said to be so."""
OTHERS = {"reconciler", "dev", "config", "with", "status()", "exec(…,"}
"""Python, labels, a file."""
REAL_THINGS = re.compile(r"pytest\.mark\.(engine|root)|from tests\.scenarios\.stage import")
"""How a file says that its tests are of a real engine, or of real machines."""
BUGS = [*(f"KECS_{letter}" for letter in "abcdefg"), "R2", "R8", "R18", "L6", "L11"]
IDS = [f"{origin}{number}" for origin, count in KNOWN.items() for number in range(1, count + 1)]
PROMISED = [row for row in IDS if row not in REAL | LATER]


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    origin: str
    what: str
    here: str
    by: str


def table() -> list[Row]:
    return [Row(*(cell.strip() for cell in line.strip("|\n").split("|"))) for line in lines()]


def lines() -> list[str]:
    return [line for line in ROWS.read_text().splitlines() if re.match(r"\| [A-Z]\d+ \|", line)]


@cache
def names(*, real: bool) -> str:
    """Of all tests, or of those that need a real engine or real machines."""
    texts = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    found = (
        re.findall(r"^ *def (test_\w+)", text, re.MULTILINE) for text in texts if not real or REAL_THINGS.search(text)
    )
    return "\n".join(chain.from_iterable(found))


def shown(row: str, *, real: bool = False) -> bool:
    return re.search(rf"^test_(\w+_)?{row}_", names(real=real), re.MULTILINE) is not None


@cache
def words() -> frozenset[str]:
    """Verbs, and all fields that can be written in a spec."""
    schema = (ROOT / "schemas" / "reconciler.json").read_text()
    return frozenset({*SUMMARIES, *re.findall(r'"(\w+)":', schema)})


def test_every_row_is_in_the_table_once_and_in_its_order() -> None:
    assert [row.id for row in table()] == IDS


def test_a_row_says_where_it_comes_from_and_whether_it_is_done_the_same_way() -> None:
    for row in table():
        assert row.origin == ("R" if row.id in REAL else "I" if row.id in IMPLIED else "S"), row
        assert row.here.startswith(("same", "differently: ")), row
        assert row.here.startswith("differently: not here yet") == (row.id in LATER), row
        assert row.what, row
        assert row.by, row


@pytest.mark.parametrize("row", PROMISED)
def test_what_was_said_or_implied_is_shown_by_a_test_of_its_name(row: str) -> None:
    assert shown(row, real=True), f"no test is called test_{row}_..."


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_of_the_originals_has_a_test(bug: str) -> None:
    assert shown(bug), f"no test is called test_{bug}_..."


def test_what_the_table_names_exists() -> None:
    """Verbs and fields by their names; options are the verbs' own business."""
    said = [word for row in table() for word in re.findall(r"`([^`]+)`", row.by)]
    first = {re.split(r"[ .:]", word)[0] for word in said if not word.startswith("-")}
    assert first - words() <= OTHERS
    for target in re.findall(r"\]\((\.\./[^)]+)\)", ROWS.read_text()):
        assert (ROWS.parent / target).exists(), target
