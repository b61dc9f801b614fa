"""Twenty services that can't live: each is tried ever more seldom, is told as what it is, with when it is tried next;
and the daemon has next to nothing to do.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.oracle import Oracle
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, changed, native, shell
from tests.scenarios.stage import Stage, eventually

pytestmark = pytest.mark.engine

PATIENT = {"restart": {"initialSeconds": 0.25, "maxSeconds": 300}}
ENDS = {"exits": "exit 3", "late": "sleep 0.5; exit 3", "crashes": "kill -SEGV $$$$", "done": "exit 0"}
SICK = [f"{how}{number}" for how in ENDS for number in range(4)]
CONTAINERS = [f"box{number}" for number in range(4)]
TICKS = os.sysconf("SC_CLK_TCK")
WINDOW = 4.0


@pytest.fixture
def oracle(stage: Stage) -> Iterator[Oracle]:
    it = Oracle(Daemon(stage))
    yield it
    it.daemon.kill()


def processor_seconds(pid: int) -> float:
    """Of the process itself, so that it matters little who else is at work."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def restarts(stage: Stage) -> dict[str, int]:
    items = stage.cli("get", "services", "-o", "json").json["items"]
    return {item["metadata"]["name"]: sum(one["restarts"] for one in item["status"]["instances"]) for item in items}


def tells_of_the_next_try(stage: Stage, name: str) -> bool:
    """But in the very moment in which it is tried."""
    row = next(line for line in stage.cli("status", expect=None).out.splitlines() if f"service/{name} " in line)
    assert re.search(r"CrashLoop .*exited with code 3.*; next try in \d+s", row), row
    described = stage.cli("describe", "service", name).out
    assert re.search(rf"{name}/0: in \d+.*, after \d+ tries", described), described
    why = stage.cli("why", name, expect=None).out
    assert "CrashLoop" in why, why
    assert "code 3" in why, why
    assert re.search(r"The daemon's next try is in \d+s", why), why
    return True


def test_F28_twenty_that_crash_are_tried_ever_more_seldom_and_told_with_their_next_try(
    stage: Stage, oracle: Oracle
) -> None:
    pid = oracle.start("--resync", "5s")
    natives = [shell(f"{how}{n}", script, **PATIENT) for how, script in ENDS.items() for n in range(4)]
    boxes = [box(name, "sh", "-c", "exit 3", **PATIENT) for name in CONTAINERS]
    told = stage.apply(*natives, *boxes, native("well"), expect=1)
    assert told.err.count("CrashLoop") == len(SICK) + len(CONTAINERS), "nobody waits for them for ever"
    well = stage.process("well")

    before, began, spent = restarts(stage), time.monotonic(), processor_seconds(pid)
    eventually(lambda: time.monotonic() - began > WINDOW, "some time has passed", within=WINDOW * 2)
    share = (processor_seconds(pid) - spent) / (time.monotonic() - began)
    more = {name: count - before[name] for name, count in restarts(stage).items()}
    print(f"daemon: {share:.1%} of a processor; restarts in {WINDOW:g} s: {sorted(more.values())}")
    assert max(more.values()) <= 2, "each pause is twice as long as the one before"
    assert share < 0.5
    assert (stage.process("well"), more["well"]) == (well, 0)

    for name in ("exits0", CONTAINERS[0]):
        eventually(lambda name=name: tells_of_the_next_try(stage, name), f"everybody tells when {name} is tried again")
    told = json.loads(stage.cli("status", "-o", "json", expect=None).out)
    assert "CrashLoop" in json.dumps(told)

    cured = changed(natives[0], process={"command": ["sleep", "100000"]})
    began = time.monotonic()
    stage.apply(cured, native("well"))
    assert stage.process("exits0").alive, "what is changed is tried at once"
    assert stage.status_of("exits0")["readyReplicas"] == 1
