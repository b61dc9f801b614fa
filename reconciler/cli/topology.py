from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from reconciler.cli import line
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.verb import verb

if TYPE_CHECKING:
    from reconciler.core.calling import Call, Member

EXAMPLES = """
reconciler topology
reconciler topology -n shop -o json
reconciler topology -o svg > shop.svg
reconciler topology -o dot > shop.dot
"""


@verb("topology", examples=EXAMPLES, outputs=("text", "wide", "dot", "svg", *TREES))
def command(context: Context) -> None:
    """Show who calls whom, from where to where, and how."""
    from reconciler.cli.render import drawn
    from reconciler.core.calling import calls, members
    from reconciler.core.topology import called

    parts = line.open_controller(context).parts
    graph = parts.source.graph(context.scope, parts.home.identity(make=False))
    snapshot = parts.observer.look(graph, parts.clock.now())
    found, mesh = calls(graph, snapshot), members(graph, snapshot)
    if context.output in {"dot", "svg"}:
        places = {name.name: called(spec.run_on) for name, spec in graph.users()}
        context.stdout.write((drawn.dot if context.output == "dot" else drawn.svg)(places, found))
    elif not show_tree(context, {"calls": [asdict(one) for one in found], "mesh": [asdict(one) for one in mesh]}):
        _show(context, found, mesh)


def _show(context: Context, found: list[Call], mesh: list[Member]) -> None:
    from reconciler.cli.render.table import Column, table

    columns = ("CALLER", "HOST", "CALLEE", "HOST", "HOW", "ADDRESS")
    rows = [(one.caller, one.host, one.callee, one.there, one.how, one.address, one.why) for one in found]
    shown = [*map(Column, columns), Column("WHY", last=True, wide=True)]
    wide = context.output == "wide"
    context.stdout.write(table(shown, rows, wide=wide) if rows else "nobody calls anybody\n")
    if mesh:
        links = [
            (one.host, one.address, one.device, peer, where or "not heard of yet")
            for one in mesh
            for peer, where in (one.peers or {"nobody": ""}).items()
        ]
        titles = ("MESH", "ADDRESS", "DEVICE", "SPEAKS WITH", "AT")
        context.stdout.write("\n" + table([*map(Column, titles)], links, wide=wide))
