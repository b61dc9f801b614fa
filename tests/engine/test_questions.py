"""The four questions, put to real servers and real programs. Every answer comes within the probe's deadline."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.engine.probes.questions import Answer, ask, readable
from reconciler.errors import Denied, Gone, Unreachable
from reconciler.kinds.probes import Exec, HttpGet, Log, Probe, TcpSocket
from reconciler.model.observed import Observed
from tests.engine import servers
from tests.engine.reach import LoopbackReach
from tests.engine.servers import Talk, saying, serving, unused_port

PROCESS = Observed(id="1", name="shop-web-0", kind="service", runtime="process", started_at=100.0)
CONTAINER = Observed(id="1", name="shop-web-0", kind="service", runtime="docker", started_at=100.0)


def put(probe: Probe, seen: Observed = PROCESS, reach: LoopbackReach | None = None, port: int = 0) -> Answer:
    started = time.monotonic()
    answer = ask(probe, seen, {"http": port}, reach or LoopbackReach(), 105.0)
    assert time.monotonic() - started < probe.timeout_seconds + 0.3
    return answer


def http(path: str = "/healthz", timeout: float = 0.5, scheme: str = "http", **headers: str) -> Probe:
    get = HttpGet(port="http", path=path, scheme=scheme, http_headers=headers)  # type: ignore[arg-type]
    return Probe(http_get=get, timeout_seconds=timeout)


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "302 Found", "399 Odd"])
def test_an_http_status_from_200_to_399_is_a_good_answer(status: str) -> None:
    with serving(saying(f"HTTP/1.1 {status}\r\nLocation: /\r\n\r\n".encode())) as port:
        assert put(http(), port=port) == Answer(True)


def test_a_bad_status_is_told_with_the_first_words_of_the_body() -> None:
    body = b"\n database \x1b[31mdown\x1b[0m " + b"x" * 500 + b"\r\nmore\x00"
    with serving(saying(b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + body)) as port:
        answer = put(http(), port=port)

    said = ("database [31mdown [0m " + "x" * 500)[:100]
    assert answer == Answer(False, f"GET http://127.0.0.1:{port}/healthz: 503 Service Unavailable: {said}")


PAGES = {
    "titled": (b"<head><!-- <p>x --><style>p { }</style><title>Oh\n no</title></head>", ": Oh no"),
    "untitled": (b"<script>if (a < b) {}</script><h1>It&#39;s <b>down</b></h1>", ": It's"),
    "endless": (b"<p>" + b"y" * 500, ": " + "y" * 100),
    "empty": (b"<body><br/><p", ""),
}


@pytest.mark.parametrize(("page", "said"), PAGES.values(), ids=PAGES)
def test_of_a_page_its_first_text_is_told_and_nothing_of_its_source(page: bytes, said: str) -> None:
    body = b"<!DOCTYPE html>\n<html>" + page
    with serving(saying(b"HTTP/1.1 500 Oh\r\n\r\n" + body)) as port:
        assert put(http(), port=port).message == f"GET http://127.0.0.1:{port}/healthz: 500 Oh{said}"


def test_of_a_chunked_body_the_text_is_told_not_the_sizes() -> None:
    body = b"5\r\nsorry\r\n0\r\n\r\n"
    with serving(saying(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n" + body)) as port:
        assert put(http(), port=port).message == f"GET http://127.0.0.1:{port}/healthz: 500 Oh: sorry"


BAD_SERVERS: dict[str, tuple[Talk, str]] = {
    "hang": (servers.hang, "no answer in 0.5 s"),
    "drip": (servers.drip, "no answer in 0.5 s"),
    "flood": (servers.flood, "more than 64 KiB and still no end of the headers"),
    "hang up": (servers.hang_up, "the connection was closed without an answer"),
    "half a head": (saying(b"HTTP/1.1 200 OK\r\nX: "), "the connection was closed after b'HTTP/1.1 200 OK\\r\\nX: '"),
    "no http": (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), "this is no HTTP: b'SSH-2.0-OpenSSH_9.6\\r\\n'"),
    "no status": (saying(b"HTTP/1.1 nonsense\r\n\r\n"), "this is no HTTP: b'HTTP/1.1 nonsense'"),
}


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_a_server_that_does_not_speak_http_in_time_fails_and_says_how(name: str) -> None:
    """Faults row 34: hangs, drips, floods."""
    talk, message = BAD_SERVERS[name]
    with serving(talk) as port:
        assert put(http(), port=port) == Answer(False, f"GET http://127.0.0.1:{port}/healthz: {message}")


def test_a_good_status_before_an_endless_body_is_a_good_answer() -> None:
    with serving(servers.endless_body) as port:
        assert put(http(), port=port) == Answer(True)


def test_a_redirect_to_itself_is_not_followed() -> None:
    asked: list[bytes] = []

    def loop(line: servers.socket.socket, _over: object) -> None:
        asked.append(line.recv(65536))
        line.sendall(b"HTTP/1.1 302 Found\r\nLocation: /healthz\r\nContent-Length: 0\r\n\r\n")

    with serving(loop) as port:
        assert put(http(), port=port) == Answer(True)
    assert len(asked) == 1


def test_the_request_carries_the_given_headers_and_can_not_be_split() -> None:
    asked: list[bytes] = []

    def listen(line: servers.socket.socket, _over: object) -> None:
        asked.append(line.recv(65536))
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    probe = http("/a b?x=é\r\nEvil: 1", Host="example.org", Accept="text/plain\r\nEvil: 2")
    with serving(listen) as port:
        assert put(probe, port=port).ok

    lines = asked[0].decode().split("\r\n")
    assert lines[0] == "GET /a%20b?x=%C3%A9%0D%0AEvil:%201 HTTP/1.1"
    assert "Host: example.org" in lines
    assert "Accept: text/plainEvil: 2" in lines
    assert [line for line in lines if line.startswith("Evil")] == []


def test_a_query_is_not_repeated_in_the_message() -> None:
    with serving(saying(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as port:
        answer = put(http("/healthz?token=hunter2"), port=port)

    assert answer.message == f"GET http://127.0.0.1:{port}/healthz: 403 Forbidden"


def test_https_accepts_any_certificate_and_tells_when_there_is_no_tls(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    pem = tmp_path / "pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", "1"]
    subprocess.run([*argv, "-keyout", str(pem), "-out", str(tmp_path / "crt")], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", pem)

    def encrypted(line: servers.socket.socket, _over: object) -> None:
        with context.wrap_socket(line, server_side=True) as tls:
            tls.recv(65536)
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serving(encrypted) as port:
        assert put(http(scheme="https", timeout=2), port=port) == Answer(True)
    with serving(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        answer = put(http(scheme="https"), port=port)
    assert answer.ok is False
    assert answer.message.startswith(f"GET https://127.0.0.1:{port}/healthz: TLS failed: ")


@pytest.mark.parametrize("seen", [PROCESS, CONTAINER], ids=["process", "container"])
def test_nobody_listening_is_said_in_so_many_words(seen: Observed) -> None:
    port = unused_port()
    answers = {put(http(), seen, port=port), put(Probe(tcp_socket=TcpSocket(port="http")), seen, port=port)}

    assert answers == {Answer(False, f"nothing listens on 127.0.0.1:{port}")}


@pytest.mark.parametrize("seen", [PROCESS, CONTAINER], ids=["process", "container"])
def test_tcp_is_good_when_the_connection_is_accepted_and_kept(seen: Observed) -> None:
    with serving(servers.silent) as port:
        assert put(Probe(tcp_socket=TcpSocket(port=port)), seen) == Answer(True)


def test_tcp_sees_through_an_engine_s_proxy_that_accepts_for_nobody() -> None:
    with serving(servers.hang_up) as port:
        answer = put(Probe(tcp_socket=TcpSocket(port=port)), CONTAINER)

    assert answer == Answer(False, f"127.0.0.1:{port} hangs up at once: nothing listens inside")


def test_a_port_that_is_not_granted_yet_is_named() -> None:
    answer = ask(Probe(tcp_socket=TcpSocket(port="admin")), PROCESS, {}, LoopbackReach(), 0.0)

    assert answer == Answer(False, "it has no port called 'admin'")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("true",), Answer(True)),
        (("false",), Answer(False, "exit code 1")),
        (
            ("sh", "-c", "echo first; echo 'the \x1b[1mlast\x07' ; echo; exit 7"),
            Answer(False, "exit code 7: the [1mlast"),
        ),
        (("sh", "-c", "echo out; echo err >&2; exit 2"), Answer(False, "exit code 2: err")),
        (("sh", "-c", "echo '<html><h1>down</h1></html>'; exit 22"), Answer(False, "exit code 22: down")),
        (("sleep", "30"), Answer(False, "no answer in 0.5 s")),
        (("sh", "-c", "trap '' TERM; sleep 30 & yes >/dev/null"), Answer(False, "no answer in 0.5 s")),
    ],
)
def test_exec_is_good_on_exit_code_0_and_else_tells_the_last_line(command: tuple[str, ...], expected: Answer) -> None:
    assert put(Probe(exec=Exec(command=command), timeout_seconds=0.5)) == expected


LOGS: dict[str, tuple[list[bytes], Answer]] = {
    "match": ([b"starting\nlistening on 80\n"], Answer(True)),
    "across chunks": ([b"starting\nlisten", b"ing on ", b"80\n"], Answer(True)),
    "unfinished line": ([b"listening on 80"], Answer(True)),
    "carriage return": ([b"listening on 80\r\n"], Answer(True)),
    "not one line": (
        [b"listening on\n80\n"],
        Answer(False, "no line of its output matches 'listening on [0-9]+$'; the last one is: 80"),
    ),
    "silence": ([], Answer(False, "no line of its output matches 'listening on [0-9]+$'")),
    "a line without end": (
        [b"x" * 65536] * 40,
        Answer(False, "no line of its output matches 'listening on [0-9]+$'; the last one is: " + "x" * 100),
    ),
    "no unicode": ([b"\xff\xfe listening on 80\n"], Answer(True)),
}


@pytest.mark.parametrize("name", LOGS)
def test_log_is_good_once_a_line_matches(name: str) -> None:
    reach = LoopbackReach()
    reach.output, expected = LOGS[name]

    assert put(Probe(log=Log(pattern="listening on [0-9]+$")), reach=reach) == expected


def test_a_flood_of_output_ends_at_the_deadline_or_the_cap() -> None:
    class Flood(LoopbackReach):
        def logs(self, *_args: object, **_more: object) -> servers.Iterator[bytes]:
            while True:
                yield b"nothing to see here\n" * 1000

    answer = put(Probe(log=Log(pattern="never"), timeout_seconds=0.5), reach=Flood())

    assert answer.ok is False


def test_an_engine_s_log_is_read_from_a_little_before_the_start_and_a_process_s_from_its_beginning() -> None:
    """A start known only as "Up 2 minutes" may lie a minute earlier."""
    reach = LoopbackReach()
    for now in (105.0, 220.0, 8000.0):
        ask(Probe(log=Log(pattern="x")), CONTAINER, {}, reach, now)
    ask(Probe(log=Log(pattern="x")), PROCESS, {}, reach, 105.0)

    assert reach.since == [99.0, 40.0, -3500.0, None]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unreachable("the engine does not answer"), Answer(None, "the engine does not answer")),
        (Gone("it is gone"), Answer(None, "it is gone")),
        (Denied("may not run in there"), Answer(False, "may not run in there")),
    ],
)
def test_what_could_not_be_asked_is_no_answer(error: Exception, expected: Answer) -> None:
    class Broken(LoopbackReach):
        run: Callable[..., object]

        def __init__(self) -> None:
            super().__init__()
            self.run = self._raise

        def _raise(self, *_args: object, **_more: object) -> None:
            raise error

    assert put(Probe(exec=Exec(command=("true",))), reach=Broken()) == expected


def test_foreign_text_is_made_readable() -> None:
    assert readable("a\x1b[2J\u202eb\n\tc\x00") == "a [2J b c"
    assert readable(b"\xff" * 1000, 10) == "�" * 10
