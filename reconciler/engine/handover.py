"""Whoever else may make the passes: a daemon of this home, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from reconciler.engine.report import Report
from reconciler.model.key import Key
from reconciler.model.resource import Resource

if TYPE_CHECKING:
    from reconciler.engine.news import Progress


class Hands(Protocol):
    """Somebody else who makes the passes."""

    def settle(
        self, namespace: str, keys: Collection[Key], *, wait: bool, timeout: float, progress: Progress
    ) -> Report | None:
        """None: it was not done, or not to the end. Then it is done here, which is always right."""


class Handover(Protocol):
    """The daemon of this home, or nobody."""

    def taking(self, namespaces: Collection[str]) -> AbstractContextManager[Hands | None]:
        """From here on nobody but us has passes made there: what we are about to declare is ours to tell of."""


class Handing(Protocol):
    """Whoever has such methods."""

    def with_hands(self, namespaces: Collection[str]) -> AbstractContextManager[None]:
        """Until its end: who does something else afterwards has to ask anew."""


Method = TypeVar("Method", bound=Callable[..., Report])


def handed_over(method: Method) -> Method:
    """Of resources or keys. Its passes are made by the daemon of this home, where there is one."""

    @wraps(method)
    def wrapped(self: Handing, things: Sequence[Resource] | Sequence[Key], *rest: Any, **more: Any) -> Report:
        namespaces = {thing.key.namespace if isinstance(thing, Resource) else thing.namespace for thing in things}
        with self.with_hands(namespaces):
            return method(self, things, *rest, **more)

    return cast("Method", wrapped)
