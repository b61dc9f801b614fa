from __future__ import annotations

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler why web
reconciler why service/web volume/data -n shop
"""


@verb("why", examples=EXAMPLES)
@click.argument("words", nargs=-1, metavar="KIND/NAME… | NAME…", shell_complete=names.kinds_and_resources)
def command(context: Context, words: tuple[str, ...]) -> None:
    """Tell in a few sentences how it stands, and why."""
    from reconciler.cli.render.story import sentences
    from reconciler.core.masking import masking
    from reconciler.engine import looking

    want = picking.wanted(picking.spelled(context, words), bare="service")
    controller = line.open_controller(context)
    looks = picking.looks(context, controller, everywhere=False)
    items = picking.pick(looks, want)
    for number, item in enumerate(items):
        context.stdout.write("\n" if number else "")
        events = looking.events(controller.parts, key=item.key, limit=1)
        for sentence in map(masking(item.look.graph), sentences(item, events)):
            print(clean(sentence), file=context.stdout)
    missing = picking.missing_names(want, [item.key for item in items])
    if missing:
        context.stdout.flush()
        raise picking.not_found(controller.parts, context.scope, missing[0])
