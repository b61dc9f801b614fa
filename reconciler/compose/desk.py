"""Where a Compose file is worked on: what is wrong with it, what can't be carried, and what is left out with a note."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from reconciler.compose.fields import FIELDS, Harmless, Refused
from reconciler.compose.folio import Folio
from reconciler.compose.nodes import Spot
from reconciler.compose.reading import meant, shown
from reconciler.core.scalar import Odd, show
from reconciler.core.shape import Path
from reconciler.core.sheet import show_path, spot
from reconciler.core.wording import did_you_mean
from reconciler.core.yaml12 import Entry, Listing, Node, Scalar, Table
from reconciler.errors import Problem
from reconciler.values import dataclass


@dataclass(slots=True)
class Desk:
    """One project's. Whoever complains about a value goes on without it."""

    folio: Folio
    lenient: bool = False
    notes: list[Problem] = field(default_factory=list)
    """What is left out because nothing depends on it."""
    dropped: list[Problem] = field(default_factory=list)
    """What something depends on, and is left out because somebody asked for it."""

    def wrong(self, at: Spot, path: Path, message: str, hint: str = "") -> None:
        """The file says something that Compose would not take either."""
        self.folio.complain((at.line, at.column), show_path(path), message, hint)

    def cannot(self, at: Spot, path: Path, reason: str, hint: str = "") -> None:
        """The file is right, and we have no such thing."""
        place, shown = (at.line, at.column), show_path(path)
        if not self.lenient:
            self.folio.complain(place, shown, f"can't be carried: {reason}", hint)
        elif (problem := self.folio.problem(place, shown, reason, hint)) not in self.dropped:
            self.dropped.append(problem)

    def note(self, at: Spot, path: Path, message: str) -> None:
        problem = self.folio.problem((at.line, at.column), show_path(path), message)
        if problem not in self.notes:
            self.notes.append(problem)

    # -- mappings

    def fields(self, node: Node, thing: str, path: Path) -> dict[str, Entry]:
        """What a mapping has of the keys that are carried. The others are dealt with as the table says."""
        table = self.table(node, path)
        return {key: entry for key, entry in table.items() if self._carried(key, entry, thing, path)}

    def table(self, node: Node, path: Path) -> Mapping[str, Entry]:
        """Of nothing, nothing."""
        if isinstance(node, Table):
            return node.entries
        if not empty(node):
            self.unfit(node, path, "a mapping")
        return {}

    def items(self, node: Node, path: Path) -> list[tuple[Path, Node]]:
        """Of a list, or of one value that stands for a list of one."""
        match node:
            case Listing():
                return [((*path, i), item) for i, item in enumerate(node.items)]
            case Scalar() if not empty(node):
                return [(path, node)]
            case Table():
                self.unfit(node, path, "a list")
        return []

    def _carried(self, key: str, entry: Entry, thing: str, path: Path) -> bool:
        known = FIELDS[thing]
        if key.startswith("x-"):
            return False
        if key not in known:
            place = f"{thing or 'Compose file'}"
            self.wrong(entry, (*path, key), f"{key!r} is no key of a {place}", did_you_mean(key, known))
            return False
        match known[key]:
            case Harmless(reason, told):
                if told and not void(entry.node):
                    self.note(entry, (*path, key), f"left out: {reason}")
                return False
            case Refused(reason, hint, usual):
                if not void(entry.node, usual=usual):
                    self.cannot(entry, (*path, key), reason, hint)
                return False
        return True

    # -- scalars

    def text(self, node: Node, path: Path) -> str:
        """A string. A whole number may stand for one; what would come out otherwise than it is written may not."""
        value = meant(node) if isinstance(node, Scalar) else None
        if isinstance(node, Scalar) and (isinstance(value, str) or (type(value) is int and str(value) == node.text)):
            return node.text
        self.unfit(node, path, "a string")
        return ""

    def loosely(self, node: Node, path: Path) -> str | None:
        """What Compose makes a string of: any scalar. None for nothing."""
        if isinstance(node, Scalar):
            value = meant(node)
            if value is None:
                return None
            if not isinstance(value, Odd):
                return shown(value)
        self.unfit(node, path, "a string, a number or a truth")
        return ""

    def flag(self, node: Node, path: Path) -> bool:
        if isinstance(node, Scalar) and node.text.lower() in _FLAGS:
            return _FLAGS[node.text.lower()]
        if not empty(node):
            self.unfit(node, path, "true or false")
        return False

    def whole(self, node: Node, path: Path) -> int | None:
        value = self.number(node, path)
        if value is not None and not float(value).is_integer():
            self.unfit(node, path, "a whole number")
            return None
        return None if value is None else int(value)

    def number(self, node: Node, path: Path) -> float | None:
        """Also one in quotes. None for nothing, and for what was complained about."""
        if isinstance(node, Scalar):
            value = meant(node)
            if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
                value = float(value)
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18:
                return value
        if not empty(node):
            self.unfit(node, path, "a number")
        return None

    def seconds(self, node: Node, path: Path) -> float | None:
        """1m30s, as seconds."""
        if empty(node):
            return None
        text = self.loosely(node, path)
        if text and _DURATION.fullmatch(text.replace(" ", "")):
            parts = re.findall(r"([\d.]+)([a-zµ]+)", text.replace(" ", ""))
            return round(sum(float(number) * _UNITS[unit] for number, unit in parts), 6)
        if text == "0":
            return 0.0
        self.wrong(node, path, f"{text!r} is no duration" if text else "a duration is missing", "like 30s or 1m30s")
        return None

    def size(self, node: Node, path: Path) -> int | None:
        """512m, as bytes; every unit is a power of 1024 to the engine."""
        text = "" if empty(node) else self.loosely(node, path)
        if not text:
            return None
        found = _SIZE.fullmatch(text.strip().lower())
        if found is None:
            self.wrong(node, path, f"{text!r} is no size", "like 512m or 2gb")
            return None
        return int(float(found[1]) * 1024 ** " kmgtp".index(found[2] or " "))

    def unfit(self, node: Node, path: Path, expected: str) -> None:
        self.wrong(node, path, f"expected {expected}, found {_kind(node)}", _quoted(node, expected))


_FLAGS = {
    **dict.fromkeys(("true", "yes", "on", "y", "1"), True),
    **dict.fromkeys(("false", "no", "off", "n", "0"), False),
}
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)")
_DURATION = re.compile(r"(\d+(\.\d+)?(us|µs|ns|ms|s|m|h|d|w))+")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp])?(?:i?b)?")


def empty(node: Node) -> bool:
    """Whether there is nothing."""
    return isinstance(node, Scalar) and meant(node) is None


def void(node: Node, *, usual: bool = False) -> bool:
    """Whether it says no more than if it were not there."""
    match node:
        case Scalar():
            return meant(node) is None or meant(node) is usual or node.text == ""
        case Listing():
            return not node.items
        case Table():
            return all(key.startswith("x-") for key in node.entries)


def beside(entry: Entry) -> Spot:
    """Where to point for an entry: its value, if that is beside the key."""
    line, column = spot(entry)
    return Entry(line, column, entry.node)


def _kind(node: Node) -> str:
    match node:
        case Listing():
            return "a list"
        case Table():
            return "a mapping"
        case Scalar():
            value = meant(node)
            return show(value) if not isinstance(value, str) else f"{node.text[:40]!r}"


def _quoted(node: Node, expected: str) -> str:
    plain = isinstance(node, Scalar) and not isinstance(meant(node), str) and not empty(node)
    return f'quote it: "{node.text[:60]}"' if plain and isinstance(node, Scalar) and "string" in expected else ""
