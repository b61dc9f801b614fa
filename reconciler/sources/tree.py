"""What a directory and a repository have in common: limits, and what can be wrong with them."""

from __future__ import annotations

from reconciler.errors import ReconcilerError, Refused
from reconciler.sources.files import MAX_FILES, MAX_TREE_BYTES

__all__ = ["MAX_FILES", "MAX_TREE_BYTES", "Unreadable", "Unverified"]


class Unreadable(ReconcilerError):
    """A directory, or a part of it, can't be read as a whole now. Nothing is concluded from what could be."""

    reason = "Unreadable"


class Unverified(Refused):
    """Commits that nobody signed who should have."""

    reason = "Unverified"
