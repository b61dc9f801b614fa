"""The home of this installation: who we are, and the lock that lets one pass at a time act."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.errors import Denied, ReconcilerError

WHOLE = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{64})\s*")
"""What stands in `owner`: the id, and the key."""


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
    def lock(self) -> Iterator[None]:
        """Held for one pass: two applies at once see each other's ports and names, not each other's halves."""
        self.ensure()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
