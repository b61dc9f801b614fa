"""Volumes of native processes: directories that nothing but a command with their name removes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator

from reconciler.errors import Gone, NameTaken
from reconciler.model import labels as table
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.runtimes.process.directory import (
    LABELS,
    directories,
    discard,
    make_private,
    read_labels,
    write_labels,
)


class Volumes:
    """`<home>/volumes/<namespace>-<name>/`: labels.json, and beside it data/, which is the volume."""

    def __init__(self, home: str, owner: str, host: str) -> None:
        self._root = os.path.join(home, "volumes")
        self._owner = owner
        self._host = host

    def observe(self) -> Iterator[Observed]:
        for name in directories(self._root):
            if seen := self._look(name):
                yield seen

    def create(self, desired: Desired) -> None:
        """Labels come last: data/ without them is nobody's, and is taken over rather than emptied."""
        place = os.path.join(self._root, desired.name)
        seen = self._look(desired.name) if os.path.isdir(place) else None
        if seen and seen.key != desired.key:
            raise NameTaken(
                f"{desired.key}: {place} is there and is not ours", hint="move it away, or rename the volume"
            )
        make_private(os.path.join(place, "data"))
        if seen is None:
            write_labels(place, table.write(desired) | {"id": os.urandom(16).hex(), "created": time.time()})

    def remove(self, seen: Observed) -> None:
        place = os.path.join(self._root, seen.name)
        now = self._look(seen.name) if os.path.isdir(place) else None
        if now is None:
            return
        if now.id != seen.id or now.key is None:
            raise Gone(f"{seen.title} is not there any more; {place} is another one", hint="look again")
        data = os.path.join(place, "data")
        if os.path.lexists(data):  # else a removal was cut short, and is brought to its end
            shutil.rmtree(data)
        for name in reversed(LABELS):
            discard(os.path.join(place, f"{name}.new"))
            discard(os.path.join(place, name))
        os.rmdir(place)

    def _look(self, name: str) -> Observed | None:
        place = os.path.join(self._root, name)
        labels = read_labels(place)
        key = _our_key(labels, self._owner, name)
        if labels is None and not os.path.lexists(os.path.join(place, "labels.json")):
            return None
        if labels is None or key is None:
            return Observed(
                id=f"inode-{os.stat(place).st_ino}",
                name=name,
                kind="volume",
                runtime="process",
                host=self._host,
                phase=Phase.UNKNOWN,
                detail=f"{place}/labels.json is not one of this installation's",
            )
        return Observed(
            id=labels["id"],
            name=name,
            kind="volume",
            runtime="process",
            host=self._host,
            key=key,
            owner=self._owner,
            fingerprint=str(labels.get(table.FINGERPRINT, "")),
            generation=table.read_generation(labels),
            started_at=labels.get("created"),
        )


def _our_key(labels: dict[str, object] | None, owner: str, name: str) -> Key | None:
    if labels is None or labels.get(table.OWNER) != owner or not isinstance(labels.get("id"), str):
        return None
    key = table.read_key({part: str(text) for part, text in labels.items()})
    return key if key and key.kind == "volume" and key.engine_name == name else None
