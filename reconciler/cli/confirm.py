from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli import followed, line, names
from reconciler.cli.context import Context
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.model.key import Key

EXAMPLES = """
reconciler describe source/shop
reconciler confirm source/shop
reconciler confirm source/shop --plan 5f0c7d2ab1e94c33
"""


@verb("confirm", examples=EXAMPLES, outputs=line.OUTPUTS)
@click.argument("word", metavar="NAME | source/NAME", shell_complete=names.sources)
@click.option("--plan", metavar="HASH", help="Only if just this is what waits; its status names it.")
@line.waiting_options
def command(context: Context, word: str, *, plan: str | None, wait: bool, timeout: float | None) -> int:
    """Say yes to what a Source holds back, and to nothing else.

    What would remove too much, goes back behind what was applied, or takes over what was applied by hand, waits for
    this.
    """
    controller = line.open_controller(context, acts=True)
    (key,) = followed.chosen(context, controller, [word], everything=False)
    _confirm(context, controller, key, plan)
    return followed.follow(context, controller, [key], wait=wait, timeout=timeout)


def _confirm(context: Context, controller: Controller, key: Key, plan: str | None) -> None:
    from reconciler.engine.gitops.sync import feeds_of

    feeds = feeds_of(controller.parts)
    held = feeds.known(key).held
    if held is None:
        raise ReconcilerError(f"{key.short}: nothing waits for your word", hint=f"see: reconciler describe {key.short}")
    if plan not in (None, held.plan):
        message = f"{key.short}: what waits now is {held.plan}: {held.message}"
        raise ReconcilerError(message, hint="look at it again; then confirm that")
    print(f"confirmed {held.plan}: {clean(held.message)}", file=context.stderr)
    feeds.confirm(key, held.plan)
