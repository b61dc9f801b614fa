"""Programs that misbehave, and what is left of them after a stop: nothing."""

from __future__ import annotations

import sys
import time

import pytest

from reconciler.model.desired import Limits, Stop
from reconciler.model.observed import Phase
from reconciler.runtimes.process import identity
from tests.contract.processes import Processes, alive
from tests.process.conftest import marked, saying
from tests.waiting import until

ZOMBIES = """
import os, time
for _ in range(30):
    if os.fork() == 0:
        os._exit(0)
print("ready", flush=True)
time.sleep(1001)
"""
ZOO = {
    "double fork": "sh -c '(sleep 1001 & sleep 1001 &) & sleep 1001; exec sleep 1001' & echo ready; exec sleep 1001",
    "sessions of their own": (
        "setsid sleep 1001 & setsid sh -c 'setsid sleep 1001 & exec sleep 1001' & echo ready; exec sleep 1001"
    ),
    "deaf to TERM": "trap '' TERM INT HUP; sleep 1001 & echo ready; while :; do sleep 1001; done",
    "a stopped child": "sleep 1001 & kill -STOP $!; echo ready; exec sleep 1001",
    "an emptied environment": "setsid env -i sleep 1001 & echo ready; exec sleep 1001",
    "closed descriptors": "sleep 1001 0<&- 9>&- & echo ready; exec sleep 1001 0<&- 1>&- 2>&- 9>&-",
    "zombies": f"exec {sys.executable} -c '{ZOMBIES}'",
}


@pytest.mark.parametrize("kind", ZOO)
def test_a_stop_reaches_the_whole_tree(processes: Processes, kind: str) -> None:
    seen = processes.made(processes.desired(command=("sh", "-c", ZOO[kind])))
    saying(processes, seen, b"ready")
    tree = descendants(seen.pid)
    processes.runtime.stop(seen, Stop("TERM", 0.5))
    assert [pid for pid in tree if alive(pid)] == []
    assert marked(processes.namespace) == []
    now = processes.see(processes.desired())
    assert now is not None
    assert (now.phase, now.stragglers) == (Phase.EXITED, False)


LEAVING = "(setsid sleep 1002 &) & echo ready; exit 3"


def test_those_who_outlive_their_service_are_reported_and_stopped(processes: Processes) -> None:
    desired = processes.desired(command=("sh", "-c", LEAVING))
    processes.runtime.create(desired)
    seen = until(lambda: (now := processes.see(desired)) and now.phase is Phase.EXITED and now)
    assert (seen.exit_code, seen.stragglers) == (3, True)
    processes.runtime.stop(seen, Stop())
    after = processes.see(desired)
    assert after is not None
    assert (after.exit_code, after.stragglers) == (3, False)
    assert marked(processes.namespace) == []


def test_those_who_outlive_their_service_are_gone_before_it_starts_again(processes: Processes) -> None:
    desired = processes.desired(command=("sh", "-c", LEAVING))
    processes.runtime.create(desired)
    seen = until(lambda: (now := processes.see(desired)) and now.phase is Phase.EXITED and now)
    before = until(lambda: marked(processes.namespace))
    processes.runtime.start(seen, processes.desired(command=("sleep", "1002")))
    assert [pid for pid in before if alive(pid)] == []
    assert processes.see(desired).phase is Phase.RUNNING


def test_the_signal_that_was_asked_for_arrives(processes: Processes) -> None:
    command = ("sh", "-c", "trap 'exit 21' INT; echo ready; while :; do sleep 0.05; done")
    seen = processes.made(processes.desired(command=command))
    saying(processes, seen, b"ready")
    processes.runtime.stop(seen, Stop("INT", 5))
    assert processes.see(processes.desired()).exit_code == 21


def test_a_flood_of_output_is_bounded_and_holds_nobody_up(processes: Processes) -> None:
    desired = processes.desired(command=("sh", "-c", "head -c 200000000 /dev/zero; echo the end"))
    begun = time.monotonic()
    seen = processes.made(desired)
    until(lambda: processes.see(desired).phase is Phase.EXITED)
    assert time.monotonic() - begun < 30
    saying(processes, seen, b"the end")
    kept = [path.stat().st_size for path in processes.place(desired).glob("log*")]
    assert len(kept) == 2
    assert max(kept) <= 5 << 20


@pytest.mark.root
def test_a_fork_bomb_under_a_limit_is_put_out(processes: Processes, setting: str) -> None:
    if setting == "bare":
        pytest.skip("without a cgroup nothing limits it, and it would take the machine along")
    bomb = (
        "import os, time\nprint('ready', flush=True)\nwhile True:\n try: os.fork()\n except OSError: time.sleep(0.001)"
    )
    desired = processes.desired(command=(sys.executable, "-c", bomb), limits=Limits(pids=60))
    seen = processes.made(desired)
    saying(processes, seen, b"ready")
    until(lambda: len(marked(processes.namespace)) > 50)
    processes.runtime.stop(seen, Stop("TERM", 0))
    assert marked(processes.namespace) == []


@pytest.mark.root
def test_a_service_that_is_out_of_memory_is_said_to_be(processes: Processes, setting: str) -> None:
    greedy = "kept = []\nwhile True: kept.append(bytearray(b'x' * 1000000))"
    desired = processes.desired(command=(sys.executable, "-c", greedy), limits=Limits(memory=32 << 20))
    if setting == "bare":
        seen = processes.made(processes.desired(limits=Limits(memory=32 << 20)))
        assert "limits not enforced: memory" in seen.detail
        return
    processes.runtime.create(desired)
    seen = until(lambda: (now := processes.see(desired)) and now.phase is Phase.EXITED and now)
    assert (seen.exit_code, "out of memory" in seen.detail) == (137, True)


def descendants(pid: int) -> list[int]:
    """The process and all below it, by parent."""
    parents = {other: found.parent for other in identity.processes() if (found := identity.stat(other))}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found
