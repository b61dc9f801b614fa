"""The runtime: one look at everything, and five verbs that hand on to what a thing is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from reconciler.errors import OutcomeUnknown, ReconcilerError, Refused
from reconciler.model import labels
from reconciler.model.desired import ContainerPayload, Desired, NetworkPayload, Stop, VolumePayload
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Observed, View
from reconciler.runtimes.docker import read
from reconciler.runtimes.docker.adopted import Adopted
from reconciler.runtimes.docker.adopting import DockerAdopting
from reconciler.runtimes.docker.builds import Builds
from reconciler.runtimes.docker.closer import Closer
from reconciler.runtimes.docker.connection import Connection
from reconciler.runtimes.docker.containers import Containers
from reconciler.runtimes.docker.dialect import engine_name
from reconciler.runtimes.docker.endpoint import SYSTEM_SOCKET, Endpoint
from reconciler.runtimes.docker.errors import garbled
from reconciler.runtimes.docker.glance import LISTS, digest, digest_of_ours
from reconciler.runtimes.docker.images import Images, Progress
from reconciler.runtimes.docker.networks import Networks, Volumes
from reconciler.runtimes.docker.reach import DockerReach
from reconciler.runtimes.docker.uptime import Moments
from reconciler.runtimes.lastlog import LastLog

FIRST_GUESS = 8
"""How many containers of ours an engine elsewhere has; after a look it is known."""


class DockerRuntime(DockerReach, DockerAdopting):
    """Containers, networks and volumes of one engine. `locate` is called by the first use, not before."""

    name = read.RUNTIME

    def __init__(
        self,
        locate: Callable[[], Endpoint],
        *,
        owner: str,
        host: str = "local",
        logs_dir: str | None = None,
        adopted_dir: str = "",
        progress: Progress | None = None,
        nearer: Callable[[str, int], tuple[str, int]] = lambda address, port: (address, port),
    ) -> None:
        """`nearer` says where an address is found here that the host itself would use."""
        self.host = host
        self._nearer = nearer
        self._owner = owner
        connection = Connection(locate)
        super().__init__(connection)
        self._adopted = Adopted(adopted_dir, lambda: connection.endpoint)
        self._moments = Moments()
        self._lists: list[Any] = []
        self._inspected = FIRST_GUESS
        self._version = ""
        self._looked_at = 0.0
        self._images = Images(connection, progress, host)
        self._builds = Builds(connection, owner, progress)
        self._closer = Closer(connection, self._moments, self._images)
        self._containers = Containers(connection, LastLog(self, logs_dir).save)
        self._networks = Networks(connection)
        self._volumes = Volumes(connection)

    def observe(self, *, deep: bool = False) -> View:
        try:
            with self._connection.ahead(self._inspected if deep and self.host != "local" else 0):
                seen = self._look()
                seen = self._closer.look(seen, read.made_from(self._lists[0])) if deep else seen
            self._inspected = sum(one.kind == INSTANCE and one.key is not None for one in seen)
            return View(self.name, self.host, seen, engine=self._version)
        except ReconcilerError as error:
            return View(self.name, self.host, problem=error.message, hint=error.hint)

    def glanced(self, namespace: str) -> tuple[str, str, float]:
        """The socket of an engine that is found the same way each time, what the last look saw, digested, and when."""
        endpoint = self._connection.endpoint
        lasting = endpoint.path and (endpoint.source == "DOCKER_HOST" or endpoint.path == SYSTEM_SOCKET)
        seen = digest(self._lists, namespace) if lasting and self._lists else ""
        return endpoint.path, seen, self._looked_at

    def glance(self) -> str:
        """Lists of ours alone. Networks and volumes in use can't go; limits stand in no list, and take a look."""
        ours = [{"label": [f"{labels.OWNER}={self._owner}"]}]
        try:
            if adopted := self._adopted.read():
                ours.append({"id": sorted(adopted)})
            paths = [f"/containers/json?all=1&filters={quote(json.dumps(only))}" for only in ours]
            return digest_of_ours([item for listed in self._connection.get_all(paths) for item in listed])
        except (ReconcilerError, KeyError, TypeError, ValueError, AttributeError):
            return ""

    def get_ready(self) -> None:
        """An engine is."""

    def prepare(self, desired: Desired) -> None:
        if isinstance(desired.payload, ContainerPayload):
            self._containers.prepare(desired, desired.payload)
            if desired.payload.build:
                self._builds.prepare(desired, desired.payload, desired.payload.build)
            else:
                self._images.prepare(desired.payload.image, desired.payload.pull_policy)

    def create(self, desired: Desired) -> None:
        match desired.payload:
            case ContainerPayload() as payload:
                with self._one_network_of_a_name():
                    self._containers.create(desired, payload)
                if payload.build:
                    self._builds.tidy(desired)
            case NetworkPayload() as payload:
                self._networks.create(desired, payload)
            case VolumePayload() as payload:
                self._volumes.create(desired, payload)
            case payload:
                raise Refused(f"{desired.key}: a container engine can't make a {type(payload).__name__}")

    def address(self, seen: Observed, port: int, protocol: str = "tcp") -> tuple[str, int]:
        return self._nearer(*super().address(seen, port, protocol))

    # Everything below changes what was seen, and only what is ours: a second lock on a door that stays shut anyway.

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        _require_ours(seen)
        self._containers.adjust(seen, desired, changes)

    def start(self, seen: Observed, desired: Desired) -> None:
        _require_ours(seen)
        assert isinstance(desired.payload, ContainerPayload), "only containers are started"
        with self._one_network_of_a_name():
            self._containers.start(seen, desired.payload)
        self._moments.forget(seen.id, "start")

    def stop(self, seen: Observed, stop: Stop) -> None:
        _require_ours(seen)
        self._containers.stop(seen, stop)

    def remove(self, seen: Observed) -> None:
        _require_ours(seen)
        match seen.kind:
            case "network":
                self._networks.remove(seen)
            case "volume":
                self._volumes.remove(seen)
            case _:
                self._containers.remove(seen)
                self._builds.tidy_after(seen)
                if seen.adopted:
                    self._adopted.drop(seen.id)

    def clear_away(self, key: Key) -> None:
        self._builds.clear_away(key)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _one_network_of_a_name(self) -> Iterator[None]:
        """An engine makes a network for whoever asked, though he is dead by now and his successor has made it too."""
        try:
            yield
        except Refused as error:
            if self._networks.settle(error, self._owner):
                raise OutcomeUnknown(error.message, hint="there is one of them now: look again") from error
            raise

    def _look(self) -> tuple[Observed, ...]:
        """The three lists at once. What can't be read as what it should be is no world, least of all an empty one."""
        self._looked_at = time.time()
        adopted = self._adopted.read()
        elsewhere = ["/version"] if self.host != "local" else []
        containers, networks, volumes, *told = self._connection.get_all([*LISTS, *elsewhere])
        self._lists = [containers, networks, volumes]
        try:
            joinable = read.networks(networks, self._owner)
            known = {network.id for network in joinable}
            seen = (
                *read.containers(containers, self._owner, self._moments, time.time(), known, adopted),
                *joinable,
                *read.volumes(volumes, self._owner),
            )
            self._version = " ".join(f"{engine_name(one)} {one['Version']}" for one in told)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise garbled(self._connection.endpoint, f"lists that can't be read ({error!r})") from error
        return tuple(replace(one, host=self.host) for one in seen) if self.host != "local" else seen


def _require_ours(seen: Observed) -> None:
    if seen.key is None:
        raise Refused(f"{seen.title} is not ours, and so is not touched")
