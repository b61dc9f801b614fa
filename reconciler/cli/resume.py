from __future__ import annotations

from functools import partial

from reconciler.cli import followed, line
from reconciler.cli.context import Context
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler resume shop
reconciler resume --all --no-wait
"""


@verb("resume", examples=EXAMPLES, outputs=line.OUTPUTS)
@followed.sources_options
@line.waiting_options
def command(context: Context, words: tuple[str, ...], *, everything: bool, wait: bool, timeout: float | None) -> int:
    """Follow suspended Sources again, from now on."""
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)
    keys = list(followed.chosen(context, controller, words, everything=everything))
    if keys:
        controller.edit(keys, partial(edits.suspend, suspended=False), wait=False)
    return followed.follow(context, controller, keys, wait=wait, timeout=timeout)
