"""The sheets of several files as one: lines are numbered through, and told by the file that they stand in."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field, replace

from reconciler.compose.reading import Read, moved
from reconciler.core.sheet import Sheet, clean
from reconciler.errors import Problem
from reconciler.model.resource import Origin
from reconciler.values import dataclass


@dataclass(slots=True)
class Folio(Sheet):
    """Nodes of every file that was bound in carry lines of the whole."""

    names: list[str] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    """So many lines lie before the file of that name."""

    def bind(self, name: str, read: Read) -> None:
        """Takes a file in, and moves its nodes to where it lies."""
        before = len(self.lines)
        self.names.append(name)
        self.firsts.append(before)
        self.lines += read.lines or [""]
        moved(read, before)
        for flaw in read.flaws:
            self.complain((flaw.line + before, flaw.column), "", flaw.message, flaw.hint)

    def problem(self, place: tuple[int, int], path: str, message: str, hint: str = "") -> Problem:
        found = Sheet.problem(self, place, path, message, hint)
        name, line = self.where(place[0])
        return replace(found, file=clean(name), line=line)

    def origin(self, line: int, column: int) -> Origin:
        name, own = self.where(line)
        return Origin(name, own, column)

    def where(self, line: int) -> tuple[str, int]:
        """Which file, and which line of it."""
        if not self.names:
            return self.name, line
        i = max(bisect_right(self.firsts, line - 1) - 1, 0)
        return self.names[i], line - self.firsts[i]
