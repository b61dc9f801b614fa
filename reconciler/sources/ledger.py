"""What is remembered of a Source: `<home>/sources/<namespace>.<name>/`. Small, and written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reconciler.durable import sync
from reconciler.errors import ReconcilerError
from reconciler.filelock import locked, stands
from reconciler.model.following import Held, Known
from reconciler.model.key import Key
from reconciler.model.status import Arrival
from reconciler.sources.home import Home
from reconciler.waiting import until

PATIENCE = 300.0
"""For another sync of the same Source: it may be fetching."""


class Ledger:
    """`state.json` says what is in force, `confirmed` what a person said yes to, `lock` whose turn it is."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._root = home.path / "sources"

    def folder(self, key: Key) -> Path:
        return self._root / f"{key.namespace}.{key.name}"

    @contextmanager
    def turn(self, key: Key) -> Iterator[None]:
        descriptor = self._taken(key)
        try:
            yield
        finally:
            os.close(descriptor)

    def _taken(self, key: Key) -> int:
        """Whoever forgets a Source removes its lock too, maybe while we wait: then it is nobody's any more."""
        deadline = time.monotonic() + PATIENCE
        while True:
            file = self._made(key) / "lock"
            try:
                descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # its folder was removed a moment ago
                continue
            try:
                _take(descriptor, key, deadline)
                if stands(file, descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def known(self, key: Key) -> Known:
        """What can't be read is an error: who forgot what was applied would take an older revision for a new one."""
        file = self.folder(key) / "state.json"
        try:
            return _known(json.loads(file.read_bytes()))
        except FileNotFoundError:
            return Known()
        except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
            raise ReconcilerError(
                f"{key.short}: what is remembered of it can't be read: {file}: {error}",
                hint=f"remove {file} to begin anew; what is in force stays, and nothing is known of earlier revisions",
            ) from error

    def remember(self, key: Key, known: Known) -> None:
        self._write(key, "state.json", json.dumps(asdict(known), indent=1))

    def confirmed(self, key: Key) -> frozenset[str]:
        try:
            return frozenset((self.folder(key) / "confirmed").read_text().split())
        except FileNotFoundError:
            return frozenset()

    def confirm(self, key: Key, plan: str) -> None:
        if plan:
            self._write(key, "confirmed", "".join(f"{one}\n" for one in sorted({*self.confirmed(key), plan})))
        else:
            (self.folder(key) / "confirmed").unlink(missing_ok=True)

    def forget(self, key: Key) -> None:
        shutil.rmtree(self.folder(key), ignore_errors=True)
        with suppress(OSError):  # others are still there
            self._root.rmdir()

    def _made(self, key: Key) -> Path:
        self._home.ensure()
        folder = self.folder(key)
        for place in (self._root, folder):
            place.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _write(self, key: Key, name: str, text: str) -> None:
        folder = self._made(key)
        draft = folder / f".{name}.{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(folder / name)
            sync(folder)
        except OSError as error:
            raise ReconcilerError(
                f"{key.short}: what is to be remembered of it can't be written to {folder}: {error.strerror}",
                hint="make room, or see who may write there; then it goes on by itself",
            ) from error
        finally:
            draft.unlink(missing_ok=True)


def _take(descriptor: int, key: Key, deadline: float) -> None:
    if not until(lambda: locked(descriptor), deadline - time.monotonic(), pause=0.05):
        message = f"{key.short}: another command is at work on it, and did not come to an end"
        raise ReconcilerError(message, hint="wait for it, or end it; then try again")


def _known(tree: dict[str, Any]) -> Known:
    """Fields that a later version wrote are not for us."""
    fields = {name: value for name, value in tree.items() if name in Known.__slots__}
    return Known(
        **{
            **fields,
            "arrivals": tuple(Arrival(**item) for item in tree["arrivals"]),
            "brought": tuple(tree["brought"]),
            "held": Held(**tree["held"]) if tree.get("held") else None,
        }
    )
