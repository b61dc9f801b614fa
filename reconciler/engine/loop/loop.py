"""The same pass for ever. Everything here only decides when; what is done is `reconcile`, as for every command."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from reconciler.engine.loop.pace import Pace
from reconciler.engine.loop.queue import Queue
from reconciler.engine.loop.schedule import Schedule
from reconciler.engine.loop.stillness import Stillness
from reconciler.engine.loop.threads import Threads
from reconciler.engine.reconcile import Parts, Pass, reconcile
from reconciler.errors import ReconcilerError
from reconciler.failpoints import failpoint
from reconciler.kinds.host import known_in
from reconciler.model.place import LOCAL, Place
from reconciler.ports import Alarm, Glancing
from reconciler.telemetry import Say, get_logger

WORKERS = 4
RESYNC_SECONDS = 30.0
JITTER = 0.1
"""Of all pauses that many loops might share."""
PATIENCE = 60.0
"""For a command that has the home's lock."""
RETRY_FIRST, RETRY_LONGEST = 1.0, 60.0
UNHEALTHY_AFTER = 3
"""Resync intervals without a complete round, or at one thing."""
SLOW_PATIENCE = 900.0
"""For what waits for others: servers, people's commands. It has deadlines of its own, which together are shorter."""
SLOW_AT_ONCE = 8
"""Of such things: each has a thread, and mostly a child. The others wait until one of these has ended."""

log = get_logger()


class Failures(NamedTuple):
    """Of one thing, without a success between them."""

    times: int
    since: float
    why: str


class Turn(NamedTuple):
    """What to do, and of what."""

    what: str
    of: str = ""


RESYNC = Turn("resync")
Handler = Callable[[str], float | None]
"""Does the one thing and says in how many seconds it wants another turn; None: not before somebody asks."""


class Loop:
    """Give it alarms, start it, and it runs until it is told to stop."""

    def __init__(
        self, parts: Parts, alarms: Mapping[str, Alarm], *, resync: float = RESYNC_SECONDS,
        handlers: Mapping[str, Handler] | None = None, slow: Collection[str] = (),
        passed: Callable[[Pass], None] = lambda _: None, deadline: float = 0.0,
    ) -> None:  # fmt: skip
        """What of `handlers` is `slow` never has one of the workers: a server that hangs would soon have them all.
        `deadline` is how long a look may take where somebody hangs: nobody is called stuck before that is over.
        """
        self.parts = parts
        self.threads = Threads(max(UNHEALTHY_AFTER * resync, deadline))
        self._alarms = alarms
        self._resync = resync
        self._queue: Queue[Turn] = Queue()
        self._schedule: Schedule[Turn] = Schedule()
        self._handlers: dict[str, Handler] = {"pass": self._pass, "resync": self._round, **(handlers or {})}
        self._slow = frozenset(slow)
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)
        self._failures: dict[Turn, Failures] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._aside: deque[Turn] = deque()
        self._at_work_aside = 0
        self._left: defaultdict[str, list[float]] = defaultdict(list)
        self._passed = passed
        self._last_round = time.monotonic()
        self._stillness = Stillness(_Here(parts))

    def start(self) -> None:
        for number in range(WORKERS):
            self.threads.start(f"worker-{number}", self._work)
        self.threads.start("timer", self._keep_time)
        for name, alarm in self._alarms.items():
            self.threads.start(name, partial(self._listen, alarm))
        self.wake(RESYNC)
        log.info(Say.LOOP_BEGUN)

    def stop(self, seconds: float) -> bool:
        """Whether everybody came to an end in so much time. What is under way is finished, nothing is begun."""
        self.threads.stopping()
        self._stopping.set()
        self._queue.close()
        self._schedule.close()
        ended = self.threads.join(seconds)
        log.info(Say.LOOP_ENDED, cleanly=ended)
        return ended

    def look_at(self, what: str) -> None:
        """What alarms and requests call: a namespace, source/NAMESPACE/NAME, or "" for everything."""
        if not what:
            self._stillness.disturb()
            self.wake(RESYNC)
        else:
            self.wake(Turn("sync" if what.startswith("source/") else "pass", what))

    def wake(self, turn: Turn) -> None:
        self._queue.add(turn)

    @contextmanager
    def leaving(self, namespaces: Collection[str], seconds: float = math.inf) -> Iterator[None]:
        """To somebody who makes their passes himself, and wants to hear how each of them ended; at most for so long."""
        until = time.monotonic() + seconds
        with self._lock:
            for namespace in namespaces:
                self._left[namespace].append(until)
        try:
            yield
        finally:
            with self._lock:
                for namespace in namespaces:
                    self._left[namespace].remove(until)
            for namespace in namespaces:
                self.look_at(namespace)

    def _is_left(self, namespace: str) -> float:
        """For how many seconds more at most."""
        with self._lock:
            return max(self._left[namespace], default=0.0) - time.monotonic()

    def troubles(self) -> list[str]:
        """Why it is not to be trusted any more."""
        since = time.monotonic() - self._last_round
        late = (
            [f"no round was completed for {since:.0f} s"] if since > UNHEALTHY_AFTER * self._resync + PATIENCE else []
        )
        return [*self.threads.troubles(), *late]

    def unhealed(self) -> list[str]:
        """What has not been brought to an end for long, and why. To begin anew would not help."""
        now = time.monotonic()
        return [
            f"{_title(turn)} has not succeeded for {now - failed.since:.0f} s: {failed.why}"
            for turn, failed in list(self._failures.items())
            if now - failed.since > UNHEALTHY_AFTER * self._resync
        ]

    # -- threads

    def _work(self) -> None:
        while (turn := self._queue.take()) is not None:
            failpoint("loop.worker.turn")
            if turn.what in self._slow:
                self._set_aside(turn)
            else:
                self._take(turn)

    def _take(self, turn: Turn, patience: float = 0.0) -> None:
        with self.threads.at_work(_title(turn), patience=patience):
            pause = self._guarded(turn)
        if pause is not None:
            self._after(turn, pause)
        self._queue.done(turn)

    def _set_aside(self, *turns: Turn) -> None:
        """None waits in a thread: that would be as many again, and who only waits would look stuck."""
        with self._lock:
            self._aside.extend(turns)
            while self._aside and self._at_work_aside < SLOW_AT_ONCE and not self._stopping.is_set():
                turn = self._aside.popleft()
                self._at_work_aside += 1
                self.threads.aside(_title(turn), partial(self._take_aside, turn))

    def _take_aside(self, turn: Turn) -> None:
        try:
            self._take(turn, SLOW_PATIENCE)
        finally:
            with self._lock:
                self._at_work_aside -= 1
            self._set_aside()

    def _keep_time(self) -> None:
        while due := self._schedule.next():
            failpoint("loop.timer.turn")
            for turn in due:
                self._queue.add(turn)

    def _listen(self, alarm: Alarm) -> None:
        failpoint("loop.alarm.begun")
        alarm.watch(self.look_at, self._stopping)

    # -- turns

    def _guarded(self, turn: Turn) -> float | None:
        """Whatever is wrong with one thing keeps nobody from the others, and is tried again."""
        began = time.monotonic()
        try:
            pause = self._handlers[turn.what](turn.of)
        except ReconcilerError as error:
            log.warning(Say.NOT_RECONCILED, turn=turn.what, of=turn.of, error=error.message, hint=error.hint)
            return self._retry(turn, began, error.message)
        except Exception as error:
            log.exception(Say.NOT_RECONCILED, turn=turn.what, of=turn.of, error=str(error))
            return self._retry(turn, began, f"{type(error).__name__}: {error}")
        self._failures.pop(turn, None)
        return pause

    def _retry(self, turn: Turn, began: float, why: str) -> float:
        known = self._failures.get(turn, Failures(0, began, ""))
        self._failures[turn] = Failures(known.times + 1, known.since, why)
        return spread(min(RETRY_FIRST * 2.0**known.times, RETRY_LONGEST))

    def _after(self, turn: Turn, pause: float) -> None:
        if pause <= 0:
            self._queue.add(turn)
        else:
            self._schedule.after(turn, pause)

    def _pass(self, namespace: str) -> float | None:
        if (left := self._is_left(namespace)) > 0:
            return min(left, self._resync)
        failpoint("loop.pass.before")
        current = reconcile(self.parts, namespace, patience=min(PATIENCE, 2 * self._resync))
        failpoint("loop.pass.after")
        self._passed(current)
        return self._paces[namespace].next(current, self.parts.clock.now())

    def _round(self, _of: str) -> float:
        """Everything, once in a while: what alarms have missed is found here. Where all is at rest, and looks at a
        glance as it did before the last passes, a pass would find nothing. Other machines take more than a glance, and
        one of them may be away: who knows of some is passed over in any case.
        """
        still = self._stillness.still(at_rest=self._at_rest())
        hosts = {Place.of(place).host for place in self.parts.runtimes} - {LOCAL}
        for namespace in self.parts.source.namespaces():
            if not still or any(known_in(host, namespace) for host in hosts):
                self._queue.add(Turn("pass", namespace))
        self._last_round = time.monotonic()
        return spread(self._resync)

    def _at_rest(self) -> bool:
        """Nothing is due but this round."""
        rested = all(self._paces[namespace].rested for namespace in self.parts.source.namespaces())
        return rested and not self._failures and self._queue.alone(RESYNC)


def _title(turn: Turn) -> str:
    return " ".join(turn).strip()


def spread(seconds: float) -> float:
    """A little more or less, so that not everybody comes at once."""
    return seconds * random.uniform(1 - JITTER, 1.0)  # noqa: S311 -- guards nothing


class _Here:
    """Whoever can tell cheaply, on this machine, whether something has changed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[Glancing]:
        yield self._parts.source
        yield from (self._parts.runtimes[place] for place in self._parts.runtimes if Place.of(place).host == LOCAL)
