"""A port that somebody has: who it is, what is done about it, and what it costs."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest

from tests.scenarios.documents import native_server, server
from tests.scenarios.stage import Document, Stage, eventually

pytestmark = pytest.mark.engine

Ports = Callable[[], int]


def http(port: int | str, conflict: str | None = None) -> list[Document]:
    policy = {"onConflict": conflict} if conflict else {}
    return [{"name": "http", "port": 80, "hostPort": port, **policy}]


KINDS = pytest.mark.parametrize("kind", [server, native_server], ids=["container", "process"])


@KINDS
def test_K11_a_port_held_by_a_process_is_told_with_its_pid_and_command(
    stage: Stage, busy_port: int, kind: Callable[..., Document]
) -> None:
    told = stage.apply(kind("web", ports=http(busy_port)), expect=1)

    key, reason, message = told.waits[0]
    assert (key, reason) == ("web/0", "PortInUse")
    assert f"{busy_port}/tcp" in message
    assert f"pid {os.getpid()} (" in message
    assert "py" in message.split("(")[1]
    assert f"pid {os.getpid()}" in told.err
    assert "onConflict: reassign" in told.err
    assert not any("web" in action for action in told.actions), "nothing was tried that could not work"
    warnings = [event for event in stage.events() if event["reason"] == "PortInUse"]
    assert f"pid {os.getpid()}" in warnings[0]["message"]


@KINDS
def test_K11_a_port_held_by_a_foreign_container_names_the_container(
    stage: Stage, free_port: Ports, kind: Callable[..., Document]
) -> None:
    port = free_port()
    name = f"{stage.namespace}-holder"
    stage.intruder(name, "httpd", "-f", "-p", "80", **published(port))

    told = stage.apply(kind("web", ports=http(port)), expect=1)
    assert told.waits[0][1] == "PortInUse"
    assert name in told.waits[0][2]


@KINDS
def test_once_the_port_is_free_the_next_apply_takes_it(
    stage: Stage, free_port: Ports, kind: Callable[..., Document]
) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        stage.apply(kind("web", ports=http(port)), expect=1)
    assert stage.apply(kind("web", ports=http(port))).actions == ["Create web/0"]
    assert stage.status_of("web")["endpoints"][0]["port"] == port


@KINDS
def test_K12_reassign_moves_to_the_next_free_port_and_says_so(
    stage: Stage, busy_port: int, kind: Callable[..., Document]
) -> None:
    told = stage.apply(kind("web", ports=http(busy_port, "reassign")))

    moved = stage.status_of("web")["endpoints"][0]["port"]
    assert busy_port < moved <= busy_port + 100
    assert f"{busy_port} is held by pid {os.getpid()}" in told.err
    assert f"moved to {moved}" in told.err
    with socket.create_connection(("127.0.0.1", moved), timeout=5):
        pass
    assert stage.apply(kind("web", ports=http(busy_port, "reassign"))).actions == []


@KINDS
def test_K12_a_range_gives_its_first_free_port(stage: Stage, busy_port: int, kind: Callable[..., Document]) -> None:
    stage.apply(kind("web", ports=http(f"{busy_port}-{busy_port + 9}")))
    given = stage.status_of("web")["endpoints"][0]["port"]
    assert busy_port < given <= busy_port + 9


def test_a_range_that_is_full_says_who_has_it(stage: Stage, busy_port: int) -> None:
    told = stage.apply(server("web", ports=http(f"{busy_port}-{busy_port}")), expect=1)
    assert told.waits[0][1] == "PortsExhausted"
    assert f"pid {os.getpid()}" in told.waits[0][2]


@KINDS
def test_K12_an_automatic_port_comes_from_the_range_and_never_from_the_kernels_own(
    stage: Stage, kind: Callable[..., Document]
) -> None:
    stage.apply(kind("web", ports=http("auto")))
    assert 20000 <= stage.status_of("web")["endpoints"][0]["port"] <= 29999


def test_K12_two_ports_of_one_service_are_never_the_same(stage: Stage, free_port: Ports) -> None:
    """KECS: api and admin each scanned alone."""
    first = free_port()
    ports = [{"name": name, "port": inside, "hostPort": first, "onConflict": "reassign"} for name, inside in PAIR]
    stage.apply(server("web", ports=ports))
    assert stage.published("web", inside="80/tcp") != stage.published("web", inside="81/tcp")


PAIR = (("api", 80), ("admin", 81))


def test_K11_two_services_that_insist_on_one_port_are_told_of_one_another(stage: Stage, free_port: Ports) -> None:
    port = free_port()
    told = stage.apply(server("a", ports=http(port)), native_server("b", ports=http(port)), expect=None)
    assert told.code in {1, 2}
    assert str(port) in told.out + told.err
    assert "service/" in told.out + told.err


def test_KECS_f_the_inner_port_is_exposed_not_the_hosts(stage: Stage, free_port: Ports) -> None:
    port = free_port()
    stage.apply(server("web", ports=http(port)))
    config = stage.container("web")
    assert list(config["Config"]["ExposedPorts"]) == ["80/tcp"]
    assert config["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}


def test_KECS_e_a_port_taken_between_the_look_and_the_start_leaves_no_wreck(stage: Stage, free_port: Ports) -> None:
    """The engine creates without a look at ports and fails at the start: what is left in `created` is mended."""
    port = free_port()
    stage.apply(server("web", ports=http(port)))
    config = stage.container("web")
    stage.engine.remove(stage.name("web"))
    host = {**config["HostConfig"], "NetworkMode": f"{stage.namespace}-default"}  # which Podman does not tell
    network = {f"{stage.namespace}-default": {"Aliases": ["web"]}}
    body = {**config["Config"], "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": network}}
    with socket.create_server(("127.0.0.1", port)):
        made = stage.engine.post(f"/containers/create?name={stage.name('web')}", body)["Id"]
        with pytest.raises(Exception, match=r"in use|allocated"):
            stage.engine.post(f"/containers/{made}/start")
        assert stage.container("web")["State"]["Status"] == "created"
        told = stage.apply(server("web", ports=http(port)), expect=1)
        assert told.waits[0][1] == "PortInUse"
        assert f"pid {os.getpid()}" in told.waits[0][2]
    assert stage.apply(server("web", ports=http(port))).actions == ["Start web/0"]
    assert stage.id("web") == made


def test_a_created_wreck_with_a_port_that_is_gone_for_good_moves_on(stage: Stage, free_port: Ports) -> None:
    port = free_port()
    spec = server("web", ports=http(port, "reassign"))
    stage.apply(spec)
    stage.signal(stage.name("web"), "stop", "?t=1")
    with eventually(lambda: socket.create_server(("127.0.0.1", port)), "the port is free"):
        stage.apply(spec)
        assert stage.published("web") != port


def published(port: int) -> dict[str, object]:
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    return {"ExposedPorts": {"80/tcp": {}}, "HostConfig": {"PortBindings": bindings}}
