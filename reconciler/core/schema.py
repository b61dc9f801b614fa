"""JSON Schema of whole documents, for editors and other tools. Made from the same dataclasses as validation."""

from __future__ import annotations

import json
from typing import Any

from reconciler.core import envelope
from reconciler.core.envelope import Metadata
from reconciler.core.policy import PolicyFile
from reconciler.core.validate import adapter
from reconciler.errors import UsageError
from reconciler.kinds import KINDS, find
from reconciler.kinds.base import Kind

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ALL = "reconciler.json"
POLICY = "policy.json"

_VARIABLE = {
    "type": "string",
    "pattern": r"^\$\{[A-Z_][A-Z0-9_]*([:?+-][\s\S]*)?\}$",
    "description": "A variable of the environment, like ${PORT:-8080}.",
}
_FREE: Schema = {"^x-": {}}
"""Keys that begin with x- are the user's own, wherever fields have names of ours."""


def schema(kind: str | None = None) -> Schema:
    """One kind's document, or any kind's, or a List of them."""
    if kind is None:
        return _any_document()
    found = find(kind)
    if found is None:
        from reconciler.core.wording import did_you_mean  # noqa: PLC0415

        raise UsageError(f"{kind!r} is not a kind", hint=did_you_mean(kind, KINDS))
    document, definitions = _document(found)
    return {"$schema": DIALECT, **document, "$defs": definitions}


def all_schemas() -> dict[str, str]:
    """What stands in `schemas/`: file names and texts."""
    named: dict[str, str | None] = {ALL: None} | {f"{kind.key}.json": kind.name for kind in KINDS.values()}
    trees = {POLICY: policy_schema()} | {name: schema(kind) for name, kind in named.items()}
    return {name: json.dumps(trees[name], indent=2) + "\n" for name in sorted(trees)}


def policy_schema() -> Schema:
    """Of the policy file, which is no document of ours and takes nothing from the environment."""
    record, definitions = _record(PolicyFile)
    return {"$schema": DIALECT, **record, "title": "Policy", "$defs": dict(sorted(definitions.items()))}


def _any_document() -> Schema:
    """If-then by kind rather than oneOf: an editor then speaks of the kind that is meant, not of all the others."""
    definitions: Schema = {}
    branches: list[Schema] = []
    for kind in KINDS.values():
        document, more = _document(kind)
        definitions |= more | {kind.name: document}
        branches.append(_branch(kind.name, {"$ref": f"#/$defs/{kind.name}"}))
    branches.append(_branch("List", {"required": ["items"]}))
    properties = {
        "apiVersion": {"const": envelope.API_VERSION},
        "kind": {"enum": [*KINDS, "List"], "description": "What is declared."},
        "items": {"type": "array", "items": {"$ref": "#"}, "description": "Of a List: whole documents."},
    }
    return {
        "$schema": DIALECT,
        "title": "reconciler",
        "type": "object",
        "properties": properties,
        "required": ["kind"],
        "allOf": branches,
        "$defs": dict(sorted(definitions.items())),
    }


def _branch(kind: str, then: Schema) -> Schema:
    return {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": then}


def _document(kind: Kind) -> tuple[Schema, Schema]:
    """The document of one kind, and the definitions that it refers to."""
    spec, definitions = _record(kind.spec)
    metadata, _ = _record(Metadata)
    _name_limits(metadata)
    required = ["apiVersion", "kind", "metadata"]
    if "required" in spec:
        required.append("spec")
    else:
        spec["type"] = ["object", "null"]
    name = kind.spec.__name__
    properties = {
        "apiVersion": {"const": envelope.API_VERSION, "description": "The version of this format."},
        "kind": {"const": kind.name, "description": "What is declared."},
        "metadata": {"$ref": "#/$defs/Metadata"},
        "spec": {"$ref": f"#/$defs/{name}"},
        "status": {"description": "What was observed; accepted as `get -o yaml` writes it, and ignored."},
    }
    document = {
        "title": kind.name, "description": kind.summary, "type": "object", "properties": properties,
        "required": required, "additionalProperties": False, "patternProperties": _FREE,
    }  # fmt: skip
    extra = {"Metadata": metadata, name: spec, "Variable": _VARIABLE}
    return document, dict(sorted((definitions | extra).items()))


def _record(cls: type) -> tuple[Schema, Schema]:
    """A dataclass and the dataclasses that it holds, without the library's noise."""
    raw = adapter(cls, described=True).json_schema(by_alias=True, mode="validation")
    definitions = raw.pop("$defs", {})
    variables = cls not in {Metadata, PolicyFile}
    tidy = {name: _tidy(definition, variables=variables) for name, definition in definitions.items()}
    return _tidy(raw, variables=variables), tidy


def _tidy(schema: Schema, *, variables: bool) -> Schema:
    kept = {name: value for name, value in schema.items() if name not in {"title", "properties"}}
    if "properties" in schema:
        kept = {"title": schema["title"]} | kept
        kept["properties"] = {key: _tidy(value, variables=variables) for key, value in schema["properties"].items()}
        kept["patternProperties"] = _FREE
    for name in ("items", "additionalProperties"):
        if isinstance(kept.get(name), dict):
            kept[name] = _tidy(kept[name], variables=variables)
    if "anyOf" in kept:
        kept["anyOf"] = [_tidy(arm, variables=False) for arm in kept["anyOf"]]
    return _with_variable(kept) if variables else kept


def _with_variable(schema: Schema) -> Schema:
    """Numbers, truths and choices may come from the environment."""
    arms = schema.get("anyOf", [schema])
    if any(arm.get("type") == "string" and "enum" not in arm and "const" not in arm for arm in arms):
        return schema
    if not any(arm.get("type") in {"integer", "number", "boolean"} or "enum" in arm or "const" in arm for arm in arms):
        return schema
    outer = {name: value for name, value in schema.items() if name in {"description", "default"}}
    inner = [{name: value for name, value in arm.items() if name not in outer} for arm in arms]
    return outer | {"anyOf": [*inner, {"$ref": "#/$defs/Variable"}]}


def _name_limits(metadata: Schema) -> None:
    properties = metadata["properties"]
    properties["name"]["pattern"] = envelope.NAME_PATTERN
    properties["namespace"]["pattern"] = f"^$|{envelope.NAME_PATTERN}"
    properties["labels"]["propertyNames"] = {"pattern": envelope.LABEL_KEY_PATTERN}
    properties["labels"]["additionalProperties"]["pattern"] = envelope.LABEL_VALUE_PATTERN
