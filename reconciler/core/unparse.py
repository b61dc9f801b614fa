"""A resource as the document that would declare it, in the fields' order, with its defaults or without."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from reconciler.core.envelope import API_VERSION
from reconciler.core.scalar import resolve, resolve_old
from reconciler.kinds import find
from reconciler.kinds.base import camel
from reconciler.kinds.campaign import CampaignSpec
from reconciler.kinds.secret import MASK, SecretSpec
from reconciler.model.resource import Resource

if TYPE_CHECKING:
    import yaml

NOTHING: tuple[Any, ...] = (None, "", [], {})
LONGEST_WORD = 100
"""Longer names are written in another way by the library."""


def unparse(resource: Resource, *, reveal: bool = False, filled: bool = False) -> dict[str, Any]:
    """The document's tree, with the defaults that count if it is to be `filled`. A Secret's values are masked unless
    `reveal` asks for them, which only the store may.
    """
    key = resource.key
    kind = find(key.kind)
    assert kind is not None, "a resource has a kind"
    spec = spec_tree(resource.spec, filled=filled)
    if isinstance(resource.spec, SecretSpec) and not reveal and "data" in spec:
        spec["data"] = dict.fromkeys(spec["data"], MASK)
    metadata = {"name": key.name, "namespace": key.namespace, "generation": resource.generation}
    notes = {"labels": dict(resource.labels), "annotations": dict(resource.annotations)}
    metadata |= {name: texts for name, texts in notes.items() if texts}
    return {"apiVersion": API_VERSION, "kind": kind.name, "metadata": metadata, "spec": spec}


def spec_tree(value: Any, *, filled: bool = False) -> Any:
    """Plain data of a spec. Fields that have their default are left out; with `filled`, only those of which that is
    nothing.
    """
    match value:
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {camel(name): tree for name, tree in _fields(value, filled=filled)}
        case Mapping():
            return {str(name): spec_tree(item, filled=filled) for name, item in value.items()}
        case tuple() | list():
            return [spec_tree(item, filled=filled) for item in value]
        case float() if value.is_integer() and abs(value) < 1e15:
            return int(value)
        case _:
            return value


def _fields(value: Any, *, filled: bool) -> Iterator[tuple[str, Any]]:
    for one in fields(value):
        item = getattr(value, one.name)
        if (usual := item == _default(one)) and not filled:
            continue
        written = isinstance(value, CampaignSpec) and one.name in ("runs", "matrix")
        tree = _parameters(one.name, item) if written else spec_tree(item, filled=filled)
        if not (usual and tree in NOTHING):
            yield one.name, tree


def _parameters(name: str, item: Any) -> Any:
    """As written: a parameter 1.0 is not 1, for it is put into command lines."""
    if name == "runs":
        return [dict(params) for params in item]
    return {axis: list(values) for axis, values in item.items()}


def to_yaml(tree: Any) -> str:
    """Block style for people: texts of several lines as they are, and quotes where any reader would go wrong."""
    with suppress(_Intricate):
        return "".join(f"{line}\n" for line in _lines(tree))
    return by_the_library(tree)


def by_the_library(tree: Any) -> str:
    """Whatever there is."""
    import yaml  # noqa: PLC0415 -- only those who write YAML pay for it

    text = yaml.dump(tree, Dumper=_dumper(), sort_keys=False, allow_unicode=True, default_flow_style=False, width=10**9)
    return str(text)


class _Intricate(Exception):
    """Something that is not written down in a word, and so is the library's business."""


def _lines(tree: Any) -> Iterator[str]:
    """The same as the library's lines, for what nearly all documents are made of: its emitter, which knows all the
    rules, takes ten times as long, and a hundred documents are kept at once.
    """
    match tree:
        case dict() if tree:
            for name, value in tree.items():
                yield from _entry(_word(name), value)
        case list() if tree:
            for item in tree:
                first, *rest = _lines(item) if isinstance(item, dict | list) and item else (_word(item),)
                yield f"- {first}"
                yield from (f"  {line}" for line in rest)
        case _:
            raise _Intricate


def _entry(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield f"{name}:"
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{name}: {_word(value)}"


def _word(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case dict() | list() if not value:
            return "{}" if isinstance(value, dict) else "[]"
        case _ if type(value) is int:
            return str(value)
        case _ if type(value) is str and len(value) <= LONGEST_WORD and _WORD.fullmatch(value):
            quote = _style(value) or ""
            return f"{quote}{value}{quote}"
        case _:
            raise _Intricate


def _default(item: Field[Any]) -> Any:
    if item.default is not MISSING:
        return item.default
    return item.default_factory() if item.default_factory is not MISSING else MISSING


_TROUBLESOME = re.compile(r"[\0-\t\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that a spec may not hold as they are; between double quotes they are escaped."""

_WORD = re.compile(r"(?:/|-?-?[A-Za-z0-9])(?: ?:?[-\w./;&'$()|<>=+,~^@%*?!`\[\]{}])*", re.ASCII)
"""Nothing in it means anything to YAML, quoted or not; whether it has to be is another question. What it has of signs
means something only at the beginning, or between brackets; a colon only before a space, or at the end.
"""

_BLOCK = re.compile(r"[^\s].*\n[^\0]*\S\n?", re.DOTALL)
"""Several lines, and no blank space at either end that a block would lose or hide."""


@cache
def _dumper() -> type[yaml.SafeDumper]:
    import yaml  # noqa: PLC0415

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            """Lists are indented below their key, as most people write them."""
            super().increase_indent(flow, indentless=False)

    Dumper.add_representer(str, _text)
    return Dumper


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if _TROUBLESOME.search(text):
        return '"'
    if "\n" in text:
        return "|" if _BLOCK.fullmatch(text) and not re.search(r"[ \t]\n", text) else '"'
    alike = isinstance(resolve(text), str) and isinstance(resolve_old(text), str)
    return None if alike and text.isprintable() else '"'
