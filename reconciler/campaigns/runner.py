"""A campaign from its beginning, or from where it was left, to its end. One run at a time; each ends in the manifest
exactly once, whatever happens in between.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from reconciler.campaigns import leases, notify
from reconciler.campaigns.ground import GOES_ON, WARM, Ground
from reconciler.campaigns.reaper import reap
from reconciler.campaigns.records import Deleted, Records
from reconciler.campaigns.results import Results
from reconciler.campaigns.watch import End, watch
from reconciler.core.advice import command_line
from reconciler.core.campaign import manifest as manifests
from reconciler.core.campaign import runs as making
from reconciler.core.campaign import tell
from reconciler.core.campaign.breaker import Breaker, breaker
from reconciler.core.campaign.judgement import judged, refused
from reconciler.core.campaign.manifest import Manifest, Run, State, put
from reconciler.engine.reconcile import Parts
from reconciler.errors import OutcomeUnknown, ReconcilerError, Refused, Unreachable, UsageError
from reconciler.kinds.campaign import CampaignSpec
from reconciler.model.observed import Observed, Phase
from reconciler.model.resource import Resource
from reconciler.values import dataclass


class Unfinished(ReconcilerError):
    """It was begun before, and has not come to its end: somebody has to say how to go on."""

    exit_code = 2
    reason = "Unfinished"


@dataclass(frozen=True, slots=True)
class News:
    """For whoever looks on: a run that begins or has ended, and all of them."""

    manifest: Manifest
    run: Run
    gap: float = 0.0


@dataclass(slots=True, kw_only=True)
class Runner:
    """Of one campaign, once."""

    parts: Parts
    records: Records
    resource: Resource
    strategy: str
    resume: bool = False
    restart: bool = False
    lease: bool = True
    told: Callable[[News], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    hurried: Callable[[], bool] = lambda: False
    """Whether somebody has asked for the end a second time: then nothing is waited for."""

    def run(self) -> Manifest:
        """To its end. Raises KeyboardInterrupt once nothing of it is left, if it is interrupted."""
        key = self.resource.key
        with self.records.held(key):
            self._reap()
            manifest, anew = self._opened()
            ground = Ground(self.parts, self.resource, persistent=self.strategy == "persistent", hurried=self.hurried)
            return _Course(self, ground, manifest).run(anew=anew)

    def _reap(self) -> None:
        """Whoever else's leavings can't be taken away now keeps nobody from his own runs."""
        try:
            reap(self.parts, self.records, but=self.resource.key)
        except ReconcilerError as error:
            self.note(f"what another campaign has left can't be taken away now: {error.message}")

    def _opened(self) -> tuple[Manifest, bool]:
        key, spec = self.resource.key, self.resource.spec
        old = None if self.restart else self.records.manifest(key)
        if old and self.resume:
            refuse_another(self.resource, old, self.strategy)
            keeps, results = not spec.auto_teardown, spec.results
            return replace(manifests.resumed(old), keeps=keeps, results=results), False
        if old and not old.ended:
            raise unfinished(self.resource, old)
        if self.restart:
            self.records.set_aside(key)
        begun = Manifest(
            namespace=key.namespace, name=key.name, strategy=self.strategy, results=spec.results,
            fingerprint=making.fingerprint(spec, self.strategy), begun_at=self.parts.clock.now(),
            keeps=not spec.auto_teardown, runs=making.runs(spec),
        )  # fmt: skip
        return begun, True


def unfinished(resource: Resource, old: Manifest) -> Unfinished:
    done = sum(run.over for run in old.runs)
    onward, anew = (command_line(resource.key, "run", option) for option in ("--resume", "--restart"))
    return Unfinished(
        f"{resource.key.short}: {done} of {len(old.runs)} runs have ended, and the last time was interrupted",
        hint=f"go on with it: {onward}; or begin anew: {anew}",
    )


def refuse_another(resource: Resource, old: Manifest, strategy: str) -> None:
    """Only what was begun can be gone on with."""
    short = resource.key.short
    if old.strategy != strategy:
        message = f"{short}: it was begun with strategy {old.strategy}, and can't be resumed with {strategy}"
        raise UsageError(message, hint=f"--strategy {old.strategy}, or begin anew with --restart")
    if old.fingerprint != making.fingerprint(resource.spec, strategy):
        message = f"{short}: what runs was changed since it was begun, so its results would not belong together"
        raise UsageError(message, hint="undo the change, or begin anew with --restart")


class _Course:
    """One call of `run`, under way."""

    def __init__(self, runner: Runner, ground: Ground, manifest: Manifest) -> None:
        self.manifest = manifest
        self._runner = runner
        self._ground = ground
        self._spec: CampaignSpec = runner.resource.spec
        self._key = runner.resource.key
        self._results = Results(manifest.results)
        self._worked: list[bool] = []
        self._last: Run | None = None
        self._warmed = False

    def run(self, *, anew: bool) -> Manifest:
        """Who is interrupted again, or before anything is under way, does not wait for what is left to end."""
        try:
            return self._run(anew=anew)
        except (KeyboardInterrupt, SystemExit) as told:
            self._ground.hurry()
            _let_go(told)
            for run in self.manifest.of(State.RUNNING):
                self._give_back(run)
            self._ground.clear_all(but=[WARM] if self.manifest.keeps else [])
            raise

    def _run(self, *, anew: bool) -> Manifest:
        # What is recorded already, or is to be done again, may not have been removed any more by who came before us.
        goes_on = [WARM, *(run.index for run in self.manifest.of(State.RUNNING))]
        self._ground.clear_all(but=() if anew else goes_on)
        self._results.prepare(self.manifest, anew=anew)
        self._save(self.manifest)
        with self._surroundings():
            self._all()
        if self.manifest.ended:
            self._finish()
        return self.manifest

    def _all(self) -> None:
        # One that may still be running comes first: nothing else may run beside it.
        left = sorted(manifests.to_do(self.manifest), key=lambda run: run.state is not State.RUNNING)
        for number, run in enumerate(left):
            self._pause_before(run)
            self._one(run)
            if number + 1 < len(left) and not self._goes_on():
                self._save(manifests.skipped(self.manifest, "left out: too many runs had failed in a row"))
                return

    def _goes_on(self) -> bool:
        match breaker(self._worked, self._spec.max_failures):
            case Breaker.OPEN:
                self._runner.note(
                    f"{self._spec.max_failures} runs failed in a row: "
                    f"a pause of {self._spec.cooldown_seconds:g} s, then one more is tried"
                )
                time.sleep(self._spec.cooldown_seconds)
            case Breaker.GIVEN_UP:
                return False
        return True

    def _pause_before(self, run: Run) -> None:
        if run.state is State.RUNNING:
            return
        if self._last is None:
            time.sleep(0 if self._ground.persistent else self._spec.warmup_seconds)
            return
        by_cycle = self._spec.order != "sequential" and self._spec.cycle_gap_seconds is not None
        new_cycle = by_cycle and run.cycle != self._last.cycle
        time.sleep((self._spec.cycle_gap_seconds or 0.0) if new_cycle else self._spec.gap_seconds)

    # -- one run

    def _one(self, run: Run) -> None:
        for attempt in range(self._spec.retries + 1):
            ended = self._attempt(run)
            if ended.state is State.COMPLETED or attempt == self._spec.retries:
                break
            self._runner.note(f"{ended.id}: {ended.error}; it is tried again")
            run = manifests.forgiven(ended)
            self._settle(ended, run)
        self._settle(ended, ended)
        self._worked.append(ended.state is State.COMPLETED)
        self._last = ended
        self._tell(ended)

    def _settle(self, ended: Run, recorded: Run) -> None:
        """First it is written down, then what is left of it goes."""
        self._put(recorded)
        if recorded.over:
            self._results.write(self.manifest)
        if not (self.manifest.keeps and recorded.state is State.FAILED):
            self._ground.clear(ended.index)

    def _attempt(self, run: Run) -> Run:
        """Makes it, or finds it; waits for its end; brings in what it left. Not yet written down."""
        with self._leased(run):
            try:
                seen = self._found(run)
                begun = run if seen else self._begun(run)
                return begun if begun.over else self._brought_in(begun, watch(self._ground, run.index, self._spec))
            except (KeyboardInterrupt, SystemExit):
                self._halt(run)
                raise

    def _found(self, run: Run) -> Observed | None:
        """Of a controller before us: it goes on, or has ended and nobody wrote it down."""
        if run.state is not State.RUNNING:
            return None
        seen = self._ground.find(run.index, deep=True)
        if seen is None or seen.phase is Phase.CREATED:
            return None
        state = "still goes on" if seen.phase in GOES_ON else "has ended meanwhile"
        self._runner.note(f"{run.id} {state}: it is taken over")
        return seen

    def _begun(self, run: Run) -> Run:
        """Running, or failed already."""
        self._still_declared()
        self._ground.clear(run.index)
        counted = run if run.state is not State.RUNNING else manifests.halted(run)
        spec = making.changes(self._runner.resource, run).spec
        try:
            if self._ground.persistent:
                self._keep_warm(run)
            item = self._ground.desired(run)
        except (Refused, Unreachable, OutcomeUnknown):
            raise
        except ReconcilerError as error:
            return refused(manifests.begun(counted, "", self._now()), self._key, spec, error, self._now())
        begun = manifests.begun(counted, item.fingerprint, self._now())
        self._put(begun)
        self._tell(begun)
        try:
            self._ground.make(item)
        except Unreachable:
            raise
        except ReconcilerError as error:
            return refused(begun, self._key, spec, error, self._now())
        return begun

    def _brought_in(self, run: Run, end: End) -> Run:
        spec = making.changes(self._runner.resource, run).spec
        ended = judged(run, self._key, spec, end.seen, self._now(), reason=end.reason, message=end.message)
        if end.seen is None:
            return ended
        try:
            log, result = self._results.keep_log(run.id, self._ground.log(end.seen))
        except (Refused, OSError) as error:
            self._runner.note(f"{run.id}: its log can't be kept: {error}")
            return ended
        return replace(ended, log=log, result=result)

    def _halt(self, run: Run) -> None:
        """It is to be done again. First that is written down, in two goes if need be; then, with all else, it goes."""
        try:
            self._give_back(run)
            self._runner.note(f"{run.id} is stopped and removed; Ctrl-C again to kill it")
        except KeyboardInterrupt:
            self._ground.hurry()
            self._give_back(run)

    def _give_back(self, run: Run) -> None:
        current = next(one for one in self.manifest.runs if one.id == run.id)
        if current.state is State.RUNNING:
            self._put(manifests.halted(current))

    # -- what is around it

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        """What is kept warm goes at the end, and all of it when we are interrupted. After any other trouble it stays as
        it is: a run may still go on, and whoever comes next takes it over, or takes it away.
        """
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            self._sweep()
            raise
        self._take_down()

    def _sweep(self) -> None:
        stays = [WARM] if self.manifest.keeps else []
        self._ground.clear_all(but=stays)
        if stays:
            self._take_down()

    def _take_down(self) -> None:
        if self.manifest.keeps and not self._ground.persistent:
            return
        if self.manifest.keeps:
            self._runner.note(f"what was kept warm stays; remove it with: {command_line(self._key, 'delete')}")
            return
        if self._ground.persistent:
            self._ground.clear(WARM, self._spec.runtime)
        self._ground.clear_all()  # also what an engine has made long after it was given up

    def _keep_warm(self, run: Run) -> None:
        """Looked at before each run, not believed: one that died is started again, one of another make replaced."""
        item = self._ground.warm(run)
        seen = self._ground.find_warm()
        if seen and seen.phase is Phase.RUNNING and seen.fingerprint == item.fingerprint:
            return
        if seen:
            if self._warmed:
                self._runner.note(f"what is kept warm is {seen.phase.lower()}: it is made anew")
            self._ground.clear(WARM, item.runtime)
        self._ground.make(item)
        self._warmed = True
        time.sleep(self._spec.warmup_seconds)

    def _leased(self, run: Run) -> AbstractContextManager[None]:
        if not self._runner.lease:
            return nullcontext()
        names = leases.wanted(self._spec, making.changes(self._runner.resource, run).spec)
        return leases.held(names, f"{self._key.short}: {run.id}", self._runner.note) if names else nullcontext()

    def _still_declared(self) -> None:
        kept = self._runner.parts.source.resources(self._key.namespace)
        if not any(resource.key == self._key and not resource.deleting for resource in kept):
            raise Deleted(f"{self._key.short}: it was deleted meanwhile", hint="its results are still there")

    # -- what is told

    def _put(self, run: Run) -> None:
        self._save(put(self.manifest, run))

    def _save(self, manifest: Manifest) -> None:
        self._runner.records.save(self._key, manifest)
        self.manifest = manifest

    def _tell(self, run: Run) -> None:
        self._runner.told(News(self.manifest, run, self._spec.gap_seconds))

    def _finish(self) -> None:
        self._save(replace(self.manifest, finished_at=self._now()))
        self._results.write(self.manifest)
        if self._spec.notify:
            trouble = notify.tell(self._spec.notify, tell.status(self.manifest, attended=False))
            if trouble:
                self._runner.note(trouble)

    def _now(self) -> float:
        return self._runner.parts.clock.now()


def _let_go(interrupt: BaseException) -> None:
    """Who is interrupted while a lock comes into his hands never gets to give it back: it goes with his frame."""
    error: BaseException | None = interrupt
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
