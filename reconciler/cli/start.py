from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reconciler.cli import editing, line
from reconciler.cli.context import Context
from reconciler.cli.verb import verb

if TYPE_CHECKING:
    from reconciler.model.key import Key
    from reconciler.model.resource import Resource

EXAMPLES = """
reconciler start web
reconciler start service/web service/db --no-wait
reconciler start --all -n shop
"""


@verb("start", examples=EXAMPLES, outputs=line.OUTPUTS)
@editing.services_options
@line.waiting_options
def command(
    context: Context, words: tuple[str, ...], *, everything: bool, selector: str | None, wait: bool,
    timeout: float | None,
) -> int:  # fmt: skip
    """Start stopped services, as many replicas as before.

    One that has ended by itself, or was stopped behind our back, is put right. --all passes over those with
    autoStart: false that nobody has started: they are started by name.
    """
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)
    found = editing.chosen(context, controller, words, everything=everything, selector=selector)
    keys = by_itself(context, found) if everything else list(found)
    return editing.edit(context, controller, keys, edits.start, word="started", wait=wait, timeout=timeout)


def by_itself(context: Context, found: Mapping[Key, Resource]) -> list[Key]:
    """Nobody named them one by one, so those that wait to be named are passed over."""
    from reconciler.core.advice import command_line
    from reconciler.engine.edits import waits_for_start

    waiting = [key for key, resource in found.items() if waits_for_start(resource) and not resource.spec.replicas]
    for key in waiting:
        print(f"note: {key.short} has autoStart: false; start it: {command_line(key, 'start')}", file=context.stderr)
    return [key for key in found if key not in waiting]
