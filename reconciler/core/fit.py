"""A YAML node made to fit a shape: variables put in, scalars of the type that is meant, all complaints at once.

What comes out goes to the validation library, which knows the limits. So each complaint has one owner: form and
type are told here, where the file's own text is at hand; ranges, choices and missing fields there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from reconciler.core import wording
from reconciler.core.interpolation import Unresolved, interpolate, whole
from reconciler.core.scalar import Value, resolve
from reconciler.core.shape import Anything, Either, Entries, Flag, Items, Number, Optional, Path, Record, Shape, Text
from reconciler.core.sheet import Sheet, show_path, spot
from reconciler.core.yaml12 import Entry, Listing, Node, Scalar, Table, plain
from reconciler.values import dataclass

GAP: Final = object()
"""In place of a value that was complained about."""

Place = tuple[int, int]


@dataclass(slots=True)
class Fit:
    sheet: Sheet
    root: str
    """What paths begin with: `spec` or `metadata`."""
    environment: Mapping[str, str] | None = None
    """None: nothing is put in, `${` is text."""
    literal: frozenset[str] = frozenset()
    """Fields of the root that are taken as they stand."""
    secret: frozenset[str] = frozenset()
    """Fields of the root whose values are never shown."""
    elsewhere: Iterable[tuple[str, str]] = ()
    complained: set[Path] = field(default_factory=set)

    def value(self, node: Node, shape: Shape, path: Path = (), place: Place | None = None) -> Any:
        """The value, or GAP. `place` is where to point for a value that stands on lines of its own."""
        match node, shape:
            case Table(), Record():
                return self._record(node, shape, path)
            case Table(), Entries(inner):
                return self._entries(node, inner, path)
            case Listing(), Items(item):
                return [self._item(child, item, (*path, i)) for i, child in enumerate(node.items)]
            case Scalar(), Text() | Number() | Flag():
                return self._scalar(node, shape, path)
            case _, Optional(inner):
                empty = isinstance(node, Scalar) and node.value is None
                return None if empty else self.value(node, inner, path, place)
            case _, Either(arms) if arm := self._arm(node, arms, path):
                return self.value(node, arm, path, place)
            case _, Anything():
                return self._anything(node, path)
        self.complain(
            path, place or (node.line, node.column), wording.unfit_node(node, shape, secret=self._is_secret(path))
        )
        return GAP

    def complain(self, path: Path, place: Place, complaint: wording.Complaint) -> None:
        self.complained.add(path)
        shown = f"{self.root}.{show_path(path)}" if path and not isinstance(path[0], int) else self.root
        self.sheet.complain(place, shown.replace(".[", "["), *complaint)

    def complained_above(self, path: Path) -> bool:
        return any(path[:length] in self.complained for length in range(len(path) + 1))

    def complained_below(self, path: Path) -> bool:
        """A list of which nothing could be read is not an empty one."""
        return any(known[: len(path)] == path for known in self.complained)

    def _record(self, node: Table, shape: Record, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, entry in node.entries.items():
            known = shape.fields.get(key)
            if known:
                value = self._entry(entry, known.shape, (*path, key))
                if value is not GAP:
                    values[key] = value
            elif not key.startswith("x-"):
                self.complained.add((*path, wording.meant(key, shape)))
                self.complain((*path, key), (entry.line, entry.column), wording.unknown(key, shape, self.elsewhere))
        return values

    def _entries(self, node: Table, shape: Shape, path: Path) -> dict[str, Any]:
        fitted = {key: self._entry(entry, shape, (*path, key)) for key, entry in node.entries.items()}
        return {key: value for key, value in fitted.items() if value is not GAP}

    def _entry(self, entry: Entry, shape: Shape, path: Path) -> Any:
        return self.value(entry.node, shape, path, spot(entry))

    def _item(self, node: Node, shape: Shape, path: Path) -> Any:
        """A gap in a list is kept as None, or the places of all that follow would shift."""
        value = self.value(node, shape, path)
        return None if value is GAP else value

    def _scalar(self, node: Scalar, shape: Text | Number | Flag, path: Path) -> Any:
        text = self._text(node, path)
        if text is None:
            return GAP
        if text is not node.text or self._expression(node, path):
            return self._substituted(node, text, shape, path)
        complaint = self._complaint(node, shape, path)
        if complaint:
            self.complain(path, (node.line, node.column), complaint)
            return GAP
        return text if isinstance(shape, Text) else node.value

    def _complaint(self, node: Scalar, shape: Text | Number | Flag, path: Path) -> wording.Complaint | None:
        match shape:
            case Text():
                return self._unfit_text(node, path) or _nul(node.text)
            case Number():
                return wording.unfit_number(node.text, node.value, shape, plain=node.plain)
            case Flag():
                return wording.unfit_flag(node.text, node.value, plain=node.plain)

    def _unfit_text(self, node: Scalar, path: Path) -> wording.Complaint | None:
        if not node.plain:
            return None
        field = str(path[0]) if self.root == "metadata" and len(path) == 1 else ""
        empty = wording.EMPTY_NAMES.get(field, wording.EMPTY)
        return wording.unfit_text(node.text, secret=self._is_secret(path), empty=empty)

    def _substituted(self, node: Scalar, text: str, shape: Text | Number | Flag, path: Path) -> Any:
        """What the environment gives is text; alone in its field, it may be the number or the truth that is meant.

        It is not shown when it does not fit: nobody knows what a variable holds.
        """
        if isinstance(shape, Text):
            return text
        meaning: Value = resolve(text) if whole(node.text) else text
        if _means(meaning, shape):
            return meaning
        hint = "look at the variable's value"
        if text == node.text:
            hint = "only a ${VARIABLE} of the environment can stand here, not a reference"
        self.complain(path, (node.line, node.column), wording.mismatch(shape, f"which {node.text} is not", hint))
        return GAP

    def _text(self, node: Scalar, path: Path) -> str | None:
        if self.environment is None or "${" not in node.text or (path and path[0] in self.literal):
            return node.text
        try:
            return interpolate(node.text, self.environment)
        except Unresolved as error:
            self.complain(path, self.sheet.token(node, error.token), (error.message, error.hint))
            return None

    def _expression(self, node: Scalar, path: Path) -> bool:
        return self.environment is not None and not (path and path[0] in self.literal) and whole(node.text)

    def _arm(self, node: Node, arms: tuple[Shape, ...], path: Path) -> Shape | None:
        """The arm of a union that the node's own form chooses."""
        wanted: type | tuple[type, ...] | None
        match node:
            case Table():
                wanted = (Record, Entries)
            case Listing():
                wanted = Items
            case Scalar():
                wanted = self._scalar_arm(node, path)
        return next((arm for arm in arms if wanted and isinstance(arm, wanted)), None)

    def _scalar_arm(self, node: Scalar, path: Path) -> type | None:
        meaning = resolve(self._quietly(node)) if self._expression(node, path) else node.value
        match meaning:
            case bool():
                return Flag
            case int() | float():
                return Number
            case None:
                return None
            case _:
                return Text

    def _quietly(self, node: Scalar) -> str:
        """The text after substitution; one that fails is complained about when its turn comes."""
        try:
            return interpolate(node.text, self.environment or {})
        except Unresolved:
            return node.text

    def _anything(self, node: Node, path: Path) -> Any:
        match node:
            case Scalar():
                text = self._text(node, path)
                return GAP if text is None else (node.value if text is node.text else text)
            case _:
                return plain(node)

    def _is_secret(self, path: Path) -> bool:
        return bool(path) and path[0] in self.secret


def _nul(text: str) -> wording.Complaint | None:
    return ("a string can't hold a NUL character", "remove the \\0") if "\0" in text else None


def _means(meaning: Value, shape: Number | Flag) -> bool:
    match shape, meaning:
        case Flag(), bool():
            return True
        case Number(), bool():
            return False
        case Number(whole=True), int():
            return True
        case Number(whole=False), int() | float():
            return math.isfinite(meaning)
        case _:
            return False
