"""Events as a table: what happened when, to whom, how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reconciler.cli.render.age import age
from reconciler.cli.render.table import PIPED, Column, table
from reconciler.model.key import Key
from reconciler.model.status import Event

if TYPE_CHECKING:
    from reconciler.cli.context import Context


def table_of(
    context: Context, events: Iterable[Event], now: float, *, namespaces: bool = False, named: bool = False,
    headers: bool = True, whole: bool = False,
) -> str:  # fmt: skip
    """`named`: with whom each one is about. `whole`: in a pipe no message is cut."""
    columns = [Column("LAST SEEN"), Column("FIRST SEEN"), Column("COUNT", right=True)]
    columns += [Column("TYPE"), Column("REASON", status=True)]
    columns += (
        [Column("NAMESPACE")] * namespaces
        + [Column("RESOURCE")] * named
        + [Column("MESSAGE", flexible=True, last=True)]
    )
    rows = [
        [
            age(now - event.time), age(now - event.began), str(event.count), event.type, event.reason,
            *[event.key.namespace] * namespaces, *[short(event.key)] * named, event.message,
        ]
        for event in events
    ]  # fmt: skip
    wide = context.output == "wide"
    longest = None if whole else PIPED
    return table(columns, rows, headers=headers, wide=wide, color=context.color, limit=context.width, longest=longest)


def short(key: Key) -> str:
    """service/web, or service/web/0 for one of its instances."""
    return key.short if key.index is None else f"{key.short}/{key.index}"


def message(event: Event) -> str:
    """For a sentence, which has no columns."""
    return f"{event.message} (x{event.count})" if event.count > 1 else event.message
