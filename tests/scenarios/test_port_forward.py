"""`port-forward`: a port here that leads to whoever serves at the time; kept ones are services of their own."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.scenarios.documents import SERVE, box, changed, native_server, server
from tests.scenarios.stage import Stage, eventually, get

pytestmark = pytest.mark.engine

FreePort = Callable[[], int]


@contextlib.contextmanager
def forwarding(stage: Stage, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[tuple[int, str]]]]:
    """The program at work, and the ports that it has opened, each with where it leads."""
    wanted = sum(1 for word in arguments[1:] if not word.startswith("-"))
    with stage.start_cli("port-forward", *arguments) as child:
        try:
            assert child.stdout
            lines = [child.stdout.readline() for _ in range(wanted)]
            found = [re.fullmatch(r"127\.0\.0\.1:(\d+) -> (\S+)\n", line) for line in lines]
            assert all(found), f"{lines} {child.poll()}"
            yield child, [(int(match[1]), match[2]) for match in found if match]
        finally:
            child.kill()


def test_ports_lead_to_containers_and_processes_and_each_connection_finds_the_successor(
    stage: Stage, free_port: FreePort
) -> None:
    """K25: a port that nobody published too; many connections at once; through a replacement, a stop and a start."""
    fixed = free_port()
    hidden = box("web", *SERVE)
    stage.apply(hidden, native_server("api"))
    with forwarding(stage, "web", f"{fixed}:80", ":80") as (child, ways), forwarding(stage, "api", "http") as (_, more):
        (first, named), (second, _), (third, process) = *ways, *more
        assert (first, named, process) == (fixed, "web:80", "api:http")
        assert 20000 <= second <= 29999
        pages: list[str] = []
        visit = partial(get, f"http://127.0.0.1:{first}/", within=60)
        visits = [threading.Thread(target=lambda: pages.append(visit())) for _ in range(20)]
        for one in visits:
            one.start()
        for one in visits:
            one.join(90)
        assert pages == ["one\n"] * 20
        assert get(f"http://127.0.0.1:{second}/") == "one\n"
        assert get(f"http://127.0.0.1:{third}/etc/hostname")

        stage.apply(changed(hidden, env={"NEW": "1"}))
        assert get(f"http://127.0.0.1:{first}/") == "one\n"
        assert child.stderr
        assert child.stderr.readline().startswith(f"127.0.0.1:{first} -> web:80: reconnected, to {stage.name('web')}")
        stage.cli("restart", "api")
        assert get(f"http://127.0.0.1:{third}/etc/hostname")
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130


def test_what_can_not_be_forwarded_is_refused_with_the_reason(stage: Stage, busy_port: int) -> None:
    udp = {"name": "dns", "port": 53, "protocol": "udp"}
    stage.apply(box("web", ports=[{"name": "http", "port": 80}, udp]))
    for words, code, said in (
        (("web", "dns"), 2, "UDP is not forwarded"), (("web", "53/udp"), 2, "UDP is not forwarded"),
        (("web", "nope"), 2, "its ports are: http, dns"), (("web", "80:0"), 2, "from 1 to 65535"),
        (("web", "x:80"), 2, "from 1 to 65535"), (("nobody", "80"), 1, "not found"),
        (("web", f"{busy_port}:80"), 1, f"port {busy_port} of 127.0.0.1 is taken by pid"),
        (("web", "80", "--address", "here"), 2, "an address of this machine"),
    ):  # fmt: skip
        assert said in stage.cli("port-forward", *words, expect=code).err, words


def test_a_connection_waits_for_who_is_not_there_yet(stage: Stage) -> None:
    stage.apply(box("web", *SERVE))
    stage.cli("stop", "web")
    with forwarding(stage, "web", ":80") as (child, [(port, _)]):
        assert child.stderr
        assert "service/web is not running" in child.stderr.readline()
        with socket.create_connection(("127.0.0.1", port)) as early:
            early.sendall(b"GET / HTTP/1.0\r\n\r\n")
            stage.cli("start", "web")
            assert early.recv(1000).startswith(b"HTTP/1.1 200")


def listed(stage: Stage) -> dict[str, dict[str, object]]:
    return {item["id"]: item for item in stage.cli("port-forward", "list", "-o", "json").json["items"]}


def test_K25_kept_ones_are_services_listed_begun_again_and_stopped(stage: Stage, free_port: FreePort) -> None:
    """Detached; the next apply begins a dead one again; `--prune` leaves them; `run` starts what a file lists."""
    web = server("web")
    stage.apply(web)
    assert "not found" in stage.cli("port-forward", "start", "nobody", "80", expect=1).err
    told = stage.cli("port-forward", "--keep", "web", ":80").out
    port = int(re.fullmatch(r"127\.0\.0\.1:(\d+) -> web:80  \(forward-web-80\)\n", told)[1])
    again = stage.cli("port-forward", "start", "web", ":80")
    assert again.out == told, "it is so already"
    fixed = free_port()
    file = stage.directory / "forwards.yaml"
    file.write_text(json.dumps({"forwards": [{"service": "web", "port": "http", "localPort": fixed}]}))
    assert f"127.0.0.1:{fixed} -> web:http" in stage.cli("port-forward", "run", "--config", str(file)).out
    for one in (port, fixed):
        assert get(f"http://127.0.0.1:{one}/") == "one\n"
    assert stage.apply(web, "--prune").actions == [], "no file declares them, and they stay"

    stage.process("forward-web-80").signal(signal.SIGKILL)
    eventually(lambda: listed(stage)["forward-web-80"]["state"] == "error", "it is told that it is dead")
    stage.cli("start", "forward-web-80")
    seen = listed(stage)
    assert (seen["forward-web-80"]["state"], seen["forward-web-80"]["localPort"]) == ("active", port)
    assert seen["forward-web-80"]["restarts"] == 1
    assert get(f"http://127.0.0.1:{port}/") == "one\n"
    stage.cli("stop", "forward-web-80", "web")
    assert (listed(stage)["forward-web-80"]["state"], listed(stage)["forward-web-http"]["state"]) == (
        "stopped",
        "error",
    )
    assert "service/web is not running" in stage.cli("port-forward", "list").out

    assert "no port-forward is called web" in stage.cli("port-forward", "stop", "web", expect=1).err
    stage.cli("port-forward", "stop", "forward-web-80")
    stage.cli("port-forward", "stop", "--all")
    assert listed(stage) == {}
    stage.cli("port-forward", "start", "web", ":80")
    assert "service/forward-web-80 deleted" in stage.cli("delete", "service", "web").out, "it would lead nowhere"
    assert stage.processes() == []
    file.write_text("forwards: [{service: web, prot: 80}]")
    assert "unknown field 'prot'" in stage.cli("port-forward", "run", "--config", str(file), expect=2).err
