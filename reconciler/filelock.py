"""Locks of whole files between processes: the kernel lets go of them when whoever has one ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def locked(descriptor: int, *, shared: bool = False) -> bool:
    """Whether the file is ours now, until the descriptor is closed. Not waited for."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stands(file: Path, descriptor: int) -> bool:
    """Whether what we hold is what others look at: a lock on a file that was removed meanwhile is nobody's."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
