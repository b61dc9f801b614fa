"""A Source is brought into what is kept: a whole revision or nothing of it. What is in force stays so meanwhile.

Read everything, check everything, see whether it would take too much away, and only then keep what differs. What is
kept is what every verb and every pass goes by; so whatever happens here, the last good revision is in force.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core import former
from reconciler.core.brake import brake, listed, plan_hash
from reconciler.core.linking import link_faults
from reconciler.core.waves import step
from reconciler.engine import edits
from reconciler.engine.already_running import running
from reconciler.engine.edits import Edit
from reconciler.engine.gitops.brought import all_kept, brought_by, leaving_with, source_of
from reconciler.engine.gitops.documents import Arriving, documents_of
from reconciler.engine.gitops.outcome import Ended, in_one_line, tell
from reconciler.engine.reconcile import Parts
from reconciler.errors import Problem, ReconcilerError, SpecError
from reconciler.failpoints import failpoint
from reconciler.kinds.source import SourceSpec
from reconciler.model.following import Held, Known
from reconciler.model.key import Key
from reconciler.model.plan import Reason
from reconciler.model.resource import Resource
from reconciler.model.status import Arrival, Status
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.ports import Feeds

PATIENCE = 60.0
"""For a command that has the home's lock."""
REVISIONS = 5
RETRY_FIRST = 5.0
RETRY_INTERVALS = 10
"""So many intervals are the longest pause after failures."""
SOON = 2.0
"""While a revision is half-way."""
GONE_SECONDS = 3.0
"""So long a document has to be missing from a directory: editors and checkouts write files anew."""
SLACK = 0.5
LONGEST_MESSAGE = 2000


class Withheld(ReconcilerError):
    """A revision that is kept back. With a `plan`, a person can say yes to just this."""

    def __init__(self, reason: Reason, message: str, *, plan: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = str(reason)
        self.plan = plan


@dataclass(frozen=True, slots=True)
class Synced:
    """What one sync came to. `due` is in how many seconds to look again; None: when somebody asks."""

    namespaces: tuple[str, ...] = ()
    """Where something is wanted differently now."""
    due: float | None = None
    status: Status | None = None
    settled: bool = True
    """False while there is more to come of this very revision."""


def sync(parts: Parts, key: Key, *, now: float) -> Synced:
    """One look at a Source, to its end. Raises only if what is kept, or what is known of it, can't be used."""
    resource = next((r for r in parts.source.resources(key.namespace) if r.key == key and not r.deleting), None)
    if resource is None:
        return Synced()
    feeds = feeds_of(parts)
    with feeds.turn(key):
        ended = _looked_at(parts, feeds, resource, now)
        if _is_gone(parts, key):  # with all that was known of it
            feeds.forget(key)
            return Synced(ended.touched)
        status = tell(parts, resource, ended, now)
    return Synced(ended.touched, ended.due, status, ended.settled)


def _looked_at(parts: Parts, feeds: Feeds, resource: Resource, now: float) -> Ended:
    key = resource.key
    try:
        known = feeds.known(key)
        ended = Sync(parts, feeds, resource, of_this_place(known, resource.spec), now).run()
        if ended.known != known:
            failpoint("sync.remember.before")
            feeds.remember(key, ended.known)
            failpoint("sync.remember.after")
    except ReconcilerError as error:  # what is known can't be read or written: that too is told where people look
        return Ended(Known(), error.reason, in_one_line(error), resource.spec.seconds)
    return ended


def _is_gone(parts: Parts, key: Key) -> bool:
    return all(resource.key != key for resource in parts.source.resources(key.namespace))


def of_this_place(known: Known, spec: SourceSpec) -> Known:
    """Who declares that it follows another place has said so himself: nothing there has to contain what was here."""
    origin = f"{spec.git.url} {spec.git.ref}" if spec.git else spec.directory
    if known.origin == origin:
        return known
    return Known(origin=origin, arrivals=known.arrivals, brought=known.brought)


def feeds_of(parts: Parts) -> Feeds:
    if parts.feeds is None:
        raise ReconcilerError("nothing here can follow a Source", hint="this is a bug: wiring gives every verb one")
    return parts.feeds


@dataclass(slots=True)
class Sync:
    """One look. What it keeps back, and what it keeps, are its last two steps."""

    parts: Parts
    feeds: Feeds
    resource: Resource
    known: Known
    now: float

    @property
    def key(self) -> Key:
        return self.resource.key

    @property
    def spec(self) -> SourceSpec:
        spec: SourceSpec = self.resource.spec
        return spec

    def run(self) -> Ended:
        if self.spec.suspend:
            return Ended(self.known, Reason.SUSPENDED, "nobody looks at it until it is resumed", None)
        try:
            return self.to_its_end()
        except Withheld as error:
            return self._withheld(error)
        except ReconcilerError as error:
            return self._failed(error.reason, in_one_line(error), None)

    def to_its_end(self) -> Ended:
        failpoint("sync.fetch.before")
        checkout = self.feeds.fetch(self.key, self.spec, self.known)
        failpoint("sync.fetch.after")
        if checkout.revision == self.known.bad:
            self._ask(Reason.ROLLED_BACK, self._left(), [checkout.revision])
        if checkout.rewound:
            facts = [self.known.newest, checkout.revision]
            self._ask(Reason.REWOUND, f"{checkout.revision[:10]} does not contain {self.known.newest[:10]}, which was "
                      "applied: the branch was rewound or rewritten", facts)  # fmt: skip
        if self._overdue(checkout.revision):
            return self._back()
        return self._into_force(documents_of(self.parts, self.feeds, self.resource, checkout))

    def _into_force(self, arriving: Arriving, *, back: bool = False) -> Ended:
        with self.parts.home.lock(PATIENCE):
            kept = all_kept(self.parts.source)
            if kept.get(self.key) != self.resource:
                return Ended(self.known, Reason.NOT_SYNCED, "it was changed meanwhile", 0.0, settled=False)
            edit = self._edit(kept, arriving)
            going = self._going(kept, arriving, braked=not back)
            self._check(kept, edit, going, arriving)
            return self._keep(kept, edit, going, arriving, back=back)

    def _edit(self, kept: Mapping[Key, Resource], arriving: Arriving) -> Edit:
        damaged = {key for space in arriving.namespaces for key in self.parts.source.damaged(space)}
        up = running(self.parts, arriving.resources, kept)
        edit = edits.apply(kept, arriving.resources, damaged, up)
        self._check_owners(kept, edit)
        return edit

    def _check_owners(self, kept: Mapping[Key, Resource], edit: Edit) -> None:
        """Two Sources, or a Source and a person, that want the same thing differently would take turns for ever."""
        foreign = []
        for resource in edit.keep:
            before = kept.get(resource.key)
            if before is None or before.deleting or source_of(before) == self.key:
                continue
            other = source_of(before)
            if other and other in kept and not kept[other].deleting:
                message = f"{resource.key} is what {other.short} in namespace {other.namespace} brings"
                raise Withheld(Reason.CONFLICT, message, hint="take it out of one of the two")
            if str(resource.key) not in self.known.brought and before.spec != resource.spec:
                foreign.append(resource.key)
        if foreign:
            names = listed(map(str, sorted(foreign)))
            message = f"it would take over what a person applied here: {names}"
            self._ask(Reason.CONFLICT, message, sorted(map(str, foreign)))

    def _going(self, kept: Mapping[Key, Resource], arriving: Arriving, *, braked: bool) -> tuple[Resource, ...]:
        mine = brought_by(kept, self.key)
        gone = sorted(set(mine) - {resource.key for resource in arriving.resources})
        if not self.spec.prune or not gone:
            self.known = replace(self.known, missing={})
            return ()
        if self.spec.directory:
            self._await_agreement(gone)
        most, share = self.parts.rules.limits(arriving.profile)
        leaving = leaving_with(self.parts.source, [mine[key] for key in gone])
        going = {**{r.key: r for r in leaving}, **{key: replace(mine[key], deleting=True) for key in gone}}
        stays = bool(arriving.resources)
        why = brake({*mine, *going}, going, stays=stays, most=most, share=share) if braked else ""
        if why:
            self._ask(Reason.BRAKED, why, sorted(map(str, going)))
        return tuple(going.values())

    def _await_agreement(self, gone: Sequence[Key]) -> None:
        """A file that an editor writes anew is missing for a moment, and a checkout takes seconds."""
        since = {str(key): self.known.missing.get(str(key), self.now) for key in gone}
        self.known = replace(self.known, missing=since)
        fresh = [key for key in gone if 0 <= self.now - since[str(key)] < GONE_SECONDS]
        if fresh:
            message = f"{fresh[0].short} is gone from it{_more(fresh)}; looked at once more before anything is done"
            raise Withheld(Reason.VANISHED, message)

    def _check(self, kept: Mapping[Key, Resource], edit: Edit, going: Sequence[Resource], arriving: Arriving) -> None:
        """Nothing is kept that can't work together. What was wrong before is not this revision's fault."""
        identity = self.parts.home.identity(make=True)
        changed = {r.key: r for r in (*edit.keep, *going)}
        given = {r.key for r in arriving.resources}
        problems: list[Problem] = []
        for namespace in sorted({key.namespace for key in changed}):
            before = {key: r for key, r in kept.items() if key.namespace == namespace}
            after = {**before, **{key: r for key, r in changed.items() if key.namespace == namespace}}
            old = set(link_faults(self.parts.source.graph(namespace, identity, before.values())))
            graph = self.parts.source.graph(namespace, identity, after.values())
            for key, fault in link_faults(graph):
                if key in given:
                    problems.append(arriving.documents[key].problem(fault))
                elif (key, fault) not in old:
                    raise Withheld(Reason.INVALID_SPEC, f"{key}: {fault.message}", hint=fault.hint)
        if problems:
            raise SpecError(problems)

    def _keep(
        self, kept: Mapping[Key, Resource], edit: Edit, going: Sequence[Resource], arriving: Arriving, *, back: bool
    ) -> Ended:
        revision, numbered = arriving.revision, {r.key: r for r in edit.keep}
        ready = _ready(self.parts, self.feeds, {**kept, **numbered}, [r.key for r in arriving.resources])
        waves = step([numbered.get(r.key, r) for r in arriving.resources], numbered, ready)
        keep = (*former.left(kept, waves.keep), *waves.keep, *(going if waves.last else ()))
        failpoint("sync.keep.before")
        self.parts.source.keep(keep)
        failpoint("sync.keep.after")
        for namespace in {r.key.namespace for r in keep}:
            self.feeds.found.pop(namespace, None)
        touched = tuple(sorted({r.key.namespace for r in keep}))
        overruled = self._overruled(kept, keep, revision)
        if not back and self.known.begun != revision:
            self.known = replace(self.known, begun=revision)
        self.feeds.watched(self.key, revision)
        if not waves.last:
            message = f"{revision[:10]}: {', '.join(key.short for key in waves.waiting[:3])} must be Ready first"
            known = replace(self.known, held=None, brought=_keys(self.known.brought, waves.keep))
            touched = tuple(sorted({*touched, *(key.namespace for key in waves.waiting)}))
            return Ended(known, Reason.WAVE, message, SOON, touched, settled=False, overruled=overruled)
        whole = not keep and ready >= {r.key for r in arriving.resources}
        return self._arrived(arriving, touched, overruled, ready=whole, back=back)

    def _arrived(
        self, arriving: Arriving, touched: tuple[str, ...], overruled: tuple[Key, ...], *, ready: bool, back: bool
    ) -> Ended:
        revision = arriving.revision
        if self.feeds.confirmed(self.key):
            self.feeds.confirm(self.key, "")
        arrivals = self.known.arrivals
        if self.known.in_force != revision:
            new = Arrival(revision=revision, time=self.now, author=arriving.author, subject=arriving.subject)
            arrivals = (new, *arrivals)[:REVISIONS]
        known = replace(
            self.known, applied=revision, arrivals=arrivals, missing={}, failures=0, held=None,
            brought=tuple(sorted(str(r.key) for r in arriving.resources)),
            good=revision if ready else self.known.good, bad=self.known.bad if back else "",
        )  # fmt: skip
        if back:
            message = self._left()
            return Ended(known, Reason.ROLLED_BACK, message, self.spec.seconds, touched, overruled=overruled)
        watched = self.spec.rollback and known.good != revision
        due = min(self.spec.seconds, SOON) if watched else self.spec.seconds
        return Ended(known, Reason.SYNCED, _said(arriving), due, touched, overruled=overruled)

    # -- what is kept back

    def _ask(self, reason: Reason, message: str, facts: Sequence[str]) -> None:
        """Goes on only with a person's word for just this."""
        plan = plan_hash(self.key, reason, *facts)
        if plan not in self.feeds.confirmed(self.key):
            name = f"{self.key.short}{_place(self.key)}"
            hint = f"look at it: reconciler diff {name}; then: reconciler confirm {name} --plan {plan}"
            raise Withheld(reason, message, plan=plan, hint=hint)

    def _withheld(self, error: Withheld) -> Ended:
        if error.reason == Reason.VANISHED:
            return Ended(self.known, error.reason, error.message, GONE_SECONDS + SLACK, settled=False)
        held = Held(error.reason, error.message, error.plan) if error.plan else None
        return self._failed(error.reason, in_one_line(error), held)

    def _failed(self, reason: str, message: str, held: Held | None) -> Ended:
        """It is tried again, ever more seldom, and whatever the revision: what failed may be well the next time."""
        failures = self.known.failures + 1
        longest = self.spec.seconds * RETRY_INTERVALS
        due = min(RETRY_FIRST * 2.0 ** min(failures - 1, 30), longest)
        stays = f"{self.known.in_force[:10]} stays in force; " if self.known.in_force else ""
        known = replace(self.known, failures=failures, held=held)
        return Ended(known, reason, f"{stays}{message[:LONGEST_MESSAGE]}", due)

    # -- the way back

    def _overdue(self, revision: str) -> bool:
        known = self.known
        begun = known.begun == revision and revision not in {known.good, known.bad}
        late = self.feeds.watched(self.key, revision) >= self.spec.timeout_seconds
        return bool(self.spec.rollback and begun and known.good and late) and not self._whole()

    def _whole(self) -> bool:
        """Everything that it brings is in force, and Ready."""
        kept = all_kept(self.parts.source)
        mine = brought_by(kept, self.key)
        return self.known.applied == self.known.begun and _ready(self.parts, self.feeds, kept, mine) >= set(mine)

    def _back(self) -> Ended:
        """To the last good revision. What it takes away is what the bad one brought, so nobody is asked."""
        checkout = self.feeds.fetch(self.key, self.spec, self.known, revision=self.known.good)
        self.known = replace(self.known, bad=self.known.begun)
        return self._into_force(documents_of(self.parts, self.feeds, self.resource, checkout), back=True)

    def _left(self) -> str:
        return (
            f"{self.known.bad[:10]} did not become Ready in {self.spec.timeout_seconds:g} s; {self.known.good[:10]} is "
            "in force again"
        )

    def _overruled(self, kept: Mapping[Key, Resource], keep: Sequence[Resource], revision: str) -> tuple[Key, ...]:
        """Of a revision that was in force already, what differs was changed by somebody else."""
        if self.known.applied != revision:
            return ()
        return tuple(r.key for r in keep if r.key in kept and kept[r.key].spec != r.spec and not r.deleting)


def _ready(parts: Parts, feeds: Feeds, kept: Mapping[Key, Resource], keys: Iterable[Key]) -> set[Key]:
    """Those that a pass of ours found Ready since we last kept anything there, as they are wanted now. The diary may
    tell of a world that was before a reboot; of Sources it alone tells, for no pass looks at them.
    """
    wanted = set(keys)
    spaces = sorted({key.namespace for key in wanted})
    told = {key: status for space in spaces for key, status in feeds.found.get(space, {}).items()}
    for space in sorted({key.namespace for key in wanted if key.kind == "source"}):
        told |= {key: status for key, status in parts.store.statuses(space).items() if key.kind == "source"}
    return {
        key for key in wanted & set(kept)
        if key in told and told[key].ready and told[key].observed_generation == kept[key].generation
    }  # fmt: skip


def _keys(before: Iterable[str], keep: Iterable[Resource]) -> tuple[str, ...]:
    return tuple(sorted({*before, *(str(r.key) for r in keep)}))


def _said(arriving: Arriving) -> str:
    subject = f": {arriving.subject}" if arriving.subject else ""
    count = len(arriving.resources)
    return f"{arriving.revision[:10]}{subject} ({count} object{'' if count == 1 else 's'})"


def _more(keys: Collection[Key]) -> str:
    return f", and {len(keys) - 1} more" if len(keys) > 1 else ""


def _place(key: Key) -> str:
    return "" if key.namespace == "default" else f" -n {key.namespace}"
