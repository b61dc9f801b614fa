"""How a campaign stands, told beside services and jobs: its state, its counts, its last runs, what happened when.

All of it from the manifest, which whoever runs the campaign writes: passes make nothing of it, and know nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.campaign import tell
from reconciler.core.campaign.manifest import Manifest, Run, State, eta, state
from reconciler.kinds.campaign import CampaignSpec
from reconciler.kinds.matrix import written
from reconciler.model.key import Key
from reconciler.model.plan import Reason
from reconciler.model.status import Condition, Event, Status
from reconciler.values import dataclass

REASONS = {
    State.PENDING: Reason.PENDING, State.RUNNING: Reason.RUNNING, State.COMPLETED: Reason.COMPLETED,
    State.FAILED: Reason.FAILED, State.INTERRUPTED: Reason.INTERRUPTED,
}  # fmt: skip
COUNTED = (State.FAILED, State.RUNNING, State.SKIPPED)
"""What a summary has a word for, besides those that have completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far a campaign is; with `trouble` nobody can say."""

    spec: CampaignSpec
    manifest: Manifest | None = None
    attended: bool = False
    """Somebody is at work on it right now."""
    trouble: str = ""

    @property
    def state(self) -> State:
        return state(self.manifest, attended=self.attended)

    @property
    def total(self) -> int:
        return len(self.manifest.runs) if self.manifest else len(self.spec.params) * self.spec.cycles

    @property
    def strategy(self) -> str:
        """As it is run; before that as it is declared."""
        return self.manifest.strategy if self.manifest else self.spec.strategy or ""

    def count(self, of: State) -> int:
        if self.manifest is None:
            return self.total if of is State.PENDING else 0
        return len(self.manifest.of(of))

    def eta(self, now: float) -> float | None:
        under_way = self.manifest is not None and self.attended
        return eta(self.manifest, self.spec.gap_seconds, now) if self.manifest and under_way else None


def told(before: Status, course: Course) -> Status:
    """The same status, with what is known of its runs in place of that it is declared."""
    since = course.manifest and (course.manifest.finished_at or course.manifest.begun_at)
    shown = {one.type: one for one in _conditions(course)}
    kept = [one for one in before.conditions if one.type not in shown]
    order = {"Ready": 0, "Progressing": 1, "Healthy": 2, "Drifted": 3}
    last = next((one.last_transition_time for one in before.conditions if one.type == "Ready"), 0.0)
    fresh = (
        replace(one, observed_generation=before.observed_generation, last_transition_time=since or last)
        for one in shown.values()
    )
    return replace(before, conditions=tuple(sorted([*kept, *fresh], key=lambda one: order.get(one.type, len(order)))))


def _conditions(course: Course) -> Iterator[Condition]:
    """Of a pending one nothing is wrong: it is for people to begin it. Of one that was interrupted something is."""
    if course.trouble:
        for kind in ("Ready", "Complete", "Failed"):
            yield Condition(type=kind, status="Unknown", reason=Reason.UNREADABLE, message=course.trouble)
        return
    found, reason, said = course.state, REASONS[course.state], summary(course)
    failed, done = found is State.FAILED, found is State.COMPLETED
    yield Condition.of("Ready", not failed and found is not State.INTERRUPTED, reason, said)
    yield Condition.of("Progressing", found is State.RUNNING, reason, said)
    yield Condition.of("Healthy", not failed, reason, said if failed else "")
    yield Condition.of("Complete", done, reason, said)
    yield Condition.of("Failed", failed, reason, said if failed else "")


def summary(course: Course) -> str:
    """`3 of 6 completed, 1 failed`."""
    if course.manifest is None:
        return "it has not been run yet"
    others = (f", {course.count(one)} {one}" for one in COUNTED if course.count(one))
    return f"{course.count(State.COMPLETED)} of {course.total} completed{''.join(others)}"


def tree(course: Course, now: float) -> dict[str, Any]:
    """What stands under `status` besides what each workload has: the names of `campaign status`, without its runs."""
    if course.trouble:
        return {}
    counted = (State.COMPLETED, State.FAILED, State.PENDING, State.RUNNING, State.SKIPPED)
    left, manifest = course.eta(now), course.manifest
    return {
        "state": str(course.state),
        **{str(one): course.count(one) for one in counted},
        "total": course.total,
        "etaSeconds": None if left is None else round(left, 1),
        "strategy": course.strategy or None,
        "startedAt": tell.moment(manifest.begun_at) if manifest else None,
        "finishedAt": tell.moment(manifest.finished_at) if manifest else None,
        "results": manifest.results if manifest else course.spec.results,
    }


def latest(manifest: Manifest, most: int) -> Sequence[Run]:
    """Those that were at work last, the very last at the end."""
    tried = (run for run in manifest.runs if run.started_at is not None)
    return sorted(tried, key=lambda run: run.started_at or 0.0)[-most:]


def events(manifest: Manifest) -> Iterator[Event]:
    """What its runs have been through, in no order."""
    key = Key("campaign", manifest.namespace, manifest.name)
    yield _event(manifest.begun_at, key, "Begun", f"{len(manifest.runs)} runs, strategy {manifest.strategy}")
    for run in manifest.runs:
        yield from _events(run, key.instance(run.index))
    if manifest.finished_at is not None:
        done = len(manifest.of(State.COMPLETED))
        said = f"{done} of {len(manifest.runs)} runs have completed"
        reason = Reason.COMPLETED if manifest.worked else Reason.FAILED
        yield _event(manifest.finished_at, key, reason, said, warns=not manifest.worked)


def _events(run: Run, key: Key) -> Iterator[Event]:
    """One that was left out was never there."""
    given = " ".join(f"{name}={written(value)}" for name, value in run.params.items())
    named = f"{run.id}{f' ({given})' if given else ''}"
    if run.started_at is not None:
        often = f", attempt {run.attempts}" if run.attempts > 1 else ""
        yield _event(run.started_at, key, "Started", f"run {named}{often}")
    if run.finished_at is not None and run.over:
        failed = run.state is State.FAILED
        lasted = f" after {run.seconds:.1f} s" if run.seconds is not None else ""
        why = f": {run.error}" if run.error else ""
        reason = Reason.FAILED if failed else Reason.COMPLETED
        yield _event(run.finished_at, key, reason, f"run {named} {run.state}{lasted}{why}", warns=failed)


def _event(time: float, key: Key, reason: str, message: str, *, warns: bool = False) -> Event:
    return Event(time=time, type="Warning" if warns else "Normal", reason=reason, key=key, message=message)
