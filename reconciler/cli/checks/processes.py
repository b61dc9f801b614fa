from __future__ import annotations

import os
from collections.abc import Iterator

from reconciler.cli.checks.finding import Finding, Level
from reconciler.cli.checks.programs import found_at
from reconciler.cli.context import Context

GROUP = "processes"


def programs(_context: Context) -> Iterator[Finding]:
    needed = (
        ("sh", "every process has a small sh as its parent", Level.FAILED),
        ("dd", "it keeps the logs within bounds", Level.FAILED),
        ("setpriv", "only `process.user` needs it", Level.INFO),
    )
    for name, purpose, otherwise in needed:
        path = found_at(name)
        if path:
            yield Finding(GROUP, name, Level.OK, path)
        else:
            yield Finding(GROUP, name, otherwise, f"not found in PATH; {purpose}", f"install the package with {name}")


def cgroups(_context: Context) -> Iterator[Finding]:
    """Whether processes can have control groups of their own: limits, and a stop that reaches everything."""
    places = sorted((mount for mount in _mounts() if os.access(mount[1], os.W_OK)), reverse=True)
    if places:
        shown = ", ".join(f"v{version} at {place}" for version, place in places[:3])
        yield Finding(GROUP, "cgroups", Level.OK, f"may be made: {shown}")
    else:
        yield Finding(
            GROUP, "cgroups", Level.WARNING, "none can be made: limits of processes are not enforced",
            "run as root, or in a session with delegation (systemd-run --user --scope -p Delegate=yes)",
        )  # fmt: skip


def _mounts() -> Iterator[tuple[int, str]]:
    """Version and place of each hierarchy: the machine's for root, else what was delegated to us."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError:  # not Linux
        return
    for _, place, kind, *_ in lines:
        if kind == "cgroup2":
            yield 2, place if os.geteuid() == 0 else place + _own_group()
        elif kind == "cgroup" and os.path.basename(place) in {"memory", "pids", "cpu,cpuacct", "cpu"}:
            yield 1, place


def _own_group() -> str:
    with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as file:
        return next((line.strip().removeprefix("0::") for line in file if line.startswith("0::")), "")
