"""One sqlite file as a Store that fails loudly: says whether it is damaged, too new, or can't be used just now."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

from reconciler.model.key import Key
from reconciler.model.plan import Record
from reconciler.model.status import Event, Status
from reconciler.store.memory import EVENTS_KEPT, PAYLOADS_KEPT, SAME_WITHIN_SECONDS, Memory
from reconciler.store.rows import clean, event_of, key_of, record_of, record_row, status_of, status_text

APPLICATION = 0x5243_4E43
"""Tells a diary from any other sqlite file that somebody may have put in its place."""

MIGRATIONS = (
    """
    CREATE TABLE journal (key TEXT PRIMARY KEY, namespace TEXT NOT NULL, failures INTEGER NOT NULL,
        last_at REAL NOT NULL, fingerprint TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
        restarts INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE events (id INTEGER PRIMARY KEY, time REAL NOT NULL, type TEXT NOT NULL, reason TEXT NOT NULL,
        key TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, message TEXT NOT NULL,
        count INTEGER NOT NULL);
    CREATE INDEX events_by_time ON events (time, id);
    CREATE INDEX events_by_words ON events (key, reason, message, time);
    CREATE TABLE payloads (fingerprint TEXT PRIMARY KEY, text TEXT NOT NULL, turn INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE statuses (key TEXT PRIMARY KEY, namespace TEXT NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
    """,
    """
    ALTER TABLE journal ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE events ADD COLUMN first_time REAL
    """,
)
"""The n-th entry leads from version n to n + 1. An entry that was once released is never edited."""

VERSION = len(MIGRATIONS)
TABLES = {"journal", "events", "payloads", "statuses"}
BUSY_SECONDS = 5.0
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}

T = TypeVar("T")


class Damaged(Exception):
    """What lies there is not a diary, or not a whole one."""


class Blank(Exception):
    """Somebody is making it: there is nothing in it yet."""


class Newer(Exception):
    """A later version of this program wrote it, and will want it back."""


class Unavailable(Exception):
    """It can't be read or written just now: full, read-only, locked, not permitted."""


@contextmanager
def troubles_sorted() -> Iterator[None]:
    """All that sqlite and the file system may say, as one of the three above."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        damaged = code is not None and code & 0xFF in DAMAGE
        raise (Damaged if damaged else Unavailable)(str(error)) from error
    except OSError as error:
        raise Unavailable(error.strerror or str(error)) from error
    except ValueError as error:
        raise Damaged(str(error)) from error


class Tables:
    """The diary's tables in one open file."""

    def __init__(self, path: str) -> None:
        with troubles_sorted():
            self.inode = _claim(path)
            self._db = sqlite3.connect(
                os.fsencode(path), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                _insist_on_whole_pages(self._db, path)
                _prepare(self._db)
            except BaseException:
                self._db.close()
                raise

    @classmethod
    def reading(cls, path: str) -> Self:
        """Without a trace: no lock, no time stamp. A log beside it means that somebody is at work on it."""
        self = cls.__new__(cls)
        with troubles_sorted():
            there = os.lstat(path)
            if not stat.S_ISREG(there.st_mode):  # a pipe would be waited for, for ever
                raise Damaged(f"{path} is not a regular file")
            self.inode = there.st_ino
            how = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
            self._db = sqlite3.connect(
                f"file:{quote(os.fsencode(path))}?{how}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                _insist_on_whole_pages(self._db, path)
                _examine(self._db)
            except BaseException:
                self._db.close()
                raise
        return self

    def journal(self, namespace: str) -> dict[Key, Record]:
        return self._journal(namespace)

    def _journal(self, namespace: str | None) -> dict[Key, Record]:
        query = """SELECT key, failures, last_at, fingerprint, reason, message, restarts, crashes FROM journal
            WHERE :namespace IS NULL OR namespace = :namespace"""
        return _in_order(record_of(row) for row in self._all(query, namespace=namespace))

    def write_journal(self, changed: Mapping[Key, Record | None]) -> None:
        with self._writing() as db:
            for key, record in changed.items():
                if record is None:
                    db.execute("DELETE FROM journal WHERE key = ?", (str(key),))
                else:
                    db.execute("REPLACE INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", record_row(key, record))

    def add_events(self, events: Sequence[Event]) -> None:
        with self._writing() as db:
            for event in events:
                _add_event(db, event)
            db.execute(
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY time DESC, id DESC LIMIT -1 OFFSET ?)",
                (EVENTS_KEPT,),
            )

    def events(self, *, namespace: str | None = None, key: Key | None = None, limit: int = 1000) -> list[Event]:
        query = """SELECT time, type, reason, key, message, count, first_time FROM events
            WHERE (:namespace IS NULL OR namespace = :namespace)
            AND (:key IS NULL OR key = :key OR resource = :key)
            ORDER BY time DESC, id DESC LIMIT :limit"""
        rows = self._all(query, namespace=namespace, key=str(key) if key else None, limit=max(limit, 0))
        with troubles_sorted():
            return [event_of(row) for row in reversed(rows)]

    def payload(self, fingerprint: str) -> str | None:
        rows = self._all("SELECT text FROM payloads WHERE fingerprint = :fingerprint", fingerprint=fingerprint)
        return str(rows[0][0]) if rows else None

    def write_payloads(self, payloads: Mapping[str, str]) -> None:
        with self._writing() as db:
            turn = db.execute("SELECT coalesce(max(turn), 0) FROM payloads").fetchone()[0]
            rows = ((name, clean(text), turn + i) for i, (name, text) in enumerate(payloads.items(), 1))
            db.executemany("REPLACE INTO payloads VALUES (?, ?, ?)", rows)
            db.execute(
                "DELETE FROM payloads WHERE fingerprint IN"
                " (SELECT fingerprint FROM payloads ORDER BY turn DESC LIMIT -1 OFFSET ?)",
                (PAYLOADS_KEPT,),
            )

    def statuses(self, namespace: str | None = None) -> dict[Key, Status]:
        query = "SELECT key, text FROM statuses WHERE :namespace IS NULL OR namespace = :namespace"
        return _in_order((key_of(key), status_of(text)) for key, text in self._all(query, namespace=namespace))

    def write_statuses(self, changed: Mapping[Key, Status | None]) -> None:
        with self._writing() as db:
            for key, status in changed.items():
                if status is None:
                    db.execute("DELETE FROM statuses WHERE key = ?", (str(key),))
                else:
                    row = (str(key), key.namespace, status_text(status))
                    db.execute("REPLACE INTO statuses VALUES (?, ?, ?)", row)

    def remembered(self) -> Memory:
        """All of it, taken along into memory."""
        payloads = self._all("SELECT fingerprint, text FROM payloads ORDER BY turn")
        return Memory(
            journal=self._journal(None),
            events=self.events(limit=EVENTS_KEPT),
            payloads=dict(payloads),
            statuses=self.statuses(),
        )

    def close(self) -> None:
        self._db.close()

    def _all(self, query: str, **values: Any) -> list[Any]:
        with troubles_sorted():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction. It takes the write lock at once: upgrading a read lock later can fail for good."""
        with troubles_sorted():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _add_event(db: sqlite3.Connection, event: Event) -> None:
    row = {
        "time": event.time,
        "type": clean(event.type),
        "reason": clean(event.reason),
        "key": str(event.key),
        "resource": str(event.key.resource),
        "namespace": event.key.namespace,
        "message": clean(event.message),
        "count": event.count,
        "first_time": event.first_time,
        "since": event.time - SAME_WITHIN_SECONDS,
    }
    counted = db.execute(
        """UPDATE events SET type = :type, first_time = coalesce(first_time, time), time = max(time, :time),
            count = count + :count WHERE id = (
            SELECT id FROM events WHERE key = :key AND reason = :reason AND time >= :since AND message = :message
            ORDER BY time DESC, id DESC LIMIT 1)""",
        row,
    )
    if not counted.rowcount:
        db.execute(
            """INSERT INTO events (time, type, reason, key, resource, namespace, message, count, first_time)
            VALUES (:time, :type, :reason, :key, :resource, :namespace, :message, :count, :first_time)""",
            row,
        )


def _in_order(pairs: Iterable[tuple[Key, T]]) -> dict[Key, T]:
    with troubles_sorted():
        return dict(sorted(pairs, key=lambda pair: pair[0]))


def _claim(path: str) -> int:
    """Make sure that a regular file of ours alone is there; its inode.

    An existing one is not opened: closing it again would drop the locks that another connection of this
    very process holds on it, as POSIX has it.
    """
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        there = os.lstat(path)
    if not stat.S_ISREG(there.st_mode):
        raise Damaged(f"{path} is not a regular file")
    if there.st_mode & 0o077:
        Path(path).chmod(0o600)
    return there.st_ino


def _examine(db: sqlite3.Connection) -> None:
    """For reading only: nothing is brought up to date."""
    db.text_factory = bytes.decode
    version = _version(db)
    if version > VERSION:
        raise Newer(f"version {version}, and this program knows {VERSION}")
    _insist_on_ours(db, version)
    if version == 0:
        raise Blank
    if version < VERSION:
        raise Unavailable(f"version {version} is brought up to date by the next change")


def _prepare(db: sqlite3.Connection) -> None:
    db.text_factory = bytes.decode  # strictly: a flipped byte is damage, not a reason to go on without the diary
    db.execute("PRAGMA cell_size_check = ON")
    db.execute("PRAGMA trusted_schema = OFF")
    version = _version(db)
    if version > VERSION:
        raise Newer(f"version {version}, and this program knows {VERSION}")
    _insist_on_ours(db, version)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    if version < VERSION:
        _migrate(db)


def _insist_on_whole_pages(db: sqlite3.Connection, path: str) -> None:
    """What is missing of the last page is read as zeros. Beside a log it is another matter: that may hold it."""
    size = db.execute("PRAGMA page_size").fetchone()[0]
    if Path(path).stat().st_size % size and not Path(f"{path}-wal").exists():
        raise Damaged("it is cut off")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _insist_on_ours(db: sqlite3.Connection, version: int) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version == 0 and (tables or application):
        raise Damaged("it is the database of another program")
    if version > 0 and application != APPLICATION:
        raise Damaged("it is the database of another program")
    if version == VERSION and not tables >= TABLES:
        raise Damaged("tables are missing")


def _migrate(db: sqlite3.Connection) -> None:
    """Statement by statement: `executescript` would commit in between, and leave half a version behind."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[_version(db) :]:
            for statement in script.split(";"):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
