"""A fitted tree made into a spec by the validation library; what it finds wrong, as complaints with places."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from reconciler.core import shape as shapes
from reconciler.core import wording
from reconciler.core.fit import GAP, Fit
from reconciler.core.shape import Either, Optional, Path, Record, Shape
from reconciler.core.sheet import locate
from reconciler.core.yaml12 import Node
from reconciler.kinds.base import EDGE
from reconciler.values import dataclass

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator


@dataclass(frozen=True, slots=True)
class Complaint:
    path: Path
    message: str
    hint: str


def build(cls: type, node: Node, fit: Fit) -> Any:
    """The dataclass that the node describes; None when there were complaints, which are then on the sheet."""
    shape = shapes.record(cls)
    tree = fit.value(node, shape)
    if tree is GAP:
        return None
    built, complaints = construct(cls, tree, secret=bool(fit.secret))
    for complaint in complaints:
        if not (fit.complained_above(complaint.path) or fit.complained_below(complaint.path)):
            fit.complain(complaint.path, locate(node, complaint.path), (complaint.message, complaint.hint))
    return None if fit.complained else built


def construct(cls: type, tree: Any, *, secret: bool = False) -> tuple[Any, list[Complaint]]:
    try:
        return validator(cls).validate_json(json.dumps(tree), strict=True), []
    except core().ValidationError as error:
        return None, list(_complaints(cls, error.errors(include_url=False), secret=secret))


@cache
def validator(cls: type) -> SchemaValidator:
    """The library's core alone, with what the library made of the class beforehand: it takes a tenth of a second."""
    from reconciler.core import prepared  # noqa: PLC0415 -- large, and for readers of specs only

    if in_force(cls):
        made: SchemaValidator = core().SchemaValidator(prepared.SCHEMAS[cls])
        return made
    return cast("SchemaValidator", adapter(cls).validator)


@cache
def core() -> Any:
    """The library's core, for readers of specs only. It loads its dictionary of schemas along, which takes longer than
    all the rest and which only those need who write schemas: to them it is given as soon as they ask for it.
    """
    name = "pydantic_core.core_schema"
    if name in sys.modules:
        return import_module("pydantic_core")
    sys.modules[name] = _AnyWord(name)
    try:
        return import_module("pydantic_core")
    finally:
        del sys.modules[name]


class _AnyWord(ModuleType):
    """Has every name, for hints alone."""

    def __getattr__(self, name: str) -> Any:
        return Any


def in_force(cls: type) -> bool:
    """It holds for one version of the core, and for classes as they were then; for others the library is asked."""
    from reconciler.core import prepared  # noqa: PLC0415

    known = core().__version__ == prepared.MADE_FOR and cls in prepared.SCHEMAS
    return known and all(written(one) == text for one, text in prepared.WRITTEN.items())


def written(cls: type) -> str:
    """The fields of a class as its file has them."""
    return "; ".join(f"{name}: {hint}" for name, hint in cls.__annotations__.items())


@cache
def adapter(cls: type, *, described: bool = False) -> TypeAdapter[Any]:
    """`described` fetches the strings under the fields from the source: twice the time of all the rest, for schemas.

    The library asks for it on the very classes, which all share one dictionary; so it is set there, for the moment.
    """
    from pydantic import TypeAdapter  # noqa: PLC0415

    EDGE["use_attribute_docstrings"] = described
    try:
        return TypeAdapter(cls)
    finally:
        del EDGE["use_attribute_docstrings"]


def _complaints(cls: type, errors: list[Any], *, secret: bool) -> Iterator[Complaint]:
    """Types were fitted before: where an arm of a union says "wrong type", another arm says what is the matter."""
    told = [error for error in errors if not error["type"].endswith("_type")] or errors
    for error in told:
        path, shape = _real_path(shapes.record(cls), error["loc"])
        if error["type"] == "missing":
            yield Complaint(path, *wording.missing(str(path[-1]), shape))
        else:
            yield Complaint(path, *wording.invalid(error, shapes.bare(shape), secret=secret))


def _real_path(root: Record, location: tuple[str | int, ...]) -> tuple[Path, Shape | None]:
    """The library's location without the names of the union's arms, which no document has."""
    path: list[str | int] = []
    shape: Shape | None = root
    for segment in location:
        inner = shape.shape if isinstance(shape, Optional) else shape
        if isinstance(inner, Either):
            shape = _arm(inner, segment)
            continue
        path.append(segment)
        shape = shapes.step(inner, segment) if inner else None
    return tuple(path), shape


def _arm(union: Either, name: str | int) -> Shape:
    records = (arm for arm in union.arms if isinstance(arm, Record) and arm.type.__name__ == name)
    return next(records, union.arms[0])
