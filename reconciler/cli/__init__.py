"""What people see. One verb is one small file: it makes one call and renders one value.

`catalog` says which verbs there are, `overview` tells of them before anything else is imported, `verb` makes a
function into one, `context` is what it knows of the invocation, `boundary` turns every error into words and an exit
code, `render` turns values into text.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.cli.invocation import Invocation


def main() -> None:
    """The console entry."""
    if _answered(sys.argv[1:]):
        return
    from reconciler.cli.invocation import Invocation

    sys.exit(run(sys.argv[1:], Invocation.real()))


def run(arguments: list[str], invocation: Invocation) -> int:
    """One command line to its end, in this process; returns the exit code and raises nothing."""
    from reconciler.cli.boundary import guarded
    from reconciler.cli.group import dispatch

    shown = ["version"] if arguments == ["--version"] else arguments or ["--help"]
    return guarded(lambda: dispatch(shown, invocation), invocation)


def _answered(arguments: list[str]) -> bool:
    """Whether what was asked is already told. A stream that can't be written to is for the wall to explain."""
    import os

    from reconciler.cli import overview

    text = overview.answer(arguments, os.environ)
    if text is None or sys.stdout is None:
        return False
    data = text.encode()
    try:
        return os.write(sys.stdout.fileno(), data) == len(data)  # unbuffered: a failure leaves nothing behind
    except OSError:
        return False
