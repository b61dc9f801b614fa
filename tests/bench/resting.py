"""What the loop costs while nothing happens, and what the commands cost whose work it does."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.contest import Contest, Contestant, Line
from tests.bench.peers import until
from tests.bench.stage import Stage
from tests.faults.proxy import Proxy

MIB = 1 << 20
ROUND = 35.0
"""Seconds: a little more than from one round of the loop to the next."""


def contests(stage: Stage, *, quick: bool) -> Iterator[Contest]:
    spec = stage.mixed(10)

    def up() -> None:
        stage.reconciler("daemon", "start")
        stage.apply(spec)

    def down() -> None:
        stage.reconciler("daemon", "stop")
        stage.delete(spec)
        stage.forget()

    contestants = [
        Contestant("ours", lambda: stage.reconciler("status", "-n", stage.namespace), up, down, 9 if quick else 21),
        Contestant("python -c pass", lambda: stage.run(sys.executable, "-c", "pass"), times=9 if quick else 21),
    ]
    yield Contest("reconciler status, with a daemon", "P11", contestants, 4.0, 2)


def lines(stage: Stage, *, quick: bool) -> Iterator[Line]:
    """Containers and processes by halves. Reads are counted by who stands between the daemon and the engine."""
    count, seconds = (40, 20.0) if quick else (200, 60.0)
    spec = stage.mixed(count)
    with ExitStack() as held:
        proxy = held.enter_context(_before_the_engine(stage)) if stage.engine else None
        stage.reconciler("daemon", "start")
        try:
            stage.apply(spec)
            pid = int((stage.home / "daemon.lock").read_text())
            _settle(proxy)
            reads, began, memory = _reads(proxy), _processor(pid), _resident(pid)
            until_then = time.monotonic() + seconds
            until(lambda: time.monotonic() > until_then, seconds + 10)
            spent, after = _processor(pid) - began, _resident(pid)
            reads = (_reads(proxy) - reads) * 60 / seconds
        finally:
            stage.reconciler("daemon", "stop")
            stage.delete(spec)
            shutil.rmtree(stage.home)
    what = f"{count} services at rest"
    yield Line(f"{what}: % of a core", "P10", 100 * spent / seconds, 0.5, {}, f"in {seconds:.0f} s")
    yield Line(f"{what}: memory, MiB", "P10", after / MIB, 80.0, {}, f"from {memory / MIB:.1f}")
    yield Line(f"{what}: memory, growth, MiB", "P10", (after - memory) / MIB, 1.0)
    if proxy:
        yield Line(f"{what}: reads a minute", "P10", reads, 2.0, {}, "beside the stream of events")


@contextmanager
def _before_the_engine(stage: Stage) -> Iterator[Proxy]:
    """A proxy that only counts; the daemon is led to it."""
    before = os.environ.get("DOCKER_HOST")
    with Proxy(stage.socket, stage.directory / "counting.sock").listening() as proxy:
        os.environ["DOCKER_HOST"] = proxy.address
        try:
            yield proxy
        finally:
            del os.environ["DOCKER_HOST"]
            if before is not None:
                os.environ["DOCKER_HOST"] = before


def _settle(proxy: Proxy | None) -> None:
    """Until a round has come by that found nothing new."""
    since = time.monotonic()
    seen = _reads(proxy)

    def rested() -> bool:
        nonlocal since, seen
        if _reads(proxy) > seen + 1:
            since, seen = time.monotonic(), _reads(proxy)
        return time.monotonic() - since > ROUND

    until(rested, 5 * ROUND)
    seen = _reads(proxy)
    until(lambda: proxy is None or _reads(proxy) > seen, ROUND)  # from one read on, lest a minute begins with one


def _reads(proxy: Proxy | None) -> int:
    return sum(not asked.path.startswith("/events") for asked in [*proxy.asked]) if proxy else 0


def _processor(pid: int) -> float:
    """Seconds that all its threads have had, by the process's own clock as the kernel numbers those."""
    return time.clock_gettime(((~pid) << 3) | 2)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
