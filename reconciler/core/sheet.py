"""One file's text as the background of complaints: places, excerpts, and what of it may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field

from reconciler.core.shape import Path
from reconciler.core.yaml12 import Entry, Flaw, Listing, Node, Scalar, Table
from reconciler.errors import Problem
from reconciler.model.resource import Origin
from reconciler.values import dataclass

WIDEST = 160
MOST = 100
"""Problems of one file that are told. Nobody reads more, and a hostile file has a hundred thousand."""

_TRICKY = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control, zero-width and direction characters: an excerpt shows what is there, it doesn't act it out."""

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Flooded(Exception):
    """So many problems that the rest of the file is not worth a look."""


@dataclass(slots=True)
class Sheet:
    name: str
    lines: list[str]
    hidden: list[tuple[int, int]] = field(default_factory=list)
    """First and last lines that hold secrets: they are never quoted."""
    problems: list[Problem] = field(default_factory=list)

    def complain(self, place: tuple[int, int], path: str, message: str, hint: str = "") -> None:
        self.problems.append(self.problem(place, path, message, hint))
        if len(self.problems) >= MOST:
            raise Flooded

    def problem(self, place: tuple[int, int], path: str, message: str, hint: str = "") -> Problem:
        line, column = place
        excerpt = self._excerpt(line, column)
        return Problem(clean(self.name), line, column, clean(path), clean(_cut(message)), clean(_cut(hint)), excerpt)

    def origin(self, line: int, column: int) -> Origin:
        return Origin(self.name, line, column)

    def give_up(self) -> None:
        """Says that there is more, at the end of what is said."""
        line = max(problem.line for problem in self.problems)
        message = f"there are more problems; these are the first {MOST} of this file"
        self.problems.append(Problem(clean(self.name), line, 10**6, "", message, "mend these, then look again"))

    def flaws(self, flaws: Iterable[Flaw]) -> None:
        for flaw in flaws:
            self.complain((flaw.line, flaw.column), "", flaw.message, flaw.hint)

    def hide(self, first: int, last: int) -> None:
        self.hidden.append((first, last))

    def token(self, node: Scalar, token: str) -> tuple[int, int]:
        """Where a part of a scalar stands; the scalar's start, where it is folded or escaped away."""
        start = node.column - 1
        for number in range(node.line, min(node.end, len(self.lines)) + 1):
            found = self.lines[number - 1].find(token.split("\n", maxsplit=1)[0], start)
            if found >= 0:
                return number, found + 1
            start = 0
        return node.line, node.column

    def _excerpt(self, line: int, column: int) -> str:
        if not 0 < line <= len(self.lines) or any(first <= line <= last for first, last in self.hidden):
            return ""
        text = self.lines[line - 1]
        if not text.strip() or column > WIDEST:
            return ""
        return _TRICKY.sub(" ", text if len(text) <= WIDEST else text[: WIDEST - 3] + "...").rstrip()


def clean(text: str) -> str:
    """A message without characters that act on a terminal."""
    return _TRICKY.sub("?", text)


def _cut(text: str, most: int = 300) -> str:
    """Who quotes a value of a megabyte keeps his beginning and his end."""
    return text if len(text) <= most else f"{text[: most - 100]} ... {text[-90:]}"


def show_path(path: Path) -> str:
    """`ports[0].hostPort`, and keys that would mislead in quotes."""
    parts: list[str] = []
    for segment in path:
        match segment:
            case int():
                parts.append(f"[{segment}]")
            case str() if len(segment) <= 60 and _SIMPLE.fullmatch(segment):
                parts.append(f".{segment}")
            case _:
                parts.append(f"[{segment if len(segment) <= 60 else segment[:57] + '...'!a}]")
    return "".join(parts).removeprefix(".")


def locate(node: Node, path: Path, *, key: bool = False) -> tuple[int, int]:
    """The place of what a path leads to, or of its nearest parent that exists.

    A value on a line of its own below is pointed at by its key, and so is anything when `key` says so.
    """
    place = (node.line, node.column)
    for depth, segment in enumerate(path):
        match node, segment:
            case Table(), str() if segment in node.entries:
                entry = node.entries[segment]
                place = spot(entry, key=key and depth == len(path) - 1)
                node = entry.node
            case Listing(), int() if segment < len(node.items):
                node = node.items[segment]
                place = (node.line, node.column)
            case _:
                break
    return place


def spot(entry: Entry, *, key: bool = False) -> tuple[int, int]:
    """Where to point for an entry: its value, if that is beside the key."""
    node = entry.node
    beside = isinstance(node, Scalar) and node.line == entry.line and node.column > entry.column
    return (node.line, node.column) if beside and not key else (entry.line, entry.column)
