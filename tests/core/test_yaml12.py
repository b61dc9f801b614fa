"""YAML 1.2, strictly: what comes out, where it stands, and what is refused."""

from __future__ import annotations

import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import yaml12
from reconciler.core.yaml12 import Listing, Scalar, Table, load, plain

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_every_node_and_every_key_has_its_place() -> None:
    (root,) = load(b"# head\na: 1\nbb:\n  - x\n  - {c: 'd'}\n").documents
    assert isinstance(root, Table)
    assert (root.line, root.column) == (2, 1)
    assert root.entries["a"][:2] == (2, 1)
    bb = root.entries["bb"]
    assert bb[:2] == (3, 1)
    assert isinstance(bb.node, Listing)
    first, second = bb.node.items
    assert (first.line, first.column) == (4, 5)
    assert isinstance(second, Table)
    assert second.entries["c"][:2] == (5, 6)
    assert (second.entries["c"].node.line, second.entries["c"].node.column) == (5, 9)


def test_quotes_make_a_string_of_anything() -> None:
    (root,) = load(b"[no, 'no', \"010\", |\n  no\n, 5]".replace(b"|\n  no\n", b'"no"')).documents
    assert plain(root) == ["no", "no", "010", "no", 5]


def test_empty_documents_are_left_out() -> None:
    assert load(b"").documents == load(b"# nothing\n").documents == load(b"---\n---\n...\n").documents == []
    assert len(load(b"---\na: b\n---\n---\nc: d\n").documents) == 2


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r"])
def test_any_line_break_counts_as_one(break_: str) -> None:
    loaded = load(f"a: 1{break_}b:{break_}  - no{break_}a: 2{break_}".encode())
    assert [(flaw.line, flaw.column) for flaw in loaded.flaws] == [(4, 1)]


def test_the_pure_loader_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"a: {b: [1, 'x', no], c: &c d}\ne: *c\nf: |\n  text\n  more\n---\n- x\n"
    fast = load(text)
    monkeypatch.delattr(yaml, "CBaseLoader", raising=False)
    slow = load(text)
    assert [plain(node) for node in fast.documents] == [plain(node) for node in slow.documents]
    assert [node.end for node in fast.documents] == [node.end for node in slow.documents]


FLAWS = {
    "duplicate": ("a: 1\nb: 2\na: 3\n", 3, "stands twice: in line 1"),
    "merge": ("a: &a {b: c}\nd: {<<: *a}\n", 2, "merge keys"),
    "tag": ("a: !secret b\n", 1, "tags"),
    "number as key": ("1: a\n", 1, "the key 1 is the number 1"),
    "no as key": ("no: a\n", 1, "the key no is false"),
    "empty key": ("{? : a}\n", 1, "a key is missing"),
    "list as key": ("? [a]\n: b\n", 1, "not a list"),
    "unknown alias": ("a: *b\n", 1, "nothing above has the anchor"),
    "alias of the document before": ("a: &b c\n---\na: *b\n", 3, "nothing above has the anchor"),
    "alias to itself": ("a: &a [*a]\n", 1, "inside of what it refers to"),
    "bomb": (BOMB, 5, "aliases expand"),
    "aliases": ("a: &a b\nc: [" + "*a, " * 101 + "]\n", 2, "more than 100 aliases"),
    "depth": ("[" * 65 + "]" * 65, 1, "nested deeper than 64"),
    "depth by alias": ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40, 2, "nested deeper"),
    "tab": ("a:\n\tb: c\n", 2, "a tab"),
    "bom": ("\ufeffa: b\n", 1, "byte order mark"),
    "NUL": ("a: b\nc: \0\n", 2, "a NUL byte"),
    "escape character": ("a: \x1b[31m\n", 1, "U+001B"),
    "next line": ("a: b\x85c\n", 1, "U+0085"),
    "version": ("%YAML 1.1\n---\na: b\n", 1, "not YAML 1.2"),
}


@pytest.mark.parametrize(("text", "line", "message"), FLAWS.values(), ids=FLAWS)
def test_F48_F49_what_can_not_be_accepted_is_a_flaw_with_a_place(text: str, line: int, message: str) -> None:
    (flaw,) = load(text.encode()).flaws
    assert message in flaw.message
    assert flaw.line == line
    assert flaw.hint


def test_F48_bytes_that_are_no_text_have_a_place() -> None:
    (flaw,) = load(b"a: b\nc: \xff\n").flaws
    assert (flaw.line, flaw.column) == (2, 4)
    assert load("a: b".encode("utf-16")).flaws[0].message == load("a: b".encode("utf-32")).flaws[0].message


def test_what_stands_before_a_mistake_is_read() -> None:
    loaded = load(b"a: b\n---\nc: [\n")
    assert [plain(node) for node in loaded.documents] == [{"a": "b"}]
    assert len(loaded.flaws) == 1


def test_letters_are_fine_as_keys() -> None:
    assert load(b"{x: 1, y: 2, n: 3, N: 4}").flaws == []


def test_aliases_repeat_what_they_name() -> None:
    (root,) = load(b"a: &a [1, {b: c}]\nd: *a\n").documents
    assert plain(root) == {"a": [1, {"b": "c"}], "d": [1, {"b": "c"}]}


HOSTILE = {
    "flow": b"[a," * 340_000,
    "deep": b"[" * 1_000_000,
    "deep maps": b"{a: " * 250_000,
    "dashes": b"- " * 500_000,
    "questions": b"? " * 500_000,
    "scalars": b"[" + b"a," * 500_000 + b"]",
    "keys": b"".join(b"k%d: 1\n" % i for i in range(80_000)),
    "anchors": b"".join(b"- &a%d x\n" % i for i in range(70_000)),
    "documents": b"--- a\n" * 170_000,
    "empty documents": b"---\n" * 250_000,
    "escapes": b'"' + b"\\x41" * 250_000 + b'"',
    "open quote": b'"' + b"a" * 1_000_000,
    "folded": b"a: >\n" + b" x\n" * 300_000,
    "comments": b"#\n" * 500_000,
    "colons": b"a:" * 500_000,
    "digits": b"a: " + b"9" * 1_000_000,
    "large": b"a" * 100_000_000,
    "bomb": BOMB.encode(),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_F47_F48_hostile_texts_end_in_time(content: bytes) -> None:
    start = time.process_time()
    load(content)
    assert time.process_time() - start < 2


@given(st.binary(max_size=300))
def test_F48_any_bytes_are_read_or_explained(content: bytes) -> None:
    loaded = load(content)
    assert all(flaw.line > 0 and flaw.column > 0 for flaw in loaded.flaws)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(alphabet="abc \n\"'\\:#-", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=2, max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_json_is_yaml(tree: object) -> None:
    loaded = load(json.dumps(tree).encode())
    assert loaded.flaws == []
    assert [plain(node) for node in loaded.documents] == [tree]


def test_F47_F48_a_limit_is_where_it_is_said_to_be() -> None:
    assert load(b"a: '" + b"x" * (yaml12.MAX_BYTES - 6) + b"'\n").flaws == []
    (flaw,) = load(b"a: '" + b"x" * (yaml12.MAX_BYTES - 4) + b"'\n").flaws
    assert "1,048,576" in flaw.message
    assert isinstance(load(b"[" * 64 + b"]" * 64).documents[0], Listing)
    assert isinstance(load(b"x").documents[0], Scalar)
