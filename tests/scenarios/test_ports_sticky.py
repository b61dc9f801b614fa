"""A port that was chosen is kept, because others know it; and when it has to move, they are told."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable

import pytest

from tests.scenarios.documents import box, changed, native, native_server, server
from tests.scenarios.stage import Document, Stage, eventually

pytestmark = pytest.mark.engine

KINDS = pytest.mark.parametrize("kind", [server, native_server], ids=["container", "process"])
Kind = Callable[..., Document]


def port_of(stage: Stage, name: str = "web", index: int = 0) -> int:
    endpoints = stage.status_of(name)["endpoints"]
    return int(next(endpoint["port"] for endpoint in endpoints if endpoint["index"] == index))


@KINDS
def test_K13_a_port_outlives_stop_and_start(stage: Stage, kind: Kind) -> None:
    stage.apply(kind("web"))
    port = port_of(stage)
    stage.cli("stop", "web")
    stage.cli("start", "web")
    assert port_of(stage) == port


@KINDS
def test_K13_a_port_outlives_a_change_of_environment(stage: Stage, kind: Kind) -> None:
    stage.apply(kind("web"))
    port = port_of(stage)
    stage.apply(kind("web", env={"ROUND": "2"}))
    assert port_of(stage) == port


def test_K13_a_port_outlives_a_change_of_image(stage: Stage) -> None:
    stage.apply(server("web"))
    port = port_of(stage)
    stage.apply(server("web", container={"image": "reconciler-test:2"}))
    assert port_of(stage) == port


def test_K13_a_port_that_had_to_be_looked_for_is_kept_though_the_wished_one_is_free_again(
    stage: Stage, free_port: Callable[[], int]
) -> None:
    wished = free_port()
    spec = server("web", ports=[{"port": 80, "hostPort": wished, "onConflict": "reassign"}])
    with socket.create_server(("127.0.0.1", wished)):
        stage.apply(spec)
    moved = port_of(stage)
    assert moved != wished
    assert stage.apply(spec).actions == []
    stage.apply(changed(spec, env={"ROUND": "2"}))
    assert port_of(stage) == moved


def test_K13_a_port_outlives_a_killed_container_and_a_lost_diary(stage: Stage) -> None:
    stage.apply(server("web"))
    port = port_of(stage)
    stage.signal(stage.name("web"), "kill")
    for path in stage.home.glob("diary.db*"):
        path.unlink()
    assert stage.apply(server("web")).actions == ["Start web/0"]
    assert port_of(stage) == port


def test_K13_a_port_outlives_a_killed_process_and_a_lost_diary(stage: Stage) -> None:
    stage.apply(native_server("web"))
    port = port_of(stage)
    process = stage.process("web")
    process.signal(signal.SIGKILL)
    eventually(lambda: not process.alive, "it has ended")
    for path in stage.home.glob("diary.db*"):
        path.unlink()
    assert stage.apply(native_server("web")).actions == ["Start web/0"]
    assert port_of(stage) == port


def test_K13_even_one_made_anew_from_nothing_gets_its_old_port(stage: Stage) -> None:
    """The search starts at a place that depends on the name alone."""
    stage.apply(server("web"))
    port = port_of(stage)
    stage.engine.remove(stage.name("web"))
    stage.apply(server("web"))
    assert port_of(stage) == port


def test_a_port_that_moves_moves_what_its_dependents_were_told(stage: Stage, free_port: Callable[[], int]) -> None:
    """Somebody took it while it was down. Who was told the address is started anew with the new one."""
    wished = free_port()
    spec = [
        server("web", ports=[{"port": 80, "hostPort": wished, "onConflict": "reassign"}]),
        native("caller", dependsOn=["web"]),
        native("stranger"),
    ]
    stage.apply(*spec)
    caller, stranger = stage.process("caller"), stage.process("stranger")
    assert caller.environment()["WEB_PORT"] == str(wished)

    stage.signal(stage.name("web"), "stop", "?t=1")
    with eventually(lambda: socket.create_server(("127.0.0.1", wished)), "the port is free"):
        stage.apply(*spec)
        moved = port_of(stage)
        assert moved != wished
        assert stage.process("caller") != caller
        assert stage.process("caller").environment()["WEB_ADDR"] == f"127.0.0.1:{moved}"
        assert stage.process("stranger") == stranger


def test_K12_three_replicas_have_three_ports(stage: Stage) -> None:
    stage.apply(server("web", replicas=3))
    ports = {stage.published("web", index) for index in range(3)}
    assert len(ports) == 3
    stage.apply(server("web", replicas=3, env={"ROUND": "2"}))
    assert {stage.published("web", index) for index in range(3)} == ports


def test_K12_ten_applies_at_once_never_share_a_port(stage: Stage, free_port: Callable[[], int]) -> None:
    """Ten processes, one home, one wish: whoever comes later sees what the earlier ones were given."""
    wished = free_port()
    for number in range(10):
        kind = server if number % 2 else native_server
        port = {"name": "http", "port": 80, "hostPort": wished, "onConflict": "reassign"}
        stage.write(kind(f"web-{number}", ports=[port]), name=f"{number}.yaml")
    running = [stage.start_cli("apply", "-f", f"{number}.yaml", "--timeout", "60") for number in range(10)]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 10, outputs

    ports = [port_of(stage, f"web-{number}") for number in range(10)]
    assert len(set(ports)) == 10
    assert min(ports) == wished
    assert stage.diff().actions == []


def test_K12_two_homes_at_once_never_share_a_port_on_the_engine(stage: Stage, free_port: Callable[[], int]) -> None:
    """No lock is shared here: only the engine knows. Who comes second is refused, and takes another."""
    wished = free_port()
    other = stage.other_home("other", f"{stage.namespace}-two")
    spec = {"name": "http", "port": 80, "hostPort": wished, "onConflict": "reassign"}
    both: list[subprocess.Popen[str]] = []
    for place, name in ((stage, "one"), (other, "two")):
        place.write(server(name, ports=[spec]))
        both.append(place.start_cli("apply", "-f", "spec.yaml", "--timeout", "60"))
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    ports = {stage.published("one"), other.published("two")}
    assert len(ports) == 2
    assert wished in ports


def test_two_containers_of_one_namespace_talk_by_name_whatever_their_host_ports(stage: Stage) -> None:
    stage.apply(server("web"), box("caller", dependsOn=["web"]))
    told = stage.environment_of("caller")
    assert (told["WEB_HOST"], told["WEB_PORT"]) == ("web", "80")
    assert "one" in stage.run_inside("caller", "wget", "-qO-", f"http://{told['WEB_ADDR']}/index.html")
