"""Waiting for the end of a run: until it has ended by itself, takes too long, or has been silent for too long."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.campaigns.ground import GOES_ON, Ground
from reconciler.errors import ReconcilerError, Unreachable
from reconciler.kinds.campaign import CampaignSpec
from reconciler.model.observed import Observed, Phase
from reconciler.values import dataclass

SHORTEST, LONGEST = 0.01, 1.0
"""Between two looks. The kernel says by itself when a process of this machine ends; the looks are for all others."""
SHARE = 0.05
"""Of the time that a run has taken: who takes hours is not asked after a hundred times a second."""
PATIENCE = 300.0
"""With an engine that does not answer."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, as it was seen. `seen` is None for one whose instance is gone."""

    seen: Observed | None
    reason: str = ""
    """Timeout or Silence, where we ended it."""
    message: str = ""


def watch(ground: Ground, index: int, spec: CampaignSpec) -> End:
    """Blocks. Works the same for a run that was found as for one that was made."""
    watchdog = _Watchdog(ground, spec)
    seen = _look(ground, index)
    with _bell(seen) as pause:
        began = time.monotonic()
        while seen and seen.phase in GOES_ON:
            if end := watchdog.bites(seen):
                ground.stop(seen)
                return End(_look(ground, index), *end)
            pause(watchdog.due(min(max((time.monotonic() - began) * SHARE, SHORTEST), LONGEST)))
            seen = _look(ground, index)
    return End(seen)


def _look(ground: Ground, index: int) -> Observed | None:
    """An engine that is restarted takes its time, and that is no fault of the run's."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            seen = ground.find(index, deep=True)
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(LONGEST)
            continue
        if seen is None or seen.phase not in (Phase.REMOVING, Phase.UNKNOWN) or time.monotonic() > until:
            return seen
        time.sleep(SHORTEST)


class _Watchdog:
    """By the clock of the run itself, so that whoever takes over a run from another controller judges it alike."""

    def __init__(self, ground: Ground, spec: CampaignSpec) -> None:
        self._ground = ground
        self._spec = spec
        self._heard = 0.0
        self._asked = 0.0

    def bites(self, seen: Observed) -> tuple[str, str] | None:
        now, began = time.time(), seen.started_at or time.time()
        if self._spec.timeout_seconds and now - began > self._spec.timeout_seconds:
            return "Timeout", f"it ran for longer than {self._spec.timeout_seconds:g} s"
        if self._spec.silence_seconds and now - self._last_heard(seen, now, began) > self._spec.silence_seconds:
            return "Silence", f"it wrote nothing for {self._spec.silence_seconds:g} s"
        return None

    def due(self, seconds: float) -> float:
        """So long nobody need look."""
        limits = [limit / 4 for limit in (self._spec.timeout_seconds, self._spec.silence_seconds) if limit]
        return max(min([seconds, *limits]), SHORTEST)

    def _last_heard(self, seen: Observed, now: float, began: float) -> float:
        """Asked for no more often than it may matter."""
        self._heard = max(self._heard, began)
        if now - max(self._heard, self._asked) > min(self._spec.silence_seconds / 4, LONGEST):
            self._asked = now
            try:
                spoke = self._ground.spoke(seen, self._heard)
            except ReconcilerError:  # that its log can't be read says nothing of whether it is silent
                spoke = True
            self._heard = now if spoke else self._heard
        return self._heard


@contextmanager
def _bell(seen: Observed | None) -> Iterator[Callable[[float], None]]:
    """Sleeps that end early when the process does, where it is one of this machine."""
    descriptor = _pidfd(seen.pid) if seen and seen.pid else None
    poll = select.poll()
    if descriptor is not None:
        poll.register(descriptor, select.POLLIN)
    rung = False

    def pause(seconds: float) -> None:
        nonlocal rung
        if descriptor is None or rung:  # it is dead, and not yet known to be: that does not take long
            time.sleep(min(seconds, SHORTEST) if rung else seconds)
        else:
            rung = bool(poll.poll(seconds * 1000))

    try:
        yield pause
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # it is gone already, or this is no Linux
        return None
