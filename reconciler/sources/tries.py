"""What has become of jobs: `<home>/jobs/<namespace>.<name>.json`. Apart from the diary, for losing that must not run
anything twice; small, private, and written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from reconciler.durable import write_whole
from reconciler.errors import ReconcilerError
from reconciler.failpoints import failpoint
from reconciler.kinds.base import camel
from reconciler.model.history import Attempt, History
from reconciler.model.key import Key
from reconciler.sources.home import Home


class Tries:
    def __init__(self, home: Home) -> None:
        self._home = home
        self._root = home.path / "jobs"

    def read(self, jobs: Iterable[Key]) -> tuple[dict[Key, History], dict[Key, str]]:
        """And of whom it can't be read, and why: who forgot what has completed would run it once more."""
        found, damaged = {}, {}
        for key in jobs:
            try:
                found[key] = _history(json.loads(self._file(key).read_bytes()))
            except FileNotFoundError:
                continue
            except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
                damaged[key] = (
                    f"what is remembered of its runs can't be read: {self._file(key)}: {error}; "
                    "remove that file to have it run anew"
                )
        return found, damaged

    def remember(self, histories: Mapping[Key, History]) -> None:
        self._home.ensure()
        for key, history in histories.items():
            try:
                failpoint("source.remember.before")
                self._root.mkdir(mode=0o700, exist_ok=True)
                write_whole(self._file(key), json.dumps(_tree(history), indent=1).encode())
            except OSError as error:
                raise ReconcilerError(
                    f"{key.short}: how it ended can't be written down in {self._root}: {error.strerror}",
                    hint="make room, or see who may write there; then it goes on by itself",
                ) from error
            failpoint("source.remember.after")

    def forget(self, key: Key) -> None:
        self._file(key).unlink(missing_ok=True)
        with suppress(OSError):  # others are still there
            self._root.rmdir()

    def _file(self, key: Key) -> Path:
        return self._root / f"{key.namespace}.{key.name}.json"


def _tree(history: History) -> dict[str, Any]:
    attempts = [{camel(name): value for name, value in asdict(one).items()} for one in history.attempts]
    return {"since": history.since, "schedule": history.schedule, "halted": history.halted, "attempts": attempts}


def _history(tree: dict[str, Any]) -> History:
    """Fields that a later version wrote are not for us."""
    names = {camel(field.name): field.name for field in fields(Attempt)}
    attempts = ({names[name]: value for name, value in one.items() if name in names} for one in tree["attempts"])
    return History(
        attempts=tuple(_sound(Attempt(**one)) for one in attempts),
        schedule=str(tree["schedule"]), since=float(tree["since"]), halted=_moment(tree["halted"]),
    )  # fmt: skip


def _sound(one: Attempt) -> Attempt:
    """What can't be reckoned with is damage, and told as such: a pass that trips over it would stop at everybody."""
    if not (isinstance(one.id, str) and isinstance(one.reason, str) and isinstance(one.fingerprint, str)):
        raise TypeError("an attempt is no attempt")
    return replace(one, started_at=float(one.started_at), finished_at=_moment(one.finished_at))


def _moment(at: Any) -> float | None:
    return None if at is None else float(at)
