"""H5: a service may be something that others run already. It is watched and found, and never touched."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.documents import box, document, shell
from tests.scenarios.stage import Document, Stage, eventually

pytestmark = pytest.mark.engine

PROBES = {"readiness": {"httpGet": {"port": "http", "path": "/index.html"}, "periodSeconds": 0.2}}


def attached(name: str, port: int = 80, **to: Any) -> Document:
    return document("Service", name, attachTo=to, ports=[{"name": "http", "port": port}], probes=PROBES)


def ask(name: str) -> str:
    return f"wget -q -O - $${name}_URL/index.html; exec sleep 10000"


@pytest.fixture
def database(stage: Stage) -> str:
    """A container that nobody here made, published on a port that the engine chose."""
    name = f"{stage.namespace}-theirs"
    stage.intruder(
        name, "httpd", "-f", "-p", "80", "-h", "/www",
        ExposedPorts={"80/tcp": {}}, HostConfig={"PortBindings": {"80/tcp": [{}]}},
    )  # fmt: skip
    return name


def ready(stage: Stage, name: str) -> tuple[str, str, str]:
    found = {c["type"]: c for c in stage.status_of(name)["conditions"]}["Ready"]
    return found["status"], found["reason"], found["message"]


def test_H5_a_container_of_others_is_found_by_name_and_left_alone(stage: Stage, database: str) -> None:
    life = stage.life(database)
    spec = [
        attached("db", container=database),
        shell("native", ask("DB"), dependsOn=["db"]),
        box("boxed", "sh", "-c", ask("DB"), dependsOn=["db"]),
    ]
    told = stage.apply(*spec)
    assert not [action for action in told.actions if "db/" in action]
    for caller in ("native", "boxed"):
        eventually(lambda caller=caller: "one" in stage.cli("logs", caller).out, f"{caller} hears from it")
    assert ready(stage, "db")[0] == "True"
    assert stage.status_of("db")["instances"][0]["id"] == life[0]
    assert stage.cli("exec", "db", "--", "cat", "/www/index.html").out == "one\n"

    for verb in (("stop", "db"), ("restart", "db"), ("scale", "db", "--replicas", "2")):
        assert "which others run" in stage.cli(*verb, expect=1).err
    stage.cli("stop-all", expect=None)
    stage.cli("delete", "services", "--all")
    assert stage.life(database) == life


def test_H5_what_is_gone_is_not_ready_and_nobody_brings_it_back(stage: Stage, database: str) -> None:
    spec = [attached("db", container=database), shell("caller", ask("DB"), dependsOn=["db"])]
    stage.apply(*spec)
    caller = stage.process("caller").pid

    stage.signal(database, "kill")
    told = stage.apply(*spec, "--timeout", "5", expect=1)
    assert told.actions == []
    status, reason, message = ready(stage, "db")
    assert (status, reason) == ("False", "NotThere")
    assert "does not run" in message

    stage.engine.remove(database)
    told = stage.apply(*spec, "--timeout", "5", expect=1)
    assert (told.actions, ready(stage, "db")[2]) == ([], f"there is no container {database} on this machine")
    assert stage.process("caller").pid == caller, "its caller is left as it is"


@pytest.fixture
def daemonized(stage: Stage, free_port: Callable[[], int]) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """A server with a pid file, and a name of its own."""
    port, program, pid_file = free_port(), stage.directory / "their-httpd", stage.directory / "httpd.pid"
    (stage.directory / "www").mkdir()
    (stage.directory / "www/index.html").write_text("theirs\n")
    program.symlink_to("/bin/busybox")
    argv = ["httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", str(stage.directory / "www")]
    with subprocess.Popen(argv, executable=program) as server:
        pid_file.write_text(f"{server.pid}\n")
        yield server, port, pid_file
        server.kill()


def test_H5_a_process_of_others_by_its_number_its_name_or_its_file(
    stage: Stage, daemonized: tuple[subprocess.Popen[bytes], int, Path]
) -> None:
    server, port, pid_file = daemonized
    spec = [
        attached("by-pid", port, process={"pid": server.pid}),
        attached("by-file", port, process={"pidFile": str(pid_file)}),
        attached("by-name", port, process={"name": "their-httpd"}),
        attached("nobody", port, process={"name": "nobody-is-called-so"}),
        shell("caller", ask("BY_FILE"), dependsOn=["by-file"]),
    ]
    told = stage.apply(*spec, "--timeout", "20", expect=1)
    assert told.actions == ["Create caller/0"]
    eventually(lambda: stage.cli("logs", "caller").out == "theirs\n", "it is found by its name")
    assert [stage.status_of(f"by-{how}")["instances"][0]["pid"] for how in ("pid", "file", "name")] == [server.pid] * 3
    assert ready(stage, "nobody")[1:] == ("NotThere", "process nobody-is-called-so does not run on this machine")
    assert "no way into it" in stage.cli("logs", "by-pid", expect=1).err

    stage.cli("delete", "services", "--all")
    assert server.poll() is None
    server.kill()
    server.wait()
    told = stage.apply(attached("by-file", port, process={"pidFile": str(pid_file)}), expect=1)
    assert "does not run" in told.waits[0][2]
