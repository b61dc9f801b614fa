"""An instance's log goes with it, so its end is kept: that is what a person wants to read after a crash."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.model.observed import Observed
from reconciler.ports import Reach

LARGEST = 1024 * 1024
LINES = 10_000


class LastLog:
    """`<directory>/<namespace>.<name>.<index>.log`, the last MiB of the instance that was removed last."""

    def __init__(self, reach: Reach, directory: str | None) -> None:
        self._reach = reach
        self._directory = Path(directory) if directory else None

    def save(self, seen: Observed) -> None:
        """A log that can't be read or kept is no reason not to remove what has to go."""
        if self._directory is None or seen.key is None:
            return
        try:
            content = self._tail(seen)
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(self._directory / f"{seen.key.namespace}.{seen.key.name}.{seen.key.index}.log", content)
        except (ReconcilerError, OSError):
            return

    def _tail(self, seen: Observed) -> bytes:
        kept: deque[bytes] = deque()
        size = 0
        for piece in self._reach.logs(seen, tail=LINES):
            kept.append(piece)
            size += len(piece)
            while size - len(kept[0]) >= LARGEST:
                size -= len(kept.popleft())
        return b"".join(kept)[-LARGEST:]


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
