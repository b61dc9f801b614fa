"""What died runs again: the loop beside the least that could do it, and beside supervisors, who do nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from tests.bench.contest import Contest, Contestant, Line
from tests.bench.peers import until
from tests.bench.stage import Stage, say

HEALER = Path(__file__).with_name("healer.py")
COUNT = 10
"""Each of them is killed once in a turn: so no back-off is due."""
GROWN_UP = 1.2
"""Seconds. Whoever ends sooner is, for other supervisors, one that does not come up."""
CALM = 0.3
"""Seconds between one and the next: that one is healed while another one dies is not what is measured."""
LIMIT_MS = 20.0


def lines(stage: Stage, *, quick: bool) -> Iterator[Line]:
    """Of processes: the bar is in milliseconds; nobody should be waiting for supervisor to look once a second."""
    first, *others = Contest("killed process until it runs", "", _processes(stage), None, 2 if quick else 4).lines()
    ours = first.samples["ours"]
    said = f"{ours.spread[0] * 1000:.1f}–{ours.spread[1] * 1000:.1f}"
    yield Line("killed process until it runs, ms", "P7", ours.median * 1000, LIMIT_MS, {}, said)
    yield first
    for line in others:
        yield replace(line, bar="P7", limit=1.0) if "supervisor" in line.title else line


def contests(stage: Stage, *, quick: bool) -> Iterator[Contest]:
    if stage.engine:
        yield Contest("killed container until it runs", "P6", _containers(stage), 1.2, 2 if quick else 3)


# -- processes, each of which writes down who it is


@dataclass(slots=True)
class Sayers:
    places: Path
    left: list[int] = field(default_factory=list)
    born: float = 0.0

    def begin(self, up: Callable[[], object]) -> None:
        shutil.rmtree(self.places, ignore_errors=True)
        self.places.mkdir()
        up()
        self.left = list(range(COUNT))
        until(lambda: all(self.pid(index) for index in self.left))
        self.born = time.monotonic()
        self.pause(GROWN_UP)

    def pause(self, seconds: float) -> None:
        until(lambda: time.monotonic() - self.born > seconds)

    def kill(self) -> float:
        """Until another one has said who he is."""
        self.pause(CALM)
        index = self.left.pop()
        before = self.pid(index)
        began = time.perf_counter()
        os.kill(before, signal.SIGKILL)
        while self.pid(index) in {0, before}:
            if time.perf_counter() - began > 30:
                raise SystemExit("bench: what was killed did not come again")
            time.sleep(0.0002)
        self.born = time.monotonic()
        return time.perf_counter() - began

    def pid(self, index: int) -> int:
        try:
            return int((self.places / str(index)).read_text() or 0)
        except FileNotFoundError:
            return 0


def _processes(stage: Stage) -> list[Contestant]:
    sayers = Sayers(stage.directory / "sayers")
    spec = stage.sayers(COUNT, sayers.places)
    found = [("ours", *_daemon(stage, spec)), ("bare loop", *_program(stage, "processes", sayers.places, COUNT))]
    if shutil.which("runsvdir"):
        found.append(("runit", *_runit(stage, sayers)))
    if shutil.which("supervisord"):
        found.append(("supervisor", *_supervisor(stage, sayers)))
    return [
        Contestant(name, sayers.kill, before=lambda up=up: sayers.begin(up), after=down, times=COUNT)  # type: ignore[misc]
        for name, up, down in found
    ]


Switch = tuple[Callable[[], object], Callable[[], object]]
"""Up and down."""


def _daemon(stage: Stage, spec: Path) -> Switch:
    def up() -> None:
        stage.reconciler("daemon", "start")
        stage.apply(spec)

    def down() -> None:
        stage.reconciler("daemon", "stop")
        stage.delete(spec)
        shutil.rmtree(stage.home)

    return up, down


def _program(stage: Stage, *words: object) -> Switch:
    return _running(stage.directory, [sys.executable, str(HEALER), *map(str, words)], signal.SIGTERM)


def _runit(stage: Stage, sayers: Sayers) -> Switch:
    place = stage.directory / "runit"

    def up() -> None:
        for index in range(COUNT):
            run = place / str(index) / "run"
            run.parent.mkdir(parents=True)
            run.write_text(f"#!/bin/sh\nexec {' '.join(map(_quoted, say(sayers.places / str(index))))}\n")
            run.chmod(0o755)
        begin()

    def down() -> None:
        end()  # hangs up on each runsv, which ends its service
        until(lambda: not any(_there(sayers.pid(index)) for index in range(COUNT)))
        shutil.rmtree(place)

    begin, end = _running(place.parent, ["runsvdir", str(place)], signal.SIGHUP)
    return up, down


def _supervisor(stage: Stage, sayers: Sayers) -> Switch:
    config = stage.directory / "healing.conf"
    programs = "".join(
        f"[program:s{index}]\ncommand=sh -c {_quoted(say(sayers.places / str(index))[2])}\nautorestart=true\n"
        for index in range(COUNT)
    )
    place = stage.directory
    head = (
        f"[supervisord]\nnodaemon=true\nlogfile={place}/healing.log\npidfile={place}/healing.pid\nchildlogdir={place}\n"
    )
    config.write_text(f"{head}{programs}")
    return _running(place, ["supervisord", "-c", str(config)], signal.SIGTERM)


def _running(place: Path, argv: list[str], end: signal.Signals) -> Switch:
    """A program for as long as the turn lasts; what it says is of no interest."""
    held: list[subprocess.Popen[bytes]] = []

    def up() -> None:
        nowhere = subprocess.DEVNULL
        held.append(subprocess.Popen(argv, cwd=place, stdin=nowhere, stdout=nowhere, stderr=nowhere))

    def down() -> None:
        held[-1].send_signal(end)
        held.pop().wait(30)

    return up, down


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word


def _there(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return pid > 0
    return False


# -- containers


def _containers(stage: Stage) -> list[Contestant]:
    """Both have theirs on a network of their own, which costs an engine more than its default one."""
    left: list[str] = []
    engine = stage.engine
    assert engine is not None

    def begin(up: Callable[[], object], prefix: Callable[[], str]) -> None:
        up()
        left[:] = [one["Id"] for one in engine.get("/containers/json") if one["Names"][0][1:].startswith(prefix())]

    def kill() -> float:
        return _killed(stage.socket, left.pop())

    def floor_name() -> str:
        return f"floor{stage.token}-{stage.floors}-"

    up, down = _daemon(stage, stage.containers(COUNT))
    healing: list[Switch] = []

    def floor_up() -> None:
        stage.floor("up", COUNT)
        healing.append(_program(stage, "containers", stage.socket, floor_name()))
        healing[-1][0]()
        until((stage.directory / floor_name()).exists)

    def floor_down() -> None:
        healing.pop()[1]()
        stage.floor("down", COUNT)

    return [
        Contestant("ours", kill, lambda: begin(up, lambda: stage.namespace), down, COUNT // 2),
        Contestant("bare loop", kill, lambda: begin(floor_up, floor_name), floor_down, COUNT // 2),
    ]


def _killed(path: str, container: str) -> float:
    """Until the engine says that it has been started. Its stream is open before anything is done."""
    filters = quote(json.dumps({"container": [container], "event": ["start"]}))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(f"GET /events?filters={filters} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
        stream = connection.makefile("rb")
        while stream.readline().strip():
            pass
        began = time.perf_counter()
        _post(path, f"/containers/{container}/kill")
        connection.settimeout(60)
        stream.readline()
        return time.perf_counter() - began


def _post(path: str, target: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(f"POST {target} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
        while connection.recv(65536):
            pass
