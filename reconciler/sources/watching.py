"""Directories of specs, as an alarm: which one to read again, because something in it changed.

inotify, through watchdog, says when to look; whether anything is different the stamps say. So an editor's temporary
files, events that got lost in a full queue, and a link that was swapped all come to the same. Where inotify can't be
used, or tells nothing (out of watches, a network's file system), the stamps are compared every two seconds.

A hint all the same. What escapes it, the rescan of whoever reads the directory finds.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.ending import readable_once
from reconciler.sources.stamps import Stamps, is_remote, stamps

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver

Tell = Callable[[str], None]
Note = Callable[[str], None]

DEBOUNCE = 0.3
LONGEST_DEBOUNCE = 2.0
"""Where changes never cease, it is looked all the same after so long."""
POLL = 2.0
RETRY = 60.0
"""Until inotify is tried again."""
HAPPENINGS = ("Created", "Deleted", "Modified", "Moved", "Attrib")
"""As watchdog calls them. The last it tells apart only since its seventh version."""


class Directories:
    """`paths` is asked again and again: directories, or single files, and all that is to be told of each."""

    def __init__(self, paths: Callable[[], Mapping[str, frozenset[str]]], note: Note) -> None:
        self._paths = paths
        self._note = note
        self._stirred = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        """Lasts as long as we do: watchdog's threads may be a little late to end."""

    def watch(self, tell: Tell, stopping: threading.Event) -> None:
        places: dict[str, _Place] = {}
        try:
            with _overflows(places), readable_once(stopping) as ending:
                self._go_on(places, tell, stopping, _Sleep(self._stirred, ending))
        finally:
            for place in places.values():
                place.close()

    def _go_on(self, places: dict[str, _Place], tell: Tell, stopping: threading.Event, sleep: _Sleep) -> None:
        due = 0.0
        while not stopping.is_set():
            if time.monotonic() >= due:
                self._keep(places, sleep.wake)
                due = time.monotonic() + POLL
            for place in places.values():
                if place.look_if_due():
                    for key in sorted(place.keys):
                        tell(key)
            sleep.until(min([due, *(place.due for place in places.values())]))

    def _keep(self, places: dict[str, _Place], wake: Callable[[], None]) -> None:
        wanted = self._paths()
        for path in [path for path, place in places.items() if path not in wanted]:
            places.pop(path).close()
        for path, place in places.items():
            place.concern(wanted[path])
        for path in wanted.keys() - places.keys():
            places[path] = _Place(path, wanted[path], self._note, wake)


class _Sleep:
    """Until a moment, the end, or until somebody wakes us; nothing stirs, and it costs nothing."""

    def __init__(self, stirred: int, ending: int) -> None:
        self._stirred = stirred
        self._poll = select.poll()
        self._poll.register(stirred, select.POLLIN)
        self._poll.register(ending, select.POLLIN)

    def wake(self) -> None:
        """Called by watchdog's threads."""
        os.eventfd_write(self._stirred, 1)

    def until(self, moment: float) -> None:
        ready = self._poll.poll(max(0.0, moment - time.monotonic()) * 1000)
        if (self._stirred, select.POLLIN) in ready:
            os.eventfd_read(self._stirred)


class _Place:
    """One directory, what it looked like last, and how it is watched."""

    def __init__(self, path: str, keys: frozenset[str], note: Note, wake: Callable[[], None]) -> None:
        self.path = path
        self.keys = keys
        self._note = note
        self._wake = wake
        self._first = self._last = 0.0
        """Since when there are changes that were not looked at, and how long ago the last one was."""
        self._seen: Stamps | None = None
        self._observer: BaseObserver | None = None
        self._watched: Stamps | None = None
        """What the directories were like when inotify was set on them."""
        self._next_look = self._next_try = 0.0
        self._noted = False

    def concern(self, keys: frozenset[str]) -> None:
        """Whoever is new has not heard of it yet, and is told as of what is looked at for the first time."""
        if keys - self.keys:
            self._seen = None
            self._next_look = 0.0
        self.keys = keys

    def stir(self) -> None:
        """Called by watchdog's threads. To be late by a moment here does no harm: it is looked afterwards."""
        self._last = time.monotonic()
        if not self._first:  # of all that follow within a moment, the first is enough to wake somebody
            self._first = self._last
            self._wake()

    @property
    def due(self) -> float:
        """When it is to be looked at next."""
        return min(self._next_look, self._settles) if self._first else self._next_look

    @property
    def _settles(self) -> float:
        return min(self._last + DEBOUNCE, self._first + LONGEST_DEBOUNCE)

    def look_if_due(self) -> bool:
        """Whether something is different; the first time it always is, for nobody can say what was before."""
        now = time.monotonic()
        settled = self._first and now >= self._settles
        if not settled and now < self._next_look:
            return False
        self._next_look = now + POLL
        if self._observer and self._seen and not settled and not self._moved():
            return False
        self._first = 0.0
        return self._look(now)

    def close(self) -> None:
        if self._observer:
            self._observer.stop()
            if self._observer.is_alive():
                self._observer.join(1.0)
        self._observer = self._watched = None

    def _look(self, now: float) -> bool:
        found = stamps(self.path)
        if self._is_to_be_armed(found, now):
            self._arm(found, now)
            found = stamps(self.path)  # what came between the two has told nobody
        before, self._seen = self._seen, found
        return found != before

    def _moved(self) -> bool:
        """Another directory under the same name, or none: inotify stays with the old one, and says nothing."""
        seen = self._watched.directories.get(self.path) if self._watched else None
        try:
            facts = os.stat(self.path)
        except OSError:
            return seen is not None
        return seen is not None and seen[:2] != (facts.st_dev, facts.st_ino)

    # -- inotify

    def _is_to_be_armed(self, found: Stamps, now: float) -> bool:
        if self._watched is None:
            return found.there and now >= self._next_try
        return (self._watched.directories, self._watched.outside) != (found.directories, found.outside)

    def _arm(self, found: Stamps, now: float) -> None:
        self.close()
        if not found.there:
            return
        if kind := is_remote(self.path):
            self._fall_back(f"what others change on {kind} is not told", now)
            return
        try:
            self._observe(found)
        except OSError as error:
            self.close()
            if error.errno not in {errno.ENOENT, errno.ENOTDIR}:  # gone meanwhile: the next look will tell
                self._fall_back(str(error.strerror), now)
            return
        self._watched = found
        if self._noted:
            self._noted = False
            self._note(f"{self.path}: changes are told at once again")

    def _fall_back(self, why: str, now: float) -> None:
        self._next_try = now + RETRY
        if not self._noted:
            self._noted = True
            self._note(f"{self.path}: inotify can't be used ({why}); looking every {POLL:g} s instead")

    def _observe(self, found: Stamps) -> None:
        from watchdog.observers import Observer  # noqa: PLC0415 -- 60 ms, for those who watch something

        self._observer = Observer()
        handler, filters = _handler(self.stir)
        for path, recursive in _to_watch(self.path, found).items():
            self._observer.schedule(handler, path, recursive=recursive, event_filter=filters)
        self._observer.start()
        if last := _last_directory(self.path):
            # Of a directory further down, watchdog keeps it to itself when there are no watches left. So the last one
            # that it came by is asked for by itself.
            self._observer.schedule(handler, last, recursive=False, event_filter=filters)


def _to_watch(root: str, found: Stamps) -> dict[str, bool]:
    """By its real name: of a link itself, inotify would tell nothing."""
    own = {os.path.realpath(root): True} if root in found.directories else {}
    return {**found.outside, **own}


def _last_directory(root: str) -> str:
    """In the order in which watchdog goes through them; empty where there is none below the root."""
    last = ""
    for above, names, _ in os.walk(os.path.realpath(root)):
        paths = [os.path.join(above, name) for name in names]
        last = next((path for path in reversed(paths) if not os.path.islink(path)), last)
    return last


def _handler(stir: Callable[[], None]) -> tuple[FileSystemEventHandler, list[type[FileSystemEvent]]]:
    """And what it is for: not for reading, or whoever reads the directory would call himself."""
    from watchdog import events  # noqa: PLC0415 -- as above

    class Handler(events.FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002 -- which one it was does not matter
            stir()

    names = [f"{what}{how}Event" for what in ("File", "Dir") for how in HAPPENINGS]
    return Handler(), [kind for name in names if (kind := getattr(events, name, None))]


@contextmanager
def _overflows(places: Mapping[str, _Place]) -> Iterator[None]:
    """That the kernel has dropped events watchdog says in its log only; which is nothing for our stderr."""

    class Overflows(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "overflow" in record.getMessage():
                for place in [*places.values()]:
                    place.stir()

    log, handler = logging.getLogger("watchdog"), Overflows()
    before, log.propagate = log.propagate, False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before
