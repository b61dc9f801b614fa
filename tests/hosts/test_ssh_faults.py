"""What can happen to a connection while something is done over it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.errors import OutcomeUnknown, ReconcilerError, Unreachable
from reconciler.hosts import sshline
from reconciler.hosts.facts import facts
from reconciler.hosts.ssh import Ssh
from reconciler.hosts.sshline import Target
from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.machines.proxy import Proxy
from tests.waiting import until

pytestmark = pytest.mark.root
Dial = Callable[..., Ssh]


@pytest.fixture
def wire(far: Machine) -> Iterator[Proxy]:
    proxy = Proxy(far.address)
    yield proxy
    proxy.close()


@dataclass(frozen=True)
class Lost:
    """Two hosts that fell silent when the first of these tests began; it takes a while to tell."""

    hosts: Mapping[str, Ssh]
    answers: Mapping[str, Future[float]]
    heal: Callable[[], None]


@pytest.fixture(scope="module", autouse=True)
def lost(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    frozen, away = lab.machine("frozen"), lab.machine("away")
    hosts = {}
    for machine in (frozen, away):
        target = Target(machine.address, user="root", identity_file=str(lab.identity), host_key=machine.host_key)
        hosts[machine.name] = Ssh(machine.name, target, tmp_path_factory.mktemp("lost") / "ssh")
        hosts[machine.name].run(["true"])
    with ThreadPoolExecutor(2) as pool, ExitStack() as cut_off:
        cut_off.enter_context(away.partitioned())
        frozen.freeze()
        command = pool.submit(until_told, OutcomeUnknown, lambda: hosts["frozen"].run(["sleep", "1"], deadline=60))
        reading = pool.submit(until_told, Unreachable, lambda: hosts["away"].read("/etc/passwd"))

        def heal() -> None:
            frozen.thaw()
            cut_off.close()

        yield Lost(hosts, {"frozen": command, "away": reading}, heal)
        heal()
    for host in hosts.values():
        host.close()


def until_told(error: type[ReconcilerError], action: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises(error):
        action()
    return time.monotonic() - started


def cuts(host: Ssh, wire: Proxy, action: Callable[[], object]) -> Iterator[tuple[int, bool]]:
    """Opens the connection and arms the wire anew for each: how many bytes of what is sent, then of what is heard."""
    for heard, points in ((False, 8), (True, 3)):
        until(lambda: reached(host))
        record = wire.received if heard else wire.sent
        before = len(record)
        action()
        whole = len(record) - before
        for point in range(points + 1):
            until(lambda: reached(host))
            reset, linger = point % 2 == 0, 0.03 * (point % 3 > 0 and point < points)
            wire.cut_after(whole * point // points, heard=heard, reset=reset, linger=linger)
            yield point, heard
            wire.cut_after(None)


def reached(host: Ssh) -> bool:
    try:
        return host.run(["true"]).exit_code == 0
    except ReconcilerError:
        return False  # the last cut's end


def unknown(action: Callable[[], object]) -> bool:
    try:
        action()
    except OutcomeUnknown:
        return True
    return False


def test_F35_a_write_that_is_cut_after_any_byte_leaves_the_old_content_or_the_new(
    far: Machine, wire: Proxy, dial: Dial
) -> None:
    host = dial(far, host="127.0.0.1", port=wire.port)
    contents = [bytes([letter]) * 5000 for letter in b"abcdefghijklmnopqrstuvwxyz"]
    host.write("/root/cut/file", contents[0])
    now, told = contents[0], 0
    for point, _ in cuts(host, wire, lambda: host.write("/root/cut/file", contents[0])):
        new = contents[contents.index(now) - 1]
        lost = unknown(lambda new=new: host.write("/root/cut/file", new))
        found = far.run("cat", "/root/cut/file")
        assert found == new or (lost and found == now), point
        now, told = found, told + lost

    assert told > 6
    until(lambda: len(far.run("ls", "-A", "/root/cut").split()) <= 2), "drafts go, but for one caught as it was begun"


def test_F35_a_command_that_is_cut_after_any_byte_ran_once_or_not_at_all(far: Machine, wire: Proxy, dial: Dial) -> None:
    host = dial(far, host="127.0.0.1", port=wire.port)
    append = ["sh", "-c", "echo x >> /root/log; cat > /root/heard"]
    told = 0
    for point, _ in cuts(host, wire, lambda: host.run(append, stdin=b"y" * 1000)):
        far.run("rm", "-f", "/root/log", "/root/heard")
        lost = unknown(lambda: host.run(append, stdin=b"y" * 1000))
        told += lost
        lines = far.run("sh", "-c", "cat /root/log 2>/dev/null || :")
        assert lines == b"x\n" or (lost and not lines), point

    assert told > 6


def test_F39_a_short_partition_is_waited_out(lab: Lab, dial: Dial) -> None:
    machine = lab.machine("tunnel")
    host = dial(machine)
    host.run(["true"])
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(host.run, ["sh", "-c", "echo begun > /root/begun; sleep 1; echo done"])
        until(lambda: machine.run("cat", "/root/begun", check=False))
        with machine.partitioned(), pytest.raises(TimeoutError):
            answer.result(timeout=1.2)
        assert answer.result(timeout=15).stdout == b"done\n"


def test_F35_an_sshd_that_is_killed_takes_its_commands_along(lab: Lab, dial: Dial) -> None:
    machine = lab.machine("struck")
    host = dial(machine)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(host.run, ["sleep", "4343"])
        until(lambda: "sleep 4343" in machine.processes())
        machine.restart_sshd()
        with pytest.raises(OutcomeUnknown, match="the connection to host struck was lost while sleep ran"):
            answer.result(timeout=10)
    until(lambda: "sleep 4343" not in machine.processes())
    assert host.run(["echo", "well"]).stdout == b"well\n"


def test_F37_a_reboot_is_told_by_the_boot_id(lab: Lab, dial: Dial) -> None:
    machine = lab.machine("rebooted")
    host = dial(machine)
    host.write("/root/kept", b"kept")
    before = facts(host).boot_id
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(host.run, ["sleep", "4444"], deadline=60)
        until(lambda: "sleep 4444" in machine.processes())
        machine.reboot()
        with pytest.raises(OutcomeUnknown):
            answer.result(timeout=20)

    assert facts(host).boot_id == machine.boot_id != before
    assert host.read("/root/kept") == b"kept"


def test_F35_when_we_are_killed_what_we_ran_ends_too(far: Machine, lab: Lab, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from reconciler.hosts.ssh import Ssh
from reconciler.hosts.sshline import Target
from reconciler.hosts.sshline import Target
target = Target({far.address!r}, user="root", identity_file={str(lab.identity)!r}, host_key={far.host_key!r})
Ssh("far", target, Path({str(tmp_path)!r}) / "ssh").run(["sh", "-c", "sleep 4545 & sleep 4546"], deadline=600)
"""
    child = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: {"sleep 4545", "sleep 4546"} <= set(far.processes()))
    child.send_signal(signal.SIGKILL)
    child.wait()

    until(lambda: not {"sleep 4545", "sleep 4546"} & set(far.processes()))
    closed(tmp_path)


def closed(directory: Path) -> None:
    """The connection that the dead have left open."""
    for control in (directory / "ssh").iterdir():
        if control.is_socket():
            subprocess.run(
                ["ssh", "-F", "none", "-S", control, "-O", "exit", "--", "x"], check=True, capture_output=True
            )


def test_F35_the_frozen_and_the_cut_off_are_told_within_15_s_and_others_go_on(
    lost: Lost, far: Machine, dial: Dial, record_property: Callable[[str, object], None]
) -> None:
    """The last one: most of the time has passed by now."""
    started = time.monotonic()
    assert dial(far).run(["true"]).exit_code == 0
    assert time.monotonic() - started < 10
    took = [answer.result(timeout=30) for answer in lost.answers.values()]
    lost.heal()

    record_property("frozen", max(took))
    assert max(took) < 16
    assert {name: host.run(["hostname"]).stdout.decode().strip() for name, host in lost.hosts.items()} == {
        "frozen": "frozen",
        "away": "away",
    }


def test_who_waits_while_another_finds_a_host_away_is_told_with_him(lab: Lab, dial: Dial) -> None:
    """Each runtime there asks at the same time, and so do a daemon and a command: a host that is away costs one
    deadline, not one for each.
    """
    machine = lab.machine("gone")
    hosts = [dial(machine) for _ in range(3)]
    with machine.partitioned(), ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda host: until_told(Unreachable, lambda: host.run(["true"])), hosts))
    assert max(told) < min(told) + sshline.CONNECT_SECONDS, "nobody found it out once more"
    assert hosts[0].run(["true"]).exit_code == 0, "and he who asks later finds out for himself"


def test_nobody_waits_for_ever_for_his_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens the connection may have been stopped in the middle of it."""
    monkeypatch.setattr(sshline, "TURN_SECONDS", 0.1)
    line = sshline.Line("far", Target("192.0.2.1"), tmp_path / "ssh")
    with line._turn(), pytest.raises(Unreachable, match="somebody else has been connecting to host far"):
        line.open()
