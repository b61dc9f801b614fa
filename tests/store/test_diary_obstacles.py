"""What becomes of a diary that can't be written: the work goes on in memory, and it is said."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.keeping import HISTORY, Kept


def test_locked_by_somebody_who_hangs_it_goes_on_in_memory(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.store.tables.BUSY_SECONDS", 0.1)
    kept.fill()
    kept.diary.close()
    blocker = sqlite3.connect(kept.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    assert kept.works()
    assert kept.diary.events()[:-1] == HISTORY
    assert len(kept.notes) == 1
    assert "locked" in kept.notes[0]
    blocker.close()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="root is above file modes; only root can step down to see them")
def test_without_permission_it_goes_on_in_memory(tmp_path: Path) -> None:
    """Run as nobody, in a home that is root's."""
    tmp_path.chmod(0o700)
    program = """
import os, sys
from reconciler.model.key import Key
from reconciler.model.status import Event
from reconciler.store.sqlite import Diary
import reconciler.store.tables

os.setgid(65534); os.setuid(65534)
notes = []
diary = Diary(sys.argv[1], notes.append)
diary.add_events([Event(time=1.0, type="Normal", reason="R", key=Key("service", "a", "b"), message="m")])
print(len(diary.events()), *notes)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "diary.db")], capture_output=True, text=True, check=True
    )

    assert ran.stdout.startswith("1 the diary ")
    assert "Permission denied" in ran.stdout


FILLER = """
import ctypes, os, subprocess, sys
from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Event
from reconciler.store.sqlite import Diary

home = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20000) == 0
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", home], check=True)
notes = []
diary = Diary(home + "/diary.db", notes.append, retry_seconds=0)
diary._retry_seconds = 1e9

def event(i):
    return Event(time=i, type="Normal", reason="R", key=Key("service", "a", "b"), message=f"{i} " + "x" * 2000)

for i in range(300):
    diary.add_events([event(i)])
    diary.write_journal({Key("service", "a", "b", 0): Record(failures=i)})
assert len(notes) == 1 and "full" in notes[0], notes
assert len(diary.events()) == 300, len(diary.events())
assert diary.journal("a")[Key("service", "a", "b", 0)].failures == 299

subprocess.run(["mount", "-o", "remount,size=16m", home], check=True)
diary._retry_seconds = 0
diary._retry_at = 0
diary.add_events([event(300)])
assert len(notes) == 2 and "can be used again" in notes[1], notes
diary.close()
later = Diary(home + "/diary.db", sys.exit)
assert [e.time for e in later.events()] == list(range(301)), len(later.events())
assert later.journal("a")[Key("service", "a", "b", 0)].failures == 299
print("whole")
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny file system needs root")
def test_a_full_disk_is_sat_out_in_memory_and_caught_up_with(tmp_path: Path) -> None:
    """Faults row 5, on a real file system of 256 KiB in a mount namespace of its own."""
    ran = subprocess.run([sys.executable, "-c", FILLER, str(tmp_path)], capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr) == ("whole\n", "")
