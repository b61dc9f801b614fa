"""Whether anything of the services has changed since the last time, for who asks twice a minute about hundreds."""

from __future__ import annotations

import os

from reconciler.runtimes.process.directory import Record, directories, read_record
from reconciler.runtimes.process.identity import living

Stamp = tuple[int, ...]


class Pulse:
    """Files are read again only when their stamps have changed; whether somebody lives is asked each time."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._records: dict[str, tuple[Stamp, Record | None]] = {}

    def feel(self) -> str:
        """Who there is, who of them lives and who was halted. Empty where that can't be said."""
        try:
            names = directories(self._root)
            self._records = {name: self._record(name) for name in names}
            return repr([(name, *self._of(name)) for name in names])
        except OSError:
            return ""

    def _record(self, name: str) -> tuple[Stamp, Record | None]:
        stamp = _stamp(f"{self._root}/{name}/pid")
        known = self._records.get(name)
        return known if known and known[0] == stamp else (stamp, read_record(f"{self._root}/{name}"))

    def _of(self, name: str) -> tuple[object, ...]:
        stamp, record = self._records[name]
        lives = living(record.service) if record else None
        return stamp, lives and lives.state == "T", _stamp(f"{self._root}/{name}/exit")


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size
