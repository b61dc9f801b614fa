"""The diary's twin in memory: for tests, for previews, and for the time when the disk can't be written."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Event, Status

SAME_WITHIN_SECONDS = 3600.0
"""A repeated event is counted up, not repeated, while the last one is no older than this."""
EVENTS_KEPT = 10_000
PAYLOADS_KEPT = 2_000

T = TypeVar("T")


class Memory:
    """A Store that lasts as long as this object."""

    def __init__(
        self,
        *,
        journal: Mapping[Key, Record] | None = None,
        events: Sequence[Event] = (),
        payloads: Mapping[str, str] | None = None,
        statuses: Mapping[Key, Status] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._journal = dict(journal or {})
        self._events: dict[int, Event] = {}
        """By the turn in which each came."""
        self._alike: dict[tuple[str, Key, str], list[int]] = {}
        """The turns of those that say the same."""
        self._payloads = dict(payloads or {})
        self._statuses = dict(statuses or {})
        self._turn = 0
        for event in events:
            self._append(event)

    def journal(self, namespace: str) -> dict[Key, Record]:
        with self._lock:
            return {key: self._journal[key] for key in sorted(self._journal) if key.namespace == namespace}

    def write_journal(self, changed: Mapping[Key, Record | None]) -> None:
        with self._lock:
            _overwrite(self._journal, changed)

    def add_events(self, events: Sequence[Event]) -> None:
        with self._lock:
            for event in events:
                self._add(event)
            for turn in self._in_order()[:-EVENTS_KEPT]:
                gone = self._events.pop(turn)
                self._alike[_told(gone)].remove(turn)

    def _add(self, event: Event) -> None:
        alike = [turn for turn in self._alike.get(_told(event), ()) if _recent(self._events[turn], event)]
        if not alike:
            return self._append(event)
        latest = max(alike, key=lambda turn: (self._events[turn].time, turn))
        self._events[latest] = _counted_up(self._events[latest], event)
        return None

    def _append(self, event: Event) -> None:
        self._turn += 1
        self._events[self._turn] = event
        self._alike.setdefault(_told(event), []).append(self._turn)

    def _in_order(self) -> list[int]:
        return sorted(self._events, key=lambda turn: (self._events[turn].time, turn))

    def events(self, *, namespace: str | None = None, key: Key | None = None, limit: int = 1000) -> list[Event]:
        with self._lock:
            ordered = [self._events[turn] for turn in self._in_order()]
        chosen = [event for event in ordered if _concerns(event, namespace, key)]
        return chosen[-limit:] if limit > 0 else []

    def payload(self, fingerprint: str) -> str | None:
        with self._lock:
            return self._payloads.get(fingerprint)

    def write_payloads(self, payloads: Mapping[str, str]) -> None:
        with self._lock:
            for fingerprint, text in payloads.items():
                self._payloads.pop(fingerprint, None)
                self._payloads[fingerprint] = text
            for fingerprint in list(self._payloads)[:-PAYLOADS_KEPT]:
                del self._payloads[fingerprint]

    def statuses(self, namespace: str | None = None) -> dict[Key, Status]:
        with self._lock:
            keys = sorted(key for key in self._statuses if namespace in (None, key.namespace))
            return {key: self._statuses[key] for key in keys}

    def write_statuses(self, changed: Mapping[Key, Status | None]) -> None:
        with self._lock:
            _overwrite(self._statuses, changed)

    def close(self) -> None:
        """Nothing is held open."""


def _overwrite(kept: dict[Key, T], changed: Mapping[Key, T | None]) -> None:
    for key, value in changed.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value


def _told(event: Event) -> tuple[str, Key, str]:
    return (event.reason, event.key, event.message)


def _recent(earlier: Event, event: Event) -> bool:
    return earlier.time >= event.time - SAME_WITHIN_SECONDS


def _counted_up(earlier: Event, event: Event) -> Event:
    count = earlier.count + event.count
    first = earlier.time if earlier.first_time is None else earlier.first_time
    return replace(earlier, type=event.type, time=max(earlier.time, event.time), count=count, first_time=first)


def _concerns(event: Event, namespace: str | None, key: Key | None) -> bool:
    """A resource's key covers its instances."""
    if namespace is not None and event.key.namespace != namespace:
        return False
    return key is None or key in (event.key, event.key.resource)
