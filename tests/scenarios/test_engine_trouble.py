"""An engine that is not there, hangs, or says no: that is said, and native processes are reconciled all the same."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scenarios.documents import box, native, network, volume
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.engine


@contextmanager
def deaf_engine(path: Path) -> Iterator[dict[str, str]]:
    """Takes every call and never answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(64)
        yield {"DOCKER_HOST": f"unix://{path}"}
    path.unlink()


@contextmanager
def rude_engine(path: Path) -> Iterator[dict[str, str]]:
    """Answers every question with a no."""
    body = b'{"message": "not for you"}'
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = head.encode() + body
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(64)

        def serve() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(65536)
                    caller.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield {"DOCKER_HOST": f"unix://{path}"}
        listener.shutdown(socket.SHUT_RDWR)
    path.unlink()


def test_K19_without_an_engine_it_says_so_and_native_processes_come_up(stage: Stage, tmp_path: Path) -> None:
    dead = {"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    told = stage.apply(box("web"), native("worker"), env=dead, expect=1)
    assert told.actions == ["Create worker/0"]
    assert stage.process("worker").alive
    assert ("web/0", "Unreachable") in [wait[:2] for wait in told.waits]
    assert f"no container engine answers at unix://{tmp_path}/nobody.sock" in told.err
    assert "DOCKER_HOST" in told.err
    assert "hint:" in told.err
    assert "Traceback" not in told.err
    assert stage.diff(box("web"), native("worker"), env=dead, expect=1).actions == []


def test_K19_processes_alone_need_no_engine_at_all(stage: Stage, tmp_path: Path) -> None:
    dead = {"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    told = stage.apply(native("worker"), env=dead)
    assert told.json["settled"]
    assert "engine" not in told.err
    assert stage.apply(native("worker"), env=dead).actions == []
    assert stage.delete(native("worker"), env=dead).json["settled"]


def test_K19_once_the_engine_is_back_the_rest_follows(stage: Stage, tmp_path: Path) -> None:
    stage.apply(box("web"), native("worker"), env={"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}, expect=1)
    assert stage.apply(box("web"), native("worker")).actions == ["Create network/default", "Create web/0"]


def test_K19_an_engine_that_cannot_be_read_is_not_an_empty_one(stage: Stage, tmp_path: Path) -> None:
    """Absence is not evidence: nothing is made twice, nothing forgotten, and a delete waits."""
    dead = {"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    spec = [box("web"), network("back"), volume("data")]
    stage.apply(*spec)
    before = stage.life(stage.name("web"))

    told = stage.delete(*spec, "--timeout", "2", env=dead, expect=1)
    assert (told.actions, told.json["settled"]) == ([], False)
    assert stage.life(stage.name("web")) == before
    assert "Remove web/0" in stage.delete(*spec).actions or stage.delete("services", "--all").json["settled"]
    assert stage.containers() == []


def test_K19_a_hanging_engine_costs_its_own_deadline_and_nobody_elses(stage: Stage) -> None:
    with deaf_engine(Path(f"/tmp/{stage.namespace}.sock")) as env:
        began = time.monotonic()
        told = stage.apply(box("web"), native("worker"), "--timeout", "5", env=env, expect=1)
        assert time.monotonic() - began < 60
    assert "did not answer" in told.err
    assert stage.process("worker").alive
    assert ("web/0", "Unreachable") in [wait[:2] for wait in told.waits]


def test_K19_an_engine_that_says_no_is_quoted(stage: Stage) -> None:
    with rude_engine(Path(f"/tmp/{stage.namespace}.sock")) as env:
        told = stage.apply(box("web"), native("worker"), "--timeout", "5", env=env, expect=1)
    assert "not for you" in told.err
    assert stage.process("worker").alive


@pytest.mark.root
def test_K19_a_socket_that_this_user_may_not_open_names_the_group(stage: Stage) -> None:
    """Root may open everything, so it gives that right away first."""
    with deaf_engine(Path(f"/tmp/{stage.namespace}.sock")) as env:
        Path(env["DOCKER_HOST"].removeprefix("unix://")).chmod(0)
        plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        done = subprocess.run(
            [*plain, *stage.argv("apply", "-f", str(stage.write(box("web"), native("worker"))))],
            env={**stage.environment, **env}, cwd=stage.directory, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    assert done.returncode == 1, done
    assert "may not speak to the container engine" in done.stderr
    assert "docker group" in done.stderr or "group" in done.stderr
    assert stage.process("worker").alive


def test_a_command_is_never_asked_to_wait_for_ever(stage: Stage) -> None:
    """Looking verbs too answer within the engine's deadline."""
    stage.apply(native("worker"))
    with deaf_engine(Path(f"/tmp/{stage.namespace}.sock")) as env:
        began = time.monotonic()
        told = stage.cli("status", env=env)
        assert time.monotonic() - began < 30
    assert "worker" in told.out
