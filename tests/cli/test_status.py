"""`status`: everything at a glance, with what to do next."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess

import pytest

from tests.cli.machine import Machine, resource, service, web
from tests.waiting import until


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name))


def test_K5_one_line_for_each_resource_and_a_sum_below(machine: Machine) -> None:
    machine.apply(web(), service("db"), resource("Config", "site", data={"a": "b"}))
    shown = machine("status").stdout
    assert shown.splitlines()[0].split() == ["RESOURCE", "READY", "STATUS", "RESTARTS", "AGE", "PORTS", "MESSAGE"]
    assert row(shown, "service/web").split()[1:4] == ["1/1", "Ready", "0"]
    assert re.search(r"127\.0\.0\.1:\d+", row(shown, "service/web"))
    assert row(shown, "config/site").split()[1:3] == ["-", "Ready"]
    assert shown.splitlines()[-1] == "2 services, 2 ready, 1 other"


def test_H17_names_and_labels_narrow_it_down_and_json_is_a_list(machine: Machine) -> None:
    machine.apply(service("web", labels={"tier": "front"}), service("db"))
    assert [item["metadata"]["name"] for item in machine.json("status")["items"]] == ["db", "web"]
    assert "service/db" not in machine("status", "web").stdout
    assert "service/db" not in machine("status", "-l", "tier=front").stdout
    assert machine("status", "bd", code=1).stderr.endswith("hint: did you mean db?\n")


def test_a_killed_one_says_how_it_ended_and_what_to_type(machine: Machine) -> None:
    machine.apply(service("db"))
    machine.kill("db")
    shown = machine.shows("Exited", "status")
    assert re.search(r"0/1 +Exited .*it exited with code 137", row(shown, "service/db"))
    step = re.search(r"next: reconciler (.*)", shown)
    assert step
    machine(*step[1].split())
    assert row(machine("status").stdout, "service/db").split()[1:3] == ["1/1", "Ready"]


def test_a_frozen_one_is_called_paused(machine: Machine) -> None:
    machine.apply(service("db"))
    os.kill(machine.pid("db"), signal.SIGSTOP)
    assert re.search(r"0/1 +Paused .*it is paused", machine("status").stdout)


def test_a_stopped_one_is_no_trouble(machine: Machine) -> None:
    machine.apply(service("db"))
    machine("stop", "db")
    shown = machine("status").stdout
    assert row(shown, "service/db").split()[1:3] == ["0/0", "Stopped"]
    assert shown.splitlines()[-1] == "1 service, 0 ready, 1 stopped"


def test_one_that_ends_again_and_again_is_called_a_crash_loop(machine: Machine) -> None:
    machine.apply(
        service("bad", "sh", "-c", "exit 3", restart={"initialSeconds": 0.1}), code=1, options=("--timeout", "10")
    )
    shown = machine("status").stdout
    assert re.search(r"0/1 +CrashLoop .*it exited with code 3", row(shown, "service/bad"))
    assert f"next: reconciler why bad -n {machine.namespace}" in shown, "starting it once more would be no help"


def test_who_waits_for_another_is_told_with_the_other(machine: Machine) -> None:
    machine.apply(service("db"), service("api", dependsOn=["db"]))
    machine("stop", "--all")
    machine("start", "api", "--timeout", "1", code=1)
    assert re.search(r"DependencyNotReady .*db, which it depends on, is stopped", machine("status").stdout)


def test_an_engine_that_is_away_is_said_on_top_only_where_it_matters(machine: Machine) -> None:
    machine.apply(service("db"))
    assert "docker" not in machine("status").stdout
    contained = resource("Service", "web", container={"image": "nginx"})
    machine.apply(contained, code=1, options=("--timeout", "1"))
    shown = machine("status").stdout
    assert shown.startswith("docker: no container engine answers")
    assert re.search(r"service/web +0/1 +Unknown .*docker can't be read", shown)
    assert re.search(r"service/db +1/1 +Ready", shown)
    machine("delete", "service/db", code=None)
    (machine.home / "applied" / machine.namespace / "service-web.yaml").unlink()


def test_an_empty_namespace_says_what_to_type_and_where_there_is_something(machine: Machine) -> None:
    nothing, step = machine("status").stdout.split("; ")
    assert nothing == f"nothing is declared in namespace {machine.namespace}"
    assert step == "next: reconciler apply -f FILE\n"
    machine.apply(resource("Config", "site", data={"a": "b"}))
    assert machine("status", "-n", "nosuch").stdout == (
        f"nothing is declared in namespace nosuch, but in {machine.namespace}; "
        f"next: reconciler status -n {machine.namespace}\n"
    )
    for verb in ("get", "delete"):
        elsewhere = machine(verb, "site", "-n", "nosuch", code=2).stderr
        assert f"hint: there is one in namespace {machine.namespace}: -n {machine.namespace}" in elsewhere


def test_H17_watch_in_a_pipe_appends_changes_and_ends_with_130(machine: Machine) -> None:
    machine.apply(service("db"))
    with machine.begin("status", "-w") as child:
        assert child.stdout
        assert child.stdout.readline().startswith("RESOURCE")
        assert "Ready" in child.stdout.readline()
        machine("stop", "db")
        assert "Stopp" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (130, "")


def test_H17_watch_on_a_terminal_draws_the_table_anew(machine: Machine) -> None:
    machine.apply(service("db"))
    ours, theirs = pty.openpty()
    child = subprocess.Popen(machine.argv("status", "-w"), env={**machine.environment, "TERM": "xterm"}, stdout=theirs)
    os.close(theirs)
    seen = bytearray()
    until(lambda: seen.extend(os.read(ours, 4096)) or seen.count(b"RESOURCE") >= 2)
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == 130
    os.close(ours)
    assert b"\x1b[2J\x1b[HRESOURCE" in seen
    assert b"\x1b[32mReady\x1b[0m" in seen


@pytest.mark.parametrize("output", ["json", "yaml", "name", "wide"])
def test_a_look_writes_nothing(machine: Machine, output: str) -> None:
    machine.apply(service("db"))
    machine.kill("db")
    before = sorted(
        (str(path), path.stat().st_mtime_ns) for path in machine.home.rglob("*") if "diary" not in path.name
    )
    machine("status", "-o", output)
    machine("why", "db")
    machine("describe", "db")
    after = sorted((str(path), path.stat().st_mtime_ns) for path in machine.home.rglob("*") if "diary" not in path.name)
    left_by_the_end = {"exit", "log"}
    assert [item for item in after if item[0].rsplit("/", 1)[1] not in left_by_the_end] == [
        item for item in before if item[0].rsplit("/", 1)[1] not in left_by_the_end
    ]


def test_where_a_daemon_ran_once_its_absence_is_told(machine: Machine) -> None:
    machine.apply(service("web"))
    footer = "no daemon runs: nothing heals by itself; reconciler daemon start\n"
    assert footer not in machine("status").stdout
    assert "daemon      not running" in machine("doctor", code=None).stdout
    pid = re.search(r"pid (\d+)", machine("daemon", "start").stdout)
    assert pid
    try:
        assert footer not in machine("status").stdout
        assert f"daemon      runs (pid {pid[1]}) and is healthy" in machine("doctor", code=None).stdout
        os.kill(int(pid[1]), signal.SIGSTOP)
        assert "and does not answer" in machine("doctor", code=None).stdout
        os.kill(int(pid[1]), signal.SIGCONT)
    finally:
        os.kill(int(pid[1]), signal.SIGCONT)
        machine("daemon", "stop")
    assert machine("status").stdout.endswith(footer)
    assert footer not in machine("status", "--no-headers").stdout
