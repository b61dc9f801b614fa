"""`diff` and its exit codes: 0 no differences, 1 some, more than that an error."""

from __future__ import annotations

import json

from tests.cli.machine import Machine, service


def test_what_has_to_wait_for_its_back_off_comes_after_nothing(machine: Machine) -> None:
    machine.apply(service("db", restart={"initialSeconds": 300, "maxSeconds": 300}))
    for _ in range(2):
        machine.kill("db")
        first, *rest = machine("diff", code=1).stdout.splitlines()
        assert (first.split("  ")[1].split(":")[0], rest) == ("Start", [])
        machine("start", "db")


def test_its_exit_code_tells_differences_from_errors(machine: Machine) -> None:
    file = machine.directory / "db.json"
    file.write_text(json.dumps(service("db")))
    machine("diff", "-f", "db.json", code=1)
    machine.apply(service("db"))
    machine("diff", "-f", "db.json", code=0)
    machine("diff", code=0)
    machine("diff", "-f", "nowhere.yaml", code=2)
    file.write_text(json.dumps(service("db", replicas=3, restart={"policy": "Never"})))
    told = machine("diff", "-f", "db.json", code=1).stdout
    assert "spec.replicas: 1 -> 3\n" in told, "a default is a value"
    assert 'spec.restart.policy: "Always" -> "Never"\n' in told
    owner = machine.home / "owner"
    whole = owner.read_text()
    owner.write_text("damaged")
    for words in ((), ("-f", "db.json")):
        assert "is damaged" in machine("diff", *words, code=2).stderr
    owner.write_text(whole)
