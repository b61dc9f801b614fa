from __future__ import annotations

from reconciler.cli import editing, line
from reconciler.cli.context import Context
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler start web
reconciler start service/web service/db --no-wait
reconciler start --all -n shop
"""


@verb("start", examples=EXAMPLES, outputs=line.OUTPUTS)
@editing.services_options
@line.waiting_options
def command(
    context: Context, words: tuple[str, ...], *, everything: bool, selector: str | None, wait: bool,
    timeout: float | None,
) -> int:  # fmt: skip
    """Start stopped services, as many replicas as before.

    One that has ended by itself, or was stopped behind our back, is put right.
    """
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)
    keys = list(editing.chosen(context, controller, words, everything=everything, selector=selector))
    return editing.edit(context, controller, keys, edits.start, word="started", wait=wait, timeout=timeout)
