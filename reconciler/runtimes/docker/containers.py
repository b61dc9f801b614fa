"""Containers: made, started, adjusted, stopped, removed; each by the id that was observed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.errors import Gone, NameTaken, OutcomeUnknown, Refused
from reconciler.model import labels
from reconciler.model.desired import ContainerPayload, Desired, Stop
from reconciler.model.observed import Observed
from reconciler.runtimes.docker import files, write
from reconciler.runtimes.docker.connection import READ_SECONDS, WRITE_SECONDS, Connection
from reconciler.runtimes.docker.write import JSON

if TYPE_CHECKING:
    from docker import APIClient


class Containers:
    def __init__(self, connection: Connection, save_log: Callable[[Observed], None]) -> None:
        self._connection = connection
        self._save_log = save_log

    def create(self, desired: Desired, payload: ContainerPayload) -> None:
        doing = f"creating container {desired.name}"
        with self._connection.client(doing) as client:
            container, running = self._make(client, desired, payload, doing)
            if not running:
                self._bring_up(client, container, payload, doing)

    def start(self, seen: Observed, payload: ContainerPayload) -> None:
        """Files are delivered again: a crash may have come between the create and their delivery."""
        doing = f"starting {seen.title}"
        with self._connection.client(doing) as client:
            self._bring_up(client, seen.id, payload, doing)

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        with self._connection.client(f"adjusting {seen.title}") as client:
            for change in changes:
                match change:
                    case "unpause":
                        _unpause(client, seen)
                    case "rename":
                        self._rename(client, seen, desired)
                    case _:
                        raise Refused(f"{seen.title}: nothing is known of the change {change!r}")

    def stop(self, seen: Observed, stop: Stop) -> None:
        """A plain Stop() says nothing in particular: then it is stopped as it was made to be."""
        doing = f"stopping {seen.title}"
        config = self._connection.get(f"/containers/{seen.id}/json", doing)["Config"]
        configured = config.get("StopSignal") or "SIGTERM"
        if stop == Stop():
            stop = Stop(configured, config.get("StopTimeout") or stop.grace_seconds)
        seconds = write.grace(stop)
        with self._connection.client(doing) as client:
            if configured == write.signal_name(stop) or seconds == 0:
                client.stop(seen.id, timeout=seconds)  # the client waits so much longer
            else:
                _signal_first(client, seen, write.signal_name(stop), seconds)

    def remove(self, seen: Observed) -> None:
        """Never by force: that would kill one that somebody has started meanwhile. Anonymous volumes go along."""
        if seen.key is not None:
            self._save_log(seen)
        doing = f"removing {seen.title}"
        try:
            with self._connection.client(doing) as client:
                _remove(client, seen)
        except Gone:
            return

    # -- parts of create

    def _make(self, client: APIClient, desired: Desired, payload: ContainerPayload, doing: str) -> tuple[str, bool]:
        """The id of the container under our name, and whether it runs already."""
        import docker.errors  # noqa: PLC0415 -- the caller has a client, so it is loaded

        config = write.container(desired, payload)
        try:
            made: JSON = client.create_container_from_config(config, desired.name)  # type: ignore[no-untyped-call]
            return str(made["Id"]), False
        except docker.errors.APIError as error:
            if error.response is None or error.response.status_code != 409:
                raise
            return self._holder(desired, doing)

    def _holder(self, desired: Desired, doing: str) -> tuple[str, bool]:
        """Who has the name: the very container that we were to make is as good as made. Names are a mutex."""
        held = self._appearing(desired.name, doing)
        worn = held["Config"].get("Labels") or {}
        same = (
            worn.get(labels.OWNER) == desired.owner
            and labels.read_key(worn) == desired.key
            and worn.get(labels.FINGERPRINT) == desired.fingerprint
        )
        if not same:
            raise name_taken(desired, held["Id"], f"image {held['Config'].get('Image')}")
        return held["Id"], bool(held["State"].get("Running"))

    def _appearing(self, name: str, doing: str) -> Any:
        """The engine keeps a name free from the first moment on, and shows its container a little later."""
        deadline = time.monotonic() + READ_SECONDS
        while True:
            try:
                return self._connection.get(f"/containers/{name}/json", doing)
            except Gone as error:
                if time.monotonic() > deadline:
                    raise OutcomeUnknown(
                        f"{doing}: the name is taken, but nobody shows it", hint="look again"
                    ) from error
            time.sleep(0.02)

    def _bring_up(self, client: APIClient, container: str, payload: ContainerPayload, doing: str) -> None:
        files.deliver(self._connection, client, container, payload, doing)
        further = list(write.further_networks(payload))
        if further:
            self._connect(client, container, further, doing)
        client.start(container)

    def _connect(self, client: APIClient, container: str, further: list[tuple[str, list[str]]], doing: str) -> None:
        joined = self._connection.get(f"/containers/{container}/json", doing)["NetworkSettings"]["Networks"]
        for network, aliases in further:
            if network not in joined:
                client.connect_container_to_network(container, network, aliases=aliases)

    def _rename(self, client: APIClient, seen: Observed, desired: Desired) -> None:
        import docker.errors  # noqa: PLC0415 -- the caller has a client, so it is loaded

        try:
            client.rename(seen.id, desired.name)
        except docker.errors.APIError as error:
            if error.response is None or error.response.status_code not in {400, 409}:
                raise
            held: Any = self._connection.get(f"/containers/{desired.name}/json", f"renaming {seen.title}")
            if held["Id"] != seen.id:
                raise name_taken(desired, held["Id"], f"image {held['Config'].get('Image')}") from error


def name_taken(desired: Desired, holder: str, what: str) -> NameTaken:
    noun = {"service": "container"}.get(desired.key.kind, desired.key.kind)
    return NameTaken(
        f"the name {desired.name} is held by {noun} {holder[:12]} ({what}), which is not ours",
        hint=f"remove or rename it, for example: docker rename {holder[:12]} {desired.name}-old"
        if noun == "container"
        else "remove it, or choose another name",
    )


def _unpause(client: APIClient, seen: Observed) -> None:
    import docker.errors  # noqa: PLC0415 -- the caller has a client, so it is loaded

    try:
        client.unpause(seen.id)
    except docker.errors.APIError as error:
        if "is not paused" not in (error.explanation or ""):
            raise


def _signal_first(client: APIClient, seen: Observed, signal: str, seconds: int) -> None:
    """The spec names another signal than the container was made with: ours goes first, the engine's own after it."""
    import docker.errors  # noqa: PLC0415 -- the caller has a client, so it is loaded
    import requests.exceptions  # noqa: PLC0415

    try:
        client.kill(seen.id, signal)
        client.wait(seen.id, timeout=seconds)
    except docker.errors.APIError as error:
        if "is not running" not in (error.explanation or ""):
            raise
    except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
        client.stop(seen.id, timeout=0)


def _remove(client: APIClient, seen: Observed) -> None:
    import docker.errors  # noqa: PLC0415 -- the caller has a client, so it is loaded

    try:
        client.remove_container(seen.id, v=True)
    except docker.errors.APIError as error:
        if "already in progress" not in (error.explanation or ""):
            raise
        client.wait(seen.id, timeout=WRITE_SECONDS, condition="removed")
