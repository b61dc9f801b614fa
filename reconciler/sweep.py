"""From Python: a campaign of runs, each recorded exactly once.

    import reconciler

    with reconciler.campaign("campaign.yaml", resume=True) as campaign:
        manifest = campaign.run()           # to its end; one run that fails stops no other
        manifest.worked                     # whether all have
        [run.result for run in manifest.runs]

What is left of it in the world is taken away when the block is left, by an exception too. Its results stay, and what
was done can be gone on with: by `resume=True`, or by `reconciler run NAME --resume`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from reconciler import wiring
from reconciler.campaigns.begin import kept, prepare
from reconciler.campaigns.ground import Ground
from reconciler.campaigns.records import Busy, Records
from reconciler.campaigns.runner import News, Runner
from reconciler.core.campaign import tell
from reconciler.core.campaign.manifest import Manifest
from reconciler.errors import ReconcilerError, UsageError
from reconciler.loading import load, located
from reconciler.model.resource import Resource
from reconciler.stack import NotReady
from reconciler.usual_places import usual_home

Place = str | os.PathLike[str]


def campaign(
    path: Place, *, name: str = "", namespace: str = "", home: Place | None = None,
    strategy: Literal["", "ephemeral", "persistent"] = "", resume: bool = False, restart: bool = False,
    lease: bool = True, timeout: float = 60.0, environment: Mapping[str, str] | None = None,
    told: Callable[[News], None] = lambda _: None, note: Callable[[str], None] = lambda _: None,
) -> Campaign:  # fmt: skip
    """The campaign that the file declares; `name` says which, if there are several. What else it declares is brought up
    with it. `strategy` wins over the spec; with `resume` what was begun is gone on with, with `restart` it begins anew.
    `timeout` is for what the runs lean on. `told` hears of each run, `note` what a person should know.
    """
    documents = load([path], namespace=namespace, environment=environment)
    found = [d.resource for d in documents if d.resource.key.kind == "campaign" and name in ("", d.resource.key.name)]
    if len(found) != 1:
        known = ", ".join(resource.key.name for resource in found) or "none"
        raise UsageError(f"one campaign is wanted, and in {os.fspath(path)} there are: {known}", hint="say name=...")
    place = str(Path(home).absolute()) if home is not None else usual_home(os.environ)
    controller = wiring.controller(place, acts=True)
    given = [document.resource for document in documents]

    def begin() -> None:
        report = located(documents, lambda: prepare(controller, given, found[0], timeout=timeout))
        if not report.ok:
            raise NotReady("to bring up what the runs need", report)

    def runner(resource: Resource, decided: str, *, resume: bool) -> Runner:
        return Runner(
            parts=controller.parts, records=Records(place), resource=resource, strategy=decided, resume=resume,
            restart=restart, lease=lease, told=told, note=note,
        )  # fmt: skip

    return Campaign(found[0], controller.parts, Records(place), begin, runner, strategy=strategy, resume=resume)


class Campaign:
    """One campaign, to be run; or to be looked at."""

    def __init__(
        self, resource: Resource, parts: Any, records: Records, begin: Callable[[], None],
        runner: Callable[..., Runner], *, strategy: str, resume: bool,
    ) -> None:  # fmt: skip
        self.key = resource.key
        self._resource = resource
        self._parts = parts
        self._records = records
        self._begin = begin
        self._runner = runner
        self._strategy = strategy
        self._resume = resume

    def run(self) -> Manifest:
        """To its end. Raises `Unfinished` where it was begun before and nobody said how to go on."""
        self._begin()
        old = self._records.manifest(self.key)
        resume = self._resume and old is not None
        decided = self._strategy or (old.strategy if old and resume else "") or self._resource.spec.strategy
        return self._runner(kept(self._parts, self.key), decided or "ephemeral", resume=resume).run()

    def status(self) -> dict[str, Any]:
        """The same as `reconciler campaign status -o json`; empty for one that was never begun."""
        manifest = self._records.manifest(self.key)
        if manifest is None:
            return {}
        return tell.status(manifest, attended=self._records.attended(self.key), now=self._parts.clock.now())

    def down(self) -> None:
        """Takes away what is left of it in the world, unless somebody else runs it now."""
        try:
            with self._records.held(self.key):
                Ground(self._parts, self._resource, persistent=True).clear_all()
        except Busy:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            if self._resource.spec.auto_teardown:
                self.down()
            return
        try:
            self.down()
        except ReconcilerError as further:
            error.add_note(f"and then: {further}")
