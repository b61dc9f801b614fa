"""-w: looks again and again, and shows what is new. Ends with Ctrl-C, or when nobody reads any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from reconciler.cli.render import words
from reconciler.cli.render.output import json_line

if TYPE_CHECKING:
    from reconciler.cli.context import Context
    from reconciler.cli.picking import Picked
    from reconciler.ports import Clock

INTERVAL = 0.5
Found = Callable[[], Sequence["Picked"]]
Show = Callable[[Sequence["Picked"], bool], None]
OUTPUTS = ("", "wide", "name", "json")
"""Forms that can go on for ever; json is a line for each change then."""


def follow(context: Context, clock: Clock, found: Found, show: Show) -> NoReturn:
    """Line by line: first all, then what has changed, then what has changed again. `show` is told what is first."""
    known: dict[object, Picked] = {}
    first = True
    while True:
        now: dict[object, Picked] = {item.key: item for item in found()}
        changed = [item for key, item in now.items() if key not in known or gist(item) != gist(known[key])]
        _tell(context, changed, show, first=first)
        for key, item in known.items():
            if key not in now and context.output != "json":
                print(f"{item.key.short} is gone", file=context.stdout)
        context.stdout.flush()
        known, first = now, False
        clock.sleep(INTERVAL)


def _tell(context: Context, changed: Sequence[Picked], show: Show, *, first: bool) -> None:
    if context.output == "json":
        from reconciler.cli.render.resource import tree

        context.stdout.write("".join(json_line(tree(item.look, item.sight)) for item in changed))
    elif changed:
        show(changed, first)


def gist(item: Picked) -> tuple[object, ...]:
    """All that counts as news. That it is a second older is none."""
    look, sight = item.look, item.sight
    return (
        words.status_word(look, sight), words.ready_cell(sight), words.restarts(sight), words.ports_cell(sight),
        tuple(sorted(thing.id for thing in sight.things)),
    )  # fmt: skip


def redraw(context: Context, clock: Clock, picture: Callable[[], str]) -> NoReturn:
    """On a terminal: the whole picture in place of the one before, without a flicker."""
    context.stdout.write("\x1b[2J")
    while True:
        lines = picture().splitlines()
        context.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        context.stdout.flush()
        clock.sleep(INTERVAL)
