"""The part of the runtime that adopts: who is there, how he is made, and that he is ours from now on."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.errors import Refused
from reconciler.failpoints import failpoint
from reconciler.model import labels
from reconciler.model.desired import ContainerPayload, Desired
from reconciler.model.observed import Observed, Stranger
from reconciler.runtimes.docker import files, read

if TYPE_CHECKING:
    from reconciler.runtimes.docker.adopted import Adopted
    from reconciler.runtimes.docker.closer import Closer
    from reconciler.runtimes.docker.connection import Connection
    from reconciler.runtimes.docker.uptime import Moments

LIST = "/containers/json?all=1"


class DockerAdopting:
    """Looks at what is not ours. Changes nothing on the engine; what it writes is the record."""

    _connection: Connection
    _closer: Closer
    _moments: Moments
    _adopted: Adopted

    def strangers(self) -> tuple[Stranger, ...]:
        """Whoever wears no labels of an owner, and is on no record."""
        listed = self._connection.get_all([LIST])[0]
        known = self._adopted.read()
        everyone = read.strangers(listed, self._moments, time.time())
        return tuple(one for one in everyone if labels.OWNER not in one.labels and one.seen.id not in known)

    def stray_volumes(self) -> tuple[Stranger, ...]:
        listed = self._connection.get_all(["/volumes"])[0]["Volumes"] or []
        found = (Stranger(read.volume(item, ""), dict(item.get("Labels") or {})) for item in listed)
        return tuple(one for one in found if labels.OWNER not in one.labels)

    def look_closer(self, seen: Sequence[Observed]) -> tuple[Observed, ...]:
        """Each as it would be if it were ours, with all that can be found out about how it was made."""
        return self._closer.look(seen)

    def same_image(self, stranger: Stranger, image: str) -> bool:
        """Whether the name means the very image that it was made from, whatever that was called then."""
        told: Any = self._connection.ask_gently(f"/images/{quote(image)}/json")
        return bool(told) and told.get("Id") == stranger.image_id

    def strayed_files(self, seen: Observed, desired: Desired) -> list[str]:
        """Files of Configs and Secrets that it does not have as they are declared, by their paths."""
        assert isinstance(desired.payload, ContainerPayload), "only containers are adopted"
        wanted = ((mount.target, file) for mount in desired.payload.mounts for file in mount.files)
        doing = f"reading the files of {seen.title}"
        paths = [(f"{target.rstrip('/')}/{file.name}", file.data()) for target, file in wanted]
        return [path for path, data in paths if files.content(self._connection, seen.id, path, doing) != data]

    def adopt(self, ours: Mapping[str, Desired], outdated: Collection[str]) -> None:
        """By container id. Those that are `outdated` match nothing, and so are made anew by the next pass."""
        there = {str(item["Id"]) for item in self._connection.get_all([LIST])[0]}
        gone = [desired.name for identity, desired in ours.items() if identity not in there]
        if gone:
            raise Refused(f"what was to become {gone[0]} has gone meanwhile", hint="try again")
        worn = {identity: labels.write(desired) for identity, desired in ours.items()}
        for identity in outdated:
            worn[identity][labels.FINGERPRINT] = labels.NONE
        self._adopted.add(worn, there)
        failpoint("docker.container.adopted")
