"""Ways into a container."""

from __future__ import annotations

import threading
import time
import urllib.request

import pytest

from reconciler.errors import Gone, OutcomeUnknown, Refused
from reconciler.model.desired import PortBinding
from tests.docker.conftest import World
from tests.docker.test_containers import free_port


def test_K6_logs_keep_both_streams_in_order(world: World) -> None:
    script = "for i in 1 2 3; do echo out $i; sleep 0.4; echo err $i >&2; sleep 0.4; done"
    seen = world.made(world.service("job", "sh", "-c", script))
    world.engine.post(f"/containers/{seen.id}/wait")
    lines = b"".join(world.runtime.logs(seen)).split(b"\n")
    assert lines == [b"out 1", b"err 1", b"out 2", b"err 2", b"out 3", b"err 3", b""]
    assert b"".join(world.runtime.logs(seen, tail=2)) == b"out 3\nerr 3\n"
    assert b"".join(world.runtime.logs(seen, since=time.time() + 60)) == b""
    assert b"".join(world.runtime.logs(seen, timestamps=True, tail=1)).startswith(b"20")


def test_followed_logs_come_as_they_are_written_and_end_with_the_container(world: World) -> None:
    waits = "echo one; until test -e /go; do sleep 0.05; done; echo two"
    seen = world.made(world.service("web", "sh", "-c", waits, init=False))
    lines = world.runtime.logs(seen, follow=True)
    assert next(lines) == b"one\n"
    world.runtime.run(seen, ["touch", "/go"], deadline=30)
    assert list(lines) == [b"two\n"]


def test_logs_of_a_terminal_are_read_too(world: World) -> None:
    seen = world.made(world.service("job", "echo", "hello", tty=True))
    world.engine.post(f"/containers/{seen.id}/wait")
    assert b"".join(world.runtime.logs(seen)) == b"hello\r\n"


def test_logs_of_what_is_gone_say_so(world: World) -> None:
    seen = world.made(world.service("web"))
    world.engine.remove(seen.id)
    with pytest.raises(Gone):
        list(world.runtime.logs(seen))


def test_a_command_inside_leaves_its_code_and_both_outputs(world: World) -> None:
    seen = world.made(world.service("web"))
    done = world.runtime.run(seen, ["sh", "-c", "echo out; echo err >&2; exit 3"], deadline=5)
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_a_command_that_floods_is_cut(world: World) -> None:
    seen = world.made(world.service("web"))
    done = world.runtime.run(seen, ["head", "-c", "10000000", "/dev/zero"], deadline=20)
    assert (done.exit_code, len(done.stdout)) == (0, 64 * 1024)


def test_a_command_that_does_not_end_is_killed_with_its_children(world: World) -> None:
    """Even with children that have left their parent and their session."""
    seen = world.made(world.service("web", user="1000"))
    before = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="killed"):
        world.runtime.run(seen, ["sh", "-c", "setsid sleep 7777 & sleep 7778"], deadline=0.5)
    assert time.monotonic() - before < 5
    left = world.runtime.run(seen, ["ps"], deadline=5).stdout
    assert b"777" not in left
    assert b"sleep 1000" in left


def test_a_program_that_is_not_inside_fails_as_a_shell_would_say(world: World) -> None:
    seen = world.made(world.service("web"))
    done = world.runtime.run(seen, ["no-such-program"], deadline=5)
    assert done.exit_code in {126, 127}
    assert b"no-such-program" in done.stdout + done.stderr


def test_nothing_runs_in_a_container_that_is_stopped(world: World) -> None:
    seen = world.made(world.service("job", "true"))
    world.engine.post(f"/containers/{seen.id}/wait")
    with pytest.raises(Refused, match="not running"):
        world.runtime.run(seen, ["true"], deadline=5)


def test_R10_many_commands_run_at_once(world: World) -> None:
    seen = world.made(world.service("web"))
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(world.runtime.run(seen, ["true"], deadline=10).exit_code))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 10


def test_a_published_port_is_reached_on_loopback_and_another_at_the_container(world: World) -> None:
    port = free_port()
    command = ("httpd", "-f", "-p", "80", "-h", "/www")
    published = world.made(world.service("web", *command, ports=(PortBinding("http", 80, port),)))
    assert world.runtime.address(published, 80) == ("127.0.0.1", port)
    inner = world.made(world.service("inner", *command))
    for seen in (published, inner):
        host, number = world.runtime.address(seen, 80)
        assert fetch(f"http://{host}:{number}/") == b"one\n"


def test_a_stopped_container_has_no_address(world: World) -> None:
    seen = world.made(world.service("job", "true"))
    world.engine.post(f"/containers/{seen.id}/wait")
    with pytest.raises(Refused, match="nothing leads to port 80"):
        world.runtime.address(seen, 80)


def fetch(url: str) -> bytes:
    """Retried for a moment: a container runs before its program listens."""
    deadline = time.monotonic() + 5
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bytes(answer.read())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
