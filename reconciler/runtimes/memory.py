"""A runtime that is a value: for properties, previews and demos. The contract suite keeps it honest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from reconciler.core import preview
from reconciler.model.desired import Desired, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Observed, View
from reconciler.values import replace


class MemoryRuntime:
    """Holds a View, and changes it the way the real ones change the world."""

    def __init__(self, name: str = "memory", *, host: str = "local", now: Callable[[], float]) -> None:
        self.name = name
        self.host = host
        self._now = now
        self._lock = threading.Lock()
        self.view = View(name, host)

    def observe(self, *, deep: bool = False) -> View:  # noqa: ARG002 -- it hides nothing anyway
        return self.view

    def glance(self) -> str:
        return repr(self.view)

    def get_ready(self) -> None:
        """Nothing takes any time here."""

    def prepare(self, desired: Desired) -> None:
        """There is nothing that could be missing."""

    def create(self, desired: Desired) -> None:
        # Two changes, as on a real engine: when the start is refused, what was made stays behind.
        self._become(lambda view: preview.created(view, desired, self._now()))
        self._become(lambda view: preview.launched(view, desired, self._now()))

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        self._become(lambda view: preview.adjusted(view, seen, desired, tuple(changes)))

    def start(self, seen: Observed, desired: Desired) -> None:
        self._become(lambda view: preview.started(view, seen, desired, self._now()))

    def stop(self, seen: Observed, stop: Stop) -> None:  # noqa: ARG002 -- whoever is asked here, stops
        self._become(lambda view: preview.stopped(view, seen, self._now()))

    def clear_away(self, key: Key) -> None:
        """Nothing is made here but what was asked for."""

    def remove(self, seen: Observed) -> None:
        self._become(lambda view: preview.removed(view, seen))

    def put(self, thing: Observed) -> None:
        """Something that others did: appears in the world, or replaces what has its id."""
        others = tuple(other for other in self.view.objects if other.id != thing.id)
        self._become(lambda view: replace(view, objects=(*others, thing)))

    def take(self, object_id: str) -> None:
        """Somebody else removed it."""
        self._become(lambda view: replace(view, objects=tuple(t for t in view.objects if t.id != object_id)))

    def _become(self, change: Callable[[View], View]) -> None:
        with self._lock:
            self.view = change(self.view)
