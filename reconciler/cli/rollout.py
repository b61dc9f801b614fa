from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from reconciler.cli import editing, line, picking
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.text import clean
from reconciler.cli.restart import command as restart
from reconciler.cli.rollout_status import command as status
from reconciler.cli.rollout_status import service_argument
from reconciler.cli.verb import verb, verbs
from reconciler.core.moments import iso

if TYPE_CHECKING:
    from reconciler.model.resource import Resource
    from reconciler.ports import Revision

EXAMPLES = """
reconciler rollout status web
reconciler rollout history web
reconciler rollout undo web --to-revision 3
reconciler rollout restart web
"""
HISTORY = """
reconciler rollout history web
reconciler rollout history service/web -n shop -o json
"""
UNDO = """
reconciler rollout undo web
reconciler rollout undo web --to-revision 3 --timeout 2m
"""


@verb("history", examples=HISTORY, outputs=TREES)
@service_argument
def history(context: Context, words: tuple[str, ...]) -> None:
    """List what was wanted of a service before, oldest first.

    The last ten revisions are kept. The one in force is marked with a star.
    """
    controller = line.open_controller(context)
    (now,) = picking.declared(controller.parts, context.scope, picking.one_service(context, words)).values()
    revisions = controller.parts.source.revisions(now.key)
    tree = {"key": str(now.key), "revisions": [_tree(revision, now) for revision in revisions]}
    if not show_tree(context, tree):
        _print_history(context, revisions, now)


def _tree(revision: Revision, now: Resource) -> dict[str, object]:
    from reconciler.core.unparse import spec_tree

    return {
        "revision": revision.generation,
        "time": iso(revision.time),
        "cause": revision.cause,
        "current": revision.generation == now.generation,
        "spec": spec_tree(revision.resource.spec, filled=True),
    }


def _print_history(context: Context, revisions: list[Revision], now: Resource) -> None:
    from reconciler.cli.render.table import Column, table

    rows = [
        (f"{r.generation}{'*' if r.generation == now.generation else ''}", iso(r.time) or "", r.cause)
        for r in revisions
    ]
    columns = [Column("REVISION"), Column("SINCE"), Column("CAUSE", flexible=True)]
    context.stdout.write(table(columns, rows, color=context.color))


@verb("undo", examples=UNDO, outputs=line.OUTPUTS)
@service_argument
@click.option("--to-revision", type=click.IntRange(1), metavar="N", help="Go back to this one [the last that differs].")
@line.waiting_options
def undo(
    context: Context, words: tuple[str, ...], *, to_revision: int | None, wait: bool, timeout: float | None
) -> int:
    """Go back to what was wanted of a service before.

    The earlier document is applied as a new revision. How many replicas run stays as it is.
    """
    from reconciler.cli.render.progress import progress
    from reconciler.engine.revisions import undone

    controller = line.open_controller(context, acts=True)
    (now,) = picking.declared(controller.parts, context.scope, picking.one_service(context, words)).values()
    earlier = [revision.resource for revision in controller.parts.source.revisions(now.key)]
    wanted = undone(now, earlier, to_revision)
    for text in _changes(now, wanted):
        print(clean(text), file=context.stderr)
    with progress(context) as lines:
        report = controller.apply(
            [wanted], wait=wait, timeout=context.timeout if timeout is None else timeout,
            progress=line.Bridge(lines, [now.key]),
        )  # fmt: skip
    return line.print_report(context, editing.called(report, "undone"))


def _changes(now: Resource, wanted: Resource) -> Iterator[str]:
    from reconciler.core.difference import redeclared

    found = list(redeclared(now, wanted))
    yield f"{now.key.short}: back to revision {wanted.generation}" + ("" if found else ", which is the same")
    yield from (f"    {difference}" for difference in found)


command = verbs("rollout", "Follow updates, and go back.", examples=EXAMPLES, commands=[status, history, undo, restart])
