from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli import editing, line
from reconciler.cli.context import Context
from reconciler.cli.verb import verb
from reconciler.core.moments import iso

if TYPE_CHECKING:
    from reconciler.model.key import Key
    from reconciler.model.resource import Resource

EXAMPLES = """
reconciler restart web
reconciler restart --all -n shop --timeout 120
reconciler restart -l tier=front --no-wait
"""


@verb("restart", examples=EXAMPLES, outputs=line.OUTPUTS)
@editing.services_options
@line.waiting_options
def command(
    context: Context, words: tuple[str, ...], *, everything: bool, selector: str | None, wait: bool,
    timeout: float | None,
) -> int:  # fmt: skip
    """Make every instance anew, a few at a time."""
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)
    stamp = iso(controller.parts.clock.now(), "auto") or ""

    def restarted(resource: Resource) -> Resource:
        return edits.restart(resource, stamp)

    found = editing.chosen(context, controller, words, everything=everything, selector=selector)
    keys = list(found) if words else _running(context, found)
    for key in keys:
        restarted(found[key])  # one that can't be restarted is told of before the first one is
    return editing.edit(context, controller, keys, restarted, word="restarted", wait=wait, timeout=timeout)


def _running(context: Context, found: dict[Key, Resource]) -> list[Key]:
    """Nobody named them one by one, so those that are stopped are passed over."""
    for key, resource in found.items():
        if not resource.spec.replicas:
            print(f"note: {key.short} is stopped, and stays so", file=context.stderr)
    return [key for key, resource in found.items() if resource.spec.replicas]
