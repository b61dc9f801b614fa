"""`daemon run` whose loop is disturbed on purpose, and which writes down what it saw and did: started by
`tests/faults/world.py`, in a fork of a warm process.

Three ways, each at one moment of each namespace: killed the moment an effect is done; shown the look before the last
one once more; not told what an alarm would have told. Everything else is the program's own.
"""

from __future__ import annotations

import json
import os
import pickle
import runpy
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler import wiring
from reconciler.model.observed import Snapshot
from reconciler.ports import Alarm
from tests.waiting import PATIENCE

NOTEBOOK = "notebook"
ORDERS = "orders"
LOOK = "look."
"""Files beside the home: what it writes, how it is to be disturbed, and its last look at each namespace."""
CRASH, STALE, DROPPED = "crash", "stale", "dropped"
RESYNC = 0.4
"""Rounds that are shorter than anybody may ask for, so that little is waited for what was overlooked; three of them
are no sign that something is stuck.
"""
EVERY = 0
"""Of what is dropped: all of it."""


class Notebook:
    """Lines that outlive whoever wrote them, with a number for each thing of its kind in its namespace."""

    def __init__(self, place: Path) -> None:
        self._file = os.open(place / NOTEBOOK, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        lines = [json.loads(line) for line in (place / NOTEBOOK).read_text().splitlines()]
        self._counts = Counter((line["what"], line["of"]) for line in lines)

    def write(self, what: str, of: str, **more: Any) -> int:
        with self._lock:
            self._counts[what, of] += 1
            line = {"what": what, "of": of, "number": self._counts[what, of], "at": time.time(), **more}
            os.write(self._file, f"{json.dumps(line)}\n".encode())
            return self._counts[what, of]


class Disturbed:
    """What is disturbed, and when: in each namespace the effect, the change or the news of this number."""

    def __init__(self, place: Path) -> None:
        self._orders: dict[str, dict[str, int]] = json.loads((place / ORDERS).read_text())
        self._notebook = Notebook(place)
        self._place = place
        self._begun: dict[str, float] = {}

    def take_hold(self, daemon: Any) -> Any:
        loop = daemon.loop
        runtimes = {name: Disturber(runtime, self) for name, runtime in loop.parts.runtimes.items()}
        loop.parts = replace(loop.parts, runtimes=runtimes, observer=Looker(loop.parts.observer, self))
        loop._alarms = {name: Deaf(name, alarm, self) for name, alarm in loop._alarms.items()}
        loop._passed = self._then(loop._passed)
        loop._resync, loop.threads._patience = RESYNC, PATIENCE
        return daemon

    def done(self, verb: str, key: Any) -> None:
        number = self._notebook.write("effect", key.namespace, did=f"{verb} {key}")
        if self._hits(CRASH, key.namespace, number):
            os.kill(os.getpid(), signal.SIGKILL)

    def seen(self, namespace: str, snapshot: Snapshot, began: float) -> Snapshot:
        """Or what was seen before, perhaps by one that was killed: of that it is not noted that anything is at rest."""
        self._begun[namespace] = began
        before = self._before(namespace)
        if before and _of(namespace, before) != _of(namespace, snapshot):
            number = self._notebook.write("change", namespace)
            if self._hits(STALE, namespace, number):
                self._begun[namespace] = 0.0
                return before
        draft = self._place / f"draft.{namespace}"
        draft.write_bytes(pickle.dumps(snapshot))
        draft.replace(self._place / f"{LOOK}{namespace}")
        return snapshot

    def _before(self, namespace: str) -> Snapshot | None:
        file = self._place / f"{LOOK}{namespace}"
        found: Snapshot | None = pickle.loads(file.read_bytes()) if file.exists() else None
        return found

    def hears(self, alarm: str, of: str) -> bool:
        number = self._notebook.write("news", of, alarm=alarm)
        return not self._hits(DROPPED, of, number)

    def _hits(self, how: str, namespace: str, number: int) -> bool:
        if self._orders.get(how, {}).get(namespace) not in {number, EVERY}:
            return False
        self._notebook.write("hit", namespace, by=how)
        return True

    def _then(self, passed: Callable[[Any], None]) -> Callable[[Any], None]:
        def note(current: Any) -> None:
            passed(current)
            namespace = current.graph.namespace
            if current.plan.settled and not current.outcomes:
                self._notebook.write("rest", namespace, begun=self._begun[namespace])

        return note


class Disturber:
    """A runtime, and a note of each thing that it has done."""

    def __init__(self, runtime: Any, by: Disturbed) -> None:
        self._runtime = runtime
        self._by = by

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._runtime, name)
        return self._noted(name, verb) if name in {"create", "adjust", "start", "stop", "remove"} else verb

    def _noted(self, name: str, verb: Callable[..., None]) -> Callable[..., None]:
        def do(thing: Any, *rest: Any) -> None:
            verb(thing, *rest)
            self._by.done(name, thing.key)

        return do


class Looker:
    def __init__(self, observer: Any, by: Disturbed) -> None:
        self._observer = observer
        self._by = by

    def look(self, graph: Any, now: float, **how: bool) -> Snapshot:
        began = time.time()  # what happens while it looks it may have missed
        return self._by.seen(graph.namespace, self._observer.look(graph, now, **how), began)


class Deaf:
    def __init__(self, name: str, alarm: Alarm, by: Disturbed) -> None:
        self._name = name
        self._alarm = alarm
        self._by = by

    def watch(self, tell: Callable[[str], None], stopping: threading.Event) -> None:
        self._alarm.watch(lambda of: tell(of) if self._by.hears(self._name, of) else None, stopping)


def _of(namespace: str, snapshot: Snapshot) -> object:
    """What a pass over it would see: in a form that differs when it does."""
    mine = [thing for thing in snapshot.objects() if thing.key and thing.key.namespace == namespace]
    return sorted(
        (str(t.key), t.id, t.name, str(t.phase), t.fingerprint, str(t.exit_code), repr(t.facts)) for t in mine
    )


def main(place: Path) -> None:
    honest: Callable[..., Any] = wiring.daemon

    def daemon(*given: Any, **more: Any) -> Any:
        return Disturbed(place).take_hold(honest(*given, **more))

    wiring.daemon = daemon
    runpy.run_module("reconciler", run_name="__main__", alter_sys=True)


class Reader:
    """Of what is being written down; each line is read once."""

    def __init__(self, place: Path) -> None:
        self._file = place / NOTEBOOK
        self._read = 0
        self._lines: list[Mapping[str, Any]] = []

    def lines(self) -> list[Mapping[str, Any]]:
        """Of the last one perhaps only the beginning is there yet."""
        if self._file.exists():
            with self._file.open("rb") as file:
                file.seek(self._read)
                whole, end, _ = file.read().rpartition(b"\n")
            self._read += len(whole + end)
            self._lines += map(json.loads, whole.splitlines())
        return self._lines


if __name__ == "__main__":
    main(Path(sys.argv.pop(1)))
