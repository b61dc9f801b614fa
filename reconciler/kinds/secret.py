"""Secret: like a Config, but never shown. Files are 0400; values stand in no label, plan, event or log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field, replace

from reconciler.kinds.base import EDGE, Fault, Kind
from reconciler.kinds.config import key_faults
from reconciler.values import dataclass

MASK = "***"
"""Stands for a value wherever a Secret is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSpec:
    """Secret values by key, written down, read from files, or taken from the environment of `apply`."""

    __pydantic_config__ = EDGE

    data: dict[str, str] = field(default_factory=dict, repr=False)
    """Values by key. Better kept out of a repository: see files and env."""
    files: dict[str, str] = field(default_factory=dict)
    """Paths of files by key; relative to the spec file."""
    env: dict[str, str] = field(default_factory=dict)
    """Names of environment variables by key; read when the spec is applied."""


def faults(spec: SecretSpec) -> Iterator[Fault]:
    yield from key_faults({"data": spec.data, "files": spec.files, "env": spec.env})
    for key in (key for key, value in spec.data.items() if value == MASK):
        yield Fault(
            ("data", key), f"{MASK} stands for a value that is not shown, and is none itself",
            "write the value, or leave this document out: what is kept stays as it is",
        )  # fmt: skip


def anchor(spec: SecretSpec, absolute: Callable[[str], str]) -> SecretSpec:
    return replace(spec, files={key: absolute(path) for key, path in spec.files.items()})


def paths(spec: SecretSpec) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for key, path in spec.files.items():
        yield ("files", key), path


KIND = Kind(
    name="Secret",
    plural="secrets",
    spec=SecretSpec,
    summary="Values that are never shown.",
    faults=faults,
    anchor=anchor,
    paths=paths,
    example="apiVersion: reconciler/v1\nkind: Secret\nmetadata: {name: db}\nspec: {env: {PASSWORD: DB_PASSWORD}}\n",
)
