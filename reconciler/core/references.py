"""`${db.addr}` and its kin: found, checked and filled in. `$$` is a dollar; a lone `$` stays as it is.

Upper-case names were the environment's and are gone by now; what is left are references to other services,
to one's own ports and to one's volumes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

from reconciler.kinds.base import camel

PATTERN = re.compile(r"\$\$|\$\{([^}]*)\}")
Path = tuple[str | int, ...]
Reference = tuple[str, ...]
Lookup = Callable[[Reference], str]
_WITHOUT_TEXT = frozenset({bool, int, float})


def fill(text: str, lookup: Lookup) -> str:
    """The text with every reference replaced by what `lookup` says of it, and `$$` by a dollar."""
    if "$" not in text:
        return text
    return PATTERN.sub(lambda found: "$" if found[1] is None else lookup(tuple(found[1].split("."))), text)


def literal(text: str) -> str:
    """A text that refers to nothing: only its doubled dollars mean something else."""
    return text.replace("$$", "$")


def references(text: str) -> Iterator[Reference]:
    if "$" in text:
        for found in PATTERN.finditer(text):
            if found[1] is not None:
                yield tuple(found[1].split("."))


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every string in a spec, with its place as the user would name it."""
    if value is None or value.__class__ in _WITHOUT_TEXT:  # most of a spec: a match would ask for each class in turn
        return
    match value:
        case str():
            yield path, value
        case Mapping():
            for name, item in value.items():
                yield from strings(item, (*path, name))
        case tuple() | list():
            for i, item in enumerate(value):
                yield from strings(item, (*path, i))
        case _:
            for name, said in _parts(value.__class__):
                yield from strings(getattr(value, name), (*path, said))


@cache
def _parts(of: type) -> tuple[tuple[str, str], ...]:
    """Of a spec's class the fields, and how the user names them; of another one there are none."""
    return tuple((f.name, camel(f.name)) for f in fields(of)) if is_dataclass(of) else ()


def fill_all(value: Any, lookup: Lookup) -> Any:
    """The same value, with every string in it filled. Shares what has nothing to fill."""
    return mapped(value, lambda text: fill(text, lookup))


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The same value, with every string in it changed. Shares what stays as it is."""
    if value is None or value.__class__ in _WITHOUT_TEXT:
        return value
    if isinstance(value, str):
        return change(value)
    if parts := _parts(value.__class__):  # before mappings, which are found out by asking class after class
        return _with_parts(value, parts, change)
    match value:
        case tuple():
            return tuple(mapped(item, change) for item in value)
        case Mapping():
            return {name: mapped(item, change) for name, item in value.items()}
        case _:
            return value


def _with_parts(value: Any, parts: tuple[tuple[str, str], ...], change: Callable[[str], str]) -> Any:
    changed = {}
    for name, _ in parts:
        old = getattr(value, name)
        new = mapped(old, change)
        if new is not old and new != old:
            changed[name] = new
    return replace(value, **changed) if changed else value
