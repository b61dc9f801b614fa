"""`delete` takes what is named, and never more than that."""

from __future__ import annotations

import json

import pytest

from tests.cli.machine import Machine, resource, service

FORGOTTEN = "volume/data forgotten, its data kept; delete it with --volumes\n"


@pytest.mark.parametrize(
    "words", [("service", "db", "--all"), ("service", "db", "-l", "a=b"), ("service", "db", "-f", "db.json")]
)
def test_who_names_one_and_asks_for_more_is_asked_back(machine: Machine, words: tuple[str, ...]) -> None:
    machine.apply(service("db"), service("api"))
    (machine.directory / "db.json").write_text(json.dumps(service("db")))
    assert "leave" in machine("delete", *words, code=2).stderr
    assert machine("get", "services", "-o", "name").stdout == "service/api\nservice/db\n"


def test_a_bare_name_is_enough_where_only_one_thing_has_it(machine: Machine) -> None:
    words = resource("Config", "db", data={"k": "v"})
    machine.apply(service("db", volumes=[{"volume": "data"}]), resource("Volume", "data"), words)
    told = machine("delete", "db", code=2).stderr
    assert "db may be service/db, config/db" in told
    assert machine("get", "data", "db", "-o", "name").stdout == "service/db\nvolume/data\n", "to look does no harm"
    assert machine("describe", "data").stdout.startswith("volume/data")
    assert "the kind comes first" in machine("delete", "nobody", code=2).stderr
    assert "did you mean services" in machine("delete", "pod", "data", code=2).stderr
    assert 'service "nobody" not found' in machine("delete", "service/nobody", "data", code=1).stderr
    assert machine("delete", "data", "service/db").stdout == f"service/db deleted\n{FORGOTTEN}"
    assert machine("delete", "db").stdout == "config/db deleted\n"


def test_labels_alone_are_enough(machine: Machine) -> None:
    machine.apply(service("db", labels={"tier": "back"}), service("api"))
    assert machine("delete", "-l", "tier=back").stdout == "service/db deleted\n"
    assert machine("get", "services", "-o", "name").stdout == "service/api\n"


def test_what_is_left_alone_is_noted_once_however_often_is_looked(machine: Machine) -> None:
    machine.apply(service("lost"))
    (machine.home / "applied" / machine.namespace / "service-lost.yaml").unlink()
    never = {"readiness": {"exec": {"command": ["false"]}}}
    document = json.dumps(service("slow", probes=never))
    told = machine("apply", "-f", "-", "--timeout", "1", stdin=document, code=1).stderr
    assert told.count("nobody declares it") == 1


def test_who_waits_in_vain_for_an_end_is_told_that_it_goes_on(machine: Machine) -> None:
    machine.apply(service("db", volumes=[{"volume": "data"}]), resource("Volume", "data"))
    told = machine("delete", "volume/data", "--volumes", "--timeout", "1", code=1).stderr
    assert "time is up before all was gone; what is left goes as soon as it can, unless it is applied again" in told


@pytest.mark.parametrize("stopped", [True, False])
def test_of_a_volume_that_stays_is_said_that_it_stays_and_nothing_else(machine: Machine, *, stopped: bool) -> None:
    machine.apply(service("db", volumes=[{"volume": "data"}]), resource("Volume", "data"))
    if stopped:
        machine("stop", "db")
    told = machine("delete", "all", "--all")
    assert told.stdout == f"service/db deleted\n{FORGOTTEN}"
    assert "volume/data" not in told.stderr, "it is told once"
    assert machine("delete", "volume", "data", "--volumes").stdout == "volume/data deleted\n"


def test_an_orphan_is_named_once_and_nobody_is_led_to_throw_data_away(machine: Machine) -> None:
    machine.apply(resource("Volume", "data"), service("db", volumes=[{"volume": "data"}]))
    machine("delete", "volume", "data")
    machine("delete", "service", "db")
    shown = machine("status").stdout
    assert "its data stays: declare it again, or delete it with --volumes" in shown
    assert "next:" not in shown
    told = machine("apply", "-f", "-", stdin=json.dumps(service("api"))).stderr
    assert "note: volume/data: it is ours, but nobody declares it\n" in told
