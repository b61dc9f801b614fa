"""`get`: what there is, for people in columns and for scripts in trees."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.machine import Machine, resource, service, web

STATUS = {
    "observedGeneration": int, "replicas": int, "readyReplicas": int, "updatedReplicas": int, "endpoints": list,
    "instances": list, "conditions": list,
}  # fmt: skip
INSTANCE = {
    "index", "id", "host", "runtime", "phase", "ready", "restarts", "pid", "ports", "startedAt", "fingerprint",
    "exitCode",
}  # fmt: skip
CONDITION = {"type", "status", "reason", "message", "observedGeneration", "lastTransitionTime"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_K23_a_named_resource_is_itself_and_its_status_has_the_promised_shape(machine: Machine) -> None:
    machine.apply(web(replicas=2))
    tree = machine.json("get", "service", "web")
    assert (tree["kind"], tree["metadata"]["name"], tree["metadata"]["namespace"]) == (
        "Service",
        "web",
        machine.namespace,
    )
    status = tree["status"]
    assert {name: type(value) for name, value in status.items()} == STATUS
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (2, 2, 2)
    for instance in status["instances"]:
        assert set(instance) == INSTANCE
        assert (instance["phase"], instance["ready"], instance["runtime"]) == ("Running", True, "process")
        assert MOMENT.fullmatch(instance["startedAt"])
    assert [set(condition) for condition in status["conditions"]] == [CONDITION] * 4
    assert [c["type"] for c in status["conditions"]] == ["Ready", "Progressing", "Healthy", "Drifted"]
    assert all(MOMENT.fullmatch(condition["lastTransitionTime"]) for condition in status["conditions"])
    assert status["endpoints"] == [
        {"name": "http", "host": "127.0.0.1", "port": instance["ports"]["http"], "index": instance["index"]}
        for instance in status["instances"]
    ]


def test_K23_the_pid_is_the_workloads_own(machine: Machine) -> None:
    machine.apply(service("db"))
    assert Path(f"/proc/{machine.pid('db')}/cmdline").read_text().split("\0")[:2] == ["sleep", "1000"]


def test_K23_several_are_a_list(machine: Machine) -> None:
    machine.apply(service("db"), service("cache"), resource("Config", "site", data={"a": "b"}))
    tree = machine.json("get", "services")
    assert (tree["apiVersion"], tree["kind"]) == ("reconciler/v1", "List")
    assert [item["metadata"]["name"] for item in tree["items"]] == ["cache", "db"]
    assert [item["kind"] for item in machine.json("get", "all")["items"]] == ["Service", "Service", "Config"]
    assert [item["metadata"]["name"] for item in machine.json("get", "svc/db", "config/site")["items"]] == [
        "db",
        "site",
    ]
    assert machine.json("get", "volumes")["items"] == []


def test_what_get_prints_can_be_applied_again_and_changes_nothing(machine: Machine) -> None:
    machine.apply(web(), resource("Config", "site", data={"a": "b"}))
    before = machine.pid("web")
    yaml = machine("get", "all", "-o", "yaml").stdout
    assert machine("apply", "-f", "-", stdin=yaml).stdout == "config/site unchanged\nservice/web unchanged\n"
    assert machine.pid("web") == before


def test_a_mask_that_get_printed_is_never_taken_for_the_value(machine: Machine) -> None:
    machine.apply(resource("Secret", "login", data={"TOKEN": "hunter2-hunter2"}))
    yaml = machine("get", "all", "-o", "yaml").stdout
    assert "*** stands for a value that is not shown" in machine("apply", "-f", "-", stdin=yaml, code=2).stderr
    kept = (machine.home / "applied" / machine.namespace / "secret-login.yaml").read_text()
    assert "hunter2-hunter2" in kept


def test_who_asks_for_several_kinds_reads_of_which_each_is(machine: Machine) -> None:
    machine.apply(resource("Config", "site", data={"a": "b"}))
    assert machine("get", "all").stdout.splitlines()[1].startswith("config/site ")
    assert machine("get", "configs").stdout.splitlines()[1].startswith("site ")


def test_K5_the_columns_of_services_and_the_wide_ones(machine: Machine) -> None:
    machine.apply(web())
    head, row = machine("get", "services").stdout.splitlines()
    assert head.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "PORTS"]
    assert row.split()[:4] == ["web", "1/1", "Ready", "0"]
    assert re.search(r" 127\.0\.0\.1:\d+$", row)
    wide = machine("get", "services", "-o", "wide").stdout
    assert wide.split("\n")[0].split() == [*head.split(), "RUNTIME", "IMAGE/COMMAND", "ID", "FINGERPRINT", "MESSAGE"]
    assert "python3 -m http.server" in wide
    assert machine("get", "services", "--no-headers").stdout.startswith("web ")


def test_each_kind_has_columns_of_its_own(machine: Machine) -> None:
    machine.apply(
        resource("Config", "site", data={"a.txt": "b"}), resource("Secret", "key", data={"PASSWORD": "canary-value"}),
        service("db", envFrom=[{"secret": "key"}], volumes=[{"config": "site"}]),
    )  # fmt: skip
    shown = machine("get", "all").stdout
    assert "config/site  Ready   a.txt  db" in shown
    assert "secret/key  Ready   PASSWORD  db" in shown
    assert "canary-value" not in shown


@pytest.mark.parametrize("output", ["json", "yaml", "wide", "name", "jsonpath={.items[*].spec}"])
def test_no_form_of_output_shows_a_secret(machine: Machine, output: str) -> None:
    machine.apply(resource("Secret", "key", data={"PASSWORD": "canary-value"}))
    shown = machine("get", "secrets", "-o", output).stdout
    assert shown
    assert "canary-value" not in shown


def test_names_and_jsonpath_are_for_scripts(machine: Machine) -> None:
    machine.apply(service("db", labels={"tier": "back"}), service("cache", labels={"tier": "front"}))
    assert machine("get", "services", "-o", "name").stdout == "service/cache\nservice/db\n"
    assert machine("get", "svc", "-o", "jsonpath={.items[*].metadata.name}").stdout == "cache db"
    assert machine("get", "svc", "db", "-o", "jsonpath={.status.readyReplicas}").stdout == "1"
    assert machine("get", "services", "-l", "tier=front", "-o", "name").stdout == "service/cache\n"
    assert machine("get", "services", "-l", "tier!=front", "-o", "name").stdout == "service/db\n"
    assert "not a selector" in machine("get", "services", "-l", "tier in (front)", code=2).stderr


def test_what_is_not_there_is_an_error_with_the_name_that_was_meant(machine: Machine) -> None:
    machine.apply(service("web-server"))
    wrong = machine("get", "service", "web-sever", code=1)
    assert wrong.stderr == (
        f'error: service "web-sever" not found in namespace "{machine.namespace}"\nhint: did you mean web-server?\n'
    )
    assert machine("get", "config", "web-server", code=1).stderr.endswith("hint: did you mean service/web-server?\n")
    elsewhere = machine("get", "service", "web-server", "-n", "elsewhere", code=1)
    assert f"-n {machine.namespace}" in elsewhere.stderr
    assert machine("get", "service", "nope", "--ignore-not-found").stdout == ""


def test_what_is_there_is_shown_beside_what_is_not(machine: Machine) -> None:
    machine.apply(service("db"))
    mixed = machine("get", "service", "db", "nope", code=1)
    assert "db " in mixed.stdout
    assert '"nope" not found' in mixed.stderr


def test_an_empty_namespace_is_no_error(machine: Machine) -> None:
    empty = machine("get", "services")
    assert (empty.stdout, empty.stderr) == ("", f"nothing found in namespace {machine.namespace}\n")
    assert not machine.home.exists(), "looking makes nothing"


def test_K7_what_runs_undeclared_is_listed_as_an_orphan_and_can_be_deleted(machine: Machine) -> None:
    machine.apply(service("db"), service("lost"))
    (machine.home / "applied" / machine.namespace / "service-lost.yaml").unlink()
    assert re.search(r"^lost +- +Orphan", machine("get", "services").stdout, re.MULTILINE)
    tree = machine.json("get", "service", "lost")
    assert tree["status"]["instances"][0]["phase"] == "Running"
    assert [c["reason"] for c in tree["status"]["conditions"]] == ["Orphan"]
    assert f"next: reconciler delete service/lost -n {machine.namespace}" in machine("status").stdout
    machine("delete", "service/lost")
    assert machine.json("get", "services")["items"][0]["metadata"]["name"] == "db"


def test_K7_the_same_after_the_whole_declaration_is_lost(machine: Machine) -> None:
    machine.apply(service("db"))
    kept = machine.directory / "kept"
    shutil.move(machine.home / "applied", kept)
    assert "Orphan" in machine("status", "-A").stdout
    shutil.move(kept, machine.home / "applied")
    assert "Orphan" not in machine("status").stdout


def test_all_namespaces_are_shown_with_a_column_of_their_own(machine: Machine) -> None:
    machine.apply(service("db"))
    head, row = machine("get", "services", "-A").stdout.splitlines()
    assert (head.split()[0], row.split()[:2]) == ("NAMESPACE", [machine.namespace, "db"])


def test_watch_shows_each_change_once(machine: Machine) -> None:
    machine.apply(service("db"))
    with machine.begin("get", "services", "-w", "-o", "json") as child:
        assert child.stdout
        first = json.loads(child.stdout.readline())
        machine("stop", "db")
        later = json.loads(child.stdout.readline())
        child.terminate()
    assert (first["status"]["readyReplicas"], later["status"]["readyReplicas"]) == (1, 0)


def test_watch_ends_quietly_when_nobody_reads_any_more(machine: Machine) -> None:
    machine.apply(service("db"))
    child = machine.begin("get", "services", "-w")
    assert child.stdout
    assert child.stderr
    child.stdout.readline()
    child.stdout.close()
    machine("stop", "db")
    assert child.wait(20) == 141
    assert child.stderr.read() == ""
    child.stderr.close()


def test_watch_refuses_a_form_that_has_an_end(machine: Machine) -> None:
    assert "one line for each change" in machine("get", "services", "-w", "-o", "yaml", code=2).stderr
