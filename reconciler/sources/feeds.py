"""Where Sources lead: each one's directory or repository, and what is remembered of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.kinds.source import SourceSpec
from reconciler.model.following import Known
from reconciler.model.key import Key
from reconciler.model.status import Status
from reconciler.ports import Checkout
from reconciler.sources.home import Home
from reconciler.sources.ledger import Ledger


class Followed(Ledger):
    """All Sources of a home."""

    parsed: dict[Key, Any]
    found: dict[str, Mapping[Key, Status]]

    def __init__(self, home: Home, steady: Callable[[], float] = time.monotonic) -> None:
        super().__init__(home)
        self.parsed = {}
        self.found = {}
        self._steady = steady
        self._seen: dict[Key, tuple[str, float]] = {}
        self._abandoned = threading.Event()

    def abandon(self) -> None:
        self._abandoned.set()

    def fetch(self, key: Key, spec: SourceSpec, known: Known, *, revision: str = "") -> Checkout:
        from reconciler.sources import directory, repository  # noqa: PLC0415 -- for who follows one

        if spec.git is None:
            return directory.read(spec.directory, recursive=spec.recursive)
        return repository.read(self.folder(key), spec, known, revision=revision, abandoned=self._abandoned.is_set)

    def watched(self, key: Key, revision: str) -> float:
        now = self._steady()
        before = self._seen.get(key)
        if before is None or before[0] != revision:
            before = self._seen[key] = (revision, now)
        return now - before[1]

    def forget(self, key: Key) -> None:
        self._seen.pop(key, None)
        self.parsed.pop(key, None)
        super().forget(key)
