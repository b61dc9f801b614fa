"""One file over another, as Compose merges them: mappings key by key, lists one after the other, some by what they
are for, and a few replaced. Nothing is changed in place: nodes may be shared by anchors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.compose.nodes import listing
from reconciler.compose.reading import OVERRIDE, RESET, meant
from reconciler.core.shape import Path
from reconciler.core.yaml12 import Entry, Listing, Node, Scalar, Table

Tags = Mapping[int, str]

REPLACED = frozenset({"command", "entrypoint", "test"})
"""Lists that are one thing, and not many."""


def merged(below: Node, above: Node, tags: Tags, path: Path = ()) -> Node:
    """What the one above says, over what the one below says."""
    if tags.get(id(above)) == OVERRIDE:
        return without_resets(above, tags)
    match below, above:
        case Table(), Table() if not _other_driver(below, above, path):
            return _tables(below, above, tags, path)
        case Listing(), Listing() if not (path and path[-1] in REPLACED):
            return _listings(below, above, path)
        case ((Table() | Listing()), Scalar()) if meant(above) is None:
            return below
    return without_resets(above, tags)


def without_resets(node: Node, tags: Tags) -> Node:
    """What is reset is not there, where there is nothing to reset either."""
    match node:
        case Table():
            kept = {k: e for k, e in node.entries.items() if tags.get(id(e.node)) != RESET}
            cleaned = {k: Entry(e.line, e.column, without_resets(e.node, tags)) for k, e in kept.items()}
            return Table(node.line, node.column, cleaned, node.end)
        case Listing():
            return listing((without_resets(item, tags) for item in node.items), node)
    return node


def _tables(below: Table, above: Table, tags: Tags, path: Path) -> Table:
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        if tags.get(id(entry.node)) == RESET:
            entries.pop(key, None)
        elif key in entries:
            entries[key] = Entry(entry.line, entry.column, merged(entries[key].node, entry.node, tags, (*path, key)))
        else:
            entries[key] = Entry(entry.line, entry.column, without_resets(entry.node, tags))
    return Table(above.line, above.column, entries, above.end)


def _listings(below: Listing, above: Listing, path: Path) -> Listing:
    """Those of one purpose once, the later one in the place of the earlier one."""
    purpose = _PURPOSE.get(str(path[-1]) if path else "", _itself)
    found: dict[object, Node] = {}
    for item in (*below.items, *above.items):
        found[purpose(item)] = item
    return listing(found.values(), above)


def _itself(item: Node) -> object:
    return item.text if isinstance(item, Scalar) else id(item)


def _by(*keys: str) -> Callable[[Node], object]:
    """The first of the keys that is there says what it is for."""

    def purpose(item: Node) -> object:
        named = (item.get(key) for key in keys) if isinstance(item, Table) else ()
        return next((node.text for node in named if isinstance(node, Scalar)), None) or _itself(item)

    return purpose


_PURPOSE: Mapping[str, Callable[[Node], object]] = {
    "volumes": _by("target"),
    "configs": _by("target", "source"),
    "secrets": _by("target", "source"),
    "env_file": _by("path"),
}


def _other_driver(below: Table, above: Table, path: Path) -> bool:
    """Options of one driver of logs mean nothing to another."""
    drivers = [node.text for node in (below.get("driver"), above.get("driver")) if isinstance(node, Scalar)]
    return bool(path) and path[-1] == "logging" and len(set(drivers)) == 2
