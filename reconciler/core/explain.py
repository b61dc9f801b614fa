"""`explain service.spec.ports`: what a field is for, its type and default, and what it holds."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from reconciler.core.envelope import API_VERSION
from reconciler.core.schema import Schema, schema
from reconciler.core.wording import did_you_mean
from reconciler.errors import UsageError
from reconciler.kinds import KINDS, find
from reconciler.kinds.base import Kind

WIDTH = 100


def explain(path: str) -> str:
    """The page for `KIND`, or `KIND.field.field`; fields of a list's items are named without an index.

    `spec` may be left out, where the document has no such field itself.
    """
    word, *fields = path.strip(".").split(".")
    kind = find(word)
    if kind is None:
        raise UsageError(f"{word!r} is not a kind", hint=did_you_mean(word, KINDS))
    document = schema(kind.name)
    found = _Found(document, document)
    if fields and not found.has(fields[0]) and found.field("spec", kind.key).has(fields[0]):
        fields = ["spec", *fields]
    for depth, name in enumerate(fields):
        found = found.field(name, ".".join((kind.key, *fields[:depth])))
    return (
        "\n".join((*_head(kind, fields, found), *found.description(), *found.fields(), *_example(kind, fields))) + "\n"
    )


class _Found:
    """A field's schema as it stands, and as the record or type that it refers to."""

    def __init__(self, document: Schema, schema: Schema) -> None:
        self.document = document
        self.schema = schema
        self.resolved = self._resolve(schema)

    def has(self, name: str) -> bool:
        return name.lower() in map(str.lower, self._record().get("properties", {}))

    def field(self, name: str, path: str) -> _Found:
        properties = self._record().get("properties", {})
        exact = {key.lower(): key for key in properties}.get(name.lower())
        if exact is None:
            hint = did_you_mean(name, properties) if properties else f"{path} has no fields of its own"
            raise UsageError(f"{path} has no field {name!r}", hint=hint)
        return _Found(self.document, properties[exact])

    def type(self) -> str:
        return _type(self.resolved, self._resolve)

    @property
    def default(self) -> Any:
        return self.schema.get("default")

    def description(self) -> Iterator[str]:
        text = self.schema.get("description") or self.resolved.get("description", "")
        if text:
            yield from ("", "DESCRIPTION:")
            yield textwrap.indent(textwrap.fill(text, WIDTH - 4), "    ")

    def fields(self) -> Iterator[str]:
        record = self._record()
        if not record.get("properties"):
            return
        yield from ("", "FIELDS:")
        for name, field in record["properties"].items():
            found = _Found(self.document, field)
            yield f"  {name}  <{found.type()}>{_remark(name, record, found.default)}"
            text = field.get("description") or found.resolved.get("description", "")
            if text:
                yield textwrap.indent(textwrap.fill(_first_sentence(text), WIDTH - 6), "      ")

    def _record(self) -> Schema:
        """The record that is meant: of a list its items', of a choice the one that has fields."""
        schema = self._resolve(self.resolved.get("items", self.resolved))
        arms = [self._resolve(arm) for arm in schema.get("anyOf", [])]
        return next((arm for arm in arms if "properties" in arm), schema)

    def _resolve(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            found: Schema = self.document["$defs"][schema["$ref"].rpartition("/")[2]]
            return found
        arms = [arm for arm in schema.get("anyOf", []) if arm.get("type") != "null" and arm != _VARIABLE]
        return self._resolve(arms[0]) if len(arms) == 1 else schema


_VARIABLE = {"$ref": "#/$defs/Variable"}
_PLAIN = {"string", "number", "integer", "boolean"}
"""Together: whatever stands in one word."""
_NO_DEFAULTS: tuple[Any, ...] = (None, "", [], {})


def _remark(name: str, record: Schema, default: Any) -> str:
    if name in record.get("required", ()):
        return "  required"
    return "" if default in _NO_DEFAULTS else f"  default {_shown(default)}"


def _head(kind: Kind, fields: list[str], found: _Found) -> Iterator[str]:
    yield f"KIND:     {kind.name}"
    yield f"VERSION:  {API_VERSION}"
    if fields:
        yield f"FIELD:    {'.'.join(fields)}"
        yield f"TYPE:     {found.type()}{_limits(found.resolved)}"
        if found.default not in _NO_DEFAULTS:
            yield f"DEFAULT:  {_shown(found.default)}"


def _type(schema: Schema, resolve: Any) -> str:
    match schema:
        case {"const": value}:
            return str(value)
        case {"enum": values}:
            return " | ".join(str(value) for value in values)
        case {"anyOf": arms}:
            names = [_type(resolve(arm), resolve) for arm in arms if arm.get("type") != "null" and arm != _VARIABLE]
            return " or ".join(dict.fromkeys("plain" if name in _PLAIN <= set(names) else name for name in names))
        case {"type": "array"}:
            item = _type(resolve(schema["items"]), resolve)
            return f"[]({item})" if " or " in item else f"[]{item}"
        case {"properties": _}:
            return "Object"
        case {"additionalProperties": dict(values)}:
            return f"map[string]{_type(resolve(values), resolve)}"
        case _:
            return str(schema.get("type", "any"))


def _limits(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return ""
    return (
        f", {low} to {high}"
        if None not in (low, high)
        else f", at least {low}"
        if high is None
        else f", at most {high}"
    )


def _shown(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default)


def _first_sentence(text: str) -> str:
    """Up to a full stop before a capital: the ones inside of 0.5 and of ./data end nothing."""
    return re.split(r"(?<=\.) (?=[A-Z])", text, maxsplit=1)[0]


def _example(kind: Kind, fields: list[str]) -> Iterator[str]:
    if not fields:
        yield from ("", f"More: reconciler explain {kind.key}.spec")
    if not fields and kind.example:
        yield from ("", "EXAMPLE:")
        yield textwrap.indent(kind.example.rstrip(), "    ")
