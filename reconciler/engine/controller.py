"""What the verbs call: each one edits desired state or looks, and returns a value to print.

All changes go one way: keep what is desired, then pass after pass until the world is so. A verb that is killed
half-way has either changed what is desired or not; the next pass, whoever calls it, goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from reconciler.core import former
from reconciler.core.graph import DEFAULT_NETWORK, Graph, doubts
from reconciler.core.linking import link_faults
from reconciler.core.preview import fold
from reconciler.core.topology import RUNTIME as MESH
from reconciler.core.world import World
from reconciler.engine import edits
from reconciler.engine.already_running import running
from reconciler.engine.causes import explained
from reconciler.engine.edits import Edit
from reconciler.engine.fulfil import fulfil
from reconciler.engine.gitops.brought import leaving_with, warnings
from reconciler.engine.handover import Handover, Hands, handed_over
from reconciler.engine.in_use import campaigns, with_needs
from reconciler.engine.news import Progress, Silent
from reconciler.engine.places.residents import in_turn, staying
from reconciler.engine.reconcile import Parts
from reconciler.engine.report import Change, Foresight, Report, acted_on, joined, outlived
from reconciler.engine.settle import PATIENCE
from reconciler.errors import ReconcilerError, UsageError
from reconciler.kinds import find
from reconciler.kinds.base import Fault
from reconciler.model.key import Key
from reconciler.model.observed import Observed
from reconciler.model.resource import Resource

if TYPE_CHECKING:
    from reconciler.engine.adopting import Adoption

Faults = list[tuple[Key, Fault]]
Adopt = Literal["alike", "replace"]
"""What runs already is taken over if it is what is declared; or in any case, to be made anew where it is not."""


class Unlinkable(ReconcilerError):
    """Documents that are right alone but not together. The caller knows their places, and says them."""

    exit_code = 2
    reason = "InvalidSpec"

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{key.short}: {fault.message}" for key, fault in faults))


class Controller:
    def __init__(self, parts: Parts, daemon: Handover | None = None) -> None:
        self.parts = parts
        self.daemon = daemon
        self.hands: Hands | None = None

    @handed_over
    def apply(
        self, given: Sequence[Resource], *, prune: bool = False, wait: bool = True, timeout: float = 60.0,
        progress: Progress | None = None, admit: Callable[[Sequence[Resource]], Sequence[Resource]] | None = None,
        adopt: Adopt | None = None,
    ) -> Report:  # fmt: skip
        """Keep the given resources, then settle their namespaces. `admit` is asked in the turn in which they are kept,
        and what it makes of them is kept; if it raises, nothing is. Containers that run already are taken over as
        `adopt` says: as they are, or to be made anew where they differ.
        """
        with self._turn(timeout):
            given = admit(given) if admit else given
            given = self._with_volumes(given) if adopt else given
            known = _everybodys_hosts(given)
            spaces = edits.by_namespace(given)
            plans = [(space, mine, self._edit(space, mine, known, prune=prune)) for space, mine in spaces]
            warned = [warnings(self.parts.source, edit.keep) for _, _, edit in plans]
            adopted = self._adopt({space: edit for space, _, edit in plans}, adopt) if adopt else {}
            self.parts.source.keep([resource for _, _, edit in plans for resource in edit.keep])
        reports = []
        for (namespace, mine, edit), notes in zip(plans, warned, strict=True):
            concerned = {r.key for r in mine} | set(edit.results)
            report = self._settle(namespace, concerned, wait=wait, timeout=timeout, progress=progress)
            report = outlived(report, [r.key for r in mine])
            results = acted_on(edit.results, report.actions)
            if told := adopted.get(namespace):
                results |= dict.fromkeys([*told.resources, *edits.newly_adopted(edit)], "adopted")
                report = report.noting(told.notes)
            reports.append(self._overtaken(report.telling(results).noting([*notes, *edit.notes]), namespace, edit.keep))
        return joined(reports)

    def preview(self, given: Sequence[Resource], *, prune: bool = False, adopt: Adopt | None = None) -> list[Foresight]:
        """What `apply` would do, for each namespace. Changes nothing, not even our home."""
        found = []
        known = _everybodys_hosts(given)
        for namespace, mine in edits.by_namespace(self._with_volumes(given) if adopt else given):
            edit = self._edit(namespace, mine, known, prune=prune)
            before, graph = self._kept(namespace), self._edited(namespace, edit, known)
            changes = {r.key: Change(before.get(r.key), r) for r in edit.keep if r.key in edit.results}
            foresight = self._fold(graph, adopt)
            results = acted_on(edit.results, foresight.actions)
            found.append(replace(foresight, results=results, changes=changes))
        return found

    def foreseen(self, source: Resource) -> list[Foresight]:
        """What a Source would bring if all that it holds back were confirmed. Changes nothing that is wanted."""
        from reconciler.engine.gitops.preview import foreseen  # noqa: PLC0415 -- most commands follow nothing

        edit, found = foreseen(self.parts, source), []
        for namespace in sorted({source.key.namespace, *(key.namespace for key in edit.results)}):
            mine = Edit(
                tuple(r for r in edit.keep if r.key.namespace == namespace),
                {key: word for key, word in edit.results.items() if key.namespace == namespace},
            )
            before, foresight = self._kept(namespace), self._fold(self._edited(namespace, mine))
            changes = {r.key: Change(before.get(r.key), r) for r in mine.keep}
            results = acted_on(mine.results, foresight.actions)
            found.append(replace(foresight, results=results, changes=changes))
        return found

    def drift(self, namespace: str) -> Foresight:
        """What passes over what is already desired would do."""
        return self._fold(self.parts.source.graph(namespace, self.parts.home.identity(make=False)))

    @handed_over
    def delete(
        self, keys: Sequence[Key], *, data: bool = False, wait: bool = True, timeout: float = 60.0,
        progress: Progress | None = None,
    ) -> Report:  # fmt: skip
        """Tombstones, then passes until nothing of them is left. Volumes stay unless `data` names them."""
        reports = []
        named = set(keys)
        keys = self._with_brought(keys)
        for namespace in in_turn(keys):
            mine = [key for key in keys if key.namespace == namespace]
            with self._turn(timeout):
                edit = self._burial(namespace, mine, data=data)
                warned = warnings(self.parts.source, [r for r in edit.keep if r.key in named], going=named)
                self.parts.source.keep(edit.keep)
            report = self._settle(namespace, set(mine), wait=wait, timeout=timeout, progress=progress)
            notes = [edits.kept_data(r.key) for r in edit.keep if edits.keeps_data(r)]
            notes += staying(self.parts.source, edit.keep)
            reports.append(report.telling(edit.results).noting([*warned, *notes]))
        return joined(reports)

    @handed_over
    def edit(
        self, keys: Sequence[Key], change: Callable[[Resource], Resource], *, wait: bool = True, timeout: float = 60.0,
        progress: Progress | None = None,
    ) -> Report:  # fmt: skip
        """`start`, `stop`, `restart`, `scale`: one change of desired state each, then passes."""
        reports = []
        for namespace in sorted({key.namespace for key in keys}):
            mine = [key for key in keys if key.namespace == namespace]
            with self._turn(timeout):
                edit = self._change(namespace, mine, change)
                warned = warnings(self.parts.source, edit.keep)
                self.parts.source.keep(edit.keep)
            report = self._settle(namespace, set(mine), wait=wait, timeout=timeout, progress=progress)
            told = outlived(report, mine).telling(edit.results).noting(warned)
            reports.append(self._overtaken(told, namespace, edit.keep))
        return joined(reports)

    def follow(self, key: Key, *, wait: bool = True, timeout: float = 60.0, progress: Progress | None = None) -> Report:
        """One Source is looked at now, and what it brings is settled."""
        from reconciler.engine.gitops.by_hand import follow  # noqa: PLC0415 -- most commands follow nothing

        with self.with_hands([key.namespace]):
            return follow(self.parts, key, partial(self._settle, wait=wait, progress=progress), timeout=timeout)

    def orphans(self, namespace: str, *, doubtful: bool = False) -> dict[Key, Observed]:
        """Things of ours in the world that nobody declares, by resource. Those whose documents can't be read are
        none, but are `doubtful`, as are the runs of campaigns: they may well go on without a document.
        """
        graph = self.parts.source.graph(namespace, self.parts.home.identity(make=False))
        world = World(graph, self.parts.observer.look(graph, self.parts.clock.now()), self.parts.clock.now())
        # The namespace's own network needs no document, nor does a mesh: they go by themselves with the last in it.
        declared = {*graph.resources, *graph.removed, Key("network", namespace, DEFAULT_NETWORK)}
        declared |= {key.resource for key, _ in world.ours() if key.kind == MESH}
        declared |= set() if doubtful else set(graph.damaged)
        left = ((key.resource, thing) for key, thing in world.ours() if key.resource not in declared)
        return {key: thing for key, thing in left if doubtful or key.kind != "campaign"}

    @contextmanager
    def with_hands(self, namespaces: Collection[str]) -> Iterator[None]:
        """Until its end: who does something else afterwards has to ask anew."""
        with self.daemon.taking(namespaces) if self.daemon else nullcontext() as hands:
            self.hands = hands
            try:
                yield
            finally:
                self.hands = None

    def _turn(self, timeout: float) -> AbstractContextManager[None]:
        """What is kept is read, changed and kept in one turn: or two commands at once would undo each other's word,
        and a pass could bury what was declared again while it looked.
        """
        return self.parts.home.lock(max(timeout, PATIENCE))

    def _with_brought(self, keys: Sequence[Key]) -> list[Key]:
        """A Source takes along what it brought, and a service the port-forwards that lead to it."""
        wanted = {key for key in keys if key.kind == "source"}
        spaces = {key.namespace for key in wanted}
        gone = [r for space in spaces for r in self.parts.source.resources(space) if r.key in wanted and not r.deleting]
        all_gone = list(dict.fromkeys([*keys, *(r.key for r in leaving_with(self.parts.source, gone))]))
        kept = [r for space in {key.namespace for key in all_gone} for r in self.parts.source.resources(space)]
        return list(dict.fromkeys([*all_gone, *(r.key for r in edits.forwards_to(all_gone, kept))]))

    def _burial(self, namespace: str, keys: Sequence[Key], *, data: bool) -> Edit:
        """Of what can't be read the labels on its things are the evidence that it was ours."""
        kept = self._kept(namespace, tombstones=True)  # who asks once more is told how it stands now
        orphans = self.orphans(namespace, doubtful=True) if any(key not in kept for key in keys) else {}
        return edits.delete(kept, keys, orphans, self.parts.source.damaged(namespace), data=data)

    def _change(self, namespace: str, keys: Sequence[Key], change: Callable[[Resource], Resource]) -> Edit:
        kept = self._kept(namespace)
        damaged = self.parts.source.damaged(namespace)
        for key in keys:
            if key in damaged:
                raise ReconcilerError(f"{key.short}: {damaged[key]}")
        missing = [key for key in keys if key not in kept]
        if missing:
            raise UsageError(
                f"there is no {missing[0].short} in namespace {namespace!r}", hint="see: reconciler status"
            )
        changed = {key: resource for key in keys if (resource := change(kept[key])) != kept[key]}
        return Edit(tuple(changed.values()), {key: "configured" if key in changed else "unchanged" for key in keys})

    def _overtaken(self, report: Report, namespace: str, wanted: Iterable[Resource]) -> Report:
        """What was wanted otherwise by a command that came after ours: what is so now is that one's doing."""
        now = self._kept(namespace)
        ours = (r for r in wanted if r.key in now and not r.deleting)
        lost = {r.key: "overtaken" for r in ours if (now[r.key].spec, now[r.key].labels) != (r.spec, r.labels)}
        notes = [
            f"{key.short} was changed by another command meanwhile; apply it again if yours is wanted" for key in lost
        ]
        return replace(report, results={**report.results, **lost}, notes=(*report.notes, *notes)) if lost else report

    def _edit(self, namespace: str, given: Sequence[Resource], known: Sequence[Resource] = (), *, prune: bool) -> Edit:
        """`known` are hosts that come in another namespace at the same time."""
        before = self._kept(namespace, tombstones=True)
        damaged, up = self.parts.source.damaged(namespace), running(self.parts, given, before)
        edit = edits.apply(before, given, damaged, up)
        edit = replace(edit, keep=(*former.left(before, edit.keep), *edit.keep))
        if prune:
            live = {key: r for key, r in before.items() if not r.deleting}
            busy = set(campaigns(self.parts, live)) - {r.key for r in given}
            stays = [*(r.key for r in given), *with_needs(busy, live)]
            gone = edits.prune(live, stays, self.orphans(namespace).values())
            notes = tuple(f"{key.short} is being run right now: it was not pruned, nor what it needs" for key in busy)
            edit = Edit(edit.keep + gone.keep, {**edit.results, **gone.results}, notes)
        self._check(namespace, before, edit, {r.key for r in given}, known)
        return edit

    def _edited(self, namespace: str, edit: Edit, known: Sequence[Resource] = ()) -> Graph:
        """As it will be once this is kept."""
        after = {**self._kept(namespace, tombstones=True), **{r.key: r for r in edit.keep}}
        return self.parts.source.graph(namespace, self.parts.home.identity(make=False), [*after.values(), *known])

    def _with_volumes(self, given: Sequence[Resource]) -> list[Resource]:
        from reconciler.engine.adopting import with_volumes  # noqa: PLC0415 -- a rare word

        kept = {k: r for space in {r.key.namespace for r in given} for k, r in self._kept(space).items()}
        return with_volumes(self.parts, given, kept)

    def _adopt(self, wanted: Mapping[str, Edit], how: Adopt) -> dict[str, Adoption]:
        from reconciler.engine.adopting import take_over  # noqa: PLC0415 -- a rare word

        self.parts.home.identity(make=True)
        graphs = {namespace: self._edited(namespace, edit) for namespace, edit in wanted.items()}
        return take_over(self.parts, graphs, replacing=how == "replace")

    def _check(
        self, namespace: str, before: Mapping[Key, Resource], edit: Edit, given: set[Key],
        known: Sequence[Resource] = (),
    ) -> None:  # fmt: skip
        """Nothing is kept that can't work together. Faults that were there before are not the newcomers'."""
        identity = self.parts.home.identity(make=False)
        after = {**before, **{r.key: r for r in edit.keep}}
        graph = self.parts.source.graph(namespace, identity, [*after.values(), *known])
        old = set(link_faults(self.parts.source.graph(namespace, identity, before.values())))
        faults = [(key, fault) for key, fault in link_faults(graph) if key in given or (key, fault) not in old]
        doubted = doubts(graph)  # they wait for what they need, as they would for anything else
        unread = [
            (k, Fault(_place(graph.resources[k], why), why))
            for k, why in sorted(graph.unreadable.items())
            if k in given - set(doubted)
        ]
        if faults or unread:
            raise Unlinkable([*faults, *unread])

    def _kept(self, namespace: str, *, tombstones: bool = False) -> dict[Key, Resource]:
        resources = self.parts.source.resources(namespace)
        return {r.key: r for r in resources if tombstones or not r.deleting}

    def _settle(
        self, namespace: str, keys: set[Key], *, wait: bool, timeout: float, progress: Progress | None
    ) -> Report:
        """By the daemon, if there is one; it has the same method."""
        listener = progress or Silent()
        began = self.parts.clock.now()
        if self.hands:
            report = self.hands.settle(namespace, keys, wait=wait, timeout=timeout, progress=listener)
            if report is not None:
                return report
        left = timeout - (self.parts.clock.now() - began)
        return self.settle(namespace, keys, wait=wait, timeout=left, progress=listener)

    def settle(self, namespace: str, keys: set[Key], *, wait: bool, timeout: float, progress: Progress) -> Report:
        """Passes, until these stand as they are wanted, or time is up."""
        return fulfil(self.parts, namespace, keys, wait=wait, timeout=timeout, progress=progress)

    def _fold(self, graph: Graph, adopt: Adopt | None = None) -> Foresight:
        now = self.parts.clock.now()
        snapshot = self.parts.observer.look(graph, now, deep=True, once=True)
        if adopt:
            from reconciler.engine import adopting  # noqa: PLC0415

            adoption = adopting.foresee(self.parts, graph, snapshot, now)
            adopting.demand_alike([adoption], replacing=adopt == "replace")
            snapshot = adoption.snapshot
        journal = self.parts.store.journal(graph.namespace)
        waves = (explained(wave, self.parts.store.payload) for wave in fold(graph, snapshot, journal, now))
        return Foresight(graph, snapshot, tuple(waves))


def _everybodys_hosts(given: Iterable[Resource]) -> list[Resource]:
    return [r for r in given if r.key.kind == "host" and r.key.namespace == "default"]


def _place(resource: Resource, why: str) -> tuple[str | int, ...]:
    """Where in the spec that is named which can't be read."""
    kind = find(resource.key.kind)
    named = [*kind.paths(resource.spec), *((at, tree.path) for at, tree in kind.trees(resource.spec))] if kind else []
    return next((at for at, path in named if path in why), ())
