"""Shorthands for tests of reading and writing specs."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from reconciler.core.parse import Document, Text, parse
from reconciler.errors import Problem, SpecError
from reconciler.model.resource import Resource

BASE = "/srv/specs"


def documents(text: str | bytes, environment: Mapping[str, str] | None = None, **options: Any) -> list[Document]:
    content = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
    return parse([Text("a.yaml", content, BASE)], environment=environment or {}, **options)


def resource(text: str, environment: Mapping[str, str] | None = None) -> Resource:
    (document,) = documents(text, environment)
    return document.resource


def service(spec: str, environment: Mapping[str, str] | None = None) -> Any:
    """The spec of a service of which only the flow-style inside is given."""
    head = "apiVersion: reconciler/v1\nkind: Service\nmetadata: {name: web}\nspec: "
    return resource(head + "{" + spec + "}\n", environment).spec


def problems(text: str | bytes, environment: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    try:
        found = documents(text, environment)
    except SpecError as error:
        return error.problems
    raise AssertionError(f"accepted: {found}")


def service_problems(spec: str, environment: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    head = "apiVersion: reconciler/v1\nkind: Service\nmetadata: {name: web}\nspec: "
    return problems(head + "{" + spec + "}\n", environment)
