"""What a person following along is told of a pass: small, and the same whether it was made here or by the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from reconciler.engine.reconcile import Pass
from reconciler.model.key import Key
from reconciler.model.plan import Action, Result, Wait
from reconciler.model.status import Status
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class News:
    namespace: str
    notes: tuple[tuple[Key, str], ...] = ()
    undone: tuple[tuple[Key, str], ...] = ()
    """What was tried and not done, with what the runtime said."""
    waits: tuple[Wait, ...] = ()
    statuses: Mapping[Key, Status] = field(default_factory=dict)
    acting: bool = False
    """There was something to do: how things stand is known after the next pass."""
    last: Pass | None = field(default=None, compare=False)
    """The pass itself, where it was made here."""


class Progress(Protocol):
    """Told of what happens, as it happens; from any thread."""

    def started(self, action: Action) -> None:
        """An action has begun."""

    def passed(self, news: News) -> None:
        """A pass is over."""


class Silent:
    """Keeps it to itself."""

    def started(self, action: Action) -> None:
        """Nobody asked."""

    def passed(self, news: News) -> None:
        """Nobody asked."""


def news_of(current: Pass) -> News:
    return News(
        namespace=current.graph.namespace,
        notes=tuple((note.key, note.message) for note in current.plan.notes),
        undone=tuple((o.action.key, o.message) for o in current.outcomes if o.result is not Result.DONE),
        waits=current.plan.waits,
        statuses=current.statuses,
        acting=bool(current.plan.actions),
        last=current,
    )
