from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.picking import Wanted
from reconciler.cli.render.output import json_line
from reconciler.cli.verb import verb
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts
    from reconciler.model.status import Event

EXAMPLES = """
reconciler events
reconciler events service/web --types Warning
reconciler events -A -w
reconciler events --limit 20 -o json
"""
TYPES = ("Normal", "Warning")
INTERVAL = 0.5
Told = Callable[[], "list[Event]"]


@verb("events", examples=EXAMPLES, outputs=("json", "wide"))
@click.argument("words", nargs=-1, metavar="[KIND/NAME]…", shell_complete=names.kinds_and_resources)
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Go on, and show new ones as they come.")
@click.option("--types", "typed", default="", metavar="TYPES", help="Only these: Normal, Warning.")
@click.option("--limit", type=click.IntRange(1), default=1000, metavar="N", help="At most so many, the latest [1000].")
@click.option("--no-headers", is_flag=True, help="Leave the header line out.")
def command(
    context: Context, words: tuple[str, ...], *, everywhere: bool, watch: bool, typed: str, limit: int, no_headers: bool
) -> None:
    """Show what happened, oldest first."""
    want = picking.wanted(picking.spelled(context, words), bare="service") if words else None
    from reconciler.engine import looking

    types = _types(typed)
    controller = line.open_controller(context)

    def told() -> list[Event]:
        namespace = None if everywhere else context.scope
        events = looking.events(controller.parts, namespace=namespace, limit=10_000)
        chosen = [e for e in events if e.type in types and (want is None or want.wants(e.key.resource))]
        return chosen[-limit:]

    events = told()
    if not events and not watch:
        _require(controller.parts, context, want, everywhere=everywhere)
    _print(context, controller.parts, events, everywhere=everywhere, headers=not no_headers)
    for later in _later(controller.parts, told, events) if watch else ():
        _print(context, controller.parts, later, everywhere=everywhere, headers=False)


def _types(text: str) -> frozenset[str]:
    named = [word.strip().capitalize() for word in text.split(",")] if text else TYPES
    unknown = [word for word in named if word not in TYPES]
    if unknown:
        raise UsageError(f"--types {text}: no events are of type {unknown[0]!r}", hint=f"types are {', '.join(TYPES)}")
    return frozenset(named)


def _require(parts: Parts, context: Context, want: Wanted | None, *, everywhere: bool) -> None:
    """No events of something that there never was: a slip of the pen, not good news."""
    if want is None or everywhere:
        return
    kept = [resource.key for resource in parts.source.resources(context.scope)]
    missing = picking.missing_names(want, kept)
    if missing:
        raise picking.not_found(parts, context.scope, missing[0])


def _later(parts: Parts, told: Told, before: Sequence[Event]) -> Iterator[list[Event]]:
    known = set(before)
    while True:
        parts.clock.sleep(INTERVAL)
        events = told()
        new = [event for event in events if event not in known]
        if new:
            yield new
        known = set(events)


def _print(context: Context, parts: Parts, events: Sequence[Event], *, everywhere: bool, headers: bool) -> None:
    from reconciler.cli.render.events import table_of
    from reconciler.cli.render.resource import event_tree

    if context.output == "json":
        context.stdout.write("".join(json_line(event_tree(event)) for event in events))
    elif events:
        context.stdout.write(
            table_of(context, events, parts.clock.now(), namespaces=everywhere, named=True, headers=headers)
        )
    elif headers:
        print("no events", file=context.stderr)
    context.stdout.flush()
