"""The diary may be lost, cut, garbled, replaced or locked: nothing is done for it, and a note says why."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cli.machine import Machine, service
from tests.faults.test_home import pids
from tests.scenarios.documents import box, server
from tests.scenarios.stage import Stage

SPECS = "\n---\n".join(json.dumps(service(name)) for name in ("one", "two"))
OFFSETS = 50


def diary(machine: Machine) -> Path:
    return machine.home / "diary.db"


@pytest.fixture
def settled(machine: Machine) -> Machine:
    """Two services that run, and a diary that lies in one file."""
    machine("apply", "-f", "-", stdin=SPECS)
    with closing(sqlite3.connect(diary(machine))) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return machine


def aside(machine: Machine) -> list[Path]:
    return sorted(machine.home.glob("diary.db.corrupt-*[0-9Z]"))


def forget(machine: Machine) -> None:
    """As it was before the damage."""
    for file in machine.home.glob("diary.db*"):
        subprocess.run(["rm", "-rf", str(file)], check=True)


def unmoved(machine: Machine, before: dict[str, list[int]], *, notes: str) -> None:
    """Who looks and who applies: 0 actions, exit 0, and at most one note each, which says that."""
    for arguments in (("status",), ("diff",), ("apply", "-f", "-", "-o", "json")):
        told = machine(*arguments, stdin=SPECS if "-f" in arguments else "")
        said = [line for line in told.stderr.splitlines() if line.startswith("note: ")]
        assert len(said) <= 1, told.stderr
        assert all(re.search(notes, line) for line in said), told.stderr
        assert "Traceback" not in told.stderr
        if "-o" in arguments:
            assert json.loads(told.stdout)["actions"] == []
    assert pids(machine) == before


def test_deleted(settled: Machine) -> None:
    before = pids(settled)
    forget(settled)
    unmoved(settled, before, notes="^$")
    assert aside(settled) == []
    settled("events")


# -- damage


def places(whole: bytes) -> list[int]:
    """Every page boundary, and so many places in between, the same ones each time."""
    chance = random.Random(20)
    return sorted({*range(0, len(whole), 4096), *(chance.randrange(len(whole)) for _ in range(OFFSETS))})


def test_cut_at_every_page_boundary_and_at_random_places(settled: Machine) -> None:
    """In one go, for each start of the program costs its tenth of a second: `apply` of each, `status` of each tenth."""
    before, whole = pids(settled), diary(settled).read_bytes()
    assert len(whole) > 4096 * 5
    for number, length in enumerate(places(whole)):
        forget(settled)
        diary(settled).write_bytes(whole[:length])
        if number % 10 == 0:
            looked = settled("status")
            assert "Traceback" not in looked.stderr
            assert diary(settled).read_bytes() == whole[:length], "who looks sets nothing aside"
        told = settled("apply", "-f", "-", "-o", "json", stdin=SPECS)
        assert json.loads(told.stdout)["actions"] == [], f"cut at {length}"
        one_note_about_what_was_put_aside(settled, told.stderr, whole[:length])
    assert pids(settled) == before


def one_note_about_what_was_put_aside(machine: Machine, said: str, damaged: bytes) -> None:
    """Nothing at all is no damage: a fresh one is begun in it."""
    notes = [line for line in said.splitlines() if line.startswith("note: ")]
    files = aside(machine)
    if not damaged:
        assert notes == []
        return
    assert len(notes) == len(files) == 1, said
    assert str(files[0]) in notes[0]
    assert "set aside" in notes[0]
    assert files[0].read_bytes() == damaged


def test_garbage_in_every_page(settled: Machine) -> None:
    """What is noticed is set aside and said; what is not noticed does no harm."""
    before, whole = pids(settled), diary(settled).read_bytes()
    chance = random.Random(3)
    for start in range(0, len(whole), 4096):
        forget(settled)
        place = start + chance.randrange(0, 3000)
        diary(settled).write_bytes(whole[:place] + chance.randbytes(1000) + whole[place + 1000 :])
        told = settled("apply", "-f", "-", "-o", "json", stdin=SPECS)
        assert json.loads(told.stdout)["actions"] == [], f"garbage at {place}"
        notes = [line for line in told.stderr.splitlines() if line.startswith("note: ")]
        assert len(notes) == len(aside(settled)) <= 1, told.stderr
        assert all(str(aside(settled)[0]) in note for note in notes)
    assert pids(settled) == before


def nothing_but_noise(file: Path) -> None:
    file.write_bytes(random.Random(1).randbytes(50_000))


def text(file: Path) -> None:
    file.write_text("a diary, once\n" * 100)


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "inside").write_text("somebody's")


def link_to_nothing(file: Path) -> None:
    file.unlink()
    file.symlink_to("/nonexistent/diary")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def database_of_another(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE accounts (owner TEXT)")
        db.commit()


@pytest.mark.parametrize(
    "damage", [nothing_but_noise, text, directory, link_to_nothing, pipe, database_of_another], ids=lambda f: f.__name__
)
def test_something_else_in_its_place(settled: Machine, damage: Callable[[Path], None]) -> None:
    before = pids(settled)
    damage(diary(settled))
    unmoved(settled, before, notes=rf"{diary(settled)}( can't be read|.corrupt-)")
    assert len(aside(settled)) == 1
    assert (aside(settled)[0] / "inside").exists() or damage is not directory
    assert "note: " not in settled("events").stderr, "a fresh one was begun"


# -- not damaged, but not to be used


def test_written_by_a_later_version(settled: Machine) -> None:
    before = pids(settled)
    with closing(sqlite3.connect(diary(settled))) as db:
        db.execute("PRAGMA user_version = 99")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = diary(settled).read_bytes()
    unmoved(settled, before, notes=rf"{diary(settled)} .*version 99")
    assert diary(settled).read_bytes() == content, "that version will want it back"


def test_locked_by_another_for_ever(settled: Machine) -> None:
    """Nobody waits longer than the seconds that a lock is waited for, and nobody does anything else instead."""
    before = pids(settled)
    with closing(sqlite3.connect(diary(settled), isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        unmoved(settled, before, notes=rf"{diary(settled)} can't be (used|read) \(.*locked")
        killed = settled.kill("one")
        told = settled("apply", "-f", "-", "-o", "json", stdin=SPECS)
        assert [action["verb"] for action in json.loads(told.stdout)["actions"]] == ["Start"]
        assert told.stderr.count("note: ") == 1
        assert killed not in pids(settled)["one"]
    unmoved(settled, pids(settled), notes="^$")


def test_its_turn_is_held_by_another_for_ever(settled: Machine) -> None:
    before = pids(settled)
    with held(settled.home):
        unmoved(settled, before, notes=rf"{diary(settled)} can't be used")
    unmoved(settled, before, notes="^$")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


@pytest.mark.root
def test_on_a_file_system_that_is_read_only(settled: Machine) -> None:
    """A bind mount of its own over the diary alone: to root, modes mean nothing."""
    before = pids(settled)
    script = f'mount --bind {diary(settled)} {diary(settled)} && mount -o remount,ro,bind {diary(settled)} && exec "$@"'
    unshare = ["unshare", "--mount", "sh", "-c", script, "sh"]
    for arguments in (("status",), ("diff",), ("apply", "-f", "-", "-o", "json")):
        told = subprocess.run(
            [*unshare, sys.executable, "-m", "reconciler", "-n", settled.namespace, *arguments],
            env=dict(settled.environment), input=SPECS, capture_output=True, text=True, check=False, timeout=60,
            cwd=settled.directory,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert told.stderr.count("note: ") <= 1
        assert "Traceback" not in told.stderr
    assert json.loads(told.stdout)["actions"] == []
    assert pids(settled) == before
    assert aside(settled) == []


# -- containers


@pytest.mark.engine
@pytest.mark.parametrize("damage", [nothing_but_noise, directory, Path.unlink], ids=["noise", "directory", "deleted"])
def test_containers_are_not_touched_for_it(stage: Stage, damage: Callable[[Path], None]) -> None:
    documents = [server("web", replicas=2), box("db")]
    stage.apply(*documents)
    lives = [stage.life(name) for name in stage.containers()]
    for file in stage.home.glob("diary.db-*"):
        file.unlink()
    damage(stage.home / "diary.db")
    with stage.events_during() as events:
        stage.cli("status")
        assert stage.diff(*documents).actions == []
        told = stage.apply(*documents)
    assert told.actions == []
    assert told.err.count("note: ") == (0 if damage is Path.unlink else 1)
    assert events == []
    assert [stage.life(name) for name in stage.containers()] == lives
