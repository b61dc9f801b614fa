"""What of where we run goes along with a command inside: terminal, input, variables."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence

from reconciler.cli.context import Context
from reconciler.errors import UsageError


def has_terminal(context: Context) -> bool:
    """At both ends: keys that come from a pipe, or a screen that is a file, are none."""
    return context.stdin.isatty() and context.stdout.isatty()


def has_input(context: Context) -> bool:
    """Whether something may come: a terminal, a pipe, a file. Of devices only a terminal has something to say."""
    try:
        mode = os.fstat(context.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return context.stdin.isatty() or not stat.S_ISCHR(mode)


def variables(pairs: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or (not equals and name not in environ):
            raise UsageError(f"-e {pair}: NAME=VALUE is expected", hint="or the NAME of a variable that is set here")
        found[name] = value if equals else environ[name]
    return found


def with_terminal(context: Context, env: Mapping[str, str], *, tty: bool) -> dict[str, str]:
    """What it is drawn on is for the program to know; who asked for another is obeyed."""
    term = context.invocation.environ.get("TERM", "")
    return {"TERM": term, **env} if tty and term else dict(env)
