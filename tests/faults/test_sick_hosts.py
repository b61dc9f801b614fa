"""Hosts that answer, and are not well: no room, nothing may be written, nothing run, another time of day. What is wrong
is said in words, by host; what works all the same works; and once it is mended the same apply finds its way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.scenarios.documents import document, shell
from tests.scenarios.stage import Document, Stage

pytestmark = [pytest.mark.engine, pytest.mark.root]

SAYS = "echo x >> /root/begun.{name}; exec sleep 100000"
SLEEPS = "exec sleep 100000"
MOUNTS = {"full": "size=64k", "read-only": "ro", "no-exec": "noexec"}


@pytest.fixture(scope="module")
def sick(lab: Lab) -> Iterator[Machine]:
    machine = lab.machine("sick")
    for name, options in MOUNTS.items():
        machine.run("mkdir", f"/root/{name}")
        machine.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", f"/root/{name}")
    machine.run("sh", "-c", "cat /dev/zero > /root/full/filler", check=False)
    return machine


def test_F37_what_is_wrong_with_a_host_is_said_and_others_go_on(stage: Stage, lab: Lab, sick: Machine) -> None:
    spec = [document_of(lab, sick, name, state=f"/root/{name}") for name in MOUNTS]
    spec += [shell(f"on-{name}", SAYS.format(name=name), runOn=name) for name in MOUNTS]
    told = stage.apply(*spec, "--timeout", "30", expect=1)
    reasons = {key: message for key, _, message in told.waits}
    assert "can't be started on" in reasons["on-full/0"]
    assert "/full: cat: write error: No space left on device" in reasons["on-full/0"]
    assert "/read-only: mkdir: cannot create directory" in reasons["on-read-only/0"]
    assert "Read-only file system" in reasons["on-read-only/0"]
    assert begun(sick) == {"no-exec": 1}, "only what is run from there needs leave for it"

    sick.run("rm", "/root/full/filler")
    sick.run("mount", "-o", "remount,rw", "/root/read-only")
    assert stage.apply(*spec, "--timeout", "60").json["settled"]
    assert stage.apply(*spec, "--timeout", "60").actions == []
    assert begun(sick) == dict.fromkeys(MOUNTS, 1)


def test_the_time_of_day_on_a_host_is_its_own(stage: Stage, lab: Lab, sick: Machine) -> None:
    """It is told, and neither makes anybody wait nor lets anybody seem to have run for hours."""
    for name, hours in (("ahead", 2), ("behind", -2)):
        sick.run("sh", "-c", f"cat > /root/date-{name}; chmod 755 /root/date-{name}", stdin=clock(hours).encode())
        sick.run("mount", "--bind", f"/root/date-{name}", "/usr/bin/date")
        spec = [document_of(lab, sick, name, state=f"/root/{name}"), shell(f"on-{name}", SLEEPS, runOn=name)]
        assert stage.apply(*spec, "--timeout", "60").json["settled"]
        assert stage.apply(*spec, "--timeout", "60").actions == []
        told = stage.cli("get", "host", name, "-o", "json").json["status"]["facts"]["clockSkewSeconds"]
        assert abs(told - hours * 3600) < 600
        started = datetime.fromisoformat(stage.status_of(f"on-{name}")["instances"][0]["startedAt"])
        assert abs(started.timestamp() - time.time()) < 600


def clock(hours: int) -> str:
    """As `date`, for those questions that are asked of it."""
    return f"""#!/bin/sh
case $1 in
  +%s) echo $(($(busybox date +%s) + {hours * 3600})) ;;
  +%s.%N) echo $(($(busybox date +%s) + {hours * 3600})).5 ;;
  *) exec busybox date "$@" ;;
esac
"""


def begun(machine: Machine) -> dict[str, int]:
    files = (machine.directory / "own/root").glob("begun.*")
    return {file.name.removeprefix("begun."): file.read_text().count("x") for file in files}


def document_of(lab: Lab, machine: Machine, name: str, user: str = "root", **more: str) -> Document:
    ssh = {"host": machine.address, "user": user, "hostKey": machine.host_key, "identityFile": str(lab.identity)}
    return document("Host", name, ssh=ssh, engine="none", **more)
