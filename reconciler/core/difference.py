"""What differs between two trees, leaf by leaf: how `diff` shows a change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.unparse import unparse
from reconciler.model.resource import Resource
from reconciler.values import dataclass


class Missing:
    """Stands for a side that has no such field."""

    def __repr__(self) -> str:
        return "(none)"


MISSING = Missing()


@dataclass(frozen=True, slots=True)
class Difference:
    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


def redeclared(before: Resource, after: Resource) -> Iterator[Difference]:
    """Between two documents of one thing. What one of them leaves to its default is told where the other says it."""
    old, new = unparse(before), unparse(after)
    for tree in (old, new):
        tree["metadata"].pop("generation")
    old_whole, new_whole = unparse(before, filled=True), unparse(after, filled=True)
    yield from differences(_spelled_out(old, new, old_whole), _spelled_out(new, old, new_whole))


def _spelled_out(tree: Any, other: Any, whole: Any) -> Any:
    """`tree`, and of the defaults, which `whole` has too, those in whose place `other` says something."""
    if isinstance(whole, dict) and isinstance(other, dict):
        said = tree or {}
        both = whole.keys() & other.keys()
        return {**said, **{name: _spelled_out(said.get(name), other[name], whole[name]) for name in both}}
    named = _named(tree), _named(other), _named(whole)
    if None not in named:
        return list(_spelled_out(*named).values())
    return whole if tree is None else tree


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Lists of named things are compared by name, other lists whole: an argument list is one value."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            inner = f"{path}.{name}" if path else str(name)
            yield from differences(before.get(name, MISSING), after.get(name, MISSING), inner)
        return
    named = _named(before), _named(after)
    if named[0] is not None and named[1] is not None:
        yield from differences(named[0], named[1], path)
        return
    yield Difference(path, before, after)


def _named(value: Any) -> dict[str, Any] | None:
    """[{name: a, …}] as {a: {…}}."""
    if not isinstance(value, list) or not all(isinstance(item, dict) and "name" in item for item in value):
        return None
    return {str(item["name"]): item for item in value}


def _shown(value: Any) -> str:
    if value is MISSING:
        return "(none)"
    if isinstance(value, str) and value.startswith("sealed:"):
        return "*** (secret)"
    text = repr(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= 200 else text[:197] + "..."
