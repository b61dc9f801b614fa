"""What becomes of a diary whose file is broken, foreign or gone: the work goes on, and it is said."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from reconciler.model.plan import Record
from reconciler.model.status import Event
from reconciler.store.sqlite import Diary
from reconciler.store.tables import APPLICATION, MIGRATIONS
from tests.store.keeping import HISTORY, WEB, Kept


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The bytes of a diary with a history."""
    made = Kept(tmp_path / "made" / "diary.db")
    made.fill()
    made.diary.close()
    return made.path.read_bytes()


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


def test_one_of_the_first_version_is_brought_up_to_date_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "diary.db"
    statements = [line for line in MIGRATIONS[0].split(";") if line.strip()]
    told = "(time, type, reason, key, resource, namespace, message, count)"
    run_sql(
        path, *statements, f"PRAGMA application_id = {APPLICATION}", "PRAGMA user_version = 1",
        f"INSERT INTO events {told} VALUES (5, 'Normal', 'R', '{WEB}', '{WEB}', '{WEB.namespace}', 'm', 2)",
        f"INSERT INTO journal VALUES ('{WEB}', '{WEB.namespace}', 3, 1, 'f', '', '', 4)",
    )  # fmt: skip
    path.chmod(0o600)
    notes: list[str] = []
    diary = Diary(str(path), notes.append)
    diary.write_journal({})
    assert diary.journal(WEB.namespace) == {WEB: Record(failures=3, last_at=1.0, fingerprint="f", restarts=4)}
    assert [(item.began, item.count) for item in diary.events()] == [(5.0, 2)]
    assert notes == []
    diary.close()


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
