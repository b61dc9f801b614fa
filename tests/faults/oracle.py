"""What has to be true after every fault that a daemon lives through, whatever it was.

As much was created, started, stopped and removed as without the fault, what is foreign is as it was, and then nothing
more happens, however often it is looked.
"""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Mapping

from tests.scenarios.daemon import Daemon
from tests.scenarios.stage import Stage, eventually

ENDED = re.compile(r"action ended +action=(\w+) .* key=\w+/[^/ ]+/(\S+) .*result=(\w+)")
QUIET_PASSES = 20 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 3


class Oracle:
    """Of one daemon, which it starts, so that its passes can be counted."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.stage: Stage = daemon.stage
        self._trace = self.stage.directory / "trace"
        self._before: Counter[str] = Counter()
        self._foreign: dict[str, object] = {}

    def start(self, *flags: str, env: Mapping[str, str] | None = None) -> int:
        return self.daemon.start(*flags, env={"RECONCILER_FAILPOINTS_TRACE": str(self._trace), **(env or {})})

    def begin(self) -> None:
        """From here on it is counted."""
        self._before = self._done()
        self._foreign = self._bystanders()

    def deeds(self) -> Counter[str]:
        """How often each thing was done since: `Create web/0`."""
        return self._done() - self._before

    def check(self, reference: Mapping[str, int], *, passes: int = QUIET_PASSES) -> None:
        """Exactly these things were done; nothing is done in passes to come."""
        # What is done can be seen a moment before it is told.
        eventually(lambda: self._all_told(reference), "all of it is told")
        assert self.deeds() == Counter(reference), self.deeds()
        assert self._bystanders() == self._foreign
        self.quiet(passes)
        assert self.deeds() == Counter(reference), f"it goes on though all is done: {self.deeds()}"

    def _all_told(self, reference: Mapping[str, int]) -> bool:
        missing = sum(reference.values()) - sum(self.deeds().values())
        assert missing <= 0, f"{missing} missing; expected and not done: {Counter(reference) - self.deeds()}"
        return True

    def quiet(self, passes: int) -> None:
        """So many passes, though nothing has happened: what is kept looks as if somebody had written to it."""
        pid = self.daemon.status()["pid"]
        for _ in range(passes):
            before = self.passes()
            for file in (self.stage.home / "applied").rglob("*.yaml"):
                os.utime(file)
            os.kill(pid, signal.SIGHUP)
            eventually(lambda before=before: self.passes() > before, "it has looked again")

    def passes(self) -> int:
        return self.passed("loop.pass.after")

    def passed(self, point: str) -> int:
        """How often it came by a failpoint."""
        return self._trace.read_text().split().count(point)

    def _done(self) -> Counter[str]:
        """A stop that takes its time is told as unknown, and has been done when somebody looks again."""
        deeds, stopping = Counter[str](), set[str]()
        for verb, name, result in ENDED.findall(self.daemon.log):
            slow = verb == "Stop" and result == "unknown"
            if slow or result == "done":
                deeds[f"{verb} {name}"] += verb != "Stop" or name not in stopping
                (stopping.add if slow else stopping.discard)(name)
        return deeds

    def _bystanders(self) -> dict[str, object]:
        return {container: self.stage.life(container) for container in self.stage.foreign}
