"""Networks and volumes: made once under their name, removed only when nobody uses them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.errors import Gone, Refused
from reconciler.model import labels
from reconciler.model.desired import Desired, NetworkPayload, VolumePayload
from reconciler.model.observed import Observed
from reconciler.runtimes.docker.connection import Connection
from reconciler.runtimes.docker.containers import name_taken

if TYPE_CHECKING:
    from docker import APIClient


class Networks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, desired: Desired, payload: NetworkPayload) -> None:
        """The engine checks for a holder of the name, but lets two pass that come at once: so we look once more."""
        import docker.errors  # noqa: PLC0415 -- 140 ms, for those who change something
        import docker.types  # noqa: PLC0415

        ipam = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=payload.subnet)])
        with self._connection.client(f"creating network {desired.name}") as client:
            try:
                client.create_network(
                    desired.name,
                    driver=payload.driver,
                    internal=payload.internal,
                    labels=labels.write(desired),
                    ipam=ipam if payload.subnet else None,
                    check_duplicate=True,
                )
            except docker.errors.APIError as error:
                if error.response is None or error.response.status_code != 409:
                    raise  # 409: the name is taken; by whom, shows below
            self._settle_on_one(client, desired)

    def remove(self, seen: Observed) -> None:
        """Nobody is disconnected: a network with members stays, and the engine says so."""
        try:
            with self._connection.client(f"removing {seen.title}") as client:
                client.remove_network(seen.id)
        except Gone:
            return

    def _settle_on_one(self, client: APIClient, desired: Desired) -> None:
        """Of several of ours the oldest stays, and whoever looks last takes the others away; members keep theirs."""
        filters = quote(json.dumps({"name": [f"^{re.escape(desired.name)}$"]}))
        held: list[Any] = self._connection.get(f"/networks?filters={filters}", f"creating network {desired.name}")
        named = sorted(
            (one for one in held if one["Name"] == desired.name), key=lambda one: (one["Created"], one["Id"])
        )
        for one in named:
            require_ours(desired, one.get("Labels") or {}, one["Id"], f"driver {one.get('Driver')}")
        for extra in named[1:]:
            _remove_unused(client, extra["Id"])


class Volumes:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, desired: Desired, payload: VolumePayload) -> None:
        """The engine answers 'done' when the name exists, and changes nothing: so the labels that it returns decide."""
        with self._connection.client(f"creating volume {desired.name}") as client:
            made = client.create_volume(
                desired.name, driver=payload.driver, driver_opts=dict(payload.options), labels=labels.write(desired)
            )
        require_ours(desired, made.get("Labels") or {}, desired.name, f"driver {made.get('Driver')}")

    def remove(self, seen: Observed) -> None:
        """A volume's name is all the id that it has, so its owner is looked at once more."""
        doing = f"removing {seen.title}"
        try:
            worn = self._connection.get(f"/volumes/{quote(seen.id)}", doing).get("Labels") or {}
            if worn.get(labels.OWNER, "") != seen.owner:
                raise Refused(f"{doing}: another volume has taken its place", hint="look again")
            with self._connection.client(doing) as client:
                client.remove_volume(seen.id)
        except Gone:
            return


def require_ours(desired: Desired, worn: dict[str, str], holder: str, what: str) -> None:
    """Ours is what carries our owner and the same key; whether its fingerprint still fits is for the next look."""
    if worn.get(labels.OWNER) != desired.owner or labels.read_key(worn) != desired.key:
        raise name_taken(desired, holder, what)


def _remove_unused(client: APIClient, network: str) -> None:
    import docker.errors  # noqa: PLC0415 -- the caller has a client, so it is loaded

    try:
        client.remove_network(network)
    except docker.errors.APIError as error:
        if error.response is None or error.response.status_code not in {403, 404}:
            raise
