from __future__ import annotations

import click

from reconciler.cli import names
from reconciler.cli.context import Context
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler explain service
reconciler explain service.spec.ports
reconciler explain service.ports.hostPort
"""


@verb("explain", examples=EXAMPLES)
@click.argument("path", metavar="KIND[.FIELD]...", shell_complete=names.fields)
def command(context: Context, path: str) -> None:
    """Describe a kind or a field."""
    from reconciler.core.explain import explain

    print(explain(path).rstrip("\n"), file=context.stdout)
