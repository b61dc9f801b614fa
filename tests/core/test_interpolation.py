"""`${VAR}` from the environment; references and dollars are left for the linker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.interpolation import Unresolved, interpolate, whole
from reconciler.core.references import fill

ENVIRONMENT = {"A": "a", "EMPTY": "", "DOLLAR": "x$y${db.host}$$", "_U1": "u", "BRACE": "{db.host}"}

GOOD = {
    "plain": "plain", "${A}": "a", "x${A}y${A}z": "xayaz", "${_U1}": "u", "${EMPTY}": "",
    "${NONE:-d}": "d", "${NONE-d}": "d", "${EMPTY:-d}": "d", "${EMPTY-d}": "", "${A:-d}": "a", "${NONE:-}": "",
    "${A:?no}": "a", "${A?no}": "a", "${EMPTY?no}": "", "${A:+alt}": "alt", "${EMPTY:+alt}": "", "${EMPTY+alt}": "alt",
    "${NONE:+alt}": "", "${NONE:-${A}}": "a", "${NONE:-${NONE:-deep}}": "deep", "${NONE:-${db.host}}": "${db.host}",
    "${NONE:-a b/c:d}": "a b/c:d", "${NONE:-{}": "{", "${db.addr}": "${db.addr}", "${ports.http}": "${ports.http}",
    "${my-db.ports.admin}": "${my-db.ports.admin}", "$$": "$$", "$${A}": "$${A}", "$$${A}": "$$a", "$A": "$A",
    "cost: $": "cost: $", "$ 5": "$ 5", "${DOLLAR}": "x$$y$${db.host}$$$$", "${NONE:-$$}": "$$", "${NONE:-$}": "$$",
    "${A}}": "a}",
}  # fmt: skip

BAD = {
    "${NONE}": "is not set", "${NONE:?ask ada}": "ask ada", "${EMPTY:?}": "is empty", "${": "closing brace",
    "${A": "closing brace", "${NONE:-${A}": "closing brace", "${}": "neither", "${ A}": "neither", "${1}": "neither",
    "${Db.host}": "neither", "${A.b}": "neither", "${A b}": "neither", "${A:=x}": "neither", "${É}": "neither",
    "${NONE:-" * 9 + "}" * 9: "nested deeper",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), GOOD.items())
def test_variables_are_put_in(text: str, expected: str) -> None:
    assert interpolate(text, ENVIRONMENT) == expected


@pytest.mark.parametrize(("text", "message"), BAD.items())
def test_what_gives_no_text_is_explained(text: str, message: str) -> None:
    with pytest.raises(Unresolved) as caught:
        interpolate(text, ENVIRONMENT)
    assert message in caught.value.message
    assert caught.value.hint
    assert caught.value.token in text or caught.value.token.endswith("...")


def test_bytes_that_are_no_text_are_not_put_in() -> None:
    with pytest.raises(Unresolved, match="not UTF-8"):
        interpolate("${RAW}", {"RAW": "\udcff"})


ALONE = {"${A}": True, "${A:-${B}}": True, "x${A}": False, "${A}${B}": False}


@pytest.mark.parametrize(("text", "alone"), ALONE.items())
def test_only_an_expression_alone_can_be_a_number(text: str, alone: bool) -> None:
    assert whole(text) is alone


TEXT = st.text(alphabet="$ {}A:-?db.h", max_size=14)


@given(value=TEXT, before=TEXT, after=TEXT)
def test_no_later_stage_reinterprets_what_a_variable_holds(value: str, before: str, after: str) -> None:
    """The value comes out as it went in: no reference in it is followed, no dollar of it is lost."""
    before, after = before.replace("$", ""), after.replace("$", "")
    text = interpolate(f"{before}${{A}}{after}", {"A": value})
    assert fill(text, lambda reference: f"<{reference}>") == before + value + after


def test_a_dollar_and_a_value_do_not_make_a_reference_together() -> None:
    text = interpolate("${NONE:-$}${BRACE}", ENVIRONMENT)
    assert fill(text, lambda _: "followed") == "${db.host}"


@given(TEXT)
def test_interpolating_twice_is_interpolating_once(text: str) -> None:
    environment = {"A": "x$y${db.h}", "B": "${A}"}
    try:
        once = interpolate(text, environment)
    except Unresolved:
        return
    assert interpolate(once, {}) == once
