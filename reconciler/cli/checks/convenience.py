from __future__ import annotations

import os
from collections.abc import Iterator

from reconciler.cli.checks.finding import Finding, Level
from reconciler.cli.checks.programs import found_at
from reconciler.cli.context import Context

GROUP = "convenience"


def programs(_context: Context) -> Iterator[Finding]:
    for name, purpose in (
        ("ssh", "other machines"),
        ("git", "specs from repositories"),
    ):
        path = found_at(name)
        yield Finding(GROUP, name, Level.INFO, path or f"not found in PATH; needed for {purpose} only")


def completion(context: Context) -> Iterator[Finding]:
    from reconciler.cli import shells

    shell = os.path.basename(context.invocation.environ.get("SHELL", ""))
    if shell not in ("bash", "zsh", "fish"):
        return
    if shells.installed(shell, context.invocation.environ):
        yield Finding(GROUP, "completion", Level.OK, f"installed for {shell}")
    else:
        hint = f"reconciler completion {shell} --install"
        yield Finding(GROUP, "completion", Level.INFO, f"not installed for {shell}", hint)
