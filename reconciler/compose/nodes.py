"""Nodes that we make: each stands where that stands of which it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from reconciler.core.yaml12 import Entry, Listing, Node, Scalar, Table


class Spot(Protocol):
    """Anything with a place: a node, or a key with its value."""

    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...


def said(text: str, at: Spot) -> Scalar:
    """A string, exactly this one."""
    return Scalar(at.line, at.column, text, plain=False, end=at.line)


def literal(text: str, at: Spot) -> Scalar:
    """A string for a spec, in which no dollar means anything."""
    return said(text.replace("$", "$$"), at)


def plainly(value: float | bool, at: Spot) -> Scalar:
    """A number or a truth."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = str(int(value)) if float(value).is_integer() else repr(value)
    return Scalar(at.line, at.column, text, plain=True, end=at.line)


def nothing(at: Spot) -> Scalar:
    return Scalar(at.line, at.column, "null", plain=True, end=at.line)


def listing(items: Iterable[Node], at: Spot) -> Listing:
    return Listing(at.line, at.column, list(items), at.line)


def table(entries: Mapping[str, Node], at: Spot) -> Table:
    """Keys stand where their values stand."""
    return Table(at.line, at.column, {key: Entry(n.line, n.column, n) for key, n in entries.items()}, at.line)
