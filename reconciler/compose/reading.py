"""The YAML of Compose files: nodes with places, by the rules of Compose's own reader and not by ours.

That reader is stricter than most in some ways (a key that stands twice, a key that is no string) and older in others:
merge keys are read, 010 is eight, a date is a date. `yes` and `no` are strings to it. What it makes of a scalar stands
here once, and everybody asks here.
"""

from __future__ import annotations

import math
import re
from dataclasses import field

from reconciler.core.scalar import LONGEST_NUMBER, Odd, Value, show
from reconciler.core.yaml12 import Builder, Entry, Listing, Loaded, Node, Scalar, Table, load
from reconciler.values import dataclass

RESET, OVERRIDE = "!reset", "!override"
MERGE = "<<"


@dataclass(slots=True)
class Read(Loaded):
    """`tags` by the identity of the node, which the documents keep alive."""

    tags: dict[int, str] = field(default_factory=dict)


def read(content: bytes) -> Read:
    """All documents of one file, merge keys followed."""
    builders: list[_Builder] = []

    def begin(loaded: Loaded) -> _Builder:
        builders.append(_Builder(loaded))
        return builders[-1]

    loaded = load(content, begin)
    return Read(loaded.documents, loaded.flaws, loaded.lines, builders[0].tags if builders else {})


class _Builder(Builder):
    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.tags: dict[int, str] = {}
        self._merges: dict[int, list[Table]] = {}

    def tagged(self, node: Node, tag: str) -> None:
        if tag in {RESET, OVERRIDE}:
            self.tags[id(node)] = tag
            if isinstance(node, Scalar):
                node.plain = True  # `!reset null` is nothing, and not the word
        elif tag not in _HARMLESS:
            hint = f"{RESET} and {OVERRIDE} are; leave this one out, or quote the text"
            self.flaw(node.line, node.column, f"the tag {tag} is not known to Compose", hint)

    def key_complaint(self, key: Node) -> tuple[str, str] | None:
        if not isinstance(key, Scalar):
            return "a key has to be a string", "quote it, if it begins with a bracket or a brace"
        meaning = meant(key)
        if isinstance(meaning, str):
            return None
        return f"the key {key.text[:60]} is {show(meaning)} to Compose, not a string", f'quote it: "{key.text[:60]}"'

    def enter(self, table: Table, key: Node, node: Node) -> None:
        if isinstance(key, Scalar) and key.plain and key.text == MERGE:
            self._merges.setdefault(id(table), []).extend(self._merged(node))
        else:
            super().enter(table, key, node)

    def closed(self, node: Listing | Table) -> None:
        """What a mapping says by itself wins over what it merges, wherever `<<` stands; the first of several wins."""
        for merged in self._merges.pop(id(node), []):
            assert isinstance(node, Table), "only mappings have keys"
            for key, entry in merged.entries.items():
                node.entries.setdefault(key, entry)

    def _merged(self, node: Node) -> list[Table]:
        nodes = node.items if isinstance(node, Listing) else [node]
        tables = [item for item in nodes if isinstance(item, Table)]
        if len(tables) < len(nodes):
            self.flaw(node.line, node.column, "<< merges mappings, and this is none", "name one with *alias")
        return tables


_HARMLESS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"}

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE, _FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?(0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ]\s*\d\d?:\d\d:\d\d(\.\d*)?\s*(Z|[-+]\d\d?(:?\d\d)?)?)?")


def meant(node: Scalar) -> Value | Odd:
    """What Compose's reader takes the scalar for."""
    text = node.text
    if not node.plain:
        return text
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    digits = text.replace("_", "")
    if _INT.fullmatch(digits):
        return _whole(digits)
    if _FLOAT.fullmatch(digits) or _SPECIAL.fullmatch(text):
        return float(digits.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if _DATE.fullmatch(text):
        return Odd(f"the date {text}")
    return text


def _whole(digits: str) -> int | float:
    if len(digits) > LONGEST_NUMBER:
        return math.inf
    sign = -1 if digits.startswith("-") else 1
    bare = digits.lstrip("+-").lower()
    old_octal = len(bare) > 1 and bare[0] == "0" and bare[1] in "01234567"
    return sign * int(bare, 8 if old_octal else 0)


def shown(value: Value) -> str:
    """A value as the text that Compose makes of it where a text is wanted: 1.0 becomes 1, and 010 becomes 8."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        case float() if value.is_integer() and abs(value) < 1e21:
            return str(int(value))
        case float():
            return _exponent(repr(value))
        case _:
            return str(value)


def _exponent(text: str) -> str:
    """1e-07, as it is written there too; Python leaves the plus out of none."""
    mantissa, e, power = text.partition("e")
    return f"{mantissa}e{power[0]}{power[1:]:0>2}" if e else mantissa


def moved(loaded: Read, lines: int) -> None:
    """Every node so many lines further down: several files lie one after another on a common sheet."""
    seen: set[int] = set()
    pending: list[Node] = list(loaded.documents) if lines else []
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        node.line, node.end = node.line + lines, node.end + lines
        match node:
            case Listing():
                pending += node.items
            case Table():
                pending += (entry.node for entry in node.entries.values())
                node.entries = {key: Entry(e.line + lines, e.column, e.node) for key, e in node.entries.items()}
