"""Directories of specs, as an alarm: which one to read again, because something in it changed.

inotify says when to look; whether anything is different the stamps say. So an editor's temporary
files, events that got lost in a full queue, and a link that was swapped all come to the same. Where inotify can't be
used, or tells nothing (out of watches, a network's file system), the stamps are compared every two seconds.

A hint all the same. What escapes it, the rescan of whoever reads the directory finds.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing

from reconciler.sources.inotify import Inotify
from reconciler.sources.stamps import Stamps, is_remote, stamps
from reconciler.waitable import readable_once

Tell = Callable[[str], None]
Note = Callable[[str], None]

DEBOUNCE = 0.3
LONGEST_DEBOUNCE = 2.0
"""Where changes never cease, it is looked all the same after so long."""
POLL = 2.0
RETRY = 60.0
"""Until inotify is tried again."""


class Directories:
    """`paths` is asked again and again: directories, or single files, and all that is to be told of each."""

    def __init__(self, paths: Callable[[], Mapping[str, frozenset[str]]], note: Note) -> None:
        self._paths = paths
        self._note = note

    def watch(self, tell: Tell, stopping: threading.Event) -> None:
        with closing(Inotify()) as inotify, readable_once(stopping) as ending:
            self._go_on({}, tell, stopping, _Sleep(inotify, ending), inotify)

    def _go_on(
        self, places: dict[str, _Place], tell: Tell, stopping: threading.Event, sleep: _Sleep, inotify: Inotify
    ) -> None:
        due = 0.0
        while not stopping.is_set():
            if time.monotonic() >= due:
                self._keep(places, inotify)
                due = time.monotonic() + POLL
            for place in places.values():
                if place.look_if_due():
                    for key in sorted(place.keys):
                        tell(key)
            sleep.until(min([due, *(place.due for place in places.values())]))

    def _keep(self, places: dict[str, _Place], inotify: Inotify) -> None:
        wanted = self._paths()
        for path in [path for path, place in places.items() if path not in wanted]:
            places.pop(path).close()
        for path, place in places.items():
            place.concern(wanted[path])
        for path in wanted.keys() - places.keys():
            places[path] = _Place(path, wanted[path], self._note, inotify)


class _Sleep:
    """Until a moment, the end, or until somebody wakes us; nothing stirs, and it costs nothing."""

    def __init__(self, inotify: Inotify, ending: int) -> None:
        self._inotify = inotify
        self._poll = select.poll()
        self._poll.register(ending, select.POLLIN)

    def until(self, moment: float) -> None:
        if self._inotify.fd >= 0:
            self._poll.register(self._inotify.fd, select.POLLIN)
        self._poll.poll(max(0.0, moment - time.monotonic()) * 1000)
        self._inotify.read()


class _Place:
    """One directory, what it looked like last, and how it is watched."""

    def __init__(self, path: str, keys: frozenset[str], note: Note, inotify: Inotify) -> None:
        self.path = path
        self.keys = keys
        self._note = note
        self._inotify = inotify
        self._first = self._last = 0.0
        """Since when there are changes that were not looked at, and how long ago the last one was."""
        self._seen: Stamps | None = None
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
        """Something may have changed: it is looked once that has settled."""
        self._last = time.monotonic()
        self._first = self._first or self._last

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
        if self._watched and self._seen and not settled and not self._moved():
            return False
        self._first = 0.0
        return self._look(now)

    def close(self) -> None:
        self._inotify.release(self.stir)
        self._watched = None

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
        if not found.there:
            self.close()
            return
        if kind := is_remote(self.path):
            self.close()
            self._fall_back(f"what others change on {kind} is not told", now)
            return
        try:
            self._inotify.watch({**found.directories, **found.outside}, self.stir)
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
