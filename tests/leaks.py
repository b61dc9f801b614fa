"""What a test run may have left in the world: things on the engine, processes, cgroups.

In the rig everything that is there was made by the tests. Elsewhere other people's things may come and go
meanwhile, so only what carries this run's own namespace counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.engine_api import Engine, EngineError

LABELS = "dev.reconciler."
MARKERS = (b"RECONCILER_OWNER=", b"RECONCILER_MACHINE=")
"""Of what we run, and of what test machines run."""


GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Left:
    things: tuple[str, ...] = ()
    miscounted: tuple[str, ...] = ()
    """Networks in which nobody is, and which the engine keeps all the same: now and then one of this age loses count of
    who is in there, and finds it again when it is started anew.
    """


def left_after_grace(session: str, before: frozenset[str]) -> Left:
    """What came since `before` and stays: a process that was just killed may take a moment to go."""
    deadline = time.monotonic() + GRACE_SECONDS
    while left := find(session) - before:
        if time.monotonic() > deadline:
            miscounted = frozenset(_miscounted(left))
            return Left(tuple(sorted(left - miscounted)), tuple(sorted(miscounted)))
        time.sleep(0.05)
    return Left()


def find(session: str) -> frozenset[str]:
    """Sentences about everything that looks like ours; compared between start and end of a run."""
    alone = os.environ.get("RECONCILER_TEST_ENGINE") == "private"
    ours = f"t{session}-"
    contained = (thing for thing in (*_on_engine(), *_processes()) if alone or ours in thing)
    return frozenset([*contained, *(path for path in _cgroups() if ours in path)])


def _on_engine() -> Iterator[str]:
    if (engine := Engine.reachable()) is not None:
        yield from engine.labelled(LABELS)


def _miscounted(left: frozenset[str]) -> Iterator[str]:
    """Of what was left, and of that alone: on an engine of theirs other people's networks may be as empty."""
    if (engine := Engine.reachable()) is None:
        return
    for network, sentence in engine.networks(LABELS):
        if sentence in left and not engine.get(f"/networks/{network}")["Containers"]:
            try:
                engine.delete(f"/networks/{network}")
            except EngineError as error:
                if "active endpoints" in str(error):
                    yield sentence


def _processes() -> Iterator[str]:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            environment = (directory / "environ").read_bytes().split(b"\0")
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # gone meanwhile, or another user's
        marks = [
            item.decode(errors="replace") for item in environment if item.startswith((*MARKERS, b"RECONCILER_KEY="))
        ]
        if any(mark.encode().startswith(MARKERS) for mark in marks):
            yield f"process {directory.name} ({command.strip()}) {' '.join(marks)}"


def _cgroups() -> Iterator[str]:
    root = Path("/sys/fs/cgroup")
    for pattern in ("reconciler/*", "*/reconciler/*"):
        yield from (f"cgroup {path}" for path in root.glob(pattern) if path.is_dir())
