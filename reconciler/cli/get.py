from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from reconciler.cli import names, picking, watching
from reconciler.cli.context import Context
from reconciler.cli.picking import Picked, Wanted
from reconciler.cli.render.output import TREES, show_names, show_tree
from reconciler.cli.verb import verb
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller

EXAMPLES = """
reconciler get services
reconciler get service web -o json
reconciler get web data                      # of names that only one thing has
reconciler get service/web volume/data
reconciler get all -A -o wide
reconciler get services -l tier=front -o 'jsonpath={.items[*].metadata.name}'
reconciler get services -w
"""


@verb("get", examples=EXAMPLES, outputs=(*TREES, "wide", "name"))
@click.argument(
    "words", nargs=-1, metavar="KIND [NAME]… | KIND/NAME… | NAME… | all", shell_complete=names.kinds_and_resources
)
@click.option("-l", "--selector", metavar="LABELS", help="Only what wears these labels: a=b,c!=d.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Go on, and show each change.")
@click.option("--no-headers", is_flag=True, help="Leave the header line out.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
def command(
    context: Context, words: tuple[str, ...], *, selector: str | None, everywhere: bool, watch: bool, no_headers: bool,
    ignore_not_found: bool,
) -> None:  # fmt: skip
    """List resources, with how they stand."""
    want = picking.wanted(picking.told_apart(context, words))
    if watch and context.output not in watching.OUTPUTS:
        raise UsageError(f"-w with -o {context.output} is not possible", hint="use -o json: one line for each change")
    onlooker = picking.Onlooker(context)
    deep = context.output not in ("", "name")

    def found() -> list[Picked]:
        return picking.pick(
            picking.looks(context, onlooker.controller, everywhere=everywhere, deep=deep), want, selector
        )

    def show(items: Sequence[Picked], first: bool) -> None:
        _show(context, want, items, everywhere=everywhere, headers=first and not no_headers)

    if watch:
        watching.follow(context, onlooker.controller.parts.clock, found, show)
    items = found()
    show(items, first=True)
    if not ignore_not_found:
        _complain(context, onlooker.controller, want, items, everywhere=everywhere)


def _show(context: Context, want: Wanted, items: Sequence[Picked], *, everywhere: bool, headers: bool) -> None:
    from reconciler.cli.render.resource import listing, tree

    if context.output == "name":
        show_names(context, (item.key.short for item in items))
    elif context.output in ("", "wide"):
        _tables(context, want, items, everywhere=everywhere, headers=headers)
    elif not want.single or len(items) > 1:
        show_tree(context, listing(tree(item.look, item.sight) for item in items))
    elif items:
        show_tree(context, tree(items[0].look, items[0].sight))


def _tables(context: Context, want: Wanted, items: Sequence[Picked], *, everywhere: bool, headers: bool) -> None:
    """One for each kind, with a blank line between. Who asked for several kinds reads of which each thing is."""
    from reconciler.cli.render.columns import layout, printed

    kinds = [(kind, list(group)) for kind, group in groupby(items, lambda item: item.key.kind)]
    for number, (kind, group) in enumerate(kinds):
        shape = layout(kind, prefixed=max(len(kinds), len(want.kinds)) > 1, everywhere=everywhere)
        context.stdout.write(("\n" if number and headers else "") + printed(context, shape, group, headers=headers))


def _complain(context: Context, controller: Controller, want: Wanted, items: list[Picked], *, everywhere: bool) -> None:
    """What was named and is not there is an error, after what is there; that there is nothing at all is only said."""
    place = None if everywhere else context.scope
    missing = picking.missing_names(want, [item.key for item in items])
    if missing:
        context.stdout.flush()
        raise picking.not_found(controller.parts, place, missing[0])
    if not items and context.output in ("", "wide"):
        print(f"nothing found in {f'namespace {place}' if place else 'any namespace'}", file=context.stderr)
