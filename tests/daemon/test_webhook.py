"""Requests to look at a Source: who is believed, and what they can bring about, which is a look and nothing else."""

from __future__ import annotations

import hmac
import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest

from reconciler.api.webhook import LARGEST, PER_MINUTE, Door, Hooks
from reconciler.model.key import Key

SECRET = b"the secret"
BODY = b'{"ref": "refs/heads/main"}'


class Taking:
    def __init__(self) -> None:
        self.looked: list[str] = []
        self.now = 1000.0
        self.hooks = Hooks(self.secrets, self.looked.append, lambda: self.now)

    def secrets(self, key: Key) -> list[bytes]:
        return [b"an older one", SECRET] if key == Key("source", "shop", "specs") else []


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


def test_what_was_delivered_before_is_not_looked_at_again(taking: Taking) -> None:
    first = signed(**{"x-github-delivery": "1"})
    assert [taking.hooks.take("/hooks/shop/specs", first, BODY) for _ in range(3)] == [202, 200, 200]
    assert taking.hooks.take("/hooks/shop/specs", signed(**{"x-github-delivery": "2"}), BODY) == 202
    assert len(taking.looked) == 2


def test_too_many_in_a_minute_are_told_to_wait(taking: Taking) -> None:
    for number in range(PER_MINUTE):
        assert taking.hooks.take("/hooks/shop/specs", signed(**{"x-github-delivery": str(number)}), BODY) == 202
    assert taking.hooks.take("/hooks/shop/specs", signed(**{"x-github-delivery": "more"}), BODY) == 429
    taking.now += 61
    assert taking.hooks.take("/hooks/shop/specs", signed(**{"x-github-delivery": "more"}), BODY) == 202


@pytest.fixture
def door(taking: Taking) -> Iterator[Door]:
    it = Door(("127.0.0.1", 0), taking.hooks)
    thread = threading.Thread(target=it.serve)
    thread.start()
    yield it
    it.close()
    thread.join(5)
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
