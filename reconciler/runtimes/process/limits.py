"""What a service may use, as the files of its cgroups have it: what to write there, and what is read back.

The kernel rounds: memory to whole pages, processors to millionths. So what a file said right after it was written is
kept beside what was asked for, and as long as it says the same, the limit is what was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from reconciler.core import making
from reconciler.model.desired import Limits
from reconciler.runtimes.process.identity import slurp, stat
from reconciler.values import dataclass

CPU_PERIOD = 100_000
"""Microseconds, the kernel's default."""
LEGACY_QUOTA = "cpu.cfs_quota_us"
FILES = {"memory": ("memory", "memory.max"), "cpu": ("cpus", "cpu.max"), "pids": ("pids", "pids.max")}
"""By controller: what its limit is called in a payload, and where it stands in the unified hierarchy."""
UNLIMITED = 1 << 60
"""The old hierarchies have no word for it, only a number that no machine has the memory for."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One limit in the words of both hierarchies."""

    asked: float | None
    value: str
    legacy_file: str
    legacy_value: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A limit as it was set."""

    asked: float | None
    file: str
    said: str

    @classmethod
    def of(cls, asked: float | None, file: str) -> Kept:
        return cls(asked, file, _said(file))

    @classmethod
    def read(cls, text: object) -> Kept | None:
        match text:
            case [int() | float() | None as asked, str() as file, str() as said]:
                return cls(asked, file, said)
            case _:
                return None

    def written(self) -> list[object]:
        return [self.asked, self.file, self.said]

    def holds(self, controller: str, inside: Mapping[str, str]) -> bool:
        """Whether who is in these groups is in this limit's group, or in one below it."""
        place = inside.get(controller, inside.get("", ""))
        return f"/{os.path.basename(os.path.dirname(self.file))}/" in f"{place}/"

    def now(self) -> float | None:
        """What limits it now; None when nothing does."""
        said = _said(self.file)
        return self.asked if said == self.said else _amount(self.file, said)


def settings(limits: Limits) -> dict[str, Setting]:
    """By controller. What is not asked for is unlimited, and is said to be where there is a file to say it in."""
    asked, memory, pids = making.limits(limits), _number(limits.memory), _number(limits.pids)
    quota = "max" if limits.cpus is None else str(max(int(limits.cpus * CPU_PERIOD), 1000))
    return {
        "memory": Setting(asked["memory"], memory, "memory.limit_in_bytes", _legacy(memory)),
        "cpu": Setting(asked["cpus"], f"{quota} {CPU_PERIOD}", LEGACY_QUOTA, _legacy(quota)),
        "pids": Setting(asked["pids"], pids, "pids.max", pids),
    }


def in_force(labels: Mapping[str, Any], pid: int, place: str) -> dict[str, float | None]:
    """What limits a service that runs, by the names of its payload. `place` is its group, if that may limit anything.

    One that somebody moved out of its groups has no limits, whatever is written there. What could not be enforced
    when it was asked for is told as it was asked for: it would be no better the next time. So is what limited one
    that is just ending, for it is in no group any more.
    """
    kept, asked = labels.get("limits"), labels.get("asked")
    if not isinstance(kept, dict) or not isinstance(asked, dict):
        return {}
    inside = _groups_of(pid) if kept else {}
    if kept and _ends(pid):
        return {name: asked.get(name) for name, _ in FILES.values()}
    found: dict[str, float | None] = {}
    for controller, (name, file) in FILES.items():
        if one := Kept.read(kept.get(controller)):
            found[name] = one.now() if one.holds(controller, inside) else None
        else:
            by_others = _read(f"{place}/{file}") if place else None
            found[name] = asked.get(name) if by_others is None else by_others
    return found


def _ends(pid: int) -> bool:
    found = stat(pid)
    return found is None or found.ending or not found.alive


def _groups_of(pid: int) -> dict[str, str]:
    """By controller, as the kernel names them; the unified hierarchy has no name."""
    lines = slurp(f"/proc/{pid}/cgroup").decode(errors="replace").splitlines()
    split = (line.split(":", 2) for line in lines)
    return {controller: path for _, controllers, path in split for controller in controllers.split(",")}


def _said(file: str) -> str:
    return slurp(file).decode().strip()


def _read(file: str) -> float | None:
    return _amount(file, _said(file))


def _amount(file: str, said: str) -> float | None:
    """Processors are told as a quota of a period; in the old hierarchies without saying of which."""
    match said.split():
        case [quota] if quota.isdecimal() and file.endswith(LEGACY_QUOTA):
            return int(quota) / CPU_PERIOD
        case [quota, period] if quota.isdecimal() and period.isdecimal():
            return int(quota) / int(period)
        case [number] if number.isdecimal() and int(number) < UNLIMITED:
            return int(number)
        case _:
            return None


def _number(limit: int | None) -> str:
    return "max" if limit is None else str(limit)


def _legacy(value: str) -> str:
    return "-1" if value == "max" else value
