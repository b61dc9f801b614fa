"""What people see. One verb is one small file: it makes one call and renders one value.

`catalog` says which verbs there are, `overview` tells of them before anything else is imported, `verb` makes a
function into one, `context` is what it knows of the invocation, `boundary` turns every error into words and an exit
code, `render` turns values into text.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from reconciler.cli.invocation import Invocation


def main() -> None:
    """The console entry."""
    if _answered(sys.argv[1:]):
        return
    gc.set_threshold(200_000, 20, 20)  # what is imported stays: to look through it again and again takes a tenth
    from reconciler.cli.invocation import Invocation

    sys.exit(run(sys.argv[1:], Invocation.real()))


def run(arguments: list[str], invocation: Invocation) -> int:
    """One command line to its end, in this process; returns the exit code and raises nothing."""
    from reconciler.cli.boundary import guarded
    from reconciler.cli.group import dispatch

    invocation.arguments = tuple(arguments)
    shown = ["version"] if arguments == ["--version"] else arguments or ["--help"]
    return guarded(lambda: dispatch(shown, invocation), invocation)


def _answered(arguments: list[str]) -> bool:
    """Whether all was told already, by those who need next to nothing for it."""
    import os

    from reconciler.cli import again, overview

    text = overview.answer(arguments, os.environ)
    words = again.Words(text, "") if text is not None else again.answer(arguments, os.environ)
    return words is not None and _written(words.stderr, sys.stderr) and _written(words.stdout, sys.stdout)


def _written(text: str, stream: TextIO | None) -> bool:
    """Unbuffered, so that a failure leaves nothing behind: it is for the wall to explain."""
    import os

    data = text.encode()
    try:
        return stream is not None and os.write(stream.fileno(), data) == len(data)
    except OSError:
        return False
