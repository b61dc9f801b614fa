"""The policy as it is now: a daemon that runs for months goes by the file of today, and by none that makes no sense."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.usual_places import policy_files

if TYPE_CHECKING:
    from reconciler.core.policy import Policy

Stamp = tuple[tuple[int, ...], ...]


class Policies:
    """Reads the file again when it has changed. Most people have none, and pay two failing looks for it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._last: tuple[Stamp, Policy] | None = None

    def silent(self) -> bool:
        """Whether nobody has written any policy."""
        return not any(self._stamp())

    def read(self) -> Policy:
        """Raises for a file that nobody should trust, or that makes no sense: then nothing is permitted."""
        stamp = self._stamp()
        if self._last is None or self._last[0] != stamp:
            from reconciler.sources.policyfile import load  # noqa: PLC0415

            self._last = (stamp, load(self._environ))
        return self._last[1]

    def _stamp(self) -> Stamp:
        return tuple(_stamp(Path(path)) for path in policy_files(self._environ))


def _stamp(path: Path) -> tuple[int, ...]:
    """Empty where there is nothing. Of a link, what it leads to counts too."""
    try:
        facts = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        return (error.errno or -1,)
    followed = path.stat() if path.exists() else facts
    return tuple(part for one in (facts, followed) for part in _parts(one))


def _parts(facts: os.stat_result) -> tuple[int, ...]:
    """When it was written may be set back by who wrote it; when that was done may not."""
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino, facts.st_mode, facts.st_uid
