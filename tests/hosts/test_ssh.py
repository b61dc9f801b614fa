"""Hosts over SSH: who is let in, whose key is believed, and what all commands share."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from reconciler.errors import Denied, HostKeyChanged, HostKeyUnknown, Refused, Unreachable, UsageError
from reconciler.hosts.ssh import Ssh
from reconciler.hosts.sshline import Target
from tests.engine_api import Engine
from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.machines.proxy import Proxy
from tests.waiting import until

pytestmark = pytest.mark.root
Dial = Callable[..., Ssh]

NEWKEYS = 21
"""The message after which a client begins to encrypt, and so before anything about who it is."""


def fingerprint(machine: Machine) -> str:
    said = machine.run("ssh-keygen", "-lf", "/var/lib/sshd/host_key.pub").decode()
    return said.split()[1]


def messages(stream: bytes) -> list[int]:
    """The types of the packets that a client sent before it began to encrypt."""
    at, found = stream.index(b"\n") + 1, []
    while at + 5 < len(stream) and NEWKEYS not in found:
        found.append(stream[at + 5])
        at += 4 + int.from_bytes(stream[at : at + 4])
    return found


def test_H24_an_unknown_key_is_shown_and_believed_once_a_person_says_so(far: Machine, dial: Dial) -> None:
    host = dial(far, host_key="")
    with pytest.raises(HostKeyUnknown, match="nobody has said yet what its key is; it shows ssh-ed25519") as raised:
        host.run(["true"])

    assert fingerprint(far) in raised.value.message
    assert "reconciler host trust far" in raised.value.hint
    host.trust(host.offered())
    assert host.run(["echo", "hello"]).stdout == b"hello\n"


def test_H24_nobody_s_configuration_turns_the_check_off(far: Machine, dial: Dial, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  ForwardAgent yes\n")
    with pytest.raises(HostKeyUnknown):
        dial(far, host_key="", config=str(config)).run(["true"])


@pytest.mark.parametrize("known_by", ["spec", "trust"])
def test_F36_a_swapped_key_is_told_and_nothing_is_said_to_whoever_shows_it(
    lab: Lab, far: Machine, dial: Dial, known_by: str
) -> None:
    machine = lab.machine(f"swapped-{known_by}")
    proxy = Proxy(machine.address)
    host = dial(machine, host="127.0.0.1", port=proxy.port, **({} if known_by == "spec" else {"host_key": ""}))
    if known_by == "trust":
        host.trust(host.offered())
    proxy.sent.clear()
    host.run(["true"])
    assert NEWKEYS in messages(proxy.sent)
    host.close()
    machine.swap_host_key()
    proxy.sent.clear()
    with pytest.raises(HostKeyChanged, match="shows another key than") as raised:
        host.run(["true"])

    assert set(messages(proxy.sent)) <= {1, 2, 4, 20, 30}, "key exchange, and the end of it"
    assert ("into the spec" if known_by == "spec" else "reconciler host trust") in raised.value.hint
    assert dial(far).run(["true"]).exit_code == 0, "others go on"
    if known_by == "trust":
        host.trust(host.offered())
        assert host.run(["true"]).exit_code == 0
    proxy.close()


def test_F36_a_key_of_another_kind_is_another_key(lab: Lab, dial: Dial) -> None:
    machine = lab.machine("downgraded")
    pinned = machine.host_key
    machine.swap_host_key("ecdsa")
    with pytest.raises(HostKeyChanged):
        dial(machine, host_key=pinned).run(["true"])


def test_who_may_not_come_in_is_told_so(far: Machine, dial: Dial, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    with pytest.raises(Denied, match=r"host far .* does not let us in: .*Permission denied \(publickey\)") as raised:
        dial(far, identity_file=str(tmp_path / "other")).run(["true"])
    assert not isinstance(raised.value, HostKeyUnknown)
    assert "ssh.identityFile" in raised.value.hint

    with pytest.raises(Refused, match="runs no commands for this user: This account is currently not available"):
        dial(far, user="mute").run(["true"])


def test_where_nobody_answers_the_host_is_unreachable_and_the_cause_is_told(far: Machine, dial: Dial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match="Connection refused"):
        dial(far, host="127.0.0.1", port=port).run(["true"])
    with pytest.raises(Unreachable, match="Connection refused"):
        dial(far, host="127.0.0.1", port=port).read("/etc/passwd")


@pytest.mark.parametrize("wrong", [{"host": "-oProxyCommand=x"}, {"user": "-l"}, {"host": "a b"}, {"host_key": "x"}])
def test_what_ssh_would_take_for_an_option_is_refused(far: Machine, dial: Dial, wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        dial(far, **wrong)


def test_a_login_shell_that_talks_is_not_taken_for_the_program(far: Machine, dial: Dial) -> None:
    far.run("sh", "-c", "echo 'echo welcome; echo beware >&2' > /home/tester/.bashrc")
    host = dial(far, user="tester")
    completed = host.run(["sh", "-c", "echo out; echo err >&2"])

    assert (completed.stdout, completed.stderr) == (b"out\n", b"err\n")
    host.write("/home/tester/file", b"mine")
    assert host.read("/home/tester/file") == b"mine"
    with pytest.raises(Denied, match="can't write /root/file on far: Permission denied"):
        host.write("/root/file", b"x")
    far.run("chmod", "600", "/etc/shadow")
    with pytest.raises(Denied, match="can't read /etc/shadow on far: Permission denied"):
        host.read("/etc/shadow")


def test_the_user_s_aliases_and_jump_hosts_are_honoured(lab: Lab, dial: Dial, tmp_path: Path) -> None:
    house = lab.site()
    edge, inside = lab.router("gate", house), lab.machine("indoors", house)
    (tmp_path / "known").write_text(f"{edge.address} {edge.host_key}\n")
    common = f"IdentityFile {lab.identity}\n"
    (tmp_path / "config").write_text(
        f"Host den\n HostName {inside.address}\n ProxyJump gate\n User root\n {common}"
        f"Host gate\n HostName {edge.address}\n User tester\n UserKnownHostsFile {tmp_path}/known\n {common}"
    )
    host = dial(inside, host="den", user="", identity_file="", config=str(tmp_path / "config"))

    assert host.run(["hostname"]).stdout == b"indoors\n"
    edge.swap_host_key()
    host.close()
    with pytest.raises(HostKeyChanged, match=f"{edge.address} shows another key than the one that is known"):
        host.run(["hostname"])


def test_commands_at_once_share_one_connection_and_wait_for_room(lab: Lab, dial: Dial) -> None:
    """More than sshd lets in at once over one connection, which is ten."""
    machine = lab.machine("shared")
    host = dial(machine)
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda i: host.run(["sh", "-c", f"sleep 0.3; echo {i}"]).stdout, range(24)))

    assert done == [f"{i}\n".encode() for i in range(24)]
    assert machine.processes().count("sshd: root@notty") == 1


def test_a_control_process_that_was_killed_is_replaced(far: Machine, dial: Dial) -> None:
    host = dial(far)
    host.run(["true"])
    former = master(host)
    os.kill(former, signal.SIGKILL)

    assert host.run(["echo", "again"]).stdout == b"again\n"
    assert master(host) != former


def master(host: Ssh) -> int:
    answer = host._line._control("check")
    assert answer is not None
    return int(answer.stderr.partition(b"pid=")[2].partition(b")")[0])


def test_sockets_and_pins_are_for_us_alone(far: Machine, dial: Dial, tmp_path: Path) -> None:
    dial(far).run(["true"])

    assert (tmp_path / "ssh").stat().st_mode & 0o777 == 0o700
    (tmp_path / "ssh").chmod(0o755)
    with pytest.raises(Denied, match="is not ours alone"):
        dial(far).run(["true"])
    (tmp_path / "ssh").chmod(0o700)


def test_a_home_may_be_called_anything(far: Machine, lab: Lab, tmp_path: Path) -> None:
    """Also what ssh would split, expand or find too long for a socket."""
    for name in ("a b %h", "x" * 100):
        target = Target(far.address, user="root", identity_file=str(lab.identity))
        host = Ssh("far", target, tmp_path / name / "ssh")
        host.trust(host.offered())
        assert host.run(["echo", "hello"]).stdout == b"hello\n"
        host.close()
        pinned = Ssh("far", replace(target, host_key=far.host_key), tmp_path / name / "ssh")
        assert pinned.run(["echo", "hello"]).stdout == b"hello\n"
        pinned.close()


@pytest.mark.engine
def test_an_engine_answers_through_a_forwarded_socket_again_after_a_reboot(lab: Lab, dial: Dial) -> None:
    if os.environ.get("RECONCILER_TEST_ENGINE") != "private":
        pytest.skip("starts a dockerd beside the rig's own")
    machine = lab.machine("docks", engine=True)
    host = dial(machine)
    for _ in range(2):
        local = host.forward("/run/docker.sock")
        assert host.forward("/run/docker.sock") == local
        assert Engine(f"unix://{local}").get("/info")["Name"] == "docks"
        assert Path(local).stat().st_mode & 0o077 == 0
        machine.reboot()
        until(lambda: ran(host))


def ran(host: Ssh) -> bool:
    try:
        return host.run(["true"], deadline=5).exit_code == 0
    except Exception:  # noqa: BLE001 -- gone a moment ago
        return False


def test_a_command_over_an_open_connection_takes_milliseconds(
    far: Machine, dial: Dial, record_property: Callable[[str, object], None]
) -> None:
    host = dial(far)
    host.run(["true"])
    took = []
    for _ in range(30):
        started = time.perf_counter()
        host.run(["true"])
        took.append(time.perf_counter() - started)

    record_property("ssh", median(took))
    assert min(took) < 0.1
