"""Files of services, which are files of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from stat import S_ISDIR, S_ISLNK

from reconciler.model.observed import Observed
from reconciler.ports import Entry


class Files:
    """Copied in and out as those of containers are."""

    def entry(self, _seen: Observed, path: str) -> Entry | None:
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Entry(path, directory=S_ISDIR(mode), target=os.path.realpath(path) if S_ISLNK(mode) else "")

    def fetch(self, _seen: Observed, path: str) -> Iterator[bytes]:
        from reconciler.archive import pack  # noqa: PLC0415 -- for those who copy

        return pack(path, os.path.basename(path))

    def deliver(self, _seen: Observed, directory: str, pieces: Iterable[bytes]) -> None:
        from reconciler.archive import unpack  # noqa: PLC0415

        unpack(pieces, directory)
