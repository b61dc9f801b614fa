"""What becomes of a diary whose file is broken, foreign, gone, full or shared: the work goes on, and it is said."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Event, Status
from reconciler.store.sqlite import Diary

WEB = Key("service", "shop", "web")
HISTORY = [Event(time=float(i), type="Normal", reason="Created", key=WEB, message=f"number {i}") for i in range(40)]


class Kept:
    """A diary, and what it noted."""

    def __init__(self, path: Path, retry_seconds: float = 30.0) -> None:
        self.path = path
        self.notes: list[str] = []
        self.diary = Diary(str(path), self.notes.append, retry_seconds=retry_seconds)

    def fill(self) -> None:
        self.diary.write_journal({WEB.instance(0): Record(failures=1, message="it ended")})
        self.diary.write_statuses({WEB: Status(replicas=1)})
        self.diary.write_payloads({"f1": '{"image":"x"}'})
        self.diary.add_events(HISTORY)

    def read_all(self) -> None:
        self.diary.journal("shop")
        self.diary.events()
        self.diary.payload("f1")
        self.diary.statuses()

    def works(self) -> bool:
        new = Event(time=1e9, type="Normal", reason="Started", key=WEB, message="afresh")
        self.diary.add_events([new])
        return self.diary.events()[-1] == new

    def set_aside(self) -> list[Path]:
        return sorted(p for p in self.path.parent.glob("diary.db.corrupt-*") if not p.name.endswith(("-wal", "-shm")))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path / "diary.db")
    yield kept
    kept.diary.close()


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The bytes of a diary with a history."""
    made = Kept(tmp_path / "made" / "diary.db")
    made.fill()
    made.diary.close()
    return made.path.read_bytes()


def test_importing_it_loads_no_sqlite() -> None:
    program = "import sys, reconciler.store.sqlite; sys.exit('sqlite3' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_reading_makes_no_file(kept: Kept) -> None:
    kept.read_all()

    assert list(kept.path.parent.iterdir()) == []


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "home" / "diary.db")
    before = os.umask(0)
    try:
        kept.fill()
    finally:
        os.umask(before)
    kept.path.chmod(0o644)
    again = Kept(kept.path)
    again.read_all()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in kept.path.parent.iterdir()}
    assert modes == {"diary.db": 0o600, "diary.db-wal": 0o600, "diary.db-shm": 0o600}
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    again.diary.close()
    kept.diary.close()


def test_it_is_kept_from_one_run_to_the_next(kept: Kept) -> None:
    kept.fill()
    kept.diary.close()
    later = Kept(kept.path)

    assert later.diary.events() == HISTORY
    assert later.diary.journal("shop") == {WEB.instance(0): Record(failures=1, message="it ended")}
    assert later.diary.statuses() == {WEB: Status(replicas=1)}
    assert later.notes == kept.notes == []
    later.diary.close()


def test_cut_short_anywhere_it_starts_afresh_or_goes_on(tmp_path: Path, whole: bytes) -> None:
    """Faults row 6: at every 64-byte boundary of the first pages, and at the start and middle of every page."""
    offsets = {*range(0, 4096 * 2, 64), *range(0, len(whole), 4096), *range(2048, len(whole), 4096)}
    for offset in sorted(offsets):
        kept = Kept(tmp_path / str(offset) / "diary.db")
        kept.path.parent.mkdir()
        kept.path.write_bytes(whole[:offset])
        kept.read_all()

        assert kept.works(), offset
        assert all("set aside" in note for note in kept.notes), kept.notes
        assert [p.stat().st_size for p in kept.set_aside()] == [offset for _ in kept.notes]
        kept.diary.close()


def test_flipped_bytes_never_stop_the_work(tmp_path: Path, whole: bytes) -> None:
    chance = random.Random(7)
    damaged = 0
    for case in range(300):
        content = bytearray(whole)
        for _ in range(1 + case % 5 * 20):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        kept = Kept(tmp_path / str(case) / "diary.db")
        kept.path.parent.mkdir()
        kept.path.write_bytes(content)
        kept.read_all()

        assert kept.works() or kept.diary.events(), case
        damaged += bool(kept.set_aside())
        kept.diary.close()
    assert damaged > 100


@pytest.mark.parametrize("what", ["garbage", "directory", "symlink", "fifo", "foreign", "stranger", "stripped"])
def test_anything_else_in_its_place_is_set_aside_unharmed(kept: Kept, what: str) -> None:
    elsewhere = kept.path.parent / "elsewhere"
    put_in_place(what, kept.path, elsewhere)
    kept.read_all()

    assert kept.works()
    assert kept.diary.events(limit=10)[0].message == "afresh"
    (aside,) = kept.set_aside()
    (note,) = kept.notes
    assert str(aside) in note
    assert "history starts afresh" in note
    match what:
        case "directory":
            assert (aside / "inside").read_text() == "kept"
        case "symlink":
            assert aside.is_symlink()
            assert elsewhere.read_text() == "not ours"
        case "foreign":
            with sqlite3.connect(aside) as db:
                assert db.execute("SELECT * FROM theirs").fetchall() == [(1,)]
            db.close()


def put_in_place(what: str, path: Path, elsewhere: Path) -> None:
    match what:
        case "garbage":
            path.write_bytes(b"not a database at all" * 500)
        case "directory":
            path.mkdir()
            (path / "inside").write_text("kept")
        case "symlink":
            elsewhere.write_text("not ours")
            path.symlink_to(elsewhere)
        case "fifo":
            os.mkfifo(path)
        case "foreign":
            run_sql(path, "CREATE TABLE theirs (n)", "INSERT INTO theirs VALUES (1)")
        case "stranger":
            run_sql(path, "PRAGMA user_version = 1", "PRAGMA application_id = 77")
        case "stripped":
            Kept(path).fill()
            run_sql(path, "DROP TABLE journal")


def run_sql(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()


def test_one_of_a_later_version_is_left_alone(kept: Kept) -> None:
    kept.fill()
    kept.diary.close()
    run_sql(kept.path, "PRAGMA user_version = 99", "ALTER TABLE events ADD COLUMN colour TEXT")
    before = kept.path.read_bytes()
    later = Kept(kept.path, retry_seconds=0)

    assert later.diary.events() == []
    assert later.works()
    assert len(later.notes) == 1
    assert "later version" in later.notes[0]
    later.diary.close()
    assert kept.path.read_bytes() == before
    assert later.set_aside() == []


def test_damage_met_while_it_is_open_is_survived(kept: Kept) -> None:
    kept.fill()
    kept.diary.close()
    kept.diary.journal("shop")
    with kept.path.open("r+b") as file:
        file.write(os.urandom(kept.path.stat().st_size))

    assert kept.works()
    assert len(kept.set_aside()) == 1


def test_a_log_left_behind_does_not_leak_into_the_fresh_file(kept: Kept) -> None:
    """A -wal that stayed would be replayed into a file that it does not belong to."""
    kept.fill()
    kept.diary.close()
    kept.diary.add_events(HISTORY[:1])
    wal = Path(f"{kept.path}-wal").read_bytes()
    kept.diary.close()
    kept.path.write_bytes(b"x" * 8192)
    Path(f"{kept.path}-wal").write_bytes(wal)

    assert kept.works()
    assert len(kept.diary.events()) == 1
    assert len(kept.set_aside()) == 1


def test_deleted_while_open_it_is_begun_anew(kept: Kept) -> None:
    kept.fill()
    kept.path.unlink()

    assert kept.diary.events() == []
    assert kept.works()
    assert Kept(kept.path).diary.events()[0].message == "afresh"
    assert kept.notes == []


def test_its_whole_home_deleted_while_open_it_is_begun_anew(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "home" / "diary.db")
    kept.fill()
    shutil.rmtree(kept.path.parent)

    assert kept.works()
    assert kept.path.exists()
    kept.diary.close()


def test_two_who_find_it_damaged_set_it_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "diary.db"
    path.write_bytes(b"garbage" * 1000)
    together = threading.Barrier(8)
    all_kept = [Kept(path) for _ in range(8)]

    def work(kept: Kept, i: int) -> None:
        together.wait()
        kept.diary.add_events([Event(time=float(i), type="Normal", reason="R", key=WEB, message=str(i))])

    threads = [threading.Thread(target=work, args=(kept, i)) for i, kept in enumerate(all_kept)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(all_kept[0].set_aside()) == 1
    assert sorted(len(kept.notes) for kept in all_kept) == [0] * 7 + [1]
    assert {event.message for event in all_kept[0].diary.events()} == {str(i) for i in range(8)}
    for kept in all_kept:
        kept.diary.close()


WRITER = """
import sys
from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Event
from reconciler.store.sqlite import Diary

path, who = sys.argv[1:]
diary = Diary(path, sys.exit)
key = Key("service", "shop", who)
sys.stdin.readline()
for i in range(300):
    diary.write_journal({key.instance(i): Record(failures=i)})
    for about in (key, Key("service", "shop", "same")):
        diary.add_events([Event(time=i, type="Normal", reason="R", key=about, message="all of us")])
"""


def test_several_processes_write_at_once_and_nothing_is_lost(kept: Kept) -> None:
    names = ["a", "b", "c"]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(kept.path), name],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = [writer.communicate(timeout=60)[1] for writer in writers]

    assert said == ["", "", ""]
    assert len(kept.diary.journal("shop")) == 900
    assert {event.key.name: event.count for event in kept.diary.events()} == {"a": 300, "b": 300, "c": 300, "same": 900}


def test_threads_share_one_diary(kept: Kept) -> None:
    def work(name: str) -> None:
        for i in range(100):
            kept.diary.write_journal({Key("service", "shop", name, i): Record(failures=i)})
            kept.diary.add_events([Event(time=float(i), type="Normal", reason="R", key=WEB, message="same")])

    threads = [threading.Thread(target=work, args=(f"n{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(kept.diary.journal("shop")) == 600
    assert [event.count for event in kept.diary.events()] == [600]
    assert kept.notes == []


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
