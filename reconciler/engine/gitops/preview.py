"""What a Source would bring if a person said yes to all that it holds back: looked at to its end, and not kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.engine.edits import Edit
from reconciler.engine.gitops.documents import Arriving
from reconciler.engine.gitops.outcome import Ended
from reconciler.engine.gitops.sync import Sync, feeds_of, of_this_place
from reconciler.engine.reconcile import Parts
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.model.plan import Reason
from reconciler.model.resource import Resource
from reconciler.values import dataclass


def foreseen(parts: Parts, source: Resource) -> Edit:
    """What can't be confirmed either (not signed, not to be read, not permitted) is raised, as in any look."""
    feeds = feeds_of(parts)
    with feeds.turn(source.key):
        known = of_this_place(feeds.known(source.key), source.spec)
        look = _Foreseeing(parts, feeds, source, known, parts.clock.now())
        look.to_its_end()
    if look.edit is None:
        raise ReconcilerError(f"{source.key.short} was changed meanwhile", hint="look at it again")
    return look.edit


@dataclass(slots=True)
class _Foreseeing(Sync):
    edit: Edit | None = None

    def _ask(self, reason: Reason, message: str, facts: Sequence[str]) -> None:
        """It is as if somebody had said yes."""

    def _await_agreement(self, gone: Sequence[Key]) -> None:
        """What is missing now is shown as gone: nothing is done about it here."""

    def _keep(
        self,
        kept: Mapping[Key, Resource],  # noqa: ARG002
        edit: Edit,
        going: Sequence[Resource],
        arriving: Arriving,  # noqa: ARG002
        *,
        back: bool,  # noqa: ARG002
    ) -> Ended:
        words = {**edit.results, **{resource.key: "pruned" for resource in going}}
        self.edit = Edit((*edit.keep, *going), words)
        return Ended(self.known, Reason.SYNCED, "", None)
