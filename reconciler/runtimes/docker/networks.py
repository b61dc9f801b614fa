"""Networks and volumes: made once under their name, removed only when nobody uses them."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from reconciler.errors import Gone, Refused
from reconciler.failpoints import failpoint
from reconciler.model import labels
from reconciler.model.desired import Desired, NetworkPayload, VolumePayload
from reconciler.model.observed import Observed
from reconciler.runtimes.docker.connection import Connection
from reconciler.runtimes.docker.containers import name_taken

AMBIGUOUS = re.compile(r"network (\S+) is ambiguous")


class Networks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, desired: Desired, payload: NetworkPayload) -> None:
        """The engine checks for a holder of the name, but lets two pass that come at once: so we look once more."""
        doing = f"creating network {desired.name}"
        ranges = {"IPAM": {"Driver": "default", "Config": [{"Subnet": payload.subnet}]}} if payload.subnet else {}
        body = {
            "Name": desired.name,
            "Driver": payload.driver,
            "Internal": payload.internal,
            "Labels": labels.write(desired),
            "CheckDuplicate": True,
            **ranges,
        }
        self._connection.post("/networks/create", doing, body, minding={409})  # who has the name shows below
        failpoint("docker.network.made")
        self._settle_on_one(desired, doing)

    def remove(self, seen: Observed) -> None:
        """Nobody is disconnected: a network with members stays, and the engine says so."""
        doing = f"removing {seen.title}"
        try:
            self._connection.delete(self._address(seen, doing), doing)
        except Gone:
            return

    def _address(self, seen: Observed, doing: str) -> str:
        """Podman looks for members only when it is told the name; by its id it removes one that is in use. There no
        two have the same name, so who has it now is looked at once more.
        """
        if self._connection.engine != "podman":
            return f"/networks/{seen.id}"
        name = self._connection.get(f"/networks/{seen.id}", doing)["Name"]
        return f"/networks/{quote(name)}"

    def _named(self, name: str, doing: str) -> list[Any]:
        """All of the name, oldest first."""
        filters = quote(json.dumps({"name": [f"^{re.escape(name)}$"]}))
        held: list[Any] = self._connection.get(f"/networks?filters={filters}", doing)
        return sorted((one for one in held if one["Name"] == name), key=lambda one: (one["Created"], one["Id"]))

    def _settle_on_one(self, desired: Desired, doing: str) -> None:
        """Of several of ours the oldest stays, and whoever looks last takes the others away; members keep theirs."""
        named = self._named(desired.name, doing)
        for one in named:
            require_ours(desired, one.get("Labels") or {}, one["Id"], f"driver {one.get('Driver')}")
        for extra in named[1:]:
            # 403: somebody has joined it meanwhile; 404: somebody else was faster
            self._connection.delete(f"/networks/{extra['Id']}", doing, minding={403, 404})

    def settle(self, error: Refused, owner: str) -> bool:
        """Whether that was it: one whom nobody waited for any more made a network of ours a second time."""
        found = AMBIGUOUS.search(error.message)
        if found is None:
            return False
        named = self._named(found[1], "settling on one network")
        for extra in [one for one in named if (one.get("Labels") or {}).get(labels.OWNER) == owner][1:]:
            self._connection.delete(f"/networks/{extra['Id']}", "removing a second network", minding={403, 404})
        return True


class Volumes:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, desired: Desired, payload: VolumePayload) -> None:
        """The engine answers 'done' when the name exists, and changes nothing: so the labels that it returns decide."""
        body = {
            "Name": desired.name,
            "Driver": payload.driver,
            "DriverOpts": dict(payload.options),
            "Labels": labels.write(desired),
        }
        made = self._connection.post("/volumes/create", f"creating volume {desired.name}", body).json()
        failpoint("docker.volume.made")
        require_ours(desired, made.get("Labels") or {}, desired.name, f"driver {made.get('Driver')}")

    def remove(self, seen: Observed) -> None:
        """A volume's name is all the id that it has, so its owner is looked at once more."""
        doing = f"removing {seen.title}"
        try:
            worn = self._connection.get(f"/volumes/{quote(seen.id)}", doing).get("Labels") or {}
            if worn.get(labels.OWNER, "") != seen.owner:
                raise Refused(f"{doing}: another volume has taken its place", hint="look again")
            self._connection.delete(f"/volumes/{quote(seen.id)}", doing)
        except Gone:
            return


def require_ours(desired: Desired, worn: dict[str, str], holder: str, what: str) -> None:
    """Ours is what carries our owner and the same key; whether its fingerprint still fits is for the next look."""
    if worn.get(labels.OWNER) != desired.owner or labels.read_key(worn) != desired.key:
        raise name_taken(desired, holder, what)
