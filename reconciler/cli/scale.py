from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli import editing, line
from reconciler.cli.context import Context
from reconciler.cli.verb import verb
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.model.resource import Resource

EXAMPLES = """
reconciler scale web --replicas 3
reconciler scale web api --replicas 0
"""
MOST = 1000


@verb("scale", examples=EXAMPLES, outputs=line.OUTPUTS)
@editing.services_options
@click.option("--replicas", type=click.IntRange(0, MOST), required=True, metavar="N", help="How many are to run.")
@line.waiting_options
def command(
    context: Context, words: tuple[str, ...], *, everything: bool, selector: str | None, replicas: int, wait: bool,
    timeout: float | None,
) -> int:  # fmt: skip
    """Change how many replicas run; 0 stops."""
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)

    def scaled(resource: Resource) -> Resource:
        return edits.scale(resource, replicas)

    found = editing.chosen(context, controller, words, everything=everything, selector=selector)
    for resource in found.values():
        if resource.key.kind != "service":
            raise UsageError(f"{resource.key.short} has no replicas", hint="only services are scaled")
        _check(scaled(resource))
    return editing.edit(context, controller, list(found), scaled, word="scaled", wait=wait, timeout=timeout)


def _check(resource: Resource) -> None:
    """A spec that could not be applied must not come to be by another door: two replicas can't share a host port."""
    from reconciler.kinds import find

    kind = find(resource.key.kind)
    assert kind is not None, "a resource has a kind"
    for fault in kind.faults(resource.spec):
        raise UsageError(f"{resource.key.short}: {fault.message}", hint=fault.hint)
