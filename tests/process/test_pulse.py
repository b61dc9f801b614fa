"""A glance at the services is the same for as long as nothing has happened to any of them, and then is not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.contract.processes import Processes
from tests.waiting import until


def test_a_glance_differs_after_all_that_can_happen_to_a_service(processes: Processes, home: Path) -> None:
    runtime = processes.runtime
    glances = [runtime.glance()]

    def differs() -> None:
        until(lambda: runtime.glance() not in glances)
        until(lambda: runtime.glance() == runtime.glance())
        glances.append(runtime.glance())

    seen = processes.made(processes.desired())
    processes.made(processes.desired(name="other"))
    differs()
    os.kill(seen.pid, signal.SIGSTOP)
    differs()
    os.kill(seen.pid, signal.SIGCONT)
    until(lambda: runtime.glance() == glances[-2])  # as before, for nothing is different now
    os.kill(seen.pid, signal.SIGKILL)
    differs()
    dead = next(one for one in runtime.observe().objects if one.id == seen.id)
    runtime.start(dead, processes.desired())
    differs()
    (home / "processes" / f"{processes.namespace}.other.0" / "pid").unlink()
    differs()
