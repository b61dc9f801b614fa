"""How one instance stands, by what can be seen of it: the one judgement that gates, waits and statuses share."""

from __future__ import annotations

from enum import StrEnum

from reconciler.core.past import lies_ahead
from reconciler.kinds.service import ServiceSpec
from reconciler.model.observed import Observed, Phase, Snapshot
from reconciler.values import dataclass

STEADY_SECONDS = 0.5
"""Without probes, an instance is Ready once it has run for so long: it has not exited at once."""
LONGEST_PROBATION = 10.0
"""Seconds. Longer nobody is to be kept waiting by one that may well have got over it."""


def steady_seconds(crashes: int) -> float:
    """Who has just crashed, and so often, is believed later: between two crashes it would read Ready for a moment."""
    return min(STEADY_SECONDS * 2.0 ** min(crashes, 30), LONGEST_PROBATION)


class Stands(StrEnum):
    ABSENT = "absent"
    DOWN = "down"
    """There, but not running, and it should be."""
    STARTING = "starting"
    READY = "ready"
    SICK = "sick"
    """Running, but its liveness (or startup) probe has given it up."""
    COMPLETED = "completed"
    """Ended well, and that was the point of it."""
    FAILED = "failed"
    """Ended badly, and is not to be started again."""


@dataclass(frozen=True, slots=True)
class Standing:
    stands: Stands
    message: str = ""
    until: float | None = None
    crashes: int = 0
    """Of one that runs, and has to prove for longer that it goes on running."""

    @property
    def good(self) -> bool:
        return self.stands in {Stands.READY, Stands.COMPLETED}


def standing(spec: ServiceSpec, seen: Observed | None, snapshot: Snapshot, now: float, crashes: int = 0) -> Standing:
    """`crashes`: how often it was started again because it had ended, with no calm stretch between."""
    if seen is None:
        return Standing(Stands.ABSENT, "it does not exist")
    match seen.phase:
        case Phase.RUNNING:
            return _running(spec, seen, snapshot, now, crashes)
        case Phase.STARTING:
            return Standing(Stands.STARTING, "it is being started")
        case Phase.EXITED:
            return _exited(spec, seen)
        case _:
            return Standing(Stands.DOWN, f"it is {seen.phase.lower()}{_detail(seen)}")


def _running(spec: ServiceSpec, seen: Observed, snapshot: Snapshot, now: float, crashes: int) -> Standing:
    if seen.restarting:
        ended = f", after exit code {seen.exit_code}" if seen.exit_code is not None else ""
        return Standing(Stands.STARTING, f"{seen.detail or 'it is restarted'}{ended}")
    health = snapshot.health.get(seen.life)
    if health is None:
        if spec.probes.any:
            return Standing(Stands.STARTING, "not probed yet")
        return _steady(seen.started_at or 0.0, now, crashes)
    if not health.live:
        return Standing(Stands.SICK, health.message)
    if health.started and health.ready:
        return Standing(Stands.READY)
    return Standing(Stands.STARTING, health.message or "not ready yet", health.next_probe)


def _steady(began: float, now: float, crashes: int) -> Standing:
    steady_at = began + steady_seconds(crashes)
    if now >= steady_at or lies_ahead(began, now):
        return Standing(Stands.READY)
    if not crashes:
        return Standing(Stands.STARTING, "it has only just started", steady_at)
    proof = f"it counts as Ready once it has run for {steady_seconds(crashes):g} s"
    return Standing(Stands.STARTING, proof, steady_at, crashes)


def _exited(spec: ServiceSpec, seen: Observed) -> Standing:
    said = f"it exited with code {seen.exit_code}" if seen.exit_code is not None else "it ended; its exit code is lost"
    said += _detail(seen)
    match spec.restart.policy:
        case "Always":
            return Standing(Stands.DOWN, said)
        case _ if seen.exit_code == 0:
            return Standing(Stands.COMPLETED, said)
        case "OnFailure":
            return Standing(Stands.DOWN, said)
        case _:
            return Standing(Stands.FAILED, said)


def _detail(seen: Observed) -> str:
    return f" ({seen.detail})" if seen.detail else ""
