from __future__ import annotations

import json

from reconciler.cli.context import Context
from reconciler.cli.shortcuts.overview import version_facts, version_line
from reconciler.cli.verb import verb

PATIENCE = 2.0
EXAMPLES = """
reconciler version
reconciler version -o json
"""


@verb("version", examples=EXAMPLES, outputs=("json",))
def command(context: Context) -> None:
    """Print the version."""
    if context.output == "json":
        print(json.dumps({**version_facts(), "engine": _engine(context)}, indent=2), file=context.stdout)
    else:
        print(version_line(), file=context.stdout)


def _engine(context: Context) -> str | None:
    """By its name and version, if one answers soon. Only programs are told: a person who asks has no time for it."""
    from reconciler.cli.checks.containers import named
    from reconciler.errors import Unreachable
    from reconciler.runtimes.docker.endpoint import resolve
    from reconciler.runtimes.docker.wire import Request, ask

    try:
        version = ask(resolve(context.invocation.environ), Request("/version"), seconds=PATIENCE).json()
    except Unreachable:
        return None
    return named(version) if isinstance(version, dict) else None
