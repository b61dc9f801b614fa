"""A look at another machine itself: whatever its runtimes, and we, want to know of it, in one exchange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.inquiry import Asked, Asking, Question, Told
from reconciler.model.observed import Listener, View
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Survey:
    host: Asked
    asking: Mapping[str, tuple[Asking, Question]]
    """By place. Whatever is found there in another way, as an engine is, takes no part."""
    sockets: bool
    """Whether it matters who listens there."""

    def made(self) -> tuple[dict[str, View], tuple[Listener, ...]]:
        """What becomes of one answer is no matter of the others."""
        first = [self.host.sockets] if self.sockets else []
        told = self.host.ask([*first, *(question for _, question in self.asking.values())])
        found = self._listening(told.pop(0)) if first else ()
        return {place: who.view(one) for (place, (who, _)), one in zip(self.asking.items(), told, strict=True)}, found

    def _listening(self, told: Told) -> tuple[Listener, ...]:
        """Of a host that does not answer nothing is placed there either, for its views say so."""
        try:
            return self.host.read_sockets(told)
        except ReconcilerError:
            return ()


def survey(host: Asked, runtimes: Mapping[str, Any], *, sockets: bool) -> Survey:
    """In the order of `runtimes`: who may hang, last."""
    questions = {place: (one, one.question()) for place, one in runtimes.items() if hasattr(one, "question")}
    return Survey(host, {place: (one, asked) for place, (one, asked) in questions.items() if asked}, sockets)
