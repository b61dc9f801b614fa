from __future__ import annotations

from reconciler.cli import followed, line
from reconciler.cli.context import Context
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler sync shop
reconciler sync source/shop --timeout 5m
reconciler sync --all
"""


@verb("sync", examples=EXAMPLES, outputs=line.OUTPUTS)
@followed.sources_options
@line.waiting_options
def command(context: Context, words: tuple[str, ...], *, everything: bool, wait: bool, timeout: float | None) -> int:
    """Look at Sources now, and put into force what they say.

    A daemon does so by itself, every interval.
    """
    controller = line.open_controller(context, acts=True)
    found = followed.chosen(context, controller, words, everything=everything)
    return followed.follow(context, controller, list(found), wait=wait, timeout=timeout)
