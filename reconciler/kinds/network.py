"""Network: where containers find each other by name."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.kinds.base import EDGE, Fault, Kind, external_faults
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network of containers."""

    __pydantic_config__ = EDGE

    driver: str = "bridge"
    """The engine's network driver."""
    subnet: str = ""
    """Addresses, like 10.77.0.0/24; by default the engine chooses."""
    internal: bool = False
    """Whether it is cut off from the outside."""
    external: bool = False
    """It exists already, under just this name or the one said in `name`; it is used, never made or removed."""
    name: str = ""
    """Of an external one: its name on the engine, where that is another one, like shop_data."""


def faults(spec: NetworkSpec) -> Iterator[Fault]:
    yield from external_faults(spec.name, external=spec.external)
    if spec.external and spec != NetworkSpec(external=True, name=spec.name):
        yield Fault(
            ("external",), "an external network is as it is; other fields have no effect", "remove them, or external"
        )
    if spec.subnet:
        from ipaddress import ip_network  # noqa: PLC0415 -- few choose one

        try:
            ip_network(spec.subnet)
        except ValueError as error:
            yield Fault(("subnet",), str(error), "like 10.77.0.0/24")


KIND = Kind(
    name="Network",
    plural="networks",
    short=("net",),
    spec=NetworkSpec,
    summary="Where containers find each other by name.",
    faults=faults,
    example="apiVersion: reconciler/v1\nkind: Network\nmetadata: {name: back}\nspec: {internal: true}\n",
)
