"""The home of this installation: who we are, and the lock that lets one pass at a time act."""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from reconciler.errors import Denied, ReconcilerError
from reconciler.filelock import locked
from reconciler.values import dataclass

WHOLE = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{64})\s*")
"""What stands in `owner`: the id, and the key."""
POLL = 0.01
NOTICE_SECONDS = 1.0
"""So long nobody wonders whom we wait for."""
LONGEST_COMMAND = 80


@dataclass(frozen=True, slots=True)
class Identity:
    """`owner` stands in labels for all to see; `key` keys the digests of secrets, and stays here."""

    owner: str
    key: bytes = field(repr=False)

    def seal(self, value: bytes) -> str:
        return hmac.new(self.key, value, hashlib.sha256).hexdigest()[:32]


def _nobody() -> Identity:
    """Who looks before there is a home: nothing in the world is his, and what he foresees would be."""
    return Identity(secrets.token_hex(8), secrets.token_bytes(32))


class Home:
    """A directory of ours, 0700. Nothing is made in it until something has to be kept."""

    def __init__(self, path: str, note: Callable[[str], None] = lambda _: None) -> None:
        """`note` is told whom we wait for, when that takes long."""
        self.path = Path(path)
        self._note = note
        self._noted: set[str] = set()
        self._turn = threading.Lock()

    def identity(self, *, make: bool) -> Identity:
        """Who we are; with `make`, one is made up where there is none yet. Looking never makes one."""
        file = self.path / "owner"
        try:
            with _explained(self.path):
                whole = WHOLE.fullmatch(file.read_text())
        except FileNotFoundError:
            return self._new_identity(file) if make else _nobody()
        except ValueError:  # not even text
            whole = None
        if whole is None:  # a key that lost its end would still be one, and everything with a secret made anew
            raise ReconcilerError(
                f"{file} is damaged: it should hold this installation's id and key",
                hint="restore it from a backup; without it everything that runs looks foreign",
            )
        return Identity(whole[1], bytes.fromhex(whole[2]))

    def _new_identity(self, file: Path) -> Identity:
        """Written under another name, then linked: of two at once one wins, and both use the winner's."""
        self.ensure()
        fresh = Identity(secrets.token_hex(8), secrets.token_bytes(32))
        draft = file.with_name(f".owner.{secrets.token_hex(4)}")
        try:
            with _explained(self.path), _passing(draft):
                _write(draft, f"{fresh.owner} {fresh.key.hex()}\n")
                os.link(draft, file)
        except FileExistsError:
            return self.identity(make=False)
        return fresh

    def ensure(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(self.path, error, "can't be made") from error

    @contextmanager
    def lock(self, patience: float) -> Iterator[None]:
        """Held for one pass: two applies at once see each other's ports and names, not each other's halves.

        Whoever has it may have been stopped, so nobody waits for it longer than for anything else. Threads wait for
        one another first, without asking again and again.
        """
        self.ensure()
        with _explained(self.path):
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        began = time.monotonic()
        first = self._turn.acquire(timeout=min(patience, NOTICE_SECONDS))
        try:
            while not locked(descriptor):
                waited = time.monotonic() - began
                if waited > NOTICE_SECONDS:
                    self._tell(f"waiting for another command that is at work in {self.path}{_holder(descriptor)}")
                if waited > patience:
                    raise ReconcilerError(
                        f"another command is at work in {self.path}{_holder(descriptor)}, and did not come to an end",
                        hint="wait for it, or end it; then try again",
                    )
                time.sleep(POLL)
            yield
        finally:
            os.close(descriptor)
            if first:
                self._turn.release()

    def _tell(self, text: str) -> None:
        """Once of each, however many passes have to wait."""
        if text not in self._noted:
            self._noted.add(text)
            self._note(text)


@contextmanager
def _passing(draft: Path) -> Iterator[None]:
    """Gone afterwards. Even what was never there can't be removed where nothing can be written."""
    try:
        yield
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _explained(home: Path) -> Iterator[None]:
    """What the file system says of our home, in words. That something is not there, or is there, is for the caller."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError as error:
        raise unusable(home, error, "can't be used") from error


def unusable(home: Path, error: OSError, verb: str) -> ReconcilerError:
    """Names the path, the cause and the next step."""
    another = "choose another with --home or RECONCILER_HOME"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ReconcilerError(f"the home {home} {verb}: {error.strerror}", hint=f"make room on its disk, or {another}")
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return ReconcilerError(f"the home {home} {verb}: it, or what it lies in, is no directory", hint=another)
    return Denied(f"the home {home} {verb}: {error.strerror}", hint=another)


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _holder(descriptor: int) -> str:
    """Who has it, as far as the kernel tells."""
    facts = os.fstat(descriptor)
    place = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return ""
    holders = (int(held[4]) for held in locks if held[1] == "FLOCK" and held[5] == place)
    pid = next((pid for pid in holders if pid > 0), 0)  # one beyond our own pid namespace has no number here
    return f" (pid {pid}{_command(pid)})" if pid else ""


def _command(pid: int) -> str:
    """Its command line, from our own name on; nothing of one that we may not look at."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    ours = next((i for i, word in enumerate(words) if Path(word).name in {"reconciler", "__main__.py"}), None)
    told = words if ours is None else ["reconciler", *words[ours + 1 :]]
    return f": {' '.join(filter(None, told))[:LONGEST_COMMAND]}"
