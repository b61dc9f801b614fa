"""H18, H19: `${db.addr}` and its kin, found and filled in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.references import fill, fill_all, literal, references, strings
from reconciler.kinds.service import Container, Port, Process, ServiceSpec


def named(reference: tuple[str, ...]) -> str:
    return "<" + "/".join(reference) + ">"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("${db.addr}", "<db/addr>"),
        ("a ${db.ports.admin} b ${ports.http}", "a <db/ports/admin> b <ports/http>"),
        ("$$", "$"),
        ("$${db.addr}", "${db.addr}"),
        ("$$${db.addr}", "$<db/addr>"),
        ("costs 5$", "costs 5$"),
        ("$HOME", "$HOME"),
        ("", ""),
    ],
)
def test_H19_references_are_filled_in(text: str, filled: str) -> None:
    assert fill(text, named) == filled


def test_what_is_filled_in_is_not_read_again() -> None:
    assert fill("${a.host}", lambda _: "${b.host} $$") == "${b.host} $$"


def test_H19_references_are_found() -> None:
    assert list(references("${a.b} $${c.d} ${e.f.g}")) == [("a", "b"), ("e", "f", "g")]


@given(st.text())
def test_a_text_whose_dollars_are_doubled_is_left_as_it_was(text: str) -> None:
    doubled = text.replace("$", "$$")
    assert fill(doubled, named) == literal(doubled) == text


def test_every_string_of_a_spec_is_found_with_its_place() -> None:
    spec = ServiceSpec(process=Process(command=("run", "${a.host}"), working_dir="/w"), env={"X": "y"})
    places = dict(strings(spec))
    assert places["process", "command", 1] == "${a.host}"
    assert places["process", "workingDir"] == "/w"
    assert places["env", "X"] == "y"


def test_every_string_of_a_spec_is_filled_and_the_rest_shared() -> None:
    spec = ServiceSpec(
        container=Container(image="${a.host}/x", command=("run", "${ports.http}")),
        env={"X": "${b.addr}"},
        ports=(Port(name="http", port=80),),
    )
    filled = fill_all(spec, named)
    assert filled.container.image == "<a/host>/x"
    assert filled.container.command == ("run", "<ports/http>")
    assert filled.env == {"X": "<b/addr>"}
    assert filled.restart is spec.restart


def test_a_spec_with_nothing_to_fill_is_the_same_spec() -> None:
    spec = ServiceSpec(process=Process(command=("run",)))
    assert fill_all(spec, named) is spec
