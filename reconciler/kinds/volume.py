"""Volume: data that outlives every service. Nothing but a named command removes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from reconciler.kinds.base import EDGE, Fault, Kind, external_faults
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """A place for data."""

    __pydantic_config__ = EDGE

    driver: str = "local"
    """The engine's volume driver."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of the driver."""
    external: bool = False
    """It exists already, under just this name or the one said in `name`; it is used, never made or removed."""
    name: str = ""
    """Of an external one: its name on the engine, where that is another one, like shop_data."""


def faults(spec: VolumeSpec) -> Iterator[Fault]:
    yield from external_faults(spec.name, external=spec.external)
    if spec.external and spec != VolumeSpec(external=True, name=spec.name):
        yield Fault(
            ("external",), "an external volume is as it is; other fields have no effect", "remove them, or external"
        )


KIND = Kind(
    name="Volume",
    plural="volumes",
    short=("vol",),
    spec=VolumeSpec,
    summary="Data that outlives every service.",
    faults=faults,
    example="apiVersion: reconciler/v1\nkind: Volume\nmetadata: {name: data}\nspec: {}\n",
)
