"""`instances`: all there is, one by one, whoever declares it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from tests.cli.machine import Machine, service, web


def listed(machine: Machine, *arguments: str) -> dict[str, str]:
    return {item["instance"]: item["status"] for item in machine.json("instances", "list", *arguments)["items"]}


def lose(machine: Machine, name: str) -> None:
    (machine.home / "applied" / machine.namespace / f"service-{name}.yaml").unlink()


def test_K7_what_is_declared_and_what_runs_undeclared_stand_in_one_list(machine: Machine) -> None:
    machine.apply(web(), service("many", replicas=2), service("waits", autoStart=False), service("lost"))
    lose(machine, "lost")
    assert listed(machine) == {
        "lost": "running", "many/0": "running", "many/1": "running", "waits": "stopped", "web": "running",
    }  # fmt: skip
    table = machine("instances", "list").stdout
    assert table.split("\n")[0].split() == "INSTANCE NAMESPACE STATUS DECLARED RUNTIME PORTS IMAGE/COMMAND AGE".split()
    space = machine.namespace
    assert re.search(rf"^lost +{space} +running +no +process ", table, re.MULTILINE)
    assert re.search(
        rf"^web +{space} +running +yes +process +127\.0\.0\.1:2\d{{4}} +python3 .* \d+s$", table, re.MULTILINE
    )
    assert re.search(rf"^waits +{space} +stopped +yes +process +- +sh ", table, re.MULTILINE)
    assert machine("instances", "list", "-o", "name").stdout.split()[0] == f"{space}/lost"
    assert "AUTOSTART" in machine("instances", "list", "-o", "wide").stdout

    undeclared = machine("instances", "stop-all")
    assert f"nobody declares service/{space}/lost, and it stays" in undeclared.stderr
    assert listed(machine) == {"lost": "running", "many": "stopped", "waits": "stopped", "web": "stopped"}


def test_where_there_is_nothing_that_is_said(machine: Machine) -> None:
    assert "there are no instances; next: reconciler apply -f FILE" in machine("instances", "list").stderr
    assert machine("instances", "start-all").stderr == "there is nothing to do\n"
    assert machine("instances", "stop-all", "-o", "json").stderr == "there is nothing to do\n"


def test_K23_a_list_for_scripts_has_one_shape(machine: Machine) -> None:
    machine.apply(web())
    (item,) = machine.json("instances", "list")["items"]
    assert set(item) == {
        "instance", "namespace", "kind", "name", "index", "status", "ready", "declared", "autoStart", "runtime", "host",
        "ports", "image", "command", "id", "pid", "restarts", "startedAt", "exitCode",
    }  # fmt: skip
    assert (item["name"], item["namespace"], item["index"]) == ("web", machine.namespace, 0)
    assert (item["declared"], item["ready"], item["pid"]) == (True, True, machine.pid("web"))
    assert list(item["ports"]) == ["http"]
    assert "instance: web" in machine("instances", "list", "-o", "yaml").stdout


def test_K8_start_all_goes_on_after_one_that_fails_and_names_it_at_the_end(machine: Machine) -> None:
    broken = service("broken", "no-such-program-anywhere")
    machine.apply(broken, service("fine"), service("waits", autoStart=False), code=1)
    machine("stop", "--all")
    told = machine("instances", "start-all", code=1)
    assert listed(machine)["fine"] == "running"
    assert listed(machine)["waits"] == "stopped"
    assert told.stderr.splitlines()[-1] == f"error: some instances failed: service/{machine.namespace}/broken"
    assert "service/fine started\n" in told.stdout
    assert "note: service/waits has autoStart: false" in told.stderr
    assert "service/fine  creating" in told.stderr, "step by step"

    machine.apply(service("broken"))
    began = machine.pid("fine")
    again = machine("instances", "start-all")
    assert machine.pid("fine") == began
    assert again.stdout == "service/broken unchanged\nservice/fine unchanged\n"


def test_K8_a_document_that_cannot_be_read_is_one_that_failed(machine: Machine) -> None:
    machine.apply(service("damaged"), service("fine"))
    machine("stop", "--all")
    (machine.home / "applied" / machine.namespace / "service-damaged.yaml").write_text("{")
    told = machine("instances", "start-all", code=1)
    assert told.stderr.splitlines()[-1] == f"error: some instances failed: service/{machine.namespace}/damaged"
    assert listed(machine) == {"damaged": "unknown", "fine": "running"}


def test_K8_a_namespace_in_which_nothing_can_be_kept_keeps_no_other_from_its_turn(machine: Machine) -> None:
    other = f"{machine.namespace}-2"
    machine.apply(service("here"))
    away = {**service("away"), "metadata": {"name": "away", "namespace": other}}
    machine("-n", other, "apply", "-f", "-", stdin=json.dumps(away))
    machine("instances", "stop-all", "-A")
    try:
        refused = replace(machine, environment={**machine.environment, **NOT_KEPT})
        told = refused("instances", "start-all", "-A", code=1)
        assert f"error: namespace {machine.namespace}: " in told.stderr
        assert told.stderr.splitlines()[-1] == f"error: some instances failed: service/{machine.namespace}/here"
        assert listed(machine, "-A") == {"here": "stopped", "away": "running"}
    finally:
        machine("-n", other, "delete", "all", "--all")


NOT_KEPT = {"RECONCILER_FAILPOINTS": "source.keep.before=1*error(no room)"}


def test_K9_stop_all_stops_in_all_namespaces_and_takes_the_undeclared_only_when_told(machine: Machine) -> None:
    other = f"{machine.namespace}-2"
    document = service("away")
    document["metadata"]["namespace"] = other
    machine.apply(service("here"), service("lost"))
    machine("-n", other, "apply", "-f", "-", stdin=json.dumps(document))
    lose(machine, "lost")
    try:
        everything = machine("instances", "stop-all", "-A", "--undeclared")
        assert everything.stdout == (
            f"service/{machine.namespace}/here stopped\n"
            f"service/{machine.namespace}/lost removed; nobody had declared it\n"
            f"service/{other}/away stopped\n"
        )
        assert listed(machine, "-A") == {"here": "stopped", "away": "stopped"}
        assert machine("instances", "stop-all", "-A").stdout.count("unchanged") == 2
        machine("instances", "start-all", "-A")
        assert listed(machine, "-A") == {"here": "running", "away": "running"}
        assert listed(machine) == {"here": "running"}
    finally:
        machine("-n", other, "delete", "all", "--all")
