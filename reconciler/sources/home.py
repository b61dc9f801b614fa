"""The home of this installation: who we are, and the lock that lets one pass at a time act."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from reconciler.errors import Denied, ReconcilerError
from reconciler.values import dataclass

WHOLE = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{64})\s*")
"""What stands in `owner`: the id, and the key."""
POLL = 0.01


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

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def identity(self, *, make: bool) -> Identity:
        """Who we are; with `make`, one is made up where there is none yet. Looking never makes one."""
        file = self.path / "owner"
        try:
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
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(f"{fresh.owner} {fresh.key.hex()}\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            return self.identity(make=False)
        finally:
            draft.unlink()
        return fresh

    def ensure(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Denied(
                f"the home {self.path} can't be made: {error.strerror}",
                hint="choose another with --home or RECONCILER_HOME",
            ) from error

    @contextmanager
    def lock(self, patience: float) -> Iterator[None]:
        """Held for one pass: two applies at once see each other's ports and names, not each other's halves.

        Whoever has it may have been stopped, so nobody waits for it longer than for anything else.
        """
        self.ensure()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + patience
        try:
            while not _taken(descriptor):
                if time.monotonic() > deadline:
                    raise ReconcilerError(
                        f"another command is at work in {self.path}{_holder(descriptor)}, and did not come to an end",
                        hint="wait for it, or end it; then try again",
                    )
                time.sleep(POLL)
            yield
        finally:
            os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Who has it, as far as the kernel tells."""
    facts = os.fstat(descriptor)
    place = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    try:
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    except OSError:
        return ""
    return next((f" (pid {held[4]})" for held in locks if held[1] == "FLOCK" and held[5] == place), "")
