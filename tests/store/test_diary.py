"""A diary is kept from one run to the next, and shared by all who write in it at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Event, Status
from reconciler.store.sqlite import ReadDiary
from tests.store.keeping import HISTORY, WEB, Kept


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


def test_one_that_is_being_made_is_empty_and_nothing_to_speak_of(tmp_path: Path) -> None:
    """Between its making and its first table; whoever only looks may come by then."""
    path = tmp_path / "diary.db"
    path.touch(0o600)
    notes: list[str] = []
    assert ReadDiary(str(path), notes.append).events() == []
    assert notes == []
