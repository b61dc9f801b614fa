"""The engine's own stream of events, as an alarm: which namespace to look at, because something of it changed.

Some events come before what they tell of can be seen: for a tenth of a second and more after a container's death the
engine lists it as running. A pass that begins with the event would find everything in order, and nothing would wake
it again. So the container is inspected first, which the engine answers only once it is through with it.

`kill`, `stop` and `oom` are left out: they come before the death, which is told by `die`. A stream that falls silent
without breaking costs latency only; so does all that is lost while there is none.
"""

from __future__ import annotations

import json
import select
import selectors
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import quote

from reconciler.errors import ReconcilerError, Unreachable
from reconciler.model import labels
from reconciler.runtimes.docker.adopted import Adopted
from reconciler.runtimes.docker.connection import AT_ONCE, READ_SECONDS
from reconciler.runtimes.docker.endpoint import Endpoint
from reconciler.runtimes.docker.errors import garbled, refusal, unreachable
from reconciler.runtimes.docker.happening import (
    Happening,
    container_path,
    events_path,
    happening,
    identity_in,
    network_path,
    volume_path,
    worn,
)
from reconciler.runtimes.docker.wire import Request, Stream, asking
from reconciler.telemetry import Say, get_logger
from reconciler.waitable import readable_once

Tell = Callable[[str], None]

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
NOTICE = 0.2
"""How long it takes at most until `stopping` is seen, while an engine is dialled."""
LONGEST_LINE = 1 << 20
ENDING = "ending"
"""No path begins like this."""
LISTS = ("/containers/json?all=1&", "/networks?", "/volumes?")

log = get_logger()


class EngineEvents:
    """An alarm that never gives up: an engine that is away is dialled again and again, ever more rarely."""

    def __init__(
        self, locate: Callable[[], Endpoint], *, owner: str, adopted_dir: str = "", longest: float = LONGEST_PAUSE
    ) -> None:
        """`longest` is the pause between two attempts at one that has been away for a while."""
        self._locate, self._longest = locate, longest
        self._owner = owner
        self._adopted_dir = adopted_dir

    def watch(self, tell: Tell, stopping: threading.Event) -> None:
        pause = 0.0
        while not stopping.wait(pause):
            lasted = self._follow(tell, stopping) > LONGEST_PAUSE
            pause = FIRST_PAUSE if lasted or not pause else min(pause * 2, self._longest)

    def _follow(self, tell: Tell, stopping: threading.Event) -> float:
        """From when it can be heard until it can't, and how long that was. Both ends are told: in between anything
        may have happened.
        """
        try:
            listening = _Listening(self._locate(), self._owner, self._adopted_dir, tell, stopping)
        except ReconcilerError as error:
            log.debug(Say.EVENTS_ENDED, problem=error.message)
            return 0.0
        log.info(Say.EVENTS_BEGUN)
        began = time.monotonic()
        try:
            tell("")
            listening.go_on()
        except ReconcilerError as error:
            log.warning(Say.EVENTS_ENDED, problem=error.message)
            tell("")
        finally:
            listening.close()
        return time.monotonic() - began


class _Listening:
    """One open stream, and the questions that what it tells has raised."""

    def __init__(self, endpoint: Endpoint, owner: str, adopted_dir: str, tell: Tell, stopping: threading.Event) -> None:
        self._endpoint = endpoint
        self._owner = owner
        self._adopted = Adopted(adopted_dir, lambda: endpoint)
        self._tell = tell
        self._stopping = stopping
        self._rest = b""
        self._asked: dict[str, Stream] = {}
        """By path. The answer is waited for along with the next events."""
        self._again: set[str] = set()
        """Something happened to it after it was asked about, and before it was answered for."""
        self._namespaces: dict[str, str] = {}
        """Of all that is ours, by kind and id: networks and volumes wear no labels in their events."""
        self._selector = selectors.DefaultSelector()
        self._stream = Stream(endpoint, time.monotonic() + READ_SECONDS, READ_SECONDS)
        try:
            self._open()
            self._learn_all()
        except BaseException:
            self.close()
            raise

    def go_on(self) -> None:
        """Until `stopping`; raises Unreachable at the stream's end. Sleeps for as long as nobody says anything."""
        with readable_once(self._stopping) as ending:
            self._selector.register(ending, selectors.EVENT_READ, ENDING)
            while not self._stopping.is_set():
                for key, _ in self._selector.select(self._patience()):
                    if key.data is None:
                        for event in self._events():
                            self._hear(event)
                    elif key.data != ENDING:
                        self._take_answer(key.data)
                self._give_up_late_answers()

    def close(self) -> None:
        for stream in (self._stream, *self._asked.values()):
            stream.close()
        self._selector.close()

    def _open(self) -> None:
        self._stream.send(Request(events_path()).encode())
        self._await(self._stream)
        self._stream.read_head()
        if self._stream.status != 200:
            raise garbled(self._endpoint, f"status {self._stream.status} when asked for its events")
        self._selector.register(self._stream.socket, selectors.EVENT_READ)

    def _await(self, stream: Stream) -> None:
        """Until there is an answer to read. Who is told to stop does not wait for an engine that hangs."""
        poll = select.poll()
        poll.register(stream.socket, select.POLLIN)
        while not poll.poll(NOTICE * 1000):
            if self._stopping.is_set() or time.monotonic() > (stream.deadline or 0):
                raise unreachable(self._endpoint, TimeoutError(), READ_SECONDS)

    # -- what is heard

    def _events(self) -> Iterator[Happening]:
        self._stream.deadline = time.monotonic() + READ_SECONDS  # there is something: the rest of it is not far
        piece = self._stream.read()
        if not piece:
            raise Unreachable(f"the container engine at {self._endpoint} has ended its stream of events")
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise garbled(self._endpoint, "an event without end")
        for line in filter(None, lines):
            try:
                yield happening(json.loads(line))
            except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
                raise garbled(self._endpoint, "an event that can't be read") from error

    def _hear(self, event: Happening) -> None:
        """What is foreign is never learnt. Only of a new network or volume nobody can say yet whose it is."""
        self._learn(event.subject, event.worn)
        namespace = self._namespaces.get(event.subject)
        if event.is_end:
            self._namespaces.pop(event.subject, None)
        if namespace is None and not event.tells_too_little:
            return
        if event.comes_early or namespace is None:
            self._ask(event.subject)
        else:
            self._tell(namespace)

    # -- what is asked

    def _ask(self, subject: str) -> None:
        """Too many at once would be a burden; then it is looked at a little too soon."""
        if subject in self._asked:
            self._again.add(subject)
        elif len(self._asked) >= AT_ONCE:
            self._tell(self._namespaces.get(subject, ""))
        else:
            stream = Stream(self._endpoint, time.monotonic() + READ_SECONDS, READ_SECONDS)
            self._asked[subject] = stream
            stream.send(Request(subject).encode())
            self._selector.register(stream.socket, selectors.EVENT_READ, subject)

    def _take_answer(self, subject: str) -> None:
        """No answer is one too: then the next look will tell what is the matter."""
        stream = self._asked.pop(subject)
        self._selector.unregister(stream.socket)
        try:
            reply = stream.reply()
            if reply.status == 200:
                self._learn(subject, worn(reply.json()))
        except Unreachable as error:
            log.debug(Say.UNREACHABLE, problem=error.message)
        finally:
            stream.close()
        if subject in self._again:
            self._again.discard(subject)
            self._ask(subject)
        elif namespace := self._namespaces.get(subject):
            self._tell(namespace)

    def _patience(self) -> float | None:
        """Until the first of the answers that are waited for is late."""
        deadlines = [stream.deadline for stream in self._asked.values() if stream.deadline]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _give_up_late_answers(self) -> None:
        """One container that hangs holds up nobody else."""
        now = time.monotonic()
        for subject in [path for path, stream in self._asked.items() if (stream.deadline or now) < now]:
            self._take_answer(subject)

    # -- whose it is

    def _learn_all(self) -> None:
        """After the stream was opened, so that nothing can be made between the two."""
        with ExitStack() as lines:
            lists = [lines.enter_context(closing(self._list(path))) for path in LISTS]
            try:
                self._learn_lists(*(self._reply(stream) for stream in lists))
            except (KeyError, TypeError, AttributeError) as error:
                raise garbled(self._endpoint, "lists that can't be read") from error

    def _list(self, path: str) -> Stream:
        filters = quote(json.dumps({"label": [f"{labels.OWNER}={self._owner}"]}))
        return asking(self._endpoint, Request(f"{path}filters={filters}"), seconds=READ_SECONDS)

    def _reply(self, stream: Stream) -> Any:
        self._await(stream)
        reply = stream.reply()
        if reply.status != 200:
            raise refusal(reply.status, reply.message, "listing what is ours")
        return reply.json()

    def _learn_lists(self, containers: Any, networks: Any, volumes: Any) -> None:
        for item in containers:
            self._learn(container_path(item["Id"]), item.get("Labels"))
        for item in networks:
            self._learn(network_path(item["Id"]), item.get("Labels"))
        for item in volumes["Volumes"] or ():
            self._learn(volume_path(item["Name"]), item.get("Labels"))

    def _learn(self, subject: str, wears: Mapping[str, str] | None) -> None:
        worn = self._adopted.read().get(identity_in(subject)) or wears
        if worn and worn.get(labels.OWNER) == self._owner:
            self._namespaces[subject] = worn.get(labels.NAMESPACE, "")
