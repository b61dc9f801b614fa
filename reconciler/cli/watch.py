from __future__ import annotations

from reconciler.cli import line
from reconciler.cli.context import Context
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler watch
"""


@verb("watch", examples=EXAMPLES)
@line.loop_options
def command(context: Context, *, resync: float) -> int:
    """Run the loop in the foreground, until Ctrl-C. What it looks after goes on running."""
    return line.open_daemon(context, resync=resync).run()
