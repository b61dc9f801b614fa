from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.picking import Picked
from reconciler.cli.render.text import clean, paint
from reconciler.cli.verb import verb

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts

EXAMPLES = """
reconciler describe service/web
reconciler describe web db -n shop
reconciler describe volumes
"""
EVENTS = 10
LINES = 10


@verb("describe", examples=EXAMPLES)
@click.argument("words", nargs=-1, metavar="KIND/NAME… | KIND [NAME]…", shell_complete=names.kinds_and_resources)
@click.option("-l", "--selector", metavar="LABELS", help="Only what wears these labels: a=b,c!=d.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
def command(context: Context, words: tuple[str, ...], *, selector: str | None, everywhere: bool) -> None:
    """Tell all about a resource, and what differs."""
    want = picking.wanted(picking.spelled(context, words), bare="service")
    controller = line.open_controller(context)
    items = picking.pick(picking.looks(context, controller, everywhere=everywhere), want, selector)
    for number, item in enumerate(items):
        context.stdout.write("\n\n" if number else "")
        _describe(context, controller.parts, item)
    missing = picking.missing_names(want, [item.key for item in items])
    if missing:
        context.stdout.flush()
        raise picking.not_found(controller.parts, None if everywhere else context.scope, missing[0])


def _describe(context: Context, parts: Parts, item: Picked) -> None:
    from reconciler.cli.render import described
    from reconciler.cli.render.events import table_of
    from reconciler.engine import looking

    events = looking.events(parts, key=item.key, limit=EVENTS)
    for title, lines in described.sections(item, events, _last_words(parts, item)):
        print(paint(title, "bold", color=context.color), file=context.stdout)
        for text in lines:
            print(f"  {clean(text)}".rstrip(), file=context.stdout)
    if events:
        print(paint("Events", "bold", color=context.color), file=context.stdout)
        for text in table_of(context, events, item.look.at, named=True, whole=True).splitlines():
            print(f"  {text}", file=context.stdout)


def _last_words(parts: Parts, item: Picked) -> list[str]:
    """Of the first instance that is not as it should be. What it was told in confidence is taken out again."""
    from reconciler.core.masking import masking
    from reconciler.engine.troubles import last_lines

    if not item.key.is_workload or item.sight.status.ready:
        return []
    well = {instance.id for instance in item.sight.status.instances if instance.ready}
    thing = next((thing for thing in item.sight.things if thing.id not in well), None)
    return list(map(masking(item.look.graph), last_lines(parts, thing, LINES))) if thing else []
