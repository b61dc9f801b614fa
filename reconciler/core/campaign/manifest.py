"""What is remembered of a campaign's runs, and how that may change. The file in which it stands is somebody else's.

`running` is written down before anything is made, and how a run ended before what is left of it is removed. So whoever
comes after a crash knows from this, and from one look at the world, which run still goes on, which one has only to be
collected, and which one has to be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, field, replace
from enum import StrEnum
from types import UnionType
from typing import Any

from reconciler.kinds.matrix import Params, Scalar
from reconciler.values import dataclass

VERSION = 1


class State(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It was never tried: too many had failed before."""
    INTERRUPTED = "interrupted"
    """Of a campaign: nobody is at work on it, and it has not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, and how it went. `index` is the number of its instance; 0 is what is kept warm."""

    id: str
    index: int
    cycle: int
    params: Params
    state: State = State.PENDING
    attempts: int = 0
    exit_code: int | None = None
    started_at: float | None = None
    finished_at: float | None = None
    log: str = ""
    fingerprint: str = ""
    """Of what was made of it."""
    result: Mapping[str, Scalar | None] = field(default_factory=dict)
    reason: str = ""
    error: str = ""
    hint: str = ""

    @property
    def seconds(self) -> float | None:
        ended = self.started_at is not None and self.finished_at is not None
        return max(self.finished_at - self.started_at, 0.0) if ended else None  # type: ignore[operator]

    @property
    def over(self) -> bool:
        return self.state in (State.COMPLETED, State.FAILED, State.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A campaign that was begun."""

    namespace: str
    name: str
    fingerprint: str
    """Of all that decides what runs: with another one it is another campaign."""
    strategy: str
    results: str
    """Directory for what its runs bring."""
    begun_at: float
    finished_at: float | None = None
    keeps: bool = False
    """What is left of it in the world at its end is to stay."""
    runs: tuple[Run, ...] = ()

    def of(self, state: State) -> list[Run]:
        return [run for run in self.runs if run.state is state]

    @property
    def ended(self) -> bool:
        return all(run.over for run in self.runs)

    @property
    def worked(self) -> bool:
        return all(run.state is State.COMPLETED for run in self.runs)


def state(manifest: Manifest | None, *, attended: bool) -> State:
    """`attended`: somebody is at work on it right now."""
    if manifest is None:
        return State.PENDING
    if manifest.finished_at is None:
        return State.RUNNING if attended else State.INTERRUPTED
    return State.COMPLETED if manifest.worked else State.FAILED


def put(manifest: Manifest, run: Run) -> Manifest:
    """With this run in place of the one of its id."""
    return replace(manifest, runs=tuple(run if one.id == run.id else one for one in manifest.runs))


def to_do(manifest: Manifest) -> list[Run]:
    """What has not worked yet, in order."""
    return [run for run in manifest.runs if run.state is not State.COMPLETED]


def resumed(manifest: Manifest) -> Manifest:
    """Failed and skipped ones are to be done again. What is `running` may still be: the world knows."""
    again = (State.FAILED, State.SKIPPED)
    runs = tuple(forgiven(run) if run.state in again else run for run in manifest.runs)
    return replace(manifest, runs=runs, finished_at=None)


def forgiven(run: Run) -> Run:
    """As if it had not been tried, but for the count of attempts."""
    return Run(id=run.id, index=run.index, cycle=run.cycle, params=run.params, attempts=run.attempts)


def begun(run: Run, fingerprint: str, now: float) -> Run:
    fresh = forgiven(run)
    return replace(fresh, state=State.RUNNING, attempts=run.attempts + 1, started_at=now, fingerprint=fingerprint)


def halted(run: Run) -> Run:
    """It was interrupted, and not by its own fault: that attempt counts for nothing."""
    return replace(forgiven(run), attempts=max(run.attempts - 1, 0))


def skipped(manifest: Manifest, why: str) -> Manifest:
    left = tuple(replace(r, state=State.SKIPPED, error=why) if r.state is State.PENDING else r for r in manifest.runs)
    return replace(manifest, runs=left)


def eta(manifest: Manifest, gap: float, now: float) -> float | None:
    """Seconds to its end, if all goes on as it went; None while nothing has come to its end yet."""
    known = [run.seconds for run in manifest.runs if run.over and run.seconds is not None]
    left = [run for run in manifest.runs if not run.over]
    if not known or not left:
        return None
    mean = sum(known) / len(known)
    under_way = sum(min(now - run.started_at, mean) for run in left if run.state is State.RUNNING and run.started_at)
    return max(mean * len(left) - under_way, 0.0) + gap * (len(left) - 1)


# -- as it is kept


def to_tree(manifest: Manifest) -> dict[str, Any]:
    return {"version": VERSION, **asdict(manifest)}


def from_tree(tree: Mapping[str, Any]) -> Manifest:
    """Fields that a later version wrote are not for us. Raises what it trips over."""
    runs = (_run(item) for item in tree["runs"])
    return Manifest(**{**_known(Manifest, tree), "runs": tuple(runs)})


def _run(tree: Mapping[str, Any]) -> Run:
    return Run(**{**_known(Run, tree), "state": State(tree["state"])})


TEXTS = ("namespace", "name", "fingerprint", "strategy", "results", "id", "log", "reason", "error", "hint")
FORMS: Mapping[str, type | UnionType] = {
    **dict.fromkeys(TEXTS, str), "index": int, "cycle": int, "attempts": int, "exit_code": int | None,
    "begun_at": int | float, "started_at": int | float | None, "finished_at": int | float | None, "keeps": bool,
    "params": dict, "result": dict,
}  # fmt: skip
"""Of what somebody has edited it is told here what is wrong, and not by whoever uses it at some time."""


def _known(cls: type, tree: Mapping[str, Any]) -> dict[str, Any]:
    names: Iterable[str] = cls.__slots__  # type: ignore[attr-defined]
    found = {name: tree[name] for name in names if name in tree}
    for name, value in found.items():
        if not isinstance(value, FORMS.get(name, object)):
            raise TypeError(f"{name} can't be {value!r}")
        if isinstance(value, dict) and not all(isinstance(one, str | int | float | None) for one in value.values()):
            raise TypeError(f"{name} holds more than plain values")
    return found
