"""The diary on disk. Whatever happens to its file, the work goes on: history is worth less than what runs.

damaged, foreign, not a file    set aside as `diary.db.corrupt-<time>`, a fresh one is begun
written by a later version      left alone; this run remembers in memory
full, read-only, not permitted  goes on in memory, tries again now and then, and writes down what it missed
deleted                         a fresh one is begun
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reconciler.disk_space import is_full
from reconciler.errors import Refused
from reconciler.failpoints import failpoint
from reconciler.filelock import locked
from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Event, Status
from reconciler.store.memory import Memory
from reconciler.waiting import until

if TYPE_CHECKING:
    from reconciler.store.tables import Tables

T = TypeVar("T")
TURN_SECONDS = 5.0
WRITES_KEPT = 1000
"""How many writes are kept for a disk that may come back."""


class Diary:
    """A Store on one sqlite file, opened at first use. Reading never makes the file.

    `note` is told, once for each turn of events, what became of the file. Threads may share a diary;
    processes may share a file.
    """

    def __init__(self, path: str, note: Callable[[str], None], *, retry_seconds: float = 30.0) -> None:
        self._path = path
        self._note = note
        self._retry_seconds = retry_seconds
        self._lock = threading.RLock()
        self._file: Tables | None = None
        self._memory: Memory | None = None
        self._unsaved: deque[Callable[[Tables | Memory], None]] = deque(maxlen=WRITES_KEPT)
        self._retry_at = 0.0
        self._notes: list[str] = []
        self._complained = False

    def journal(self, namespace: str) -> dict[Key, Record]:
        return self._read(lambda store: store.journal(namespace))

    def write_journal(self, changed: Mapping[Key, Record | None]) -> None:
        if changed:
            self._write(lambda store: store.write_journal(changed))

    def add_events(self, events: Sequence[Event]) -> None:
        if events:
            self._write(lambda store: store.add_events(events))

    def events(self, *, namespace: str | None = None, key: Key | None = None, limit: int = 1000) -> list[Event]:
        return self._read(lambda store: store.events(namespace=namespace, key=key, limit=limit))

    def payload(self, fingerprint: str) -> str | None:
        return self._read(lambda store: store.payload(fingerprint))

    def write_payloads(self, payloads: Mapping[str, str]) -> None:
        if payloads:
            self._write(lambda store: store.write_payloads(payloads))

    def statuses(self, namespace: str | None = None) -> dict[Key, Status]:
        return self._read(lambda store: store.statuses(namespace))

    def write_statuses(self, changed: Mapping[Key, Status | None]) -> None:
        if changed:
            self._write(lambda store: store.write_statuses(changed))

    def close(self) -> None:
        with self._lock:
            self._shut()

    def _read(self, question: Callable[[Tables | Memory], T]) -> T:
        with self._lock:
            answer = self._ask(question, making=False)
        self._tell()
        return answer

    def _write(self, write: Callable[[Tables | Memory], None]) -> None:
        with self._lock:
            self._ask(write, making=True)
            failpoint("store.write.after")
            if self._memory is not None:
                self._unsaved.append(write)
        self._tell()

    def _tell(self) -> None:
        """Outside the lock: who is told may well write it into a diary."""
        while self._notes:
            self._note(self._notes.pop(0))

    def _ask(self, question: Callable[[Tables | Memory], T], *, making: bool) -> T:
        from reconciler.store import tables  # noqa: PLC0415 -- sqlite is loaded by who opens a diary

        for _ in range(2):  # a second time on the fresh file that takes a damaged one's place
            try:
                return question(self._in_force(making=making))
            except tables.Damaged as trouble:
                self._set_aside(str(trouble))
            except tables.Newer as trouble:
                return question(self._go_on_in_memory(f"was written by a later version ({trouble})", for_good=True))
            except (tables.Unavailable, Refused) as trouble:
                return question(self._go_on_in_memory(f"can't be used ({trouble})"))
        return question(self._go_on_in_memory("is damaged again and again"))

    def _in_force(self, *, making: bool) -> Tables | Memory:
        if self._memory is not None and (time.monotonic() < self._retry_at or not self._caught_up()):
            return self._memory
        if self._file is not None and self._file.inode != _inode(self._path):
            self._shut()  # somebody deleted or replaced it; what we wrote now would be read by nobody
        if self._file is None and not making and not os.path.lexists(self._path):
            return Memory()
        if self._file is None:
            self._file = self._open()
        if making:
            failpoint("store.write.before")
        return self._file

    def _open(self) -> Tables:
        from reconciler.store import tables  # noqa: PLC0415

        with tables.troubles_sorted(), _taking_turns(Path(self._path).parent):
            return tables.Tables(self._path)

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _set_aside(self, why: str) -> None:
        """Under the lock, and only if it is still the same file: another process may have done it already."""
        from reconciler.store import tables  # noqa: PLC0415

        damaged = self._file.inode if self._file is not None else _inode(self._path)
        self._shut()
        try:
            with tables.troubles_sorted(), _taking_turns(Path(self._path).parent):
                if _inode(self._path) == damaged:
                    self._notes.append(
                        f"the diary was set aside as {_rename(self._path)} ({why}); history starts afresh"
                    )
        except tables.Unavailable as trouble:
            self._go_on_in_memory(f"is damaged ({why}) and can't be set aside ({trouble})")

    def _go_on_in_memory(self, why: str, *, for_good: bool = False) -> Memory:
        from reconciler.store import tables  # noqa: PLC0415

        if self._memory is None:
            self._memory = Memory()
            if self._file is not None:
                with suppress(tables.Damaged, tables.Unavailable):  # what can still be read is worth having
                    self._memory = self._file.remembered()
            self._notes.append(f"the diary {self._path} {why}; events and back-off are kept in memory for now")
        self._shut()
        self._retry_at = float("inf") if for_good else time.monotonic() + self._retry_seconds
        return self._memory

    def _caught_up(self) -> bool:
        """Whether the disk is back, and all that was missed is written down."""
        from reconciler.store import tables  # noqa: PLC0415

        try:
            self._file = self._open()
            while self._unsaved:
                self._unsaved[0](self._file)
                self._unsaved.popleft()
        except tables.Damaged as trouble:
            self._set_aside(str(trouble))
        except (tables.Newer, tables.Unavailable):
            self._shut()
        else:
            self._memory = None
            self._notes.append(f"the diary {self._path} can be used again")
            return True
        self._retry_at = time.monotonic() + self._retry_seconds
        return False


class ReadDiary(Diary):
    """For those who only look: the same answers, and nothing written, not even a time stamp."""

    def _ask(self, question: Callable[[Tables | Memory], T], *, making: bool) -> T:
        from reconciler.store import tables  # noqa: PLC0415

        assert not making, "who only looks writes nothing"
        if not os.path.lexists(self._path):
            return question(Memory())
        try:
            with closing(tables.Tables.reading(self._path)) as file:
                return question(file)
        except tables.Blank:
            return question(Memory())
        except (tables.Damaged, tables.Newer, tables.Unavailable) as trouble:
            if not self._complained:
                why = f"can't be read ({trouble}{_and_full(self._path)})"
                self._notes.append(f"the diary {self._path} {why}; what it knows is left out")
            self._complained = True
            return question(Memory())


@contextmanager
def _taking_turns(directory: Path) -> Iterator[None]:
    """One process at a time opens, switches to WAL, migrates or sets aside: sqlite's own locks don't cover these."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not until(lambda: locked(fd), TURN_SECONDS, pause=0.005):  # whoever holds it may have been stopped
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        yield
    finally:
        os.close(fd)


def _and_full(path: str) -> str:
    """Of that sqlite says "disk I/O error" when it only wanted to read."""
    return "; no space left on its disk" if is_full(os.path.dirname(path)) else ""  # noqa: PTH120


def _inode(path: str) -> int | None:
    try:
        return os.lstat(path).st_ino
    except FileNotFoundError:
        return None


def _rename(path: str) -> str:
    """Its log goes with it: left behind, it would be replayed into the fresh file."""
    stem = f"{path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    aside, again = stem, 0
    while os.path.lexists(aside):
        again += 1
        aside = f"{stem}-{again}"
    Path(path).rename(aside)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(path + suffix).rename(aside + suffix)
    return aside
