"""Hosts that fall silent, each in its own way, while the loop runs: others go on, nothing is begun twice or taken away,
and what comes back is found as it was left. Services there write a line at each start.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import document, shell
from tests.scenarios.stage import Document, Stage, eventually

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
pytestmark = [pytest.mark.engine, pytest.mark.root, pytest.mark.timeout(1200 if NIGHTLY else 300)]

AWAY_SECONDS = 600 if NIGHTLY else 0
"""For which they stay away, when all of them have been found to be."""
TELLING = 90.0
SAYS = "echo x >> /root/starts.{name}; exec sleep 100000"

KILL = "kill -9 $(cut -d' ' -f1 /root/state/processes/*.on-awake.0/pid)"


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Daemon]:
    it = Daemon(stage)
    yield it
    it.kill()


@pytest.fixture(scope="module")
def machines(lab: Lab) -> dict[str, Machine]:
    return {name: lab.machine(name) for name in ("awake", "frozen-up", "deaf", "dumb", "cut-off")}


def test_F35_F37_F39_who_falls_silent_is_left_alone_and_the_others_are_looked_after(
    stage: Stage, lab: Lab, machines: dict[str, Machine], daemon: Daemon
) -> None:
    """One is frozen, one hears nothing, one can't say anything, one neither. The fifth is rebooted at the end."""
    everything = [
        *(host(lab, machine) for machine in machines.values()), *(sayer(f"on-{name}", name) for name in machines)
    ]  # fmt: skip
    stage.apply(*everything)
    daemon.start("--resync", "1")
    silent = [name for name in machines if name != "awake"]
    calm = {f"on-{name}": 1 for name in machines}

    with silenced(machines):
        eventually(lambda: found_away(daemon) >= set(silent), "it is found out who is away", TELLING)
        machines["awake"].run("sh", "-c", KILL)
        eventually(lambda: starts(machines) == {**calm, "on-awake": 2}, "it is healed meanwhile", TELLING)
        stage.apply(sayer("late", "awake"))
        time.sleep(AWAY_SECONDS)
        assert starts(machines) == {**calm, "on-awake": 2, "late": 1}

    eventually(lambda: {reason(item) for item in listed(stage)} == {"Ready"}, "all are back", TELLING)
    assert stage.apply(*everything, sayer("late", "awake"), "--timeout", "90").actions == []
    assert starts(machines) == {**calm, "on-awake": 2, "late": 1}, "nobody was begun again"

    before = daemon.done()
    machines["awake"].reboot()
    eventually(lambda: {reason(item) for item in listed(stage)} == {"Ready"}, "and those who were rebooted", TELLING)
    assert starts(machines) == {**calm, "on-awake": 3, "late": 2}
    assert daemon.done() == before + 2


@contextmanager
def silenced(machines: dict[str, Machine]) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(machines["cut-off"].partitioned())
        for name, chain in (("deaf", "INPUT"), ("dumb", "OUTPUT")):
            machines[name].run("iptables", "-A", chain, "-j", "DROP")
            stack.callback(machines[name].run, "iptables", "-F", chain)
        machines["frozen-up"].freeze()
        stack.callback(machines["frozen-up"].thaw)
        yield


def host(lab: Lab, machine: Machine) -> Document:
    ssh = {"host": machine.address, "user": "root", "hostKey": machine.host_key, "identityFile": str(lab.identity)}
    return document("Host", machine.name, ssh=ssh, engine="none", state="/root/state")


def sayer(name: str, where: str) -> Document:
    return shell(name, SAYS.format(name=name), runOn=where, restart={"initialSeconds": 0})


def starts(machines: dict[str, Machine]) -> dict[str, int]:
    """By service: of the frozen one too, for its disk is here."""
    files = [file for machine in machines.values() for file in (machine.directory / "own/root").glob("starts.*")]
    return {file.name.removeprefix("starts."): file.read_text().count("x") for file in files}


def found_away(daemon: Daemon) -> set[str]:
    """Hosts that the loop itself has found to be."""
    return set(re.findall(r"unreachable .*host=\S+/(\S+) .*runtime=process", daemon.log))


def listed(stage: Stage) -> list[Any]:
    return stage.cli("get", "services", "-o", "json").json["items"]  # type: ignore[no-any-return]


def reason(item: Any) -> str:
    return next(one["reason"] for one in item["status"]["conditions"] if one["type"] == "Ready")
