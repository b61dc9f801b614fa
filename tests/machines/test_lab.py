"""The test machines themselves: what is told of them elsewhere would be worth nothing if they were not so."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import leaks
from tests.machines.lab import Lab, opened
from tests.machines.machine import Machine
from tests.waiting import until

pytestmark = pytest.mark.root


def pinged(one: Machine, other: Machine) -> bool:
    return b" 0% packet loss" in one.run("busybox", "ping", "-c1", "-W1", other.address, check=False)


def test_a_machine_is_up_within_a_second_and_answers_with_its_own_key(lab: Lab) -> None:
    started = time.monotonic()
    machine = lab.machine("quick")
    took = time.monotonic() - started

    scanned = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", machine.address], capture_output=True, text=True, check=True
    )
    assert machine.host_key in scanned.stdout
    assert machine.run("cat", "/proc/sys/kernel/hostname") == b"quick\n"
    assert took < 20


def test_a_reboot_kills_all_that_ran_and_keeps_what_was_on_disk(lab: Lab) -> None:
    machine = lab.machine("again")
    before = machine.boot_id
    machine.run(
        "sh",
        "-c",
        "setsid sleep 4242 >/dev/null 2>&1 & echo kept > /root/file; echo lost > /run/file; echo lost > /tmp/file",
    )
    until(lambda: "sleep 4242" in machine.processes())
    machine.reboot()

    assert "sleep 4242" not in machine.processes()
    assert machine.boot_id != before
    assert machine.run("cat", "/proc/sys/kernel/random/boot_id").decode().strip() == machine.boot_id
    assert machine.run("cat", "/root/file") == b"kept\n"
    assert machine.run("sh", "-c", "ls /tmp/file /run/file", check=False) == b""


def test_what_is_cut_off_comes_back_and_who_moves_answers_elsewhere(lab: Lab) -> None:
    one, other = lab.machine("one"), lab.machine("one")
    assert one.directory != other.directory, "two modules may call theirs alike"
    assert pinged(one, other)
    with other.partitioned(), ThreadPoolExecutor(2) as pool:
        assert not any(pool.map(pinged, (one, other), (other, one)))
    assert until(lambda: pinged(one, other))

    former = other.address
    assert other.change_address() != former
    assert pinged(one, other)


def test_those_behind_a_router_get_out_and_nobody_gets_in(lab: Lab) -> None:
    house = lab.site()
    router, inside, outside = lab.router("edge", house), lab.machine("inside", house), lab.machine("outside")

    assert pinged(inside, outside)
    assert not pinged(outside, inside)
    router.reboot()
    assert pinged(inside, outside)
    outside.run("iptables", "-A", "INPUT", "-s", router.address, "-j", "DROP")
    assert not pinged(inside, outside), "it goes out under the router's address"


def test_the_frozen_say_nothing_and_hang_up_on_nobody(lab: Lab) -> None:
    machine = lab.machine("cold")
    machine.freeze()
    with socket.create_connection((machine.address, 22), timeout=5) as line:
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        machine.thaw()
        line.settimeout(10)
        assert line.recv(4) == b"SSH-"


@pytest.mark.engine
def test_an_engine_of_its_own_outlives_a_reboot_with_what_it_holds(lab: Lab) -> None:
    if os.environ.get("RECONCILER_TEST_ENGINE") != "private":
        pytest.skip("starts a dockerd beside the rig's own")
    machine = lab.machine("harbour", engine=True)
    machine.engine.call("POST", "/volumes/create", {"Name": "cargo"})
    machine.reboot()

    assert machine.engine.call("GET", "/volumes/cargo")


def test_nothing_is_left_of_a_lab() -> None:
    before = leaks.find("")
    with opened(second=True) as lab:
        directory = lab.machine("brief").directory.parent
        assert any("RECONCILER_MACHINE=" in thing for thing in leaks.find("") - before)
    after = {path.name for path in Path("/sys/class/net").iterdir()}

    assert not directory.exists()
    assert not [thing for thing in leaks.find("") - before if "brief" in thing]
    assert f"lab{lab.number}" not in after
