"""Requests to look at a Source: who is believed, and what they can bring about, which is a look and nothing else."""

from __future__ import annotations

import hmac
import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing

import pytest

from reconciler.api import webhook
from reconciler.api.webhook import AT_ONCE, LARGEST, PER_MINUTE, REPLAY_SECONDS, Door, Hooks
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from tests.waiting import until

SECRET = b"the secret"
BODY = b'{"ref": "refs/heads/main"}'


class Taking:
    def __init__(self) -> None:
        self.looked: list[str] = []
        self.asked: list[Key] = []
        self.trouble: ReconcilerError | None = None
        self.now = 1000.0
        self.hooks = Hooks(self.secrets, self.looked.append, lambda: self.now)

    def secrets(self, key: Key) -> list[bytes]:
        self.asked.append(key)
        if self.trouble:
            raise self.trouble
        return [b"an older one", SECRET] if key.namespace == "shop" and key.name in ("specs", "other") else []


@pytest.fixture
def taking() -> Taking:
    return Taking()


def signed(body: bytes = BODY, secret: bytes = SECRET, digest: str = "sha256", **more: str) -> dict[str, str]:
    return {"x-hub-signature-256": f"{digest}=" + hmac.new(secret, body, digest).hexdigest(), **more}


def test_F44_who_knows_the_secret_has_it_looked_at(taking: Taking) -> None:
    assert taking.hooks.take("/hooks/shop/specs", signed(), BODY) == 202
    assert taking.looked == ["source/shop/specs"]


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/hooks/shop/specs", {}, BODY),
        ("/hooks/shop/specs", signed(secret=b"a wrong one"), BODY),
        ("/hooks/shop/specs", signed(secret=b""), BODY),
        ("/hooks/shop/specs", signed(digest="sha1"), BODY),
        ("/hooks/shop/specs", {"x-hub-signature-256": signed()["x-hub-signature-256"][:-2]}, BODY),
        ("/hooks/shop/specs", {"x-hub-signature": signed()["x-hub-signature-256"]}, BODY),
        ("/hooks/shop/specs", signed(), BODY + b" "),
        ("/hooks/shop/others", signed(), BODY),
        ("/hooks/shop/specs/", signed(), BODY),
        ("/hooks/shop/../shop/specs", signed(), BODY),
        ("/hooks/SHOP/specs", signed(), BODY),
        ("/", signed(), BODY),
    ],
)
def test_F44_everybody_else_is_told_no_and_not_why(
    taking: Taking, path: str, headers: Mapping[str, str], body: bytes
) -> None:
    assert taking.hooks.take(path, headers, body) == 403
    assert taking.looked == []


def test_what_was_taken_before_is_not_looked_at_again_whatever_the_headers_say(taking: Taking) -> None:
    """Only the body is signed: whoever overheard it can write any number around it."""
    answers = [taking.hooks.take("/hooks/shop/specs", signed(**{"x-github-delivery": n}), BODY) for n in "123"]
    assert answers == [202, 200, 200]
    assert taking.hooks.take("/hooks/shop/other", signed(), BODY) == 202, "each Source for itself"
    assert len(taking.looked) == 2


def test_an_equal_body_counts_again_after_a_while(taking: Taking) -> None:
    """As of a branch that is moved to and fro, or of a button to deliver it again."""
    assert taking.hooks.take("/hooks/shop/specs", signed(), BODY) == 202
    taking.now += REPLAY_SECONDS
    assert taking.hooks.take("/hooks/shop/specs", signed(), BODY) == 202
    assert len(taking.looked) == 2


def test_too_many_in_a_minute_are_told_to_wait(taking: Taking) -> None:
    def take(number: int, source: str = "specs", secret: bytes = SECRET) -> int:
        body = str(number).encode()
        return taking.hooks.take(f"/hooks/shop/{source}", signed(body, secret), body)

    for number in range(PER_MINUTE):
        assert take(number, secret=b"wrong") == 403
        assert take(number) == 202
        assert take(number) == 200
    assert take(1000) == 429
    assert take(1000, source="other") == 202, "each Source for itself"
    taking.now += 61
    assert take(1000) == 202


def test_whoever_signs_nothing_has_nothing_read(taking: Taking) -> None:
    for signature in ("", "sha256=", "sha256=00", "x" * 71, "sha256=" + "G" * 64):
        assert taking.hooks.take("/hooks/shop/specs", {"x-hub-signature-256": signature}, BODY) == 403
    assert taking.asked == []


def test_where_the_secret_cannot_be_read_the_answer_is_no(taking: Taking) -> None:
    taking.trouble = ReconcilerError("what is wanted can't be read")
    assert taking.hooks.take("/hooks/shop/specs", signed(), BODY) == 403


@pytest.fixture
def door(taking: Taking) -> Iterator[Door]:
    it = Door(("127.0.0.1", 0), taking.hooks)
    thread = threading.Thread(target=it.serve)
    thread.start()
    yield it
    it.close()
    thread.join(30)
    assert not thread.is_alive()


def ask(door: Door, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> int:
    with closing(http.client.HTTPConnection(*door.address, timeout=5)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        return connection.getresponse().status


def test_over_http(door: Door, taking: Taking) -> None:
    assert ask(door, "POST", "/hooks/shop/specs", BODY, {"X-Hub-Signature-256": signed()["x-hub-signature-256"]}) == 202
    assert ask(door, "POST", "/hooks/shop/specs", BODY) == 403
    assert ask(door, "GET", "/hooks/shop/specs") == 501
    assert taking.looked == ["source/shop/specs"]


@pytest.mark.parametrize("length", [str(LARGEST + 1), "1000000000000", "-1", "x", "1e3"])
def test_a_body_that_is_too_long_is_not_read(door: Door, length: str) -> None:
    with socket.create_connection(door.address, 5) as connection:
        connection.sendall(f"POST /hooks/shop/specs HTTP/1.0\r\nContent-Length: {length}\r\n\r\n".encode())
        assert b" 413 " in connection.recv(100)


def test_who_sends_a_byte_now_and_then_is_hung_up_on(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 0.5)
    began = time.monotonic()
    with socket.create_connection(door.address, 5) as connection, pytest.raises(OSError, match=r"reset|pipe"):
        dribble(connection, 5)
    assert time.monotonic() - began < 30


def dribble(connection: socket.socket, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.sendall(b"P")
        time.sleep(0.02)  # the pace of the attacker is what is tested


def test_only_so_many_are_listened_to_at_once(door: Door) -> None:
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(socket.create_connection(door.address, 5)).sendall(b"POST ")
        with socket.create_connection(door.address, 5) as one_more:
            assert one_more.recv(1) == b""
        assert threading.active_count() <= before + 2 * AT_ONCE
    until(lambda: threading.active_count() == before)
    assert ask(door, "POST", "/hooks/shop/specs", BODY) == 403
