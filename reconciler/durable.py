"""Files that are there as a whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(file: Path, content: bytes, mode: int = 0o600) -> None:
    """A reader sees the old content or the new one, and so does whoever comes after a power cut. The mode is what it
    says, whatever the umask.
    """
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
        sync(file.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """A file, or which files a directory has."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
