"""One event of the engine, as far as it matters here: about whom it is, and what is to be done with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from reconciler.values import dataclass

JSON = Mapping[str, Any]

KINDS = ("container", "network", "volume")
BEGINNINGS = frozenset({"create"})
ENDS = frozenset({"destroy", "remove"})  # the second is Podman's word
EARLY = frozenset({"die", "pause", "unpause", "connect", "disconnect"})
"""Told while the engine still lists what was before."""
ACTIONS = (*sorted(BEGINNINGS | ENDS | EARLY), "died", "start", "rename", "update")
"""What is asked for. Podman says `die`, and hears it asked for as `died`."""


@dataclass(frozen=True, slots=True)
class Happening:
    subject: str
    """The path under which it can be inspected: a container if there is one, even where networks are spoken of."""
    action: str
    worn: Mapping[str, str]
    """Its labels, which only containers' own events carry, among other things."""

    @property
    def tells_too_little(self) -> bool:
        """Something new, and not whose."""
        return self.action in BEGINNINGS and not self.worn

    @property
    def is_end(self) -> bool:
        return self.action in ENDS

    @property
    def comes_early(self) -> bool:
        return self.action in EARLY


def happening(told: JSON) -> Happening:
    """Docker names a network and tells the container along; Podman, speaking of networks, names the container."""
    kind, action, actor = str(told["Type"]), str(told["Action"]), told["Actor"]
    attributes = actor.get("Attributes") or {}
    joins = kind == "network" and action in {"connect", "disconnect"}
    if kind == "container" or joins:
        identity = attributes.get("container") or actor["ID"]
        return Happening(container_path(identity), action, {} if joins else attributes)
    if kind == "network":
        return Happening(network_path(actor["ID"]), action, {})
    return Happening(volume_path(actor["ID"] or attributes["name"]), action, {})


def events_path() -> str:
    filters = {"type": KINDS, "event": ACTIONS}
    return f"/events?filters={quote(json.dumps(filters))}"


def container_path(identity: str) -> str:
    return f"/containers/{identity}/json"


def identity_in(path: str) -> str:
    """Of a container, the other way round; empty for other paths."""
    return path.removeprefix("/containers/").removesuffix("/json") if path.startswith("/containers/") else ""


def network_path(identity: str) -> str:
    return f"/networks/{identity}"


def volume_path(name: str) -> str:
    return f"/volumes/{name}"


def worn(inspected: JSON) -> Mapping[str, str]:
    """The labels of whatever was inspected."""
    held = inspected.get("Config") or inspected
    found: Mapping[str, str] = held.get("Labels") or {}
    return found
