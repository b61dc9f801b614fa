"""On a full disk each command says so with the path, ends with 1, and leaves the world as it is; with room it goes on.

The disk is a file system of its own in memory. How much is left on it, in pages or in files, decides which of a
command's writes is the first to fail. A second way hits each single write: the tracer answers it with "no space".
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.cli.machine import Machine, resource, service
from tests.faults.test_home import pids

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system of one's own needs root"),
]
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
LEFT = (*range(20), 25, 30, 40) if NIGHTLY else (0, 3, 8)
"""So many pages or files are left: from nothing to what is more than enough."""
ENOUGH = 200
PAGE = 4096
STRIDE = 4
CALM = service("calm")
SHORT = ("--timeout", "2")


class Disk:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._ballast = path / "ballast"

    def leave(self, unit: str, amount: int) -> None:
        """So much room, and no more."""
        self.clear()
        self._ballast.mkdir()
        if unit == "pages":
            (self._ballast / "0").write_bytes(b"")
            with (self._ballast / "0").open("wb") as file:
                file.write(bytes(PAGE * (os.statvfs(self._path).f_bavail - amount)))
        else:
            for number in range(os.statvfs(self._path).f_favail - amount):
                (self._ballast / str(number)).touch()
        facts = os.statvfs(self._path)
        assert {"pages": facts.f_bavail, "files": facts.f_favail}[unit] == amount

    def clear(self) -> None:
        shutil.rmtree(self._ballast, ignore_errors=True)


@pytest.fixture
def disk(machine: Machine) -> Iterator[Disk]:
    """The machine's home, on a disk that can be filled."""
    machine.home.mkdir()
    options = "size=2400k,nr_inodes=360,mode=700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(machine.home)], check=False)
    if mounted.returncode:
        pytest.skip("file systems can't be mounted here")
    disk = Disk(machine.home)
    try:
        yield disk
    finally:
        disk.clear()
        machine("delete", "all", "--all", "--volumes", code=None)
        subprocess.run(["umount", "--lazy", str(machine.home)], check=True)


def specs(*documents: dict[str, object]) -> str:
    return "\n---\n".join(map(json.dumps, (CALM, *documents)))


def said_clearly(machine: Machine, told: subprocess.CompletedProcess[str]) -> None:
    """That it is full, and where; or only that the diary is, which is no reason to fail."""
    assert "Traceback" not in told.stderr
    assert "internal" not in told.stderr.lower(), told.stderr
    assert "bug" not in told.stderr, told.stderr
    if told.returncode:
        assert told.returncode == 1
        [*errors] = [line for line in told.stderr.splitlines() if line.startswith("error: ")]
        assert errors, told.stderr
        assert all(str(machine.home) in line and "no space" in line.lower() for line in errors), told.stderr
        assert "make room" in told.stderr
    else:
        notes = [line for line in told.stderr.splitlines() if line.startswith("note: ")]
        assert all("diary" in note and str(machine.home) in note for note in notes), told.stderr


def through_all(machine: Machine, disk: Disk, unit: str, turns: Callable[[int], Sequence[Sequence[str]]]) -> None:
    """Each command with less room than it needs, then with room: then the world is as it should be, once each."""
    clean = 0
    for turn, left in enumerate((*LEFT, ENOUGH)):
        for arguments, stdin, wanted in turns(turn):
            before = pids(machine)
            disk.leave(unit, left)
            told = machine(*arguments, *SHORT, stdin=stdin, code=None)
            said_clearly(machine, told)
            after = pids(machine)
            assert after.get("calm") == before.get("calm"), f"{left} {unit} left"
            if told.returncode and wanted.get("one"):
                assert len(after.get("one", [])) >= min(len(before.get("one", [])), wanted["one"]), told.stderr
            disk.clear()
            machine(*arguments, *SHORT, stdin=stdin)
            assert {name: len(found) for name, found in pids(machine).items()} == wanted
            clean += told.returncode == 0 and "note: " not in told.stderr
    assert clean, "there never was enough room"


UNITS = ["pages", "files"]


@pytest.mark.parametrize("unit", UNITS)
def test_apply_and_delete(machine: Machine, disk: Disk, unit: str) -> None:
    config = resource("Config", "settings", data={"text": "x" * 5000})
    text = specs(service("one", envFrom=[{"config": "settings"}]), config)
    machine("apply", "-f", "-", stdin=specs())
    turns = [
        (("apply", "-f", "-"), text, {"calm": 1, "one": 1}),
        (("delete", "service", "one", "--ignore-not-found"), "", {"calm": 1}),
    ]
    through_all(machine, disk, unit, lambda _: turns)


@pytest.mark.parametrize("unit", UNITS)
def test_a_change_stops_nothing_that_it_could_not_start_again(machine: Machine, disk: Disk, unit: str) -> None:
    machine("apply", "-f", "-", stdin=specs(service("one")))
    through_all(
        machine, disk, unit,
        lambda turn: [(("apply", "-f", "-"), specs(service("one", env={"TURN": str(turn)})), {"calm": 1, "one": 1})],
    )  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_scale(machine: Machine, disk: Disk, unit: str) -> None:
    machine("apply", "-f", "-", stdin=specs(service("one")))
    turns = [(("scale", "one", "--replicas", str(number)), "", {"calm": 1, "one": number}) for number in (3, 1)]
    through_all(machine, disk, unit, lambda _: turns)


@pytest.mark.parametrize("unit", UNITS)
def test_restart(machine: Machine, disk: Disk, unit: str) -> None:
    machine("apply", "-f", "-", stdin=specs(service("one")))
    through_all(machine, disk, unit, lambda _: [(("restart", "one"), "", {"calm": 1, "one": 1})])


# -- each single write


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("first", range(1, STRIDE + 1, 1 if NIGHTLY else 2))
@pytest.mark.parametrize("verb", ["apply", "scale", "delete"])
def test_each_write_that_fails(machine: Machine, verb: str, first: int) -> None:
    """Of the program's own thread: what others of it write is hit by the full disks above. Shared out among tests; by
    day every other one.
    """
    machine("apply", "-f", "-", stdin=specs(service("one")))
    calm = pids(machine)["calm"]
    for number in count(first, STRIDE):
        arguments, text, wanted = case(verb, number)
        told, hit = with_a_failing_write(machine, arguments, text, number)
        assert "Traceback" not in told.stderr, told.stderr
        assert pids(machine)["calm"] == calm
        machine(*arguments, stdin=text)
        assert {name: len(found) for name, found in pids(machine).items()} == wanted, f"write {number}"
        if not hit:
            assert number > STRIDE, "it writes more than that"
            return
        if verb == "delete":
            machine("apply", "-f", "-", stdin=specs(service("one")))


def case(verb: str, number: int) -> tuple[Sequence[str], str, dict[str, int]]:
    """Something to do each time, and what it comes to."""
    replicas = 1 + (number // STRIDE) % 2
    match verb:
        case "apply":
            return ("apply", "-f", "-"), specs(service("one", env={"A": str(number)})), {"calm": 1, "one": 1}
        case "scale":
            return ("scale", "one", "--replicas", str(replicas)), "", {"calm": 1, "one": replicas}
        case _:
            return ("delete", "service", "one", "--ignore-not-found"), "", {"calm": 1}


def with_a_failing_write(
    machine: Machine, arguments: Sequence[str], text: str, number: int
) -> tuple[subprocess.CompletedProcess[str], bool]:
    report = machine.directory / "strace"
    calls = "write,pwrite64,fsync,fdatasync,mkdir,link,rename"
    how = ["-e", f"trace={calls}", "-e", "signal=none", "-e", f"inject={calls}:error=ENOSPC:when={number}"]
    told = subprocess.run(
        ["strace", "-qq", "-o", str(report), *how, sys.executable, "-m", "reconciler", "-n", machine.namespace,
         *arguments, *SHORT],
        env=dict(machine.environment), input=text, capture_output=True, text=True, timeout=60, cwd=machine.directory,
        check=False,
    )  # fmt: skip
    return told, "(INJECTED)" in report.read_text()
