"""What is kept of campaigns: `<home>/campaigns/<namespace>.<name>/`, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from reconciler.core.advice import command_line
from reconciler.core.campaign.manifest import Manifest, from_tree, to_tree
from reconciler.durable import write_whole
from reconciler.errors import ReconcilerError
from reconciler.filelock import locked, stands
from reconciler.model.key import Key
from reconciler.waiting import until

ASKING = 0.2
"""Seconds. Whoever asks whether somebody runs it has its lock for a moment, and is not the one who does."""


class Busy(ReconcilerError):
    """Somebody else runs it right now."""

    reason = "Busy"


class Deleted(ReconcilerError):
    """It was deleted while it ran."""

    reason = "Deleted"


class Records:
    """`manifest.json` says what was begun and how far it is; who holds `lock` is at work on it."""

    def __init__(self, home: str) -> None:
        self._home = Path(home)
        self._root = self._home / "campaigns"
        self._held: dict[Key, int] = {}

    def folder(self, key: Key) -> Path:
        return self._root / f"{key.namespace}.{key.name}"

    def keys(self) -> list[Key]:
        """Of all that were begun here. Who only clears up after one leaves a lock, and no manifest."""
        found = sorted(path.parent.name.partition(".") for path in self._root.glob("*.*/manifest.json"))
        return [Key("campaign", namespace, name) for namespace, _, name in found]

    def manifest(self, key: Key) -> Manifest | None:
        """None for one that was never begun. What can't be read is an error: it may be the only trace of a week."""
        file = self.folder(key) / "manifest.json"
        try:
            return from_tree(json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, OSError) as error:
            message = f"{key.short}: its manifest can't be read: {file}: {error}"
            raise ReconcilerError(
                message, hint=f"look at it; --restart begins anew, and keeps it as {file}.old"
            ) from error

    def save(self, key: Key, manifest: Manifest) -> None:
        """Only while it is ours: whoever deleted it meanwhile is not to find it again."""
        held = self._held.get(key)
        if held is None or not stands(self.folder(key) / "lock", held):
            raise Deleted(f"{key.short}: it was deleted meanwhile", hint="its results are still there")
        text = json.dumps(to_tree(manifest), indent=1, ensure_ascii=False)
        write(self.folder(key) / "manifest.json", text.encode())

    def set_aside(self, key: Key) -> None:
        """Of one that is begun anew: what was known of the last one is kept until the next time."""
        file = self.folder(key) / "manifest.json"
        if file.exists():
            file.replace(file.with_name("manifest.json.old"))

    @contextmanager
    def held(self, key: Key) -> Iterator[None]:
        """Whoever has it is the one that runs it. The kernel lets go of it with its holder."""
        descriptor = self._taken(key)
        self._held[key] = descriptor
        try:
            yield
        finally:
            del self._held[key]
            os.close(descriptor)

    def attended(self, key: Key) -> bool:
        """Whether somebody is at work on it. Nothing is made for this question."""
        try:
            descriptor = os.open(self.folder(key) / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not locked(descriptor, shared=True)
        finally:
            os.close(descriptor)

    def busy(self, key: Key) -> Busy:
        """What to say to who comes second."""
        try:
            who = (self.folder(key) / "lock").read_text(errors="replace").strip()
        except OSError:
            who = ""
        hint = f"see how far it is: {command_line(key, 'campaign status')}"
        return Busy(f"{key.short}: another command runs it{f' ({who})' if who else ''}", hint=hint)

    def _taken(self, key: Key) -> int:
        """The lock of whoever deletes a campaign goes with it, maybe while we open it: then it is nobody's."""
        while True:
            for place in (self._home, self._root, self.folder(key)):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self.folder(key) / "lock"
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not until(partial(locked, descriptor), ASKING, ASKING / 20):
                os.close(descriptor)
                raise self.busy(key)
            if stands(file, descriptor):
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, f"pid {os.getpid()}".encode(), 0)
                return descriptor
            os.close(descriptor)


def write(file: Path, content: bytes) -> None:
    """What is of a home is its owner's; results are for whoever is to read them."""
    try:
        write_whole(file, content, 0o600 if file.name == "manifest.json" else 0o644)
    except OSError as error:
        hint = "make room, or see who may write there; then run it again with --resume"
        raise ReconcilerError(f"{file} can't be written: {error.strerror}", hint=hint) from error
