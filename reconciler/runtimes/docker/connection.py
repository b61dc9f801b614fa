"""One engine, and the two ways to speak with it: over the bare socket, and for pulls, which need a person's
credentials and whoever keeps them, through the client library.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reconciler.errors import Refused, Unreachable
from reconciler.runtimes.docker.dialect import engine_name
from reconciler.runtimes.docker.endpoint import Endpoint
from reconciler.runtimes.docker.errors import engine_errors, garbled, refusal
from reconciler.runtimes.docker.wire import (
    Reply,
    Request,
    Stream,
    answer,
    ask_all,
    ask_each,
    lines_ahead,
    open_stream,
    tell,
)

if TYPE_CHECKING:
    from docker import APIClient

READ_SECONDS = 5.0
WRITE_SECONDS = 30
AT_ONCE = 32
"""So many open connections are no burden to an engine, nor to the limit of open files."""


class Connection:
    """Made without any effort: the endpoint is looked up by the first question, the library imported by the first
    pull.
    """

    def __init__(self, locate: Callable[[], Endpoint]) -> None:
        self._locate = locate
        self._endpoint: Endpoint | None = None
        self._idle: list[APIClient] = []
        self._ahead: deque[Stream] = deque()

    @property
    def endpoint(self) -> Endpoint:
        """Asked for anew where it does not last: the way to another host goes when the connection does."""
        if self._endpoint is None or not self._endpoint.lasts:
            self._endpoint = self._locate()
        return self._endpoint

    @cached_property
    def engine(self) -> str:
        """Which one it is, for those few who must know: `docker` or `podman`."""
        return engine_name(self.get("/version", "asking which engine this is"))

    # -- questions

    def get(self, path: str, doing: str, *, seconds: float = READ_SECONDS) -> Any:
        """The JSON behind a path; a clear no is raised."""
        return self.ask(Request(path), doing, seconds=seconds).json()

    def ask(self, request: Request, doing: str, *, seconds: float = READ_SECONDS) -> Reply:
        (reply,) = self._asked([request], seconds)
        if reply.status >= 400:
            raise refusal(reply.status, reply.message, doing)
        return reply

    def get_all(self, paths: list[str], *, seconds: float = READ_SECONDS) -> list[Any]:
        """Several at once. Anything but success is as good as no answer: half a world is none."""
        replies = self._asked([Request(path) for path in paths], seconds)
        for reply in replies:
            if reply.status != 200:
                raise garbled(self.endpoint, f"status {reply.status}: {reply.message}")
        return [reply.json() for reply in replies]

    def _asked(self, requests: list[Request], seconds: float) -> list[Reply]:
        """What only asks may ask twice: that the way to another host leads nowhere any more, as after it was started
        anew, is found out by its use.
        """
        way = self.endpoint
        try:
            return ask_all(way, requests, seconds=seconds)
        except Unreachable:
            if any(request.method != "GET" for request in requests) or self.endpoint == way:
                raise
            return ask_all(self.endpoint, requests, seconds=seconds)

    def get_each(self, paths: list[str], *, seconds: float = READ_SECONDS) -> Iterator[Reply | Unreachable]:
        """Many questions, some at a time; what becomes of one is no matter of the others."""
        for first in range(0, len(paths), AT_ONCE):
            requests = [Request(path) for path in paths[first : first + AT_ONCE]]
            if lines := self._taken(len(requests)):
                yield from self._over(lines, requests, seconds)
            else:
                yield from ask_each(self.endpoint, requests, seconds=seconds)

    def _over(self, lines: list[Stream], requests: list[Request], seconds: float) -> list[Reply | Unreachable]:
        """A line on which nothing was said may have been hung up meanwhile: then it is asked over another."""
        replies = ask_each(self.endpoint, requests, seconds=seconds, lines=lines)
        broken = [at for at, reply in enumerate(replies[: len(lines)]) if _hung_up(reply)]
        again = ask_each(self.endpoint, [requests[at] for at in broken], seconds=seconds)
        told = dict(zip(broken, again, strict=True))
        return [told.get(at, reply) for at, reply in enumerate(replies)]

    @contextmanager
    def ahead(self, count: int) -> Iterator[None]:
        """So many lines are opened for the questions to each, while something else is asked. On the way to another
        host that takes as long as an answer.
        """
        self._ahead += lines_ahead(self.endpoint, min(count, AT_ONCE), seconds=READ_SECONDS)
        try:
            yield
        finally:
            for line in self._taken(count):
                line.close()

    def _taken(self, count: int) -> list[Stream]:
        """Each is taken once, also by those who ask at the same time."""
        taken: list[Stream] = []
        with suppress(IndexError):
            while len(taken) < count:
                taken.append(self._ahead.popleft())
        return taken

    def ask_gently(self, path: str) -> Any:
        """The JSON behind a path; None for whatever else comes of it."""
        for reply in self.get_each([path]):
            if isinstance(reply, Reply) and reply.status == 200:
                with suppress(Unreachable):
                    return reply.json()
        return None

    def open(self, request: Request, doing: str, *, seconds: float = READ_SECONDS) -> Stream:
        stream = open_stream(self.endpoint, request, seconds=seconds)
        if stream.status < 400:
            return stream
        reply = answer(stream.status, b"".join(stream.pieces()), self.endpoint)
        stream.close()
        raise refusal(reply.status, reply.message, doing)

    # -- changes

    def post(
        self, path: str, doing: str, body: Any = None, *, seconds: float | None = None, minding: Collection[int] = ()
    ) -> Reply:
        return self.change(Request(path, "POST", body), doing, seconds=seconds, minding=minding)

    def delete(self, path: str, doing: str, *, minding: Collection[int] = ()) -> Reply:
        return self.change(Request(path, "DELETE"), doing, minding=minding)

    def change(
        self, request: Request, doing: str, *, seconds: float | None = None, minding: Collection[int] = ()
    ) -> Reply:
        """Its answer, or the refusal raised; a status worth `minding` is the caller's to read."""
        reply = tell(self.endpoint, request, doing, seconds=WRITE_SECONDS if seconds is None else seconds)
        if reply.status >= 400 and reply.status not in minding:
            raise refusal(reply.status, reply.message, doing)
        return reply

    # -- pulls

    @contextmanager
    def client(self, doing: str, *, seconds: int = WRITE_SECONDS) -> Iterator[APIClient]:
        """A client that nobody else uses meanwhile: they are not made for threads. Its errors come out as ours."""
        client = self._idle.pop() if self._idle else self._connect()
        client.timeout = seconds
        try:
            with engine_errors(self.endpoint, doing):
                yield client
        except Refused:
            self._idle.append(client)
            raise
        except BaseException:
            client.close()  # its connection may hold half an answer
            raise
        self._idle.append(client)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> APIClient:
        from docker import APIClient, tls  # noqa: PLC0415 -- 140 ms, for those who pull

        security = None
        if folder := self.endpoint.certificates:
            security = tls.TLSConfig(
                client_cert=(f"{folder}/cert.pem", f"{folder}/key.pem"), ca_cert=f"{folder}/ca.pem", verify=True
            )
        url = self.endpoint.url if security is None else self.endpoint.url.replace("tcp://", "https://", 1)
        return APIClient(base_url=url, version=self._api_version, timeout=WRITE_SECONDS, tls=security or False)

    @cached_property
    def _api_version(self) -> str:
        """The newest API that the engine and the library both know; asked once, within our own deadline."""
        from docker.constants import DEFAULT_DOCKER_API_VERSION as KNOWN  # noqa: PLC0415

        offered = str(self.get("/version", "asking the engine's version").get("ApiVersion", KNOWN))
        return min(KNOWN, offered, key=lambda version: [int(part) for part in version.split(".")])


def _hung_up(reply: Reply | Unreachable) -> bool:
    return isinstance(reply, Unreachable) and not isinstance(reply.__cause__, TimeoutError)
