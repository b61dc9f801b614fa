"""Doctor tells good from bad, gives a hint for each, and exits with 1 only for what is broken."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Run

ENGINE = {
    "/version": {"Version": "20.10.24", "ApiVersion": "1.41"},
    "/info": {
        "LiveRestoreEnabled": False,
        "CgroupVersion": "2",
        "CgroupDriver": "systemd",
        "LoggingDriver": "json-file",
    },
}


def checks(cli: Run, env: dict[str, str]) -> dict[str, dict[str, str]]:
    shown = cli("doctor", "-o", "json", env=env)
    found = {f"{check['group']}/{check['name']}": check for check in json.loads(shown.stdout)["checks"]}
    failed = any(check["level"] == "failed" for check in found.values())
    assert shown.returncode == (1 if failed else 0)
    return found


@contextmanager
def engine_that_answers(path: Path, answers: dict[str, bytes | None]) -> Iterator[dict[str, str]]:
    """A unix socket that speaks HTTP; None says nothing at all. Gives the variables that lead to it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        held: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                asked = connection.recv(65536).decode().split(" ")[1:2]
                answer = answers.get(asked[0]) if asked else None
                if answer is not None:
                    with contextlib.suppress(OSError):  # it has heard enough already, and hung up
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield {"DOCKER_HOST": f"unix://{path}"}
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in held:
            connection.close()


def http(tree: object) -> bytes:
    body = json.dumps(tree).encode()
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_an_engine_that_answers_is_described(cli: Run, tmp_path: Path) -> None:
    with engine_that_answers(tmp_path / "s", {path: http(tree) for path, tree in ENGINE.items()}) as env:
        found = checks(cli, env)
    assert found["containers/engine"]["level"] == "ok"
    assert found["containers/engine"]["message"].startswith("docker 20.10.24 (API 1.41) at unix://")
    assert found["containers/restore"]["level"] == "info"
    assert found["containers/cgroups"]["message"] == "v2, driver systemd"
    assert found["containers/logging"]["level"] == "ok"


def test_podman_is_called_by_its_name(cli: Run, tmp_path: Path) -> None:
    version = {"Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}
    answers = {"/version": version, "/info": {**ENGINE["/info"], "LoggingDriver": "k8s-file"}}
    with engine_that_answers(tmp_path / "s", {path: http(tree) for path, tree in answers.items()}) as env:
        found = checks(cli, env)
        told = json.loads(cli("version", "-o", "json", env=env).stdout)
    assert found["containers/engine"]["message"].startswith("podman 4.3.1 (API 1.41) at unix://")
    assert {found[f"containers/{name}"]["level"] for name in ("restore", "logging")} == {"ok"}
    assert told["engine"] == "podman 4.3.1"


def test_a_rootless_podman_with_the_old_cgroups_is_warned_of(cli: Run, tmp_path: Path) -> None:
    version = {"Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}
    info = {**ENGINE["/info"], "LoggingDriver": "", "Rootless": True, "CgroupVersion": "1", "CgroupDriver": "cgroupfs"}
    answers = {"/version": version, "/info": info}
    with engine_that_answers(tmp_path / "s", {path: http(tree) for path, tree in answers.items()}) as env:
        found = checks(cli, env)
    assert (found["containers/cgroups"]["level"], found["containers/logging"]["level"]) == ("warning", "ok")
    assert found["containers/cgroups"]["hint"].startswith("limits of containers have no effect")


def test_an_engine_whose_logs_are_lost_is_warned_of(cli: Run, tmp_path: Path) -> None:
    answers = {
        **ENGINE,
        "/info": {**ENGINE["/info"], "LoggingDriver": "none", "LiveRestoreEnabled": True, "CgroupDriver": "none"},
    }
    with engine_that_answers(tmp_path / "s", {path: http(tree) for path, tree in answers.items()}) as env:
        found = checks(cli, env)
    assert [found[f"containers/{name}"]["level"] for name in ("restore", "cgroups", "logging")] == [
        "ok",
        "warning",
        "warning",
    ]


@pytest.mark.parametrize(
    "answers",
    [
        {"/version": b"nonsense", "/info": b"nonsense"},
        {"/version": http([]), "/info": http([])},
        {"/version": http(None), "/info": http(None)},
        {"/version": b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{", "/info": b""},
        {"/version": b"HTTP/1.0 500 Oh\r\n\r\n{}", "/info": http({})},
        {},
    ],
    ids=["garbage", "a list", "null", "cut off", "an error", "silence"],
)
def test_an_engine_that_answers_badly_is_a_failure_with_a_hint(
    cli: Run, tmp_path: Path, answers: dict[str, bytes]
) -> None:
    with engine_that_answers(tmp_path / "s", dict(answers)) as env:
        found = checks(cli, env)
    assert found["containers/engine"]["level"] == "failed"
    assert found["containers/engine"]["hint"]


def test_an_engine_that_was_named_and_is_not_there_is_a_failure(cli: Run, tmp_path: Path) -> None:
    found = checks(cli, {"DOCKER_HOST": f"unix://{tmp_path}/nothing"})
    assert found["containers/engine"]["level"] == "failed"
    assert f"{tmp_path}/nothing" in found["containers/engine"]["message"]


@pytest.mark.engine
def test_the_real_engine_is_described(cli: Run) -> None:
    found = checks(cli, {})
    assert found["containers/engine"]["level"] == "ok"


@pytest.fixture
def no_engine(tmp_path: Path) -> dict[str, str]:
    return {"DOCKER_HOST": f"unix://{tmp_path}/nothing"}


def test_the_home_is_judged_by_its_mode_owner_and_kind(cli: Run, tmp_path: Path, no_engine: dict[str, str]) -> None:
    home = tmp_path / "state"

    def found() -> dict[str, str]:
        return checks(cli, {**no_engine, "RECONCILER_HOME": str(home)})["state/home"]

    assert (found()["level"], "not there yet" in found()["message"]) == ("ok", True)
    assert not home.exists(), "looking makes nothing"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    assert (found()["level"], found()["hint"]) == ("warning", f"chmod 700 {home}")
    home.chmod(0o700)
    assert found()["level"] == "ok"
    home.rmdir()
    home.write_text("")
    assert (found()["level"], "not a directory" in found()["message"]) == ("failed", True)


@pytest.mark.root
def test_a_home_of_somebody_else_is_a_failure(cli: Run, tmp_path: Path, no_engine: dict[str, str]) -> None:
    home = tmp_path / "state"
    home.mkdir(mode=0o700)
    os.chown(home, 12345, 12345)
    assert checks(cli, {**no_engine, "RECONCILER_HOME": str(home)})["state/home"]["level"] == "failed"


def test_programs_that_are_missing_are_named(cli: Run, tmp_path: Path, no_engine: dict[str, str]) -> None:
    found = checks(cli, {**no_engine, "PATH": str(tmp_path)})
    assert found["processes/sh"]["level"] == "failed"
    assert found["processes/dd"]["level"] == "failed"
    assert found["processes/setpriv"]["level"] == "info"
    assert found["convenience/git"]["level"] == "info"


def test_a_port_range_that_the_kernel_uses_too_is_warned_of(
    cli: Run, config_file: Path, no_engine: dict[str, str]
) -> None:
    assert checks(cli, no_engine)["machine/ports"]["level"] == "ok"
    config_file.write_text('portRange: "1024-65535"\n')
    assert checks(cli, no_engine)["machine/ports"]["level"] == "warning"


def test_each_finding_is_marked_and_hinted_for_people(cli: Run, no_engine: dict[str, str]) -> None:
    shown = cli("doctor", env=no_engine)
    assert shown.returncode == 1
    assert "  ✓ python " in shown.stdout
    assert "  ✗ engine " in shown.stdout
    assert "      hint: is it running?" in shown.stdout
