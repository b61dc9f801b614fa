"""A diary in a file, with a history, for tests of what becomes of it."""

from __future__ import annotations

from pathlib import Path

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
