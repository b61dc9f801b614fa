"""What a plain YAML scalar means: by YAML 1.2's core schema, which we read, and by YAML 1.1, which others do.

Most surprises of YAML live in the difference: `no` is a text here and false there, `010` is ten here and eight
there, `22:22` is a text here and 1342 there. Who writes one of these meant one thing; the next reader of the
same file may see another. So the difference is told, never resolved by guessing.
"""

from __future__ import annotations

import math
import re

from reconciler.values import dataclass

Value = str | int | float | bool | None

LONGEST_NUMBER = 40
"""More digits than any field can hold; Python itself refuses to convert very long ones."""

_SUSPECTS = frozenset("0123456789+-.~=<tTfFnNyYoO")
"""No scalar that starts with anything else means anything but itself, in any version."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OLD_BOOLS = _BOOLS | {
    cased: meaning
    for word, meaning in {"y": True, "yes": True, "on": True, "n": False, "no": False, "off": False}.items()
    for cased in (word, word.capitalize(), word.upper())
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OLD_INT = re.compile(r"[-+]?(0b[01_]+|0[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*(:[0-5]?[0-9])*)")
_OLD_FLOAT = re.compile(
    r"[-+]?([0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?|[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*)"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?([Tt]|[ \t]+)\d\d?:\d\d:\d\d(\.\d*)?[ \t]*(Z|[-+]\d\d?(:\d\d)?)?")


@dataclass(frozen=True, slots=True)
class Odd:
    """A YAML 1.1 reading that no value of ours can hold: a date, or one of its special signs."""

    words: str


def resolve(text: str) -> Value:
    """The meaning of a plain scalar by YAML 1.2's core schema."""
    if not text or text[0] not in _SUSPECTS:
        return text or None
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text[0].isalpha():
        return text
    if _INT.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text):
        return _fraction(text)
    return text


def resolve_old(text: str) -> Value | Odd:
    """The meaning of a plain scalar to a reader of YAML 1.1."""
    if not text or text[0] not in _SUSPECTS:
        return text or None
    if text in _NULLS:
        return None
    if text in _OLD_BOOLS:
        return _OLD_BOOLS[text]
    if text[0].isalpha():
        return text
    if _OLD_INT.fullmatch(text):
        return _old_whole(text.replace("_", ""))
    if _OLD_FLOAT.fullmatch(text) or text.lower().lstrip("+-") in {".inf", ".nan"}:
        return _old_fraction(text.replace("_", ""))
    return _odd(text)


def ambiguous(text: str) -> bool:
    """Whether readers of YAML 1.1 and of 1.2 see different things in this plain scalar."""
    new, old = resolve(text), resolve_old(text)
    return type(new) is not type(old) or (new != old and new == new)  # noqa: PLR0124 -- NaN differs from itself


def show(value: Value | Odd) -> str:
    """A meaning as words: `false`, `the number 1342`, `nothing`, `the date 2026-11-20`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case Odd():
            return value.words
        case float() if not math.isfinite(value):
            return "not a number" if math.isnan(value) else "a number too large to tell"
        case float() if value.is_integer() and abs(value) < 1e15:
            return f"the number {int(value)}"
        case int() | float():
            return f"the number {value}"
        case _:
            return "a string"


def _whole(text: str) -> int | float:
    if len(text) > LONGEST_NUMBER:
        return float("inf")
    return int(text, 0) if text.startswith(("0x", "0o")) else int(text)


def _fraction(text: str) -> float:
    word = text.lower()
    return float(word.replace(".inf", "inf").replace(".nan", "nan"))


def _old_whole(text: str) -> int | float:
    if len(text) > LONGEST_NUMBER:
        return float("inf")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if ":" in digits:
        return sign * int(_sexagesimal(digits))
    if digits.startswith(("0x", "0b")):
        return sign * int(digits, 0) if len(digits) > 2 else 0
    return sign * int(digits, 8 if digits.startswith("0") else 10)


def _old_fraction(text: str) -> float:
    if ":" not in text:
        return _fraction(text)
    return (-1 if text.startswith("-") else 1) * _sexagesimal(text.lstrip("+-"))


def _sexagesimal(text: str) -> float:
    """Base 60, as YAML 1.1 reads 22:22: twenty-two times sixty and twenty-two."""
    total = 0.0
    for part in text.split(":")[:12]:
        total = total * 60 + float(part)
    return total


def _odd(text: str) -> str | Odd:
    if _DATE.fullmatch(text):
        return Odd(f"the date {text}")
    if text in {"=", "<<"}:
        return Odd("a special sign")
    return text
