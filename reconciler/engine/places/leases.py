"""Before anything is changed on another host, that host is ours to change; where nothing of ours is left, it is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from reconciler.core.graph import Graph
from reconciler.core.leased import left_alone
from reconciler.errors import ReconcilerError
from reconciler.model.desired import Desired, Stop
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.place import Place
from reconciler.model.plan import Outcome
from reconciler.ports import Runtime
from reconciler.telemetry import Say, get_logger

log = get_logger()
FRESH_SECONDS = 120.0
"""So long nobody asks again: a lease lasts much longer."""


class Leasing(Protocol):
    """A runtime that knows whose its host is."""

    def claim(self) -> None:
        """That we may change things there. Raises HostTaken if somebody else does."""

    def release(self) -> None: ...


class Lease:
    """Of one host, for all runtimes on it."""

    def __init__(self, whose: Leasing, now: Callable[[], float] = time.monotonic) -> None:
        self._whose, self._now = whose, now
        self._lock = threading.Lock()
        self._claimed: float | None = None

    def claim(self) -> None:
        """Those who come at the same time ask once."""
        with self._lock:
            if self._claimed is None or self._now() - self._claimed > FRESH_SECONDS:
                self._whose.claim()
                self._claimed = self._now()

    def release(self) -> None:
        with self._lock:
            self._claimed = None
            self._whose.release()


class Leased:
    """A runtime that changes nothing on a host that somebody else looks after."""

    def __init__(self, runtime: Any, lease: Lease) -> None:
        self._runtime: Runtime = runtime
        self._lease = lease
        self.release = lease.release

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def create(self, desired: Desired) -> None:
        self._lease.claim()
        self._runtime.create(desired)

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        self._lease.claim()
        self._runtime.adjust(seen, desired, changes)

    def start(self, seen: Observed, desired: Desired) -> None:
        self._lease.claim()
        self._runtime.start(seen, desired)

    def stop(self, seen: Observed, stop: Stop) -> None:
        self._lease.claim()
        self._runtime.stop(seen, stop)

    def remove(self, seen: Observed) -> None:
        self._lease.claim()
        self._runtime.remove(seen)


def released(runtimes: Mapping[str, Any], graph: Graph, snapshot: Snapshot, outcomes: Iterable[Outcome]) -> list[str]:
    """Hosts that are anybody's again. What could not be told to one of them ends by itself."""
    told = []
    for host in left_alone(graph, snapshot, outcomes):
        try:
            runtimes[Place("process", host)].release()
        except ReconcilerError as error:
            log.warning(Say.LEASE_KEPT, host=host, problem=error.message)
            continue
        told.append(host)
    return told
