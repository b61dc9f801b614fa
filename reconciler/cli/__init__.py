"""What people see. One verb is one small file: it makes one call and renders one value.

`catalog` says which verbs there are, `verb` makes a function into one, `context` is what it knows of the
invocation, `boundary` turns every error into words and an exit code, `render` turns values into text.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.cli.invocation import Invocation


def main() -> None:
    """The console entry."""
    from reconciler.cli.invocation import Invocation

    sys.exit(run(sys.argv[1:], Invocation.real()))


def run(arguments: list[str], invocation: Invocation) -> int:
    """One command line to its end, in this process; returns the exit code and raises nothing."""
    from reconciler.cli.boundary import guarded
    from reconciler.cli.group import dispatch

    return guarded(lambda: dispatch(arguments or ["--help"], invocation), invocation)
