"""What every kind has: its spec as a frozen dataclass, and the few questions that others ask of it.

A spec is plain data with types and limits on it; validation and JSON Schema are made from it at the edge, so
no kind imports a validation library. Field names are written in snake_case here and camelCase in YAML; the
string under a field is its description, in schemas and in `explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

from reconciler.kinds.limits import Ge, Le, Len
from reconciler.values import dataclass


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


EDGE: dict[str, Any] = {
    "extra": "forbid",
    "alias_generator": camel,
    "validate_default": False,
}
"""How the edge reads our dataclasses: unknown fields are errors, names are camelCase."""

Seconds = Annotated[float, Ge(0), Le(86400 * 365)]
PortNumber = Annotated[int, Ge(1), Le(65535)]
Argv = Annotated[tuple[str, ...], Len(1)]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a spec that types alone don't show. `path` is camelCase, relative to the spec."""

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    absent: bool = False
    """It names a resource that is not among those at hand; it may well exist elsewhere."""


@dataclass(frozen=True, slots=True)
class Need:
    """A resource that another one names, and where it does. `kind` is lower-case."""

    kind: str
    name: str
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """A directory of the host that an image is built from, or that a process is delivered with."""

    path: str
    dockerfile: str = "Dockerfile"
    """Which of its files says how an image is built; empty for what is delivered as it is."""
    whole: bool = True
    """Whether all that it holds belongs to the spec, or the Dockerfile alone."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"the build context {self.path}" if self.dockerfile else f"the package {self.path}"


VARIABLE_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
VARIABLE_REST = VARIABLE_START | frozenset("0123456789.-")
ENGINE_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
ENGINE_REST = ENGINE_START | frozenset("_.-")


def external_faults(name: str, *, external: bool) -> Iterator[Fault]:
    """Of the name that a network or volume of somebody else has on the engine."""
    if name and not external:
        message = "only what exists already has a name of its own; what we make is called NAMESPACE-NAME"
        yield Fault(("name",), message, "add external: true, or leave name out")
    if name and not (name[0] in ENGINE_START and set(name) <= ENGINE_REST):
        yield Fault(("name",), f"{name!r} is no name on an engine", "letters, digits, _, . and -")


def nothing(_spec: Any) -> Iterable[Any]:
    return ()


def same(spec: Any, _base: Callable[[str], str]) -> Any:
    return spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of resource. A new one is a file with one of these, and a line in KINDS."""

    name: str
    plural: str
    short: tuple[str, ...] = ()
    spec: type
    summary: str
    faults: Callable[[Any], Iterable[Fault]] = nothing
    """What is wrong with it, taken alone."""
    needs: Callable[[Any], Iterable[Need]] = nothing
    """Which other resources it names."""
    anchor: Callable[[Any, Callable[[str], str]], Any] = same
    """The same spec with its relative paths made absolute by the given function."""
    paths: Callable[[Any], Iterable[tuple[tuple[str | int, ...], str]]] = nothing
    """The files of the host whose content belongs to it, and where it names them."""
    trees: Callable[[Any], Iterable[tuple[tuple[str | int, ...], Tree]]] = nothing
    """The directories of the host whose content belongs to it, and where it names them."""
    as_service: Callable[[Any], Any] | None = None
    """Of a kind that runs something: its spec seen as a ServiceSpec, for all who render it, place it and look at it."""
    example: str = ""
    """A minimal document, for `explain` and `init`."""

    @property
    def key(self) -> str:
        return self.name.lower()
