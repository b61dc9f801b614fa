"""Any bytes at all: resources, or a SpecError with places, and never anything else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import shape
from reconciler.core.parse import Text, parse
from reconciler.core.unparse import to_yaml, unparse
from reconciler.errors import SpecError
from reconciler.kinds import KINDS

GOLDEN = Path(__file__).parents[1] / "golden" / "specs"
SEEDS = [path.read_bytes() for path in sorted(GOLDEN.glob("*.yaml")) if path.stat().st_size < 4000]
FIELDS = sorted({name for kind in KINDS.values() for name, _ in shape.places(shape.record(kind.spec))})
ENVIRONMENT = {"A": "a$b", "N": "5", "RAW": "\udcff", "LONG": "1" * 5000}

SCALARS = st.sampled_from(
    [
        "",
        "~",
        "no",
        "yes",
        "010",
        "0x10",
        "0o17",
        "22:22",
        "1e3",
        ".inf",
        ".nan",
        "1_0",
        "2026-11-20",
        "=",
        "<<",
        "-1",
        "0",
        "5",
        "70000",
        "9" * 50,
        "1" * 5000,
        "1e999",
        "true",
        "auto",
        "80-90",
        "1" * 5000 + "-2",
        "${A}",
        "${N}",
        "${RAW}",
        "${LONG}",
        "${",
        "${}",
        "${a.b}",
        "$$",
        "$",
        "'a'",
        '"\\0"',
        '"\\ud800"',
        '"\\e[0m"',
        "*x",
        "&x",
        "!t",
        "a: b",
        "(",
        "a{99999999999}",
        "[[a]",
        "(" * 300,
        "~/x",
        "../..",
        "/",
        "db",
        "http",
        "TERM",
        "256Mi",
        "1e9999Mi",
        "10.0.0.0/24",
        "reconciler/v1",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from([*FIELDS, "x-a", "A", "no", "1"]), inner, max_size=3).map(
            lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
        )
    ),
    max_leaves=8,
)


@given(st.binary(max_size=400))
def test_F48_any_bytes(content: bytes) -> None:
    check(content)


@given(st.text(max_size=400))
def test_any_text(content: str) -> None:
    check(content.encode(errors="replace"))


@given(st.sampled_from(SEEDS), st.data())
def test_specs_with_a_piece_replaced(seed: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 20)))
    piece = data.draw(
        st.binary(max_size=6) | SCALARS.map(str.encode) | st.sampled_from([b"\n", b"  ", b"- ", b": ", b"\t"])
    )
    check(seed[:start] + piece + seed[end:])


@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6))
def test_documents_with_any_values(kind: str, fields: dict[str, str]) -> None:
    spec = "".join(f"  {name}: {value}\n" for name, value in fields.items())
    check(f"apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n{spec}".encode())


@given(
    st.dictionaries(
        st.sampled_from(["name", "namespace", "labels", "annotations", "generation", "x-a"]), VALUES, max_size=5
    )
)
def test_metadata_with_any_values(fields: dict[str, str]) -> None:
    metadata = "".join(f"  {name}: {value}\n" for name, value in fields.items())
    check(f"apiVersion: reconciler/v1\nkind: Volume\nmetadata:\n{metadata}".encode())


def check(content: bytes) -> None:
    try:
        documents = parse([Text("a.yaml", content, "/srv")], environment=ENVIRONMENT)
    except SpecError as error:
        problems, documents = error.problems, []
    else:
        problems = ()
    assert problems or all(to_yaml(unparse(document.resource)) for document in documents)
    for problem in problems:
        assert min(problem.line, problem.column) > 0, problem
        assert problem.message
        assert len(str(problem)) < 1500
        assert not _CONTROL & set(str(problem))


_CONTROL = {chr(code) for code in (*range(32), *range(0x7F, 0xA0))} - {"\n"}
