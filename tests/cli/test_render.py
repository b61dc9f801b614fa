"""Text, tables and ages."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.context import Context
from reconciler.cli.invocation import Flags, Invocation
from reconciler.cli.render.age import age
from reconciler.cli.render.output import TREES, json_line, json_text, show_tree
from reconciler.cli.render.table import PIPED, Column, table
from reconciler.cli.render.text import clean, cut, mark, paint, width


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (-5, "0s"), (0, "0s"), (5.9, "5s"), (119, "119s"), (120, "2m"), (192, "3m12s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (11100, "3h5m"), (28800, "8h"), (172799, "47h"), (172800, "2d"),
        (2 * 86400 + 3 * 3600, "2d3h"), (8 * 86400, "8d"), (400 * 86400, "400d"), (2 * 365 * 86400 + 86400, "2y1d"),
    ],
)  # fmt: skip
def test_an_age_shows_its_largest_units(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


COLUMNS = (
    Column("NAME"), Column("READY", right=True), Column("STATUS", status=True), Column("MESSAGE", flexible=True),
    Column("ID", wide=True),
)  # fmt: skip
ROWS = (
    ("web", "2/2", "Ready", "all is well", "abc"),
    ("a-long-name", "0/1", "CrashLoop", "exit code 1: " + "x" * 100, "def"),
)


def test_columns_are_aligned_two_spaces_apart_and_nothing_trails() -> None:
    lines = table(COLUMNS, ROWS).splitlines()
    assert lines[0] == "NAME         READY  STATUS     MESSAGE"
    assert lines[1] == "web            2/2  Ready      all is well"
    assert lines[2].startswith("a-long-name    0/1  CrashLoop  exit code 1: xxx")
    assert all(line == line.rstrip() for line in lines)


def test_headers_can_be_left_out_and_wide_columns_let_in() -> None:
    assert table(COLUMNS, ROWS, headers=False).startswith("web ")
    assert table(COLUMNS, ROWS, wide=True).splitlines()[0].endswith("ID")
    assert "abc" not in table(COLUMNS, ROWS)


def test_a_terminal_cuts_the_flexible_column_and_a_pipe_nothing() -> None:
    assert max(map(len, table(COLUMNS, ROWS, limit=60).splitlines())) == 60
    assert "xxx…" in table(COLUMNS, ROWS, limit=60)
    assert "a-long-name" in table(COLUMNS, ROWS, limit=20)
    assert "…" not in table(COLUMNS, ROWS)


def test_in_a_pipe_a_long_message_is_cut_and_nothing_else() -> None:
    columns = [Column("NAME"), Column("PORTS", flexible=True), Column("MESSAGE", flexible=True, last=True)]
    rows = [["web", "p" * 50, "m" * 300 + "\nmore"]]
    (_, line) = table(columns, rows, longest=PIPED).splitlines()
    assert len(line) == PIPED
    assert "p" * 50 in line
    assert line.endswith("m…")
    assert "m" * 300 + " more" in table(columns, rows, longest=PIPED, wide=True)


def test_the_message_has_what_the_others_can_spare() -> None:
    columns = [Column("NAME"), Column("PORTS", flexible=True), Column("IMAGE", flexible=True)]
    columns += [Column("MESSAGE", flexible=True, last=True)]
    rows = [["web", "127.0.0.1:8080->80, 127.0.0.1:8443->443", "", "liveness probe: exit code 1"]]
    assert table(columns, rows, limit=50) == (
        "NAME  PORTS            MESSAGE\n" + "web   127.0.0.1:8080…  liveness probe: exit code 1\n"
    )
    assert "IMAGE" in table(columns, rows), "a pipe is left nothing out"
    assert "IMAGE" in table(columns, rows, limit=120), "nor is a terminal with room"


def test_only_the_words_of_a_status_are_coloured() -> None:
    text = table(COLUMNS, ROWS, color=True)
    assert "\x1b[32mReady\x1b[0m" in text
    assert "\x1b[31mCrashLoop\x1b[0m" in text
    assert text.count("\x1b[") == 4
    assert "\x1b" not in table(COLUMNS, ROWS)


def test_an_empty_cell_is_a_dash_and_wide_characters_take_two_columns() -> None:
    lines = table((Column("A"), Column("B")), [("日本", None), ("x", ""), ("e\u0301", 0)]).splitlines()
    assert lines == ["A     B", "日本  -", "x     -", "e\u0301     0"]


HOSTILE = {
    "\x1b[31mred\x1b[0m": "red",
    "\x1b]0;title\x07x": "x",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\": "link",
    "\x1bPq#0;2;0\x1b\\x": "x",
    "a\x9b31mb": "ab",
    "\x1bc\x1b(Bx": "x",
    "over\rwrite": "overwrite",
    "bell\x07\x08\x7f": "bell",
    "\u202egnp.exe\u202c": "gnp.exe",
    "zero\u200bwidth\ufeff": "zerowidth",
    "two\nlines\tand": "two lines and",
    "sep\u2028arated": "sep arated",
    "half \udc80": "half \ufffd",
    "日本 ünïcode": "日本 ünïcode",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_loses_what_could_fool_a_reader(text: str) -> None:
    assert clean(text) == HOSTILE[text]


@given(st.text())
def test_cleaned_text_is_one_line_without_control_and_stays_so(text: str) -> None:
    safe = clean(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in safe)
    assert clean(safe) == safe
    safe.encode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"])), st.integers(1, 30))
def test_cut_text_never_takes_more_room(text: str, columns: int) -> None:
    assert width(cut(text, columns)) <= columns


def test_paint_colours_only_when_it_may_and_there_is_a_style() -> None:
    assert paint("x", "red", color=True) == "\x1b[31mx\x1b[0m"
    assert paint("x", "red", color=False) == paint("x", "", color=True) == "x"


def test_marks_are_words_where_the_stream_has_no_such_characters() -> None:
    ascii_stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    utf8_stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    assert [mark(level, ascii_stream) for level in ("ok", "warning", "failed")] == ["ok", "!", "x"]
    assert [mark(level, utf8_stream) for level in ("ok", "warning", "failed")] == ["✓", "!", "✗"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_is_read_back_as_it_was_and_safe_on_a_terminal(tree: object) -> None:
    for text in (json_text(tree), json_line(tree)):
        assert json.loads(text) == tree
        assert not any(c in text for c in "\u202e\u2066\x9b\x7f")
        text.encode()


def test_json_keeps_the_order_it_is_given() -> None:
    assert (
        json_text({"b": 1, "a": [{"d": 2, "c": 3}]})
        == '{\n  "b": 1,\n  "a": [\n    {\n      "d": 2,\n      "c": 3\n    }\n  ]\n}\n'
    )


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("json", '{\n  "a": [\n    1\n  ]\n}\n'),
        ("yaml", "a:\n  - 1\n"),
        ("jsonpath={.a[0]}", "1"),
        ("jsonpath=a", "[1]"),
    ],
)
def test_a_tree_is_shown_in_the_form_that_was_asked_for(output: str, text: str) -> None:
    stream = io.StringIO()
    invocation = Invocation({}, io.BytesIO(), stream, io.StringIO(), Flags(output=output))
    assert show_tree(Context(invocation, TREES), {"a": [1]})
    assert stream.getvalue() == text
