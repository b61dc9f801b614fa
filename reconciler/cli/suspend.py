from __future__ import annotations

from functools import partial

from reconciler.cli import editing, followed, line
from reconciler.cli.context import Context
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler suspend shop
reconciler suspend --all
"""


@verb("suspend", examples=EXAMPLES, outputs=line.OUTPUTS)
@followed.sources_options
@line.waiting_options
def command(context: Context, words: tuple[str, ...], *, everything: bool, wait: bool, timeout: float | None) -> int:
    """Follow Sources no longer; all that they brought stays."""
    from reconciler.engine import edits
    from reconciler.engine.gitops.sync import sync

    controller = line.open_controller(context, acts=True)
    keys = list(followed.chosen(context, controller, words, everything=everything))
    change = partial(edits.suspend, suspended=True)
    code = editing.edit(context, controller, keys, change, word="suspended", wait=wait, timeout=timeout)
    for key in keys:
        sync(controller.parts, key, now=controller.parts.clock.now())  # which says so, and does nothing
    return code
