"""What was lost with a file, as the kernel still knows it: whose a service is, and which process.

A person who deletes `labels.json` or `pid` does not end what they spoke of. Proof that a process is ours is its
marker (RECONCILER_OWNER and RECONCILER_KEY, in the environment that it was started with), its cgroup, which bears
the name of the directory, or its parent: a shell of ours that was told the directory. Whoever has none of these
is a stranger, even if it runs the same program.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from reconciler.model import labels as table
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.runtimes.process import cgroup, lock
from reconciler.runtimes.process.directory import LABELS, Record, directory_name, read_exit
from reconciler.runtimes.process.identity import Identity, Stat, boot_id, environ, processes, slurp, stat
from reconciler.runtimes.process.launcher import told

LOST = "lost-"
"""Begins the id of what has lost the one it was given."""


class Markers:
    """Which of an owner's markers are carried by living processes: one look at all of /proc, made when needed."""

    def __init__(self, owner: str) -> None:
        self._owner = owner.encode()
        self._found: dict[str, list[int]] | None = None

    def carriers(self, key: Key) -> list[int]:
        return self._carried.get(str(key), [])

    def key_of(self, name: str) -> Key | None:
        """Whose directory this is, by those who run and say so."""
        return next((key for key in self.told_keys() if directory_name(key) == name), None)

    def told_keys(self) -> list[Key]:
        return [key for text in self._carried if (key := _key(text))]

    @property
    def _carried(self) -> Mapping[str, list[int]]:
        if self._found is None:
            self._found = {}
            for pid in processes():
                env = environ(pid)
                if env.get(b"RECONCILER_OWNER") == self._owner:
                    text = env.get(b"RECONCILER_KEY", b"").decode(errors="replace")
                    self._found.setdefault(text, []).append(pid)
        return self._found


def untouched(directory: str, place: str) -> bool:
    """Whether nothing was ever begun there: then there is nothing lost, and all of /proc need not be looked at."""
    begun = any(os.path.lexists(f"{directory}/{name}") for name in ("pid", *LABELS))
    return not (begun or lock.held(f"{directory}/lock") or (bool(place) and cgroup.populated(place)))


def lost_labels(directory: str, owner: str, markers: Markers) -> dict[str, Any] | None:
    """As much of them as those who run can tell. Without a fingerprint: what was started is not known any more."""
    key = markers.key_of(os.path.basename(directory)) or _key_of_parent(directory, owner)
    if key is None or not (os.path.isdir(directory) or _came_from(directory, markers.carriers(key))):
        return None
    return {
        table.OWNER: owner,
        table.NAMESPACE: key.namespace,
        table.KIND: key.kind,
        table.NAME: key.name,
        table.INDEX: str(key.index),
        "id": f"{LOST}{os.path.basename(directory)}",
    }


def is_lost(seen: Observed) -> bool:
    """Whether only those who run told of it: even its directory may have to be made anew then."""
    return seen.id.startswith(LOST)


def lost_record(directory: str, key: Key, markers: Markers, group: str, place: str) -> Record | None:
    """The `pid` file as it was, if the service runs. One that wrote its exit code has ended: who is left are others."""
    if read_exit(directory) is not None:
        return None
    found = {pid: seen for pid in _candidates(key, markers, place) if (seen := stat(pid)) and seen.alive}
    # It leads a session of its own, and so may a child that forked twice; but only the service is our shell's child.
    leaders = {pid: seen for pid, seen in found.items() if seen.session == pid and seen.parent not in found}
    children = {pid: seen for pid, seen in leaders.items() if told(seen.parent, directory)}
    if not leaders or (not children and parent_of(directory)):
        return None
    pid, seen = min((children or leaders).items(), key=lambda item: (item[1].started, item[0]))
    parent = stat(seen.parent)
    return Record(
        service=Identity(pid, seen.started),
        parent=Identity(seen.parent, parent.started) if children and parent else Identity(0, 0),
        boot=boot_id(),
        group=group if _in_group(pid, group) else "",
        written=_wall_clock(seen),
    )


def _came_from(directory: str, pids: list[int]) -> bool:
    """Whether it was in this very place that one of them was started: a copy of our home has the same owner."""
    gone = f"{os.path.realpath(directory)}/lock (deleted)"
    return any(
        ((seen := stat(pid)) is not None and told(seen.parent, directory) is not None) or lock.opened(pid, gone)
        for pid in pids
    )


def _candidates(key: Key, markers: Markers, place: str) -> set[int]:
    """Also who emptied its environment, where there is a group that tells."""
    return {*markers.carriers(key), *(cgroup.members(place) if place else ())}


def _in_group(pid: int, group: str) -> bool:
    return bool(group) and f"0::{group}".encode() in slurp(f"/proc/{pid}/cgroup").splitlines()


def parent_of(directory: str) -> Identity | None:
    """The shell that waits for the service, or for the last of its output."""
    for pid in processes():
        if told(pid, directory) and (seen := stat(pid)):
            return Identity(pid, seen.started)
    return None


def _key_of_parent(directory: str, owner: str) -> Key | None:
    """For a service that has emptied its environment: our shell was told whose parent it is."""
    path = os.path.join(directory, "lock")
    if not lock.held(path):
        return None
    for pid in processes():
        said = told(pid, directory)
        key = _key(said[1]) if said and said[0] == owner else None
        if key and directory_name(key) == os.path.basename(directory) and lock.holds(pid, path):
            return key
    return None


def _key(text: str) -> Key | None:
    """A marker is text that anybody can write."""
    parts = text.split("/")
    return Key.parse(text) if len(parts) == 4 and all(parts) and parts[3].isdecimal() else None


def _wall_clock(seen: Stat) -> float:
    """When it began, by the clock on the wall. To the second only: the kernel keeps no more of its own beginning."""
    for line in slurp("/proc/stat").splitlines():
        if line.startswith(b"btime "):
            return int(line.split()[1]) + seen.started / os.sysconf("SC_CLK_TCK")
    return 0.0
