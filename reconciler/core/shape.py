"""What may stand where in a document: the spec dataclasses, read as shapes of YAML.

Validation is the library's. This is what it can't know: what a scalar is *meant* to be before it is converted,
and where else in the document a misplaced field would belong.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from reconciler.kinds.base import camel
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    whole: bool


@dataclass(frozen=True, slots=True)
class Flag:
    pass


@dataclass(frozen=True, slots=True)
class Anything:
    pass


@dataclass(frozen=True, slots=True)
class Items:
    item: Shape


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping whose keys the user chooses."""

    value: Shape


@dataclass(frozen=True, slots=True)
class Either:
    arms: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Optional:
    shape: Shape


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    """As in YAML."""
    shape: Shape
    required: bool


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    type: type
    fields: Mapping[str, Field]


Shape = Text | Number | Flag | Anything | Items | Entries | Either | Optional | Record
Path = tuple[str | int, ...]


@cache
def record(cls: type[Any]) -> Record:
    """The shape of a spec dataclass."""
    hints = get_type_hints(cls, include_extras=True)
    entries = [Field(camel(f.name), _shape(hints[f.name]), _required(f)) for f in fields(cls)]
    return Record(cls, {entry.name: entry for entry in entries})


def step(shape: Shape, segment: str | int) -> Shape | None:
    """The shape one step further down, whichever arm of a union leads there."""
    match shape:
        case Record():
            entry = shape.fields.get(str(segment))
            return entry.shape if entry else None
        case Items(item):
            return item
        case Entries(value):
            return value
        case Optional(inner):
            return step(inner, segment)
        case Either(arms):
            return next((found for arm in arms if (found := step(arm, segment))), None)
        case _:
            return None


def at(shape: Shape, path: Path) -> Shape | None:
    found: Shape | None = shape
    for segment in path:
        found = step(found, segment) if found else None
    return found


def bare(shape: Shape | None) -> Shape | None:
    """Without the Optional around it."""
    return shape.shape if isinstance(shape, Optional) else shape


def places(shape: Shape, path: str = "spec") -> Iterator[tuple[str, str]]:
    """Every field at any depth: its name and the path of the record that has it."""
    match shape:
        case Record():
            for name, entry in shape.fields.items():
                yield name, path
                yield from places(entry.shape, f"{path}.{name}")
        case Items(item):
            yield from places(item, f"{path}[]")
        case Entries(value):
            yield from places(value, f"{path}.*")
        case Optional(inner):
            yield from places(inner, path)
        case Either(arms):
            for arm in arms:
                yield from places(arm, path)


def describe(shape: Shape) -> str:
    """What is expected, in words."""
    match shape:
        case Text(choices) if choices:
            return "one of " + ", ".join(choices) if len(choices) > 1 else choices[0]
        case Number(whole):
            return "a whole number" if whole else "a number"
        case Items(item):
            return f"a list of {_plural(item)}"
        case Entries(value):
            return f"a mapping of names to {_plural(value)}"
        case Either(arms):
            return " or ".join(dict.fromkeys(_PLAIN if _any_plain(arms, arm) else describe(arm) for arm in arms))
        case Optional(inner):
            return describe(inner)
        case Text() | Flag() | Record() | Anything():
            return _NAMES[type(shape)]


_NAMES = {Text: "a string", Flag: "true or false", Record: "a mapping", Anything: "a value"}


def _any_plain(arms: tuple[Shape, ...], arm: Shape) -> bool:
    """Whether it is one of several that together take whatever stands in one word."""
    return isinstance(arm, Text | Number | Flag) and {Text, Number, Flag} <= {type(one) for one in arms}


_PLAIN = "a plain value"


def _plural(shape: Shape) -> str:
    match shape:
        case Either(arms):
            return " or ".join(dict.fromkeys("plain values" if _any_plain(arms, arm) else _plural(arm) for arm in arms))
        case Text():
            return "strings"
        case Items() | Entries():
            return describe(shape).replace("a list", "lists").replace("a mapping", "mappings")
        case Anything():
            return "values"
        case _:
            return describe(shape).removeprefix("a ") + "s"


def _required(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _shape(hint: Any) -> Shape:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _shape(arguments[0])
    if origin is Literal:
        return Text(tuple(arguments))
    if origin in {Union, types.UnionType}:
        return _union([arm for arm in arguments if arm is not type(None)], optional=type(None) in arguments)
    if origin in {tuple, list}:
        return Items(_shape(arguments[0]))
    if origin is dict:
        return Entries(_shape(arguments[1]))
    if isinstance(hint, type) and is_dataclass(hint):
        return record(hint)
    return _SIMPLE.get(hint, Anything())


def _union(arms: list[Any], *, optional: bool) -> Shape:
    shapes = tuple(_shape(arm) for arm in arms)
    shape: Shape = shapes[0] if len(shapes) == 1 else Either(shapes)
    return Optional(shape) if optional else shape


_SIMPLE: dict[Any, Shape] = {str: Text(), bool: Flag(), int: Number(whole=True), float: Number(whole=False)}
