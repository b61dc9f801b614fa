"""Plain scalars: what YAML 1.2 reads, what YAML 1.1 would, and what is said where they differ."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.scalar import Odd, ambiguous, resolve, resolve_old, show
from reconciler.core.wording import unfit_text

AGREED = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "0": 0, "1": 1, "-1": -1, "+7": 7, "8080": 8080, "0x10": 16, "0xff": 255,
    "0.5": 0.5, ".5": 0.5, "1.10": 1.1, "3.": 3.0, "-2.5": -2.5, "1.5e+3": 1500.0,
    ".inf": math.inf, "-.inf": -math.inf, ".Inf": math.inf,
    "nginx:1.27": "nginx:1.27", "a": "a", "none": "none", "None": "None", "hello world": "hello world",
    "8080-8099": "8080-8099", "127.0.0.1": "127.0.0.1", "1.2.3": "1.2.3", "-v": "-v", "--flag": "--flag",
    "12a": "12a", "1:99": "1:99", "tRue": "tRue", "yEs": "yEs", "0xg": "0xg", "2026-1": "2026-1", "256Mi": "256Mi",
    "1000:1000": "1000:1000", "./a": "./a", "...": "...", "+": "+", "-": "-", "e3": "e3",
}  # fmt: skip
"""Scalars that mean the same to everybody."""

DISPUTED = {
    "no": ("no", False), "No": ("No", False), "NO": ("NO", False), "yes": ("yes", True), "on": ("on", True),
    "On": ("On", True), "off": ("off", False), "OFF": ("OFF", False), "y": ("y", True), "N": ("N", False),
    "010": (10, 8), "-010": (-10, -8), "00": (0, 0), "0080": (80, "0080"), "0o17": (15, "0o17"), "0b11": ("0b11", 3),
    "1_000": ("1_000", 1000), "0x_1": ("0x_1", 1), "22:22": ("22:22", 1342), "-1:30": ("-1:30", -90),
    "1:30:00": ("1:30:00", 5400), "20:30.15": ("20:30.15", 1230.15), "1e3": (1000.0, "1e3"), "1E3": (1000.0, "1E3"),
    "1.5e3": (1500.0, "1.5e3"), "12e-1": (1.2, "12e-1"),
    "2026-11-20": ("2026-11-20", Odd("the date 2026-11-20")),
    "2026-11-20 10:00:00": ("2026-11-20 10:00:00", Odd("the date 2026-11-20 10:00:00")),
    "=": ("=", Odd("a special sign")), "<<": ("<<", Odd("a special sign")),
}  # fmt: skip
"""Scalars that YAML 1.2 and YAML 1.1 read differently."""


@pytest.mark.parametrize(("text", "meaning"), AGREED.items())
def test_F49_a_plain_scalar_has_one_meaning(text: str, meaning: object) -> None:
    assert resolve(text) == resolve_old(text) == meaning
    assert type(resolve(text)) is type(meaning)
    assert not ambiguous(text)


@pytest.mark.parametrize(("text", "meanings"), DISPUTED.items())
def test_F49_a_disputed_scalar_has_two_meanings(text: str, meanings: tuple[object, object]) -> None:
    assert (resolve(text), resolve_old(text)) == meanings
    assert ambiguous(text) == (text != "00")


@pytest.mark.parametrize("text", [text for text in (*AGREED, *DISPUTED) if not isinstance(AGREED.get(text), str)])
def test_F49_what_may_be_misread_is_no_string_unless_quoted(text: str) -> None:
    assert unfit_text(text) is not None


@pytest.mark.parametrize("text", [text for text, meaning in AGREED.items() if isinstance(meaning, str)])
def test_what_everybody_reads_as_a_string_is_one(text: str) -> None:
    assert unfit_text(text) is None


@given(st.text(alphabet="0123456789abefnoxyNYtrueTRUElsOF+-.:_eE~=< \t", max_size=12))
def test_the_old_reading_is_that_of_a_reader_of_yaml_1_1(text: str) -> None:
    """A real reader of YAML 1.1 is asked. Only `y` and `n` are ours alone: it forgot them, others did not."""
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False)).rpartition(":")[2]
    kinds = {"bool": bool, "int": int, "float": float, "null": type(None), "str": str}
    expected = bool if text in {"y", "Y", "n", "N"} else kinds.get(tag, Odd)
    found = type(resolve_old(text))
    assert found is expected or (expected is int and found is float), tag  # a number too long to convert


@given(st.text(max_size=30))
def test_any_text_has_a_meaning_that_can_be_shown(text: str) -> None:
    assert show(resolve(text))
    assert show(resolve_old(text))


def test_a_number_of_any_length_is_harmless() -> None:
    for text in ("9" * 100_000, "0x" + "f" * 100_000, "1:" * 50_000 + "1", "0" * 100_000):
        assert show(resolve(text))
        assert show(resolve_old(text))
