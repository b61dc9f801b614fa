"""`wait`: until something is true, or not; what scripts stand on."""

from __future__ import annotations

import time

import pytest

from reconciler.cli.conditions import expectation
from reconciler.errors import UsageError
from tests.cli.machine import Machine, service, web

SLOW = {"readiness": {"exec": {"command": ["test", "-e", "ready"]}, "periodSeconds": 0.2}}


def test_R5_it_waits_for_ready_not_for_existence(machine: Machine) -> None:
    machine.apply(service("db", probes=SLOW), options=("--no-wait",))
    early = machine("wait", "--for=condition=Ready", "db", "--timeout", "0", code=1)
    assert "service/db: Ready is False, not True (NotReady: readiness probe: exit code 1)" in early.stderr
    with machine.begin("wait", "--for=condition=Ready", "db", "--timeout", "60s") as child:
        (machine.directory / "ready").touch()
        output, _ = child.communicate(timeout=60)
    assert (child.returncode, output) == (0, "service/db condition met\n")


def test_R5_time_that_is_up_is_exit_code_1_with_what_is_instead(machine: Machine) -> None:
    machine.apply(service("db"))
    before = time.monotonic()
    late = machine("wait", "--for=condition=Ready=False", "service/db", "--timeout", "700ms", code=1)
    assert time.monotonic() - before >= 0.7
    assert "error: service/db after 0.7 s: Ready is True, not False (Ready)" in late.stderr
    assert f"hint: see: reconciler why db -n {machine.namespace}" in late.stderr


def test_several_conditions_have_to_hold_together(machine: Machine) -> None:
    machine.apply(web(replicas=2))
    both = ("--for=condition=ready", "--for=jsonpath={.status.readyReplicas}=2")
    assert machine("wait", *both, "service/web").stdout == "service/web condition met\n"
    one = ("--for=condition=Ready", "--for=jsonpath={.status.readyReplicas}=3")
    assert "{.status.readyReplicas} is '2', not '3'" in machine("wait", *one, "web", "--timeout", "0", code=1).stderr


def test_deletion_is_waited_for(machine: Machine) -> None:
    machine.apply(service("db"), service("api"))
    assert "it is still there: Ready" in machine("wait", "--for=delete", "db", "--timeout", "0", code=1).stderr
    with machine.begin("wait", "--for=delete", "service/api", "service/db", "--timeout", "60s") as child:
        machine("delete", "services", "--all")
        output, _ = child.communicate(timeout=60)
    assert (child.returncode, output) == (0, "service/api condition met\nservice/db condition met\n")
    assert machine("wait", "--for=delete", "db").stdout == "service/db condition met\n"


def test_creation_is_waited_for(machine: Machine) -> None:
    with machine.begin("wait", "--for=create", "--for=condition=Ready", "db", "--timeout", "60s") as child:
        machine.apply(service("db"))
        output, errors = child.communicate(timeout=60)
    assert (child.returncode, output, errors) == (0, "service/db condition met\n", "")


def test_all_and_labels_choose(machine: Machine) -> None:
    machine.apply(service("db", labels={"tier": "back"}), service("api"))
    ready = ("wait", "--for=condition=Ready")
    assert machine(*ready, "services", "--all").stdout == "service/api condition met\nservice/db condition met\n"
    assert machine(*ready, "services", "-l", "tier=back").stdout == "service/db condition met\n"
    assert machine(*ready, "service", "db", "api").stdout == "service/api condition met\nservice/db condition met\n"
    assert "nothing to wait for" in machine(*ready, "services", "-l", "tier=nope", code=1).stderr
    assert "nothing is named" in machine(*ready, "services", code=2).stderr
    assert "did you mean db?" in machine(*ready, "dbb", code=1).stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ready",
        "condition=",
        "condition=Raedy",
        "condition=Ready=Maybe",
        "delete=now",
        "jsonpath={.a}b",
        "jsonpath=",
    ],
)
def test_what_is_not_understood_is_refused_before_anything_is_waited_for(text: str) -> None:
    with pytest.raises(UsageError):
        expectation(text)


def test_a_span_of_time_may_have_units(machine: Machine) -> None:
    wrong = machine("wait", "--for=create", "db", "--timeout", "soon", code=2)
    assert "'soon' is not a span of time, like 30s, 1m30s" in wrong.stderr
