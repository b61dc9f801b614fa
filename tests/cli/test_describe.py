"""`describe`, `why` and `events`: what is wrong, in words that lead on."""

from __future__ import annotations

import json
import re

from tests.cli.machine import Machine, resource, service, web

CANARY = "canary-f00d-cafe"


def section(text: str, title: str) -> str:
    """The indented lines below a title."""
    found = re.search(rf"^{title}\n((?:  .*\n|\n)*)", text, re.MULTILINE)
    return found[1] if found else ""


def test_a_healthy_one_is_described_from_what_is_expected_to_what_is_seen(machine: Machine) -> None:
    machine.apply(service("db"), web(dependsOn=["db"], env={"LOG": "debug"}))
    shown = machine("describe", "service/web").stdout
    assert "status      Ready (1/1)" in shown
    assert "depends on  db (Ready)" in section(shown, "Expected")
    assert "http=2" in section(shown, "Observed")
    assert section(shown, "Differs").strip() == "nothing"
    assert "Created service/web/0" in section(shown, "Last action")
    assert "readiness: GET http / on http, every 10 s" in section(shown, "Probes")
    assert "service/web/0: answers well" in section(shown, "Probes")
    assert "reconciler attach web" in section(shown, "Try by hand")
    assert section(shown, "Events")
    assert "Diagnosis" not in shown
    assert "used by     web" in machine("describe", "db").stdout


def test_R15_an_early_end_is_shown_with_its_exit_code_and_last_lines(machine: Machine) -> None:
    bad = service("bad", "sh", "-c", "echo cannot open the database; exit 127", restart={"initialSeconds": 60})
    machine.apply(bad, code=1, options=("--timeout", "8"))
    shown = machine("describe", "bad").stdout
    diagnosis = section(shown, "Diagnosis")
    assert re.search(
        r"bad/0 ended \d+s ago with exit code 127, 0\.\d s after its start: the command was not found", diagnosis
    )
    assert "cannot open the database" in section(shown, "Last lines of its log")
    assert re.search(r"service/bad/0: in (5|4)\d+s, after \d tries", section(shown, "Next retry"))
    assert "sh -c 'echo cannot open the database; exit 127'" in section(shown, "Try by hand")
    assert f"reconciler logs bad -n {machine.namespace}" in section(shown, "Hint")


def test_R15_exec_into_what_ended_says_why_it_does_not_run(machine: Machine) -> None:
    machine.apply(service("bad", "sh", "-c", "exit 3", restart={"policy": "Never"}), code=1)
    wrong = machine("exec", "bad", "--", "true", code=1)
    assert "service/bad is not running: bad/0 ended" in wrong.stderr
    assert "with exit code 3" in wrong.stderr
    assert f"reconciler describe bad -n {machine.namespace}" in wrong.stderr


def test_R15_a_command_that_cannot_be_run_is_told_as_such(machine: Machine) -> None:
    machine.apply(service("typo", "/nonexistent/program"), code=1, options=("--timeout", "5"))
    shown = machine("describe", "typo").stdout
    assert "Refused (0/1): the program /nonexistent/program does not exist" in shown.splitlines()[1]
    assert (
        section(shown, "Diagnosis") == "  typo/0 could not be made: the program /nonexistent/program does not exist\n"
    )
    assert "/nonexistent/program" in section(shown, "Try by hand")


def test_H13_a_failing_probe_is_quoted(machine: Machine) -> None:
    probe = {"readiness": {"exec": {"command": ["sh", "-c", "echo disk is full; exit 4"]}, "periodSeconds": 60}}
    machine.apply(service("db", probes=probe), code=1, options=("--timeout", "8"))
    assert "db/0 runs, but its readiness probe: exit code 4: disk is full" in machine("describe", "db").stdout
    assert "disk is full" in machine("why", "db").stdout
    assert re.search(r"0/1 +Starting .*disk is full", machine("status").stdout)


def test_what_differs_is_said_with_its_cause(machine: Machine) -> None:
    machine.apply(service("db"))
    machine.kill("db")
    shown = machine.shows("Exited", "describe", "db")
    assert section(shown, "Differs") == "  Start service/db/0: it exited with code 137\n"
    assert f"reconciler start db -n {machine.namespace}" in section(shown, "Hint")


def test_no_secret_is_told_even_if_the_workload_tells_it(machine: Machine) -> None:
    leaky = service("leaky", "sh", "-c", 'echo "password: $PASSWORD"; exit 1', envFrom=[{"secret": "key"}])
    machine.apply(resource("Secret", "key", data={"PASSWORD": CANARY}), leaky, code=1, options=("--timeout", "8"))
    shown = machine("describe", "all").stdout + machine("why", "leaky", "secret/key").stdout
    assert "password: ***" in shown
    assert CANARY not in shown + machine("events", "-o", "json").stdout + machine("get", "all", "-o", "json").stdout


def test_an_event_says_which_instance_it_is_about_and_how_often(machine: Machine) -> None:
    machine.apply(service("db", replicas=2))
    assert re.search(r"Created +service/db/1 +it does not exist", section(machine("describe", "db").stdout, "Events"))
    for _ in range(3):
        machine("restart", "db")
    told = machine("why", "db").stdout
    assert re.search(r"What happened last, \d+s ago: service/db/\d Created: a restart was asked for \(x3\)\.", told)


def test_escape_sequences_of_a_log_are_taken_out(machine: Machine) -> None:
    machine.apply(service("bad", "printf", "\\033]0;owned\\007red\\n"), code=1, options=("--timeout", "8"))
    assert "\x1b" not in machine("describe", "bad").stdout


def test_why_is_told_in_a_few_sentences(machine: Machine) -> None:
    machine.apply(service("db"), service("api", dependsOn=["db"]))
    well = machine("why", "api").stdout.splitlines()
    assert 3 <= len(well) <= 8
    assert well[0].startswith("service/api is to run as the process sh -c")
    assert well[0].endswith("after db (Ready).")
    assert well[1] == "What exists of it: 1 running, 1 Ready."
    machine("stop", "--all")
    machine("start", "api", "--timeout", "1", code=1)
    waiting = machine("why", "api").stdout
    assert "DependencyNotReady: db, which it depends on, is stopped" in waiting
    assert len(waiting.splitlines()) <= 8
    assert machine("why", "apu", code=1).stderr.endswith("hint: did you mean api?\n")


def test_events_are_lines_of_json_for_scripts(machine: Machine) -> None:
    machine.apply(service("db"))
    machine("stop", "db")
    events = [json.loads(line) for line in machine("events", "-o", "json").stdout.splitlines()]
    assert all(list(event) == ["time", "type", "reason", "key", "message", "count", "firstTime"] for event in events)
    assert [event["reason"] for event in events] == ["Created", "Stopped", "Removed"]
    assert events[0]["key"] == f"service/{machine.namespace}/db/0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", events[0]["time"])
    assert len(machine("events", "--limit", "1", "-o", "json").stdout.splitlines()) == 1


def test_events_can_be_narrowed_down(machine: Machine) -> None:
    machine.apply(service("db"), service("bad", "sh", "-c", "exit 3", restart={"policy": "Never"}), code=1)
    assert "service/bad" not in machine("events", "db").stdout
    assert "Normal" not in machine("events", "--types", "warning").stdout
    assert "'Warnin'" in machine("events", "--types", "warnin", code=2).stderr
    assert "did you mean db?" in machine("events", "dbb", code=1).stderr
    assert machine("events", "-A", "--no-headers").stdout.count(machine.namespace) >= 2


def test_events_of_what_was_deleted_are_still_there(machine: Machine) -> None:
    machine.apply(service("db"))
    machine("delete", "service/db")
    assert "Removed" in machine("events", "db").stdout


def test_events_are_followed(machine: Machine) -> None:
    machine.apply(service("db"))
    with machine.begin("events", "-w", "-o", "json") as child:
        assert child.stdout
        assert json.loads(child.stdout.readline())["reason"] == "Created"
        machine("stop", "db")
        assert json.loads(child.stdout.readline())["reason"] == "Stopped"
        child.terminate()
