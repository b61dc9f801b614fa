from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from reconciler.cli import editing, line
from reconciler.cli.context import Context
from reconciler.cli.reach import inside
from reconciler.cli.render.text import paint
from reconciler.cli.verb import verb
from reconciler.errors import Unreachable
from reconciler.model.observed import RUNS

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.model.key import Key

EXAMPLES = """
reconciler stop web
reconciler stop -l tier=front
reconciler stop --all -n shop
"""


@verb("stop", examples=EXAMPLES, outputs=line.OUTPUTS)
@editing.services_options
@line.waiting_options
def command(
    context: Context, words: tuple[str, ...], *, everything: bool, selector: str | None, wait: bool,
    timeout: float | None,
) -> int:  # fmt: skip
    """Stop services; their data and their declarations stay.

    They stay stopped until they are started, or applied with replicas again.
    """
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)
    keys = list(editing.chosen(context, controller, words, everything=everything, selector=selector))
    for key, dependent in _left_behind(controller, keys):
        warning = paint("warning:", "yellow", color=context.color_on_stderr)
        print(f"{warning} {dependent.short} depends on {key.short}, and still runs", file=context.stderr)
    return editing.edit(context, controller, keys, edits.stop, word="stopped", wait=wait, timeout=timeout)


def _left_behind(controller: Controller, keys: Iterable[Key]) -> Iterator[tuple[Key, Key]]:
    """Who runs on without what it depends on. Nothing is done about it: it may well cope."""
    from reconciler.core.graph import graph_of

    going = set(keys)
    for key in going:
        graph = graph_of(key.namespace, controller.parts.source.resources(key.namespace))
        for dependent in graph.dependents(key.name):
            if dependent not in going and _runs(controller, dependent):
                yield key, dependent


def _runs(controller: Controller, key: Key) -> bool:
    try:
        return any(thing.phase in RUNS for thing in inside.instances(controller.parts, key))
    except Unreachable:
        return False  # nobody knows; the pass that follows says that its runtime is away
