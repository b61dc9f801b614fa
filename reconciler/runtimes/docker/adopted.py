"""The record of what was adopted: containers that others made, and that a person said are ours.

Nobody can give a living container labels. So what it would wear is written down here, by its id, which no other
container will ever have, in a file of our home for each engine. The labels name our owner id, as all labels do: in
another home the record owns nothing. It is written when a person adopts, and when what was adopted is removed; without
it the containers are foreign again, and stay as they are.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from reconciler.durable import write_whole
from reconciler.errors import ReconcilerError
from reconciler.runtimes.docker.endpoint import Endpoint

Record = Mapping[str, Mapping[str, str]]
"""By container id: the labels that it would wear."""


class Adopted:
    """Of one engine. It is asked at each look, so the file is read only when it was written to since; `folder` is empty
    where there is no home.
    """

    def __init__(self, folder: str, locate: Callable[[], Endpoint]) -> None:
        self._folder = folder
        self._locate = locate
        self._turn = threading.Lock()
        self._known: tuple[tuple[int, ...], Record] = ((), {})

    def read(self) -> Record:
        """Raises for a record that makes no sense: who is ours can't be said without it, and so nothing is done."""
        if not self._folder or not Path(self._folder).is_dir():
            return {}  # as nearly everywhere: nobody has to be asked where the engine is
        path = self._path
        try:
            found = path.stat()
        except FileNotFoundError:
            return {}
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._known[0]:
            self._known = (stamp, understood(path))
        return self._known[1]

    def add(self, more: Record, there: Collection[str]) -> None:
        """`there` are the ids of all that the engine holds now: the others are gone for ever."""
        with self._changing():
            kept = {identity: worn for identity, worn in self.read().items() if identity in there}
            self._write({**kept, **more})

    def drop(self, identity: str) -> None:
        if identity not in self.read():
            return
        with self._changing():
            held = self.read()
            if identity in held:
                self._write({other: worn for other, worn in held.items() if other != identity})

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One at a time, in whichever process: or a daemon that drops one writes away what a person has just added."""
        folder = Path(self._folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._turn:
            descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # held for one small file's writing, and let go with its holder
                yield
            finally:
                os.close(descriptor)

    @cached_property
    def _path(self) -> Path:
        name = re.sub(r"[^A-Za-z0-9.]+", "-", self._locate().url).strip("-")
        return Path(self._folder) / f"{name}.json"

    def _write(self, record: Record) -> None:
        write_whole(self._path, json.dumps({"containers": record}, indent=1, sort_keys=True).encode())


def understood(path: Path) -> Record:
    """One file of the record. Raises for one that makes no sense."""
    try:
        told = json.loads(path.read_text())
        return {str(identity): _worn(labels) for identity, labels in told["containers"].items()}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ReconcilerError(
            f"{path}, the record of adopted containers, is damaged: {error}",
            hint="restore it, or move it away: then those containers are foreign again, and stay as they are",
        ) from error


def _worn(labels: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in labels.items()}
