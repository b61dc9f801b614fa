"""What every document has around its spec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from typing import Annotated

from reconciler.kinds.base import EDGE, Fault
from reconciler.kinds.limits import Ge
from reconciler.model.resource import MARKS
from reconciler.values import dataclass

API_VERSION = "reconciler/v1"
DEFAULT_NAMESPACE = "default"

NAME_PATTERN = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
LABEL_KEY_PATTERN = "^([a-zA-Z0-9]([a-zA-Z0-9._-]{0,251}[a-zA-Z0-9])?/)?[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$"
LABEL_VALUE_PATTERN = "^([a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?)?$"
OURS = "dev.reconciler"

RESERVED = frozenset({"ports", "volumes", "matrix"})
"""First words of references that mean something else than a service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What it is called, and what else is noted about it."""

    __pydantic_config__ = EDGE

    name: str
    """Its name: lower-case letters, digits and dashes, at most 63. Unique per kind and namespace."""
    namespace: str = ""
    """The set that it is planned, found and pruned with; `default` by default."""
    labels: dict[str, str] = field(default_factory=dict)
    """Words to select it by."""
    annotations: dict[str, str] = field(default_factory=dict)
    """Notes for people and tools; nothing is decided by them."""
    generation: Annotated[int, Ge(1)] = 1
    """How often the spec has changed; kept by `apply`, not by hand."""


def faults(metadata: Metadata, kind: str) -> Iterator[Fault]:
    """Paths are relative to `metadata`."""
    yield from _name_faults("name", metadata.name)
    if metadata.namespace:
        yield from _name_faults("namespace", metadata.namespace)
    if kind == "Service" and metadata.name in RESERVED:
        message = f"a service can't be called {metadata.name}: ${{{metadata.name}. ...}} means something else"
        yield Fault(("name",), message, f"choose another name, like {metadata.name}-server")
    yield from _label_faults(metadata)


def mark_faults(metadata: Metadata) -> Iterator[Fault]:
    """Of documents that come from outside. They could be widened, or delete something, by the marks that we go by."""
    for name in metadata.annotations:
        if name in MARKS:
            message = f"the annotation {name} is ours: it is written by who keeps this document, never by hand"
            yield Fault(("annotations", name), message, "leave it out")


def _name_faults(name: str, text: str) -> Iterator[Fault]:
    if not re.match(NAME_PATTERN, text) or text.endswith("\n"):
        rule = "lower-case letters, digits and dashes, 1 to 63, no dash at either end"
        suggestion = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")
        like = f"; like {suggestion}" if suggestion else ""
        yield Fault((name,), f"{_shown(text)} can't be a name" if text else "the name is empty", rule + like)


def _label_faults(metadata: Metadata) -> Iterator[Fault]:
    for key, value in metadata.labels.items():
        if not re.fullmatch(LABEL_KEY_PATTERN[1:-1], key):
            hint = (
                "letters, digits, '-', '_' and '.'; at most one slash, after a prefix; longer texts go into annotations"
            )
            yield Fault(("labels", key), f"{_shown(key)} can't be the name of a label", hint)
        elif not re.fullmatch(LABEL_VALUE_PATTERN[1:-1], value):
            hint = "at most 63 letters, digits, '-', '_' and '.'; other texts go into annotations"
            yield Fault(("labels", key), f"{_shown(value)} can't be the value of a label", hint)
        if key.startswith((f"{OURS}.", f"{OURS}/")):
            yield Fault(("labels", key), f"labels that start with {OURS} are ours", "choose another prefix")


def _shown(text: str) -> str:
    """Escaped, so that no terminal and no reader is fooled by it; cut, since names can be megabytes."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")
