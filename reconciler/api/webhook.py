"""Where a Git server may say that something was pushed. Believed is only that: somebody who knows the secret said that
there is reason to look. What was pushed is found out by fetching from where the Source says.

A request that was overheard can be played again by who does not know the secret; all that it brings about is one more
fetch, which finds nothing new. So a body that was taken is not taken again for a while, whatever the headers around
it say, for those are not signed; after that it counts anew, for a server may well send an equal one on purpose.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.telemetry import Say, get_logger

PATH = re.compile(r"/hooks/([a-z0-9-]{1,63})/([a-z0-9-]{1,63})")
LARGEST = 1 << 20
SECONDS = 10.0
"""For all of a request, however many there are of its parts."""
AT_ONCE = 32
"""Connections. Whoever comes when there are as many is hung up on."""
REPLAY_SECONDS = 600.0
"""So long a body that was taken is not taken again."""
PER_MINUTE = 60
"""Requests that are taken for one Source."""
SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")

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
        self._lock = threading.Lock()
        self._taken: defaultdict[str, dict[bytes, float]] = defaultdict(dict)
        """By Source, the digests of bodies, and when."""

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status to answer with. Names of headers are in lower case."""
        found = PATH.fullmatch(path)
        given = headers.get("x-hub-signature-256") or ""
        if found is None or not SIGNATURE.fullmatch(given):
            return 403  # before anything is read on behalf of somebody who could be anybody
        key = Key("source", found[1], found[2])
        if not self._signed(key, given.encode(), body):
            return 403
        with self._lock:
            status = self._judged(self._taken[str(key)], hashlib.sha256(body).digest())
        if status != 202:
            return status
        log.info(Say.HOOK, source=str(key))
        self._look(str(key))
        return 202

    def _signed(self, key: Key, given: bytes, body: bytes) -> bool:
        """In constant time for each key, and by SHA-256 alone."""
        try:
            secrets = self._secrets(key)
        except ReconcilerError as error:
            log.warning(Say.NOT_RECONCILED, turn="webhook", of=str(key), error=error.message, hint=error.hint)
            return False
        expected = [b"sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in secrets]
        return any([hmac.compare_digest(given, right) for right in expected])  # noqa: C419 -- all, whichever is right

    def _judged(self, taken: dict[bytes, float], digest: bytes) -> int:
        """As many as are taken in the time of a replay are remembered, so there is a bound to them."""
        now = self._clock()
        for old in [one for one, moment in taken.items() if now - moment >= REPLAY_SECONDS]:
            del taken[old]
        if digest in taken:
            return 200
        if sum(now - moment < 60.0 for moment in taken.values()) >= PER_MINUTE:
            return 429
        taken[digest] = now
        return 202


class Door:
    """Listens for them over HTTP."""

    def __init__(self, address: tuple[str, int], hooks: Hooks) -> None:
        class Handler(_Handler):
            judge: ClassVar[Hooks] = hooks

        self._server = _Server(address, Handler)
        self.address: tuple[str, int] = self._server.server_address[:2]  # type: ignore[assignment]

    def serve(self) -> None:
        """Blocks until `close`."""
        self._server.serve_forever(poll_interval=1.0)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self._free = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread for it
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """A socket's own timeout begins anew with each byte: who sends one now and then would stay for ever."""
        end = threading.Timer(SECONDS, _hang_up, (request,))
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- so called by the library
        """Whoever was hung up on, or went away, is nobody's trouble, and nothing for our stderr."""
        log.debug(Say.REQUEST, said=repr(sys.exc_info()[1]))


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # gone by itself
        connection.shutdown(socket.SHUT_RDWR)


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
