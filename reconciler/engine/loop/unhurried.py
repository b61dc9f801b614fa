"""A runtime whose slow verbs go on behind the passes: to pull an image takes minutes, to stop politely as long as the
workload likes. A pass that waited for them would keep everybody else from being healed.

Whoever asks again for what is still under way joins it; how it failed is told to the first who asks afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import field
from typing import Any

from reconciler.errors import OutcomeUnknown
from reconciler.model.desired import Desired, Stop
from reconciler.model.observed import Observed
from reconciler.ports import Runtime
from reconciler.values import dataclass

PATIENCE_SECONDS = 1.0
FRESH_SECONDS = 60.0
"""So long a failure that nobody has asked for is worth telling; after that it is found out anew."""


class UnderWay(OutcomeUnknown):
    reason = "UnderWay"


@dataclass(slots=True, eq=False)
class Job:
    run: Hashable
    """Of what it was about, as it was when it was begun: another pid, another start is another run."""
    over: threading.Event = field(default_factory=threading.Event)
    over_at: float = float("inf")
    error: Exception | None = None


class Unhurried:
    """`tell` is told the namespace when something that took long has come to its end."""

    def __init__(self, runtime: Any, tell: Callable[[str], None], *, patience: float = PATIENCE_SECONDS) -> None:
        self._runtime: Runtime = runtime
        self._tell = tell
        self._patience = patience
        self._lock = threading.Lock()
        self._jobs: dict[Hashable, Job] = {}

    def __getattr__(self, name: str) -> Any:
        """Everything else is quick, and is the runtime's own."""
        return getattr(self._runtime, name)

    def prepare(self, desired: Desired) -> None:
        what = ("prepare", desired.key, desired.fingerprint)
        title = f"{desired.key}: what it needs is being fetched"
        self._do(what, title, desired.key.namespace, lambda: self._runtime.prepare(desired))

    def stop(self, seen: Observed, stop: Stop) -> None:
        namespace = seen.key.namespace if seen.key else ""
        title = f"{seen.key or seen.name}: it is stopping; it has {stop.grace_seconds:g} s"
        run = (seen.started_at, seen.pid)
        self._do(("stop", seen.id), title, namespace, lambda: self._runtime.stop(seen, stop), run)

    def _do(self, what: Hashable, title: str, namespace: str, verb: Callable[[], None], run: Hashable = None) -> None:
        job = self._joined(what, namespace, verb, run)
        if not job.over.wait(self._patience):
            raise UnderWay(title)
        self._forget(what, job)
        if job.error is not None:
            raise job.error

    def _joined(self, what: Hashable, namespace: str, verb: Callable[[], None], run: Hashable) -> Job:
        """Of a `run` that is over, what became of its end is nothing to the next one."""
        with self._lock:
            self._forget_old()
            job = self._jobs.get(what)
            if job is not None and job.over.is_set() and job.run != run:
                job = None
            if job is None:
                job = self._jobs[what] = Job(run)
                more = (what, job, namespace, verb)
                threading.Thread(target=self._work, args=more, name="slow verb", daemon=True).start()
            return job

    def _forget(self, what: Hashable, job: Job) -> None:
        with self._lock:
            if self._jobs.get(what) is job:
                del self._jobs[what]

    def _forget_old(self) -> None:
        now = time.monotonic()
        for what in [what for what, job in self._jobs.items() if now - job.over_at > FRESH_SECONDS]:
            del self._jobs[what]

    def _work(self, what: Hashable, job: Job, namespace: str, verb: Callable[[], None]) -> None:
        began = time.monotonic()
        try:
            verb()
        except Exception as error:  # noqa: BLE001 -- raised again where somebody waits for it
            job.error = error
        job.over_at = time.monotonic()
        job.over.set()
        if job.error is None:  # that it went well the world tells
            self._forget(what, job)
        if job.over_at - began > self._patience:
            self._tell(namespace)
