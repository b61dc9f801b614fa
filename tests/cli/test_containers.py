"""The verbs that look and reach in, on a real engine: what containers have and processes have not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.machine import Document, Machine, resource
from tests.engine_api import Engine
from tests.waiting import until

pytestmark = pytest.mark.engine
ONLY_ONCE = {"initialSeconds": 60}
"""It is not started again while somebody looks at it: for a moment after each start it does run."""


@pytest.fixture
def ship(environment: dict[str, str], engine: Engine, namespace: str, tmp_path: Path) -> Iterator[Machine]:
    own = {**environment, "RECONCILER_HOME": str(tmp_path / "home"), "DOCKER_HOST": engine.address}
    place = Machine(own, namespace, tmp_path)
    yield place
    place.clear()


def container(name: str, *command: str, **spec: object) -> Document:
    inside: dict[str, object] = {"image": "reconciler-test", "pullPolicy": "Never"}
    if command:
        inside["command"] = list(command)
    return resource("Service", name, container=inside, stop={"graceSeconds": 1}, **spec)


def test_K5_a_container_is_shown_with_its_image_and_published_port(ship: Machine) -> None:
    ship.apply(container("web", "sleep", "1000", ports=[{"name": "http", "port": 80}]), resource("Volume", "data"))
    shown = ship("status").stdout
    assert re.search(r"service/web +1/1 +Ready +0 +\d+s +127\.0\.0\.1:\d+->80", shown)
    assert "network/default" not in shown, "nobody wrote it down"
    assert "reconciler-test" in ship("get", "services", "-o", "wide").stdout
    assert re.search(r"default +Ready +- +- +web", ship("get", "networks").stdout)
    assert re.search(rf"data +Ready +local +- +{ship.namespace}-data", ship("get", "volumes", "-o", "wide").stdout)
    instance = ship.json("get", "service", "web")["status"]["instances"][0]
    assert re.fullmatch(r".*T\d\d:\d\d:\d\d\.\d+Z", instance["startedAt"])
    assert instance["pid"] > 0


def test_R15_an_image_without_a_command_that_stays_is_told_to_want_keepalive(ship: Machine) -> None:
    """Its own command is a shell, which ends at once without a terminal, and well."""
    ship.apply(container("box", restart=ONLY_ONCE), code=1, options=("--timeout", "8"))
    until(lambda: "container.keepAlive: true" in ship("describe", "box").stdout)
    assert "keepAlive is missing" in ship("exec", "box", "--", "true", code=1).stderr
    assert "docker run --rm -it --entrypoint sh reconciler-test" in ship("describe", "box").stdout


def test_R4_a_command_of_its_own_that_ends_is_not_told_so(ship: Machine) -> None:
    ship.apply(container("short", "true", restart=ONLY_ONCE), code=1, options=("--timeout", "8"))
    shown = until(lambda: said if "with exit code 0" in (said := ship("describe", "short").stdout) else "")
    assert "keepAlive is missing" not in shown


def test_K6_the_log_of_a_container_has_times_and_an_order(ship: Machine) -> None:
    ship.apply(container("db", "sh", "-c", "echo one; echo two; echo three; exec sleep 1000"))
    assert ship("logs", "db").stdout == "one\ntwo\nthree\n"
    stamped = ship("logs", "db", "--timestamps", "--tail", "1").stdout
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z three\n", stamped)  # Podman counts whole seconds
    assert ship("logs", "db", "--since", "1h").stdout == "one\ntwo\nthree\n"
    assert ship("logs", "db", "--since", "2100-01-01T00:00:00Z").stdout == ""
    ship("restart", "db")
    assert ship("logs", "db", "--previous").stdout == "one\ntwo\nthree\n"


def test_R8_R9_a_command_inside_has_its_own_exit_code_and_the_container_stays(ship: Machine) -> None:
    ship.apply(container("db", "sleep", "1000"))
    before = ship.json("get", "service", "db")["status"]["instances"][0]["id"]
    assert ship("exec", "-i", "db", "-e", "A=b", "-u", "app", "-w", "/tmp", "--", "sh", "-c",
                "cat; echo $A; id -un; pwd; exit 9", code=9, stdin="in\n").stdout == "in\nb\napp\n/tmp\n"  # fmt: skip
    assert ship.json("get", "service", "db")["status"]["instances"][0]["id"] == before


def test_what_was_paused_behind_our_back_says_so_everywhere(ship: Machine, engine: Engine) -> None:
    ship.apply(container("db", "sleep", "1000"))
    engine.post(f"/containers/{ship.namespace}-db-0/pause")
    assert re.search(r"0/1 +Paused", ship("status").stdout)
    assert "db/0 is paused: somebody froze it" in ship("why", "db").stdout
    assert "is not running: db/0 is paused" in ship("exec", "db", "--", "true", code=1).stderr
    assert ship("start", "db").stdout == "service/db started\n"


def test_K7_a_container_nobody_declares_is_an_orphan_until_it_is_deleted_by_name(ship: Machine) -> None:
    ship.apply(container("lost", "sleep", "1000"))
    (ship.home / "applied" / ship.namespace / "service-lost.yaml").unlink()
    assert re.search(r"service/lost +- +Orphan", ship("status").stdout)
    ship("delete", "service/lost")
    assert "service/lost" not in ship("status").stdout
