"""Where a copy comes to lie. Pure but for the question what is there."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from enum import StrEnum

from reconciler.errors import ReconcilerError


class Where(StrEnum):
    """What a path leads to."""

    NOTHING = "nothing"
    FILE = "a file"
    DIRECTORY = "a directory"


def landing(
    name: str, target: str, *, directory: bool, content_only: bool, kind: Callable[[str], Where]
) -> tuple[str, str]:
    """The directory to unpack in, and the name to have there: empty for what is in a directory, and not itself.

    `name` is what the source is called, `directory` whether it is one.
    """
    bare = target.rstrip("/") or "/"
    match kind(bare), directory:
        case Where.DIRECTORY, _:
            return bare, "" if directory and content_only else name
        case Where.FILE, True:
            raise ReconcilerError(f"{target} is a file, and can't become a directory")
        case Where.NOTHING, False if target.endswith("/"):
            raise ReconcilerError(f"there is no directory {target}", hint="make it first, or leave the slash out")
        case Where.FILE, False if target.endswith("/"):
            raise ReconcilerError(f"{target} is no directory")
    parent = posixpath.dirname(bare) or "."
    if kind(parent) is not Where.DIRECTORY:
        raise ReconcilerError(f"there is no directory {parent} to put {posixpath.basename(bare)} into")
    return parent, posixpath.basename(bare)
