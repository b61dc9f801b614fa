from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli import line, picking
from reconciler.cli.all_instances import everywhere_option, start_all, stop_all
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_names, show_tree
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb, verbs

if TYPE_CHECKING:
    from reconciler.cli.render.instances import Row

EXAMPLES = """
reconciler instances list
reconciler instances start-all
reconciler instances stop-all -n shop
"""
LIST = """
reconciler instances list
reconciler instances list -n shop -o wide
reconciler instances list -o json
"""


@verb("list", examples=LIST, outputs=(*TREES, "wide", "name"))
@everywhere_option
def listing(context: Context, *, everywhere: bool) -> None:
    """List what is declared, and what runs though nobody declares it.

    In all namespaces, unless one is named with -n. What runs undeclared is ours by its labels: its document is gone.
    """
    from reconciler.cli.render.instances import printed, rows, tree

    controller = line.open_controller(context)
    deep = context.output not in ("", "wide", "name")
    looks = picking.looks(context, controller, everywhere=everywhere or context.namespace is None, deep=deep)
    found = rows(looks)
    _complain_of_the_unread(context, found)
    if context.output == "name":
        show_names(context, (f"{row.sight.key.namespace}/{row.name}" for row in found))
    elif show_tree(context, {"items": [tree(row) for row in found]}):
        return
    elif found:
        context.stdout.write(printed(context, found))
    else:
        print("there are no instances; next: reconciler apply -f FILE", file=context.stderr)


def _complain_of_the_unread(context: Context, found: list[Row]) -> None:
    """Where the runtime of something declared can't be read, nobody knows what else is there."""
    problems = {row.place: row.look.problems[row.place] for row in found if row.place in row.look.problems}
    for place in sorted(problems):
        print(f"{place}: {clean(problems[place])}", file=context.stderr)


command = verbs(
    "instances", "List, start and stop all there is, one by one.", examples=EXAMPLES,
    commands=[listing, start_all, stop_all],
)  # fmt: skip
