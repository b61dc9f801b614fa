"""Cgroups: what a service can't leave by forking, what can be killed in one stroke, and what limits are set on.

Each service has one group in the unified (v2) hierarchy, where we may make one: by it its processes are found
and killed. Limits go there too if the controllers are at hand; on a machine whose controllers still live in v1
hierarchies they are set in a group of the same name there. Where neither is permitted, the service runs all the
same, and says that its limits are not enforced.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from itertools import pairwise

from reconciler.model.desired import Limits
from reconciler.runtimes.process.identity import slurp
from reconciler.runtimes.process.limits import FILES, Kept, Setting, settings
from reconciler.values import dataclass

PARENT = "reconciler"


@dataclass(frozen=True, slots=True)
class Group:
    """The groups of one service."""

    path: str = ""
    """Of the unified hierarchy, as the kernel names it; empty without one."""
    directories: Sequence[str] = ()
    """All of them, in the file system."""
    unenforced: str = ""
    """Why limits that were asked for have no effect."""
    kept: Mapping[str, Kept] = field(default_factory=dict)
    """The limits that have, by controller."""

    @property
    def joins(self) -> list[str]:
        return [f"{directory}/cgroup.procs" for directory in self.directories]


@dataclass(frozen=True, slots=True)
class Cgroups:
    """Where on this machine we may make groups. Looked up once: mounts don't come and go."""

    mount: str = ""
    """Where the unified hierarchy is mounted; empty when there is none, or none that we may write to."""
    base: str = ""
    """Our place in it, as the kernel names it: "" is its root."""
    legacy: Mapping[str, str] = field(default_factory=dict)
    """Where the controllers of v1 can be used, by controller."""
    unified: frozenset[str] = frozenset()
    """The controllers of v2 that we may use."""

    @classmethod
    def find(cls) -> Cgroups:
        mount, legacy = _mounts()
        base = _own_place() if os.geteuid() else ""
        writable = bool(mount) and all(os.access(f"{mount}{base}{part}", os.W_OK) for part in ("", "/cgroup.procs"))
        usable = {name: path for name, path in legacy.items() if os.access(path, os.W_OK)}
        unified = slurp(f"{mount}{base}/cgroup.controllers").decode().split() if writable else ()
        return cls(mount if writable else "", base, usable, frozenset(FILES.keys() & set(unified)))

    def join_own(self) -> None:
        """Goes nowhere. But whoever joins another group soon after does not wait for what this one has waited for."""
        if self.mount:
            with suppress(OSError):  # then they wait
                _write(f"{self.mount}{_own_place()}/cgroup.procs", "0")

    def make(self, name: str, limits: Limits) -> Group:
        """Groups for a service about to start, fresh: the old ones' counters would speak of an earlier run."""
        _, place = self.place(name)
        return self._limited(name, limits, [_fresh(place)] if place else [], _fresh)

    def change(self, name: str, limits: Limits, directories: Iterable[str]) -> Group:
        """Other limits for one that runs in these groups. More groups may come of it, which it is not in yet."""
        return self._limited(name, limits, [place for place in directories if os.path.isdir(place)], _there)

    def _limited(self, name: str, limits: Limits, directories: list[str], ready: Callable[[str], str]) -> Group:
        kept, problems = {}, []
        for controller, setting in settings(limits).items():
            if setting.asked is None and ready is _fresh:
                continue  # a fresh group limits nothing
            try:
                if file := self._limit(controller, setting, name, directories, ready):
                    kept[controller] = Kept.of(setting.asked, file)
            except OSError as error:
                if error.errno == errno.EBUSY:
                    raise
                problems.append(f"{controller} ({error.strerror})")
        return Group(self.place(name)[0], tuple(directories), ", ".join(problems), kept)

    def places(self, name: str) -> list[str]:
        """Wherever a service may have a group."""
        _, unified = self.place(name)
        return [*([unified] if unified else []), *(f"{path}/{PARENT}/{name}" for path in self.legacy.values())]

    def _limit(
        self, controller: str, setting: Setting, name: str, directories: list[str], ready: Callable[[str], str]
    ) -> str:
        """The file in which the limit stands now; empty where nothing limits and nothing is to."""
        if controller in self.unified:
            file, value = f"{self.place(name)[1]}/{FILES[controller][1]}", setting.value
            if setting.asked is not None:
                self._enable(controller)
        elif controller in self.legacy:
            directory = f"{self.legacy[controller]}/{PARENT}/{name}"
            if setting.asked is not None and directory not in directories:
                directories.append(ready(directory))
            file, value = f"{directory}/{setting.legacy_file}", setting.legacy_value
        elif setting.asked is None:
            return ""
        else:
            raise PermissionError(1, "no cgroup controller that this user may use")
        if setting.asked is None and not os.path.exists(file):
            return ""
        _write(file, value)
        return file

    def _enable(self, controller: str) -> None:
        for level in (f"{self.mount}{self.base}", f"{self.mount}{self.base}/{PARENT}"):
            try:
                _write(f"{level}/cgroup.subtree_control", f"+{controller}")
            except OSError as error:  # busy means here: never while anybody is in that group, and we are
                raise PermissionError(errno.EPERM, error.strerror) from error

    def place(self, name: str) -> tuple[str, str]:
        """How the kernel names a service's group, and where it lies; empty without a hierarchy of ours."""
        path = f"{self.base}/{PARENT}/{name}"
        return (path, f"{self.mount}{path}") if self.mount else ("", "")


def _fresh(directory: str) -> str:
    try:
        os.mkdir(directory)  # as nearly always; all else is asked only then
    except FileExistsError:
        remove([directory], keep_parent=True)
    except FileNotFoundError:
        return _there(directory)
    else:
        return directory
    return _there(directory)


def _there(directory: str) -> str:
    while True:
        try:
            os.makedirs(directory, exist_ok=True)
        except FileNotFoundError:  # somebody took the empty parent away between its making and our next step
            continue
        return directory


def admit(directory: str, pid: int) -> None:
    """Into the group, with all its threads. Who has ended meanwhile needs no group."""
    with suppress(ProcessLookupError):
        _write(f"{directory}/cgroup.procs", str(pid))


def members(directory: str) -> Iterator[int]:
    """Everybody in it and in the groups that its members have made below it. Zombies are not listed."""
    for place, _, _ in os.walk(directory):
        yield from map(int, slurp(f"{place}/cgroup.procs").split())


def populated(directory: str) -> bool:
    return b"populated 1" in slurp(f"{directory}/cgroup.events")


def kill(directory: str) -> bool:
    """SIGKILL for all members at once, forks in flight included. False where the kernel can't."""
    try:
        _write(f"{directory}/cgroup.kill", "1")
    except OSError:
        return False
    return True


def was_out_of_memory(directories: Sequence[str]) -> bool:
    """Whether the kernel has killed somebody in it for want of memory."""
    for directory in directories:
        for file in ("memory.events", "memory.oom_control"):
            words = slurp(f"{directory}/{file}").split()
            if any(name == b"oom_kill" and count != b"0" for name, count in pairwise(words)):
                return True
    return False


def remove(directories: Iterable[str], *, keep_parent: bool = False) -> None:
    """Take them away, and our common parent with the last of them. The processes in them are gone already."""
    for directory in directories:
        for place, _, _ in os.walk(directory, topdown=False):
            _remove_one(place)
        if not keep_parent:
            _remove_if_empty(os.path.dirname(directory))


def _remove_one(place: str, deadline: float = 2.0) -> None:
    """The last member's exit is over a moment after its death was seen: wait for that, not for long."""
    until = time.monotonic() + deadline
    while True:
        try:
            os.rmdir(place)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > until:
                raise
            select.select([], [], [], 0.005)
        else:
            return


def _remove_if_empty(parent: str) -> None:
    try:
        os.rmdir(parent)
    except OSError:  # others are still in it, or it is gone
        return


def _mounts() -> tuple[str, dict[str, str]]:
    """The unified hierarchy's mount point, and those of v1 by controller."""
    unified = ""
    legacy: dict[str, str] = {}
    for line in slurp("/proc/self/mountinfo").decode(errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        place, kind, options = left.split()[4], right.split()[0], right.split()[-1]
        if kind == "cgroup2":
            unified = unified or place
        elif kind == "cgroup":
            legacy |= {name: place for name in options.split(",") if name in {"memory", "cpu", "pids"}}
    return unified, legacy


def _own_place() -> str:
    for line in slurp("/proc/self/cgroup").decode(errors="replace").splitlines():
        if line.startswith("0::"):
            return line[3:].rstrip("/")
    return ""


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
