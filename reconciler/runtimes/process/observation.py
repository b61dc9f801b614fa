"""What a service's directory says about it, together with /proc. Only looks; never writes, never takes a lock."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.model import labels as table
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Binding, Facts, Grant, Observed, Phase, kind_of
from reconciler.runtimes.process import cgroup, lock
from reconciler.runtimes.process.directory import (
    LABELS,
    Record,
    directory_name,
    read_exit,
    read_labels,
    read_record,
)
from reconciler.runtimes.process.facts import facts
from reconciler.runtimes.process.identity import Identity, Stat, boot_id, living, slurp, wait_for_end
from reconciler.runtimes.process.recovery import Markers, lost_labels, lost_record
from reconciler.runtimes.process.sockets import bindings
from reconciler.runtimes.process.tree import Tree
from reconciler.values import dataclass

LAST_WORDS = 0.5
"""How long the shell parent may take to write down an exit code after the service has died: seconds at most."""
A_WORD = 0.002
"""How long it does take."""
LOST_LABELS = "its labels were lost, so nobody knows any more what was started"


@dataclass(frozen=True, slots=True)
class Watched:
    """A service directory, and whose it would have to be to be ours."""

    directory: str
    owner: str
    markers: Markers
    mount: str = ""
    """Of the unified cgroup hierarchy; empty without one."""
    group: str = ""
    """The cgroup that it would be given, as the kernel names it."""
    limiting: bool = False
    """Such a group may also limit; not where the controllers still live in the old hierarchies."""
    host: str = "local"
    in_turn: bool = False
    """The turn is our own: it says nothing of another launcher."""

    @property
    def name(self) -> str:
        """The name as an engine would write it."""
        return os.path.basename(self.directory).replace(".", "-")

    @property
    def place(self) -> str:
        """Where that cgroup lies in the file system."""
        return f"{self.mount}{self.group}" if self.mount and self.group else ""

    def labels(self) -> tuple[dict[str, Any], Key] | None:
        """What it says of itself, or what those who run say once that was lost; None for what is not ours."""
        found = read_labels(self.directory)
        labels = found or lost_labels(self.directory, self.owner, self.markers)
        key = our_key(labels, self)
        return (labels, key) if labels and key else None

    def record(self, key: Key) -> Record | None:
        """Who it is, as written down, or found anew among those who run."""
        return read_record(self.directory) or lost_record(self.directory, key, self.markers, self.group, self.place)

    def tree(self, key: Key) -> Tree:
        """Its processes. A record of another boot names none: its numbers mean nothing now."""
        record = self.record(key)
        if record is None or record.boot != boot_id():
            return Tree(self.owner, str(key))
        directory = f"{self.mount}{record.group}" if record.group and self.mount else ""
        path = f"{self.directory}/lock"
        return Tree(self.owner, str(key), record.service, record.group if directory else "", directory, path)


def observe(watched: Watched) -> Observed | None:
    """None for a directory in which nothing was made yet: the trace of a launcher killed at its very start."""
    known = watched.labels()
    if known is None:
        return _foreign(watched)
    labels, key = known
    seen = Observed(
        id=str(labels["id"]),
        name=watched.name,
        kind=kind_of(key),
        runtime="process",
        host=watched.host,
        key=key,
        owner=watched.owner,
        phase=Phase.CREATED,
        fingerprint=str(labels.get(table.FINGERPRINT, "")),
        generation=table.read_generation(labels),
        grants=table.read_grants(labels),
        detail=_limits_note(labels),
    )
    return _in_its_phase(seen, watched, labels)


def our_key(labels: dict[str, Any] | None, watched: Watched) -> Key | None:
    """Whom the labels speak of, if they are whole, ours, and lie where the thing that they speak of lies."""
    if labels is None or labels.get(table.OWNER) != watched.owner or not isinstance(labels.get("id"), str):
        return None
    if not all(
        isinstance(labels.get(name, ""), str) for name in (table.NAMESPACE, table.KIND, table.NAME, table.INDEX)
    ):
        return None
    key = table.read_key(labels)
    return key if key and directory_name(key) == os.path.basename(watched.directory) else None


def _foreign(watched: Watched) -> Observed | None:
    path = f"{watched.directory}/lock"
    if not slurp(f"{watched.directory}/pid") and not any(
        os.path.lexists(f"{watched.directory}/{name}") for name in LABELS
    ):
        return None
    return Observed(
        id=f"inode-{os.stat(watched.directory).st_ino}",
        name=watched.name,
        kind=INSTANCE,
        runtime="process",
        host=watched.host,
        phase=Phase.RUNNING if lock.held(path) else Phase.UNKNOWN,
        detail=f"{watched.directory}/labels.json is not one of this installation's",
    )


def _in_its_phase(seen: Observed, watched: Watched, labels: dict[str, Any]) -> Observed:
    record = read_record(watched.directory)
    if record is None and _in_between(watched):
        return replace(seen, phase=Phase.STARTING)
    # A launch that has come to its end meanwhile has left one by now.
    record = record or (watched.record(seen.key) if seen.key else None)
    if record is None:
        return _without_record(seen, watched)
    if record.boot != boot_id():
        return _ended(replace(seen, started_at=record.written), watched, "the machine was restarted")
    if found := living(record.service):
        return _running(seen, watched, labels, record, found)
    seen = replace(seen, started_at=record.written)
    _wait_for_last_words(watched.directory, record.parent)
    ended = _ended(seen, watched, "the exit code was lost")
    if ended.exit_code == 137 and cgroup.was_out_of_memory(labels.get("cgroups", ())):
        ended = replace(ended, detail="killed by the kernel: out of memory")
    return replace(ended, stragglers=seen.key is not None and _has_stragglers(watched, seen.key))


def _running(seen: Observed, watched: Watched, labels: dict[str, Any], record: Record, found: Stat) -> Observed:
    pid, phase = record.service.pid, Phase.PAUSED if found.state == "T" else Phase.RUNNING
    if seen.key and table.FINGERPRINT not in labels:
        ports, looked = bindings(watched.tree(seen.key).members()), Facts(stale=LOST_LABELS)
        return replace(seen, phase=phase, pid=pid, started_at=record.written, bindings=ports, facts=looked)
    told, place = _told_to_bind(labels, seen.grants), watched.place if watched.limiting else ""
    given = facts(labels, pid, place)
    return replace(seen, phase=phase, pid=pid, started_at=record.written, bindings=told, facts=given)


def _wait_for_last_words(directory: str, parent: Identity) -> None:
    """Between a service's death and the note of its exit code lies a moment; who looks just then waits it out. The
    parent may stay on after that, as long as anybody holds the log: so its end alone is not what is waited for.
    """
    deadline = time.monotonic() + LAST_WORDS
    while read_exit(directory) is None and living(parent) and time.monotonic() < deadline:
        wait_for_end(parent.pid, parent, A_WORD)


def _in_between(watched: Watched) -> bool:
    """Whether a launch is under way: by a launcher that has its turn, or going on by itself after that was killed."""
    if not lock.held(f"{watched.directory}/lock"):
        return False
    launcher = not watched.in_turn and lock.held(f"{watched.directory}/turn")
    return launcher or os.path.lexists(f"{watched.directory}/launching")


def _without_record(seen: Observed, watched: Watched) -> Observed:
    """Not begun; or ended, and its record was lost with those that it left behind."""
    left = seen.key is not None and bool(watched.markers.carriers(seen.key))
    if left or lock.held(f"{watched.directory}/lock"):
        return replace(seen, phase=Phase.EXITED, stragglers=True, detail=f"{watched.directory}/pid was lost")
    if read_exit(watched.directory):
        return _ended(seen, watched, "")
    problem = slurp(f"{watched.directory}/refused").decode(errors="replace")
    return replace(seen, detail=problem or seen.detail)


def _ended(seen: Observed, watched: Watched, without_code: str) -> Observed:
    last = read_exit(watched.directory)
    problem = slurp(f"{watched.directory}/refused").decode(errors="replace")
    if last is None:
        return replace(seen, phase=Phase.EXITED, detail=without_code)
    return replace(seen, phase=Phase.EXITED, exit_code=last[0], finished_at=last[1], detail=problem)


def _has_stragglers(watched: Watched, key: Key) -> bool:
    """Whether others of its processes outlived it."""
    if directory := watched.tree(key).directory:
        return cgroup.populated(directory)
    return lock.held(f"{watched.directory}/lock") or bool(watched.markers.carriers(key))


def _told_to_bind(labels: dict[str, Any], grants: Mapping[str, Grant]) -> tuple[Binding, ...]:
    """What it was told to listen on. Whether it does is the prober's question."""
    told = labels.get("ports", {})
    found = []
    for name, grant in sorted(grants.items()):
        protocol, address = told.get(name, ("tcp", "127.0.0.1"))
        found.append(Binding(grant.port, protocol, address))
    return tuple(found)


def _limits_note(labels: dict[str, Any]) -> str:
    why = labels.get("unenforced")
    return f"limits not enforced: {why}" if why else ""
