"""Native processes, beside a bare spawn of the same shell, and what one of them costs in memory."""

# ruff: noqa: PTH106, PTH115, PTH207, PTH208
# /proc by the hundred
from __future__ import annotations

import glob
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from reconciler.runtimes.process.cgroup import Cgroups
from reconciler.runtimes.process.identity import boot_id
from reconciler.runtimes.process.launcher import PARENT, SERVICE
from tests.bench.contest import Contest, Contestant, Line
from tests.bench.peers import supervisor, until
from tests.bench.stage import Stage

SPAWN = Path(__file__).with_name("spawn.py")
MIB = 1 << 20


def contests(stage: Stage, *, quick: bool) -> Iterator[Contest]:
    for count in (10, 100) if quick else (10, 100, 500):
        rounds = 3 if quick or count > 100 else 5
        yield Contest(f"start of {count} processes", "P8", _warm(stage, count), 1.5, rounds)
        yield Contest(f"{count} processes by the command line", "", _contestants(stage, count), None, rounds)


def memory(stage: Stage, count: int = 20) -> Line:
    """What stands around a service of ours, per service, the service itself left out: proportional set size."""
    stage.apply(stage.processes(count))
    try:
        around = [pid for pid in _ours(stage) if _command(pid)[:1] != ["sleep"]]
        each = sum(map(_pss, around)) / count / MIB
    finally:
        stage.delete(stage.processes(count))
        stage.forget()
    remark = f"{each:.2f} MiB in {len(around) / count:.0f} processes"
    return Line("memory around one process, MiB", "P9", each, 1.0, {}, remark)


def _warm(stage: Stage, count: int) -> list[Contestant]:
    """Beside one another without the interpreters' own start, which is another bar's business. What a kernel takes for
    a cgroup is told besides, where we may make one: all that is left between is our own.
    """
    bare, group = stage.directory / "bare", Cgroups.find().place(f"bare-{stage.token}-")[1]

    def away() -> None:
        stage.delete(stage.processes(count))
        stage.forget()

    def spawn(*group: str) -> float:
        return stage.warm("bare", bare, count, PARENT, SERVICE, boot_id(), *group)

    ours = Contestant("ours", lambda: stage.warm("ours", stage.home, stage.processes(count)), after=away)
    floor = Contestant("bare spawn", spawn, before=bare.mkdir, after=lambda: _end(bare))

    def ready() -> None:
        bare.mkdir()
        Path(group).parent.mkdir(exist_ok=True)

    grouped = Contestant("bare spawn in a cgroup", lambda: spawn(group), before=ready, after=lambda: _end(bare, group))
    return [ours, floor, *([grouped] if group else [])]


def _contestants(stage: Stage, count: int) -> list[Contestant]:
    bare = stage.directory / "bare"
    peer = supervisor(stage)

    def away() -> None:
        stage.delete(stage.processes(count))
        stage.forget()

    def spawn() -> None:
        stage.run(sys.executable, SPAWN, bare, count, PARENT, SERVICE, boot_id())

    contestants = [
        Contestant("ours", lambda: stage.apply(stage.processes(count), "--no-wait"), after=away),
        Contestant("bare spawn", spawn, before=bare.mkdir, after=lambda: _end(bare)),
    ]
    if peer and count <= 100:
        contestants.append(Contestant(peer.name, lambda: peer.up(count), after=lambda: peer.down(count)))
    return contestants


def _end(bare: Path, group: str = "") -> None:
    """The service; its parent sees it, writes down how it ended, and goes too."""
    parents = []
    for record in bare.rglob("pid"):
        service, _, parent, *_ = map(int, record.read_text().split()[:3])
        parents.append(parent)
        os.kill(service, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{parent}").exists() for parent in parents))
    shutil.rmtree(bare)
    for made in glob.glob(f"{glob.escape(group)}*") if group else ():
        os.rmdir(made)


def _ours(stage: Stage) -> list[int]:
    """Who stands in one of our directories, or was started for one of our services."""
    mark = f"RECONCILER_KEY=service/{stage.namespace}/".encode()
    return [pid for pid in _pids() if _works_in(pid, stage.home) or mark in _environ(pid)]


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _works_in(pid: int, home: Path) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(home)
    except OSError:
        return False


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
