"""Where a Git server may say that something was pushed. Believed is only that: somebody who knows the secret said that
there is reason to look. What was pushed is found out by fetching from where the Source says.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from reconciler.model.key import Key
from reconciler.telemetry import Say, get_logger

PATH = re.compile(r"/hooks/([a-z0-9-]{1,63})/([a-z0-9-]{1,63})")
LARGEST = 1 << 20
SECONDS = 10.0
"""For all of a request."""
DELIVERIES = 1000
"""Whose numbers are remembered, lest one that was overheard be played again."""
PER_MINUTE = 60

log = get_logger()
Secrets = Callable[[Key], Iterable[bytes]]
"""With which a Source's requests may be signed; none where it takes no requests."""


class Hooks:
    """Judges requests. Everything that is not as it should be is one and the same No."""

    def __init__(
        self, secrets: Secrets, look: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._secrets = secrets
        self._look = look
        self._clock = clock
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._times: list[float] = []

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status to answer with. Names of headers are in lower case."""
        found = PATH.fullmatch(path)
        if found is None or not self._signed(key := Key("source", found[1], found[2]), headers, body):
            return 403
        delivery = (
            headers.get("x-github-delivery") or headers.get("x-gitea-delivery") or hashlib.sha256(body).hexdigest()
        )
        if delivery in self._seen:
            return 200
        if self._too_often():
            return 429
        self._seen[delivery] = None
        while len(self._seen) > DELIVERIES:
            self._seen.popitem(last=False)
        log.info(Say.HOOK, source=str(key))
        self._look(str(key))
        return 202

    def _signed(self, key: Key, headers: Mapping[str, str], body: bytes) -> bool:
        """In constant time for each key, and by SHA-256 alone."""
        given = (headers.get("x-hub-signature-256") or "").encode()
        expected = [
            b"sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in self._secrets(key)
        ]
        return any([hmac.compare_digest(given, right) for right in expected])  # noqa: C419 -- all, whichever is right

    def _too_often(self) -> bool:
        now = self._clock()
        self._times = [moment for moment in self._times if now - moment < 60.0]
        self._times.append(now)
        return len(self._times) > PER_MINUTE


class Door:
    """Listens for them over HTTP."""

    def __init__(self, address: tuple[str, int], hooks: Hooks) -> None:
        class Handler(_Handler):
            judge: ClassVar[Hooks] = hooks

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        self.address: tuple[str, int] = self._server.server_address[:2]  # type: ignore[assignment]

    def serve(self) -> None:
        """Blocks until `close`."""
        self._server.serve_forever(poll_interval=1.0)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    judge: ClassVar[Hooks]
    timeout = SECONDS
    server_version, sys_version = "reconciler", ""

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST:
            self.close_connection = True
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(self.judge.take(self.path, headers, body) if len(body) == int(length) else 400)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- so named by the library
        log.debug(Say.REQUEST, said=format % args)
