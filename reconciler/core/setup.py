"""The setup of packages, as both those here and those on other hosts tell of it."""

from __future__ import annotations

from reconciler.errors import Refused
from reconciler.model.key import Key

SETUP_SECONDS = 600.0
LAST_WORDS = 400
"""Of its output, in messages."""


def setup_failed(key: Key, code: int | None, said: bytes, log: str) -> Refused:
    """`said` is the end of its output; no code: it took too long."""
    how = f"took longer than {SETUP_SECONDS:.0f} s" if code is None else f"failed with exit code {code}"
    words = " | ".join(said[-LAST_WORDS:].decode(errors="replace").split("\n")).strip(" |")
    return Refused(f"{key}: the setup of its package {how}{f': {words}' if words else ''}", hint=f"see {log}")
