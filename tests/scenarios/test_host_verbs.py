"""Another machine as something one lives with: declared, looked at, believed, blocked, shared, away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.machines.lab import Lab
from tests.machines.machine import Machine
from tests.machines.proxy import Proxy
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import SLEEP, box, changed, document, native
from tests.scenarios.stage import Document, Stage, eventually
from tests.scenarios.terminal import Terminal

pytestmark = [pytest.mark.engine, pytest.mark.root]

NEWKEYS = 21
"""The message after which a client begins to encrypt, and so before anything about who it is."""
NO_SUCH = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
REFUSE = ["INPUT", "-p", "tcp", "--dport", "22", "-j", "REJECT", "--reject-with", "tcp-reset"]


@pytest.fixture(scope="module")
def carl(lab: Lab) -> Machine:
    return lab.machine("carl")


def host(lab: Lab, machine: Machine, name: str = "", **ssh: Any) -> Document:
    way = {"host": machine.address, "user": "root", "identityFile": str(lab.identity), "hostKey": machine.host_key}
    return document("Host", name or machine.name, ssh={**way, **ssh}, engine="none")


def facts(stage: Stage, name: str) -> dict[str, Any]:
    return stage.cli("get", "host", name, "-o", "json").json["status"].get("facts", {})


def ready(stage: Stage) -> dict[str, tuple[str, str]]:
    listed = stage.cli("host", "list", "-o", "json").json["items"]
    told = {item["metadata"]["name"]: item["status"]["conditions"][0] for item in listed}
    return {name: (one["status"], one["reason"]) for name, one in told.items()}


def levels(stage: Stage, *names: str, expect: int) -> dict[str, str]:
    (found,) = stage.cli("host", "check", *names, "-o", "json", expect=expect).json["hosts"]
    assert found["ok"] is (expect == 0)
    return {one["name"]: one["level"] for one in found["checks"]}


def test_H3_a_host_is_declared_in_one_line_and_believed_once_a_person_says_so(
    stage: Stage, lab: Lab, carl: Machine
) -> None:
    add = ["host", "add", "carl", f"root@{carl.address}", "--identity", str(lab.identity), "--engine", "none"]
    told = stage.cli(*add, expect=1)
    shown = carl.run("ssh-keygen", "-lf", "/var/lib/sshd/host_key.pub").decode().split()[1]
    assert shown in told.err, "it is declared, and what is to be compared is shown"
    assert "reconciler host trust" in told.err
    assert ready(stage) == {"carl": ("False", "HostKeyUnknown")}
    assert "Blocked (HostKeyUnknown)" in stage.cli("host", "list").out
    assert levels(stage, expect=1) == {"reached": "ok", "key": "failed"}

    assert "nothing was changed" in stage.cli("host", "trust", "carl", expect=1).err, "nobody sits there to say yes"
    stage.cli("host", "trust", "carl", "--fingerprint", NO_SUCH, expect=1)
    assert shown in stage.cli("host", "trust", "carl", "--fingerprint", shown).out
    assert "unchanged" in stage.cli("host", "trust", "carl").out

    assert stage.cli(*add, "-o", "name").out == "host/carl\n"
    found = levels(stage, "carl", expect=0)
    assert [name for name in found if found[name] == "failed"] == []
    assert found["engine"] == "missing", "as its spec says"
    machine = os.uname()
    assert facts(stage, "carl").items() >= {
        "os": "Linux", "arch": machine.machine, "kernel": machine.release, "user": "root", "engine": "",
        "bootId": carl.boot_id, "clockSkewSeconds": 0.0, "heldBy": "",
    }.items()  # fmt: skip
    assert ready(stage) == {"carl": ("True", "Ready")}


def test_H24_who_sits_at_a_terminal_is_shown_the_key_and_asked(stage: Stage, lab: Lab, carl: Machine) -> None:
    add = ["host", "add", "carl", f"root@{carl.address}", "--identity", str(lab.identity), "--engine", "none"]
    terminal = Terminal(stage.argv(*add), stage.environment, stage.directory)
    try:
        assert terminal.shows("[y/N]")
        assert carl.run("ssh-keygen", "-lf", "/var/lib/sshd/host_key.pub").decode().split()[1] in terminal.text
        terminal.type("y\n")
        assert terminal.ends() == 0
    finally:
        terminal.close()
    assert ready(stage) == {"carl": ("True", "Ready")}


def test_what_makes_no_host_is_told_before_anything_is_kept(stage: Stage) -> None:
    mistakes = ["pi -- -oProxyCommand=x", "pi a@b:port", "pi b --host-key mine", "pi b --engine docker", "local b"]
    for words in mistakes:
        stage.cli("host", "add", *words.split(), expect=2)
    assert "no host is declared" in stage.cli("host", "check").err
    assert "not found" in stage.cli("host", "check", "pi", expect=1).err


def test_F36_a_host_that_shows_another_key_is_blocked_alone_and_hears_nothing_of_us_until_it_is_trusted(
    stage: Stage, lab: Lab, carl: Machine
) -> None:
    """Both of one that is pinned in its spec, and of one that was trusted."""
    swapped = {name: lab.machine(name) for name in ("dora", "emil")}
    wires = {name: Proxy(machine.address) for name, machine in swapped.items()}
    dora, emil = (
        host(lab, machine, host="127.0.0.1", port=wires[name].port, **({} if name == "dora" else {"hostKey": ""}))
        for name, machine in swapped.items()
    )
    stage.apply(emil, expect=1)
    stage.cli("host", "trust", "emil", "--yes")
    services = [native(f"at-{name}", *SLEEP, runOn=name) for name in ("carl", "dora", "emil")]
    stage.apply(host(lab, carl), dora, emil, *services)
    first = {name: stage.status_of(f"at-{name}")["instances"][0]["pid"] for name in swapped}

    for name, machine in swapped.items():
        machine.swap_host_key()
        wires[name].sent.clear()
    updated = [changed(one, env={"NEW": "1"}) for one in services]
    told = stage.apply(*updated, expect=1)
    assert {action.split()[1] for action in told.actions} == {"at-carl/0"}
    blocked = ("False", "HostKeyChanged")
    assert ready(stage) == {"carl": ("True", "Ready"), "dora": blocked, "emil": blocked}
    assert levels(stage, "dora", expect=1) == {"reached": "ok", "key": "failed"}
    assert "reconciler host trust" in told.err
    for wire in wires.values():
        assert_nothing_said(bytes(wire.sent))

    for name in swapped:
        assert f"host/{name} trusted" in stage.cli("host", "trust", name, "--yes").out
    assert set(ready(stage).values()) == {("True", "Ready")}
    assert stage.apply(*updated).json["settled"]
    for name, machine in swapped.items():
        assert stage.status_of(f"at-{name}")["instances"][0]["pid"] != first[name]
        assert sum("sleep 100000" in line for line in machine.processes()) == 1, "the new one, in place of the old"
        wires[name].close()


def assert_nothing_said(sent: bytes) -> None:
    """In none of the connections did a client come to the point of saying who it is."""
    lines = [line for line in sent.split(b"SSH-2.0-") if line]
    assert lines, "it was asked at all"
    for line in lines:
        at, found = line.index(b"\n") + 1, []
        while at + 5 < len(line):
            found.append(line[at + 5])
            at += 4 + int.from_bytes(line[at : at + 4])
        assert NEWKEYS not in found
        assert set(found) <= {1, 2, 4, 20, 30}, "key exchange, and the end of it"


def test_H21_F37_where_there_is_neither_python_nor_an_engine_nor_root_nor_a_tmp_to_run_in_services_run_and_come_back(
    stage: Stage, lab: Lab, carl: Machine
) -> None:
    """H21: what can't be done there says why, and keeps nobody else from being done."""
    carl.run("mount", "-o", "remount,bind,noexec", "/tmp")
    sparse = host(lab, carl, "sparse", user="sparse")
    spec = [sparse, native("there", *SLEEP, runOn="sparse"), box("boxed", "sleep", "1", runOn="sparse")]
    told = stage.apply(*spec, expect=1)
    assert told.actions == ["Create there/0"]
    assert "host" in (said := {key: message for key, _, message in told.waits}["boxed/0"])
    assert "sparse has no container engine" in said
    assert {name: level for name, level in levels(stage, "sparse", expect=0).items() if level != "ok"} == {
        "engine": "missing", "wg": "missing",
    }  # fmt: skip
    before = facts(stage, "sparse")["bootId"]

    carl.reboot()
    carl.run("mount", "-o", "remount,bind,noexec", "/tmp")
    assert stage.apply(*spec, expect=1).actions == ["Start there/0"]
    assert stage.status_of("there")["instances"][0]["phase"] == "Running"
    assert facts(stage, "sparse")["bootId"] == carl.boot_id != before
    assert stage.apply(*spec, expect=1).actions == []


def test_H15_of_two_installations_on_one_host_the_second_is_told_who_the_first_is_and_changes_nothing(
    stage: Stage, lab: Lab, carl: Machine
) -> None:
    other = stage.other_home("other", f"{stage.namespace}-two")
    mine, others = native("mine", *SLEEP, runOn="carl"), native("theirs", "sleep", "10001", runOn="carl")
    stage.apply(host(lab, carl), mine)

    told = other.apply(host(lab, carl), others, expect=1)
    assert told.actions == []
    (wait,) = told.waits
    assert wait[1] == "HostTaken"
    assert stage.owner[:12] in wait[2]
    assert levels(other, expect=1)["lease"] == "failed"
    assert stage.owner[:12] in facts(other, "carl")["heldBy"]
    assert levels(stage, expect=0)["lease"] == "ok", "to itself it is no rival"
    assert not any("sleep 10001" in line for line in carl.processes())

    stage.cli("delete", "service", "mine")
    assert other.apply(others).actions == ["Create theirs/0"], "it was given back with the last that was there"
    assert stage.apply(mine, expect=1).actions == []


def test_F39_a_host_that_is_away_is_unknown_and_what_runs_there_is_neither_begun_anew_nor_ended(
    stage: Stage, lab: Lab, carl: Machine, daemon: Daemon
) -> None:
    """And what it was when it was last heard is still told. A daemon looks on all the while."""
    there = native("there", *SLEEP, runOn="carl")
    stage.apply(host(lab, carl), there)
    known, pid = facts(stage, "carl"), stage.status_of("there")["instances"][0]["pid"]
    daemon.start("--resync", "1")
    carl.run("iptables", "-I", *REFUSE)
    try:
        eventually(lambda: "Unreachable" in happened(stage), "the daemon has found it out")
        assert stage.apply(there, expect=1).actions == []
        assert ready(stage) == {"carl": ("Unknown", "Unreachable")}
        assert facts(stage, "carl") == known
        assert levels(stage, expect=1) == {"reached": "failed"}
        listed = stage.cli("host", "list").out.splitlines()[1].split()
        assert listed[:4] == ["carl", "Unknown", carl.address, "Linux"]
    finally:
        carl.run("iptables", "-D", *REFUSE)
    eventually(lambda: happened(stage)[-1] == "Ready", "the daemon finds it again")
    assert stage.apply(there).actions == []
    assert stage.status_of("there")["instances"][0]["pid"] == pid
    assert sum("sleep 100000" in line for line in carl.processes()) == 1
    assert daemon.done() == 0


def happened(stage: Stage) -> list[str]:
    return [event["reason"] for event in stage.events() if "/host/" in f"/{event['key']}"]


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Daemon]:
    it = Daemon(stage)
    yield it
    it.kill()
