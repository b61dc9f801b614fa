"""An engine that is absent, hangs, refuses, or answers with anything but the truth: a problem, never an empty world."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from reconciler.errors import OutcomeUnknown, Unreachable
from reconciler.model.desired import ContainerPayload, Desired
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.runtimes.docker import connection, reach, wire
from reconciler.runtimes.docker.endpoint import Endpoint
from reconciler.runtimes.docker.runtime import DockerRuntime

Answer = Callable[[socket.socket, bytes], None]

DESIRED = Desired(
    key=Key("service", "shop", "web", 0),
    runtime="docker",
    payload=ContainerPayload(image="nginx"),
    fingerprint="f1",
    owner="o",
)


@contextmanager
def engine_that(path: Path, answer: Answer) -> Iterator[DockerRuntime]:
    """A socket behind which every request gets the same treatment."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(64)
    threads = ThreadPoolExecutor(16)
    open_ones: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            open_ones.append(client)
            threads.submit(treat, client)

    def treat(client: socket.socket) -> None:
        try:
            answer(client, client.recv(65536))
        except OSError:
            return  # the other side has given up, as it should

    acceptor = threading.Thread(target=serve)
    acceptor.start()
    try:
        yield runtime_at(path)
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        acceptor.join()
        for client in open_ones:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()
        threads.shutdown()


def runtime_at(path: Path) -> DockerRuntime:
    return DockerRuntime(lambda: Endpoint(f"unix://{path}"), owner="o")


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same deadlines, a tenth as long."""
    asking = connection.Connection
    for function in (asking.get, asking.ask, asking.get_all, asking.get_each):
        monkeypatch.setitem(function.__kwdefaults__, "seconds", 0.5)


def whole(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def saying(data: bytes) -> Answer:
    def answer(client: socket.socket, _request: bytes) -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    return answer


def silent(client: socket.socket, _request: bytes) -> None:
    client.recv(1)


def dripping(client: socket.socket, _request: bytes) -> None:
    """A byte now and then, so that no single wait is ever too long."""
    for byte in whole(b"[" + b" " * 1000 + b"]"):
        client.sendall(bytes([byte]))
        time.sleep(0.1)


def well(client: socket.socket, request: bytes) -> None:
    body = b'{"Volumes": [], "Warnings": null}' if b"/volumes" in request else b"[]"
    saying(whole(body))(client, request)


def but(path: bytes, answer: Answer) -> Answer:
    """All is well but for one kind of request."""
    return lambda client, request: (answer if path in request.split(b"\r\n")[0] else well)(client, request)


BROKEN: dict[str, Answer] = {
    "hangs": silent,
    "drips": dripping,
    "closes at once": lambda client, _: client.shutdown(socket.SHUT_RDWR),
    "says nothing": saying(b""),
    "is no HTTP server": saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "stops within the head": saying(b"HTTP/1.0 200 OK\r\nContent-Le"),
    "stops within the body": saying(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n[]"),
    "stops within the JSON": saying(b'HTTP/1.0 200 OK\r\n\r\n[{"Id": "a'),
    "says null": saying(whole(b"null")),
    "says an object": saying(whole(b'{"message": "hello"}')),
    "says a text": saying(whole(b'"containers"')),
    "says an empty body": saying(whole(b"")),
    "lists nonsense": saying(whole(b'[1, {"Id": null}]')),
    "lists half a container": saying(whole(b'[{"Id": "a"}]')),
    "fails": saying(whole(b'{"message": "boom"}', "500 Internal Server Error")),
    "is busy": saying(whole(b'{"message": "slow down"}', "429 Too Many Requests")),
    "denies": saying(whole(b'{"message": "no"}', "403 Forbidden")),
    "says bytes": saying(whole(b"\xff\xfe\x00" * 100)),
    "nests without end": saying(whole(b"[" * 200_000)),
}


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("where", [b"/containers", b"/networks", b"/volumes"])
def test_K19_no_failure_of_any_list_is_an_empty_world(tmp_path: Path, how: str, where: bytes) -> None:
    with engine_that(tmp_path / "s", but(where, BROKEN[how])) as runtime:
        before = time.monotonic()
        view = runtime.observe()
        assert time.monotonic() - before < 4.5
    assert not view.reachable
    assert view.hint
    assert str(tmp_path / "s") in view.problem


def test_an_empty_world_is_one_all_the_same(tmp_path: Path) -> None:
    with engine_that(tmp_path / "s", well) as runtime:
        view = runtime.observe(deep=True)
    assert (view.reachable, view.objects) == (True, ())


@pytest.mark.parametrize(("hung_up", "asked"), [(0, 5), (2, 7), (3, 8)])
def test_questions_go_over_lines_that_were_opened_ahead_if_those_still_stand(
    tmp_path: Path, hung_up: int, asked: int
) -> None:
    """Five questions, and three lines that were opened for them before they were known."""
    silent_once = {f"GET /networks?{number} ".encode() for number in range(hung_up)}
    lines: list[int] = []

    def answer(client: socket.socket, request: bytes) -> None:
        lines.append(id(client))
        line, _, _ = request.partition(b"HTTP")
        (BROKEN["says nothing"] if line in silent_once else well)(client, request)
        silent_once.discard(line)

    with engine_that(tmp_path / "s", answer):
        asking = connection.Connection(lambda: Endpoint(f"unix://{tmp_path / 's'}"))
        with asking.ahead(3):
            opened = len(lines)
            replies = [*asking.get_each([f"/networks?{number}" for number in range(5)])]
    assert [reply.json() for reply in replies if not isinstance(reply, Unreachable)] == [[]] * 5
    assert (opened, len(lines), len(set(lines))) == (0, asked, asked)


def test_lines_that_nobody_needed_are_closed(tmp_path: Path) -> None:
    ended = threading.Event()

    def answer(_: socket.socket, request: bytes) -> None:
        assert request == b""
        ended.set()

    with engine_that(tmp_path / "s", answer):
        with connection.Connection(lambda: Endpoint(f"unix://{tmp_path / 's'}")).ahead(1):
            assert not ended.is_set()
        assert ended.wait(30)


def test_a_hanging_engine_is_given_five_seconds(tmp_path: Path) -> None:
    with engine_that(tmp_path / "s", silent) as runtime:
        before = time.monotonic()
        view = runtime.observe()
        assert 4.5 < time.monotonic() - before < 30
    assert "did not answer in 5 s" in view.problem


def test_K19_no_engine_says_how_to_start_one(tmp_path: Path) -> None:
    view = runtime_at(tmp_path / "none").observe()
    assert "no container engine answers" in view.problem
    assert "start" in view.hint


def test_a_socket_without_an_engine_behind_it_says_so(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    view = runtime_at(tmp_path / "s").observe()
    assert "no container engine answers" in view.problem


def test_no_one_listens_on_a_tcp_endpoint() -> None:
    view = DockerRuntime(lambda: Endpoint("tcp://127.0.0.1:1"), owner="o").observe()
    assert "no container engine answers at tcp://127.0.0.1:1" in view.problem


@pytest.mark.root
def test_a_denied_socket_says_how_to_be_let_in(tmp_path: Path) -> None:
    """As another user, in a child: rights are a process's own."""
    reader, writer = os.pipe()
    with engine_that(tmp_path / "s", well):
        (tmp_path / "s").chmod(0o600)
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(0o755)
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            view = runtime_at(tmp_path / "s").observe()
            os.write(writer, json.dumps([view.problem, view.hint]).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with os.fdopen(reader) as told:
            problem, hint = json.load(told)
    assert "may not speak to the container engine" in problem
    assert "docker" in hint


def test_an_unknown_endpoint_is_a_problem_and_no_crash() -> None:
    def nowhere() -> Endpoint:
        raise Unreachable("there is no docker context 'x'", hint="see `docker context ls`")

    view = DockerRuntime(nowhere, owner="o").observe()
    assert (view.problem, view.hint) == ("there is no docker context 'x'", "see `docker context ls`")


def test_an_answer_lost_after_a_change_is_unknown(tmp_path: Path) -> None:
    """E2: the engine may well have done it."""

    def lose(client: socket.socket, request: bytes) -> None:
        if b"/version" in request:
            return saying(whole(b'{"ApiVersion": "1.41"}'))(client, request)
        return client.close()

    with (
        engine_that(tmp_path / "s", lose) as runtime,
        pytest.raises(OutcomeUnknown, match="may have happened all the same"),
    ):
        runtime.create(DESIRED)


def test_a_change_that_is_never_answered_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 1)
    version = saying(whole(b'{"ApiVersion": "1.41"}'))

    def hang(client: socket.socket, request: bytes) -> None:
        (version if b"/version" in request else silent)(client, request)

    with engine_that(tmp_path / "s", hang) as runtime, pytest.raises(OutcomeUnknown, match="in time"):
        runtime.create(DESIRED)


def test_a_change_without_an_engine_has_not_happened(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no container engine answers"):
        runtime_at(tmp_path / "none").create(DESIRED)


@pytest.mark.usefixtures("short_patience")
def test_one_container_that_can_not_be_inspected_hides_no_other(tmp_path: Path) -> None:
    """An engine with one stuck container hangs on just that one."""
    worn = {"owner": "o", "namespace": "shop", "kind": "service", "name": "web", "fingerprint": "f1"}
    labels = {f"dev.reconciler.{name}": value for name, value in worn.items()}
    listed = [
        {"Id": str(index) * 64, "Names": [f"/shop-web-{index}"], "State": "running", "Status": "Up 3 seconds"}
        | {"Labels": {**labels, "dev.reconciler.index": str(index)}}
        for index in range(3)
    ]
    state = {
        "State": {"Pid": 42, "StartedAt": "2026-11-20T10:00:00Z"},
        "Id": "0" * 64,
        "Image": "sha256:0",
        "Config": {},
        "HostConfig": {},
        "NetworkSettings": {},
    }

    def answer(client: socket.socket, request: bytes) -> None:
        if b"1111/json" in request:
            silent(client, request)
        elif b"/json?all" in request:
            saying(whole(json.dumps(listed).encode()))(client, request)
        elif b"/containers/" in request:
            saying(whole(json.dumps(state).encode()))(client, request)
        else:
            well(client, request)

    with engine_that(tmp_path / "s", answer) as runtime:
        view = runtime.observe(deep=True)
    assert [(one.phase, one.pid) for one in view.objects] == [
        (Phase.RUNNING, 42),
        (Phase.UNKNOWN, None),
        (Phase.RUNNING, 42),
    ]


def test_a_line_that_was_hung_up_before_anything_was_asked_is_let_go(tmp_path: Path) -> None:
    with engine_that(tmp_path / "s", well):
        endpoint = Endpoint(f"unix://{tmp_path / 's'}")
        (line,) = wire.lines_ahead(endpoint, 1, seconds=5)
    (told,) = wire.ask_each(endpoint, [wire.Request("/info")], seconds=5, lines=[line])
    assert isinstance(told, Unreachable)
    assert line.socket.fileno() == -1


def test_a_removal_that_is_under_way_is_waited_for(tmp_path: Path) -> None:
    """Somebody else removes it already: ours is done when it is gone, and not before."""
    gone = threading.Event()
    order: list[str] = []

    def answer(client: socket.socket, request: bytes) -> None:
        first = request.split(b"\r\n")[0]
        if b"/version" in first:
            saying(whole(b'{"ApiVersion": "1.41"}'))(client, request)
        elif first.startswith(b"DELETE"):
            order.append("asked")
            words = b'{"message": "removal of container abc is already in progress"}'
            saying(whole(words, "409 Conflict"))(client, request)
            threading.Timer(0.3, gone.set).start()
        elif b"/wait?condition=removed" in first:
            gone.wait(30)
            order.append("gone")
            saying(whole(b'{"StatusCode": 0}'))(client, request)
        else:
            saying(whole(b'{"message": "no such container"}', "404 Not Found"))(client, request)

    seen = Observed("abc", "shop-web-0", "service", "docker", key=DESIRED.key, owner="o", phase=Phase.EXITED)
    with engine_that(tmp_path / "s", answer) as runtime:
        runtime.remove(seen)
        order.append("done")
    assert order == ["asked", "gone", "done"]


@pytest.mark.usefixtures("short_patience")
def test_a_log_that_stops_in_the_middle_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal keeps the end of the log first, and has the home's lock meanwhile."""
    monkeypatch.setattr(reach, "READ_SECONDS", 0.5)

    def answer(client: socket.socket, request: bytes) -> None:
        if b"/logs" not in request:
            saying(whole(b'{"Config": {"Tty": true}}'))(client, request)
            return
        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nas far as it goes")
        client.recv(1)

    seen = Observed(id="1" * 64, name="shop-web-0", kind="service", runtime="docker", key=DESIRED.key)
    with ThreadPoolExecutor(1) as reader, engine_that(tmp_path / "sock", answer) as runtime:
        pieces = runtime.logs(seen)
        assert reader.submit(next, pieces).result(5) == b"as far as it goes"
        with pytest.raises(Unreachable):
            reader.submit(next, pieces).result(5)


def test_a_layer_that_vanished_while_it_was_fetched_is_fetched_anew(tmp_path: Path) -> None:
    """Podman shares layers between images without a lock of its own on those that are just being put together."""
    fetched: list[bytes] = []

    def answer(client: socket.socket, request: bytes) -> None:
        first = request.partition(b"\r\n")[0]
        if b"/images/create" in first:
            fetched.append(first)
            lost = b'{"error": "committing the finished image: layer not known"}'
            saying(whole(lost if len(fetched) == 1 else b'{"status": "Pull complete"}'))(client, request)
        elif b"/images/" in first:
            saying(whole(b'{"message": "no such image"}', "404 Not Found"))(client, request)
        else:
            saying(whole(b'{"ApiVersion": "1.41"}'))(client, request)

    with engine_that(tmp_path / "s", answer) as runtime:
        runtime.prepare(DESIRED)
    assert len(fetched) == 2
