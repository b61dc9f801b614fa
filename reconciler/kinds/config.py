"""Config: texts and files for workloads, as variables or as files. A change of content reaches its users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field, replace

from reconciler.kinds.base import EDGE, Fault, Kind
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSpec:
    """Texts by key. Mounted, each key becomes a file; in envFrom, a variable."""

    __pydantic_config__ = EDGE

    data: dict[str, str] = field(default_factory=dict)
    """Texts by key."""
    files: dict[str, str] = field(default_factory=dict)
    """Paths of files by key; relative to the spec file. Their content counts, not their name."""


def faults(spec: ConfigSpec) -> Iterator[Fault]:
    yield from key_faults({"data": spec.data, "files": spec.files})


def key_faults(groups: dict[str, dict[str, str]]) -> Iterator[Fault]:
    """Keys become file names: they may not lead elsewhere, nor stand twice."""
    seen: dict[str, str] = {}
    for group, entries in groups.items():
        for key in entries:
            if not key or key in {".", ".."} or "/" in key or "\0" in key:
                yield Fault(
                    (group, key), f"{key!r} can't be the name of a file", "no slashes; directories are not made"
                )
            if key in seen:
                yield Fault((group, key), f"{key!r} stands in {seen[key]} and in {group}", "keep one of them")
            seen[key] = group


def anchor(spec: ConfigSpec, absolute: Callable[[str], str]) -> ConfigSpec:
    return replace(spec, files={key: absolute(path) for key, path in spec.files.items()})


def paths(spec: ConfigSpec) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for key, path in spec.files.items():
        yield ("files", key), path


KIND = Kind(
    name="Config",
    plural="configs",
    short=("cfg",),
    spec=ConfigSpec,
    summary="Texts and files for workloads.",
    faults=faults,
    anchor=anchor,
    paths=paths,
    example='apiVersion: reconciler/v1\nkind: Config\nmetadata: {name: app}\nspec: {data: {app.ini: "debug = 1"}}\n',
)
