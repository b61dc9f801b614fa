"""The daemon's own process: takes the lock, starts the loop, answers calls, and ends or begins anew when it must."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.api.serve import Handler, Server
from reconciler.daemon import guests as visitors
from reconciler.daemon import lock, notify
from reconciler.daemon.answers import answers
from reconciler.daemon.log import turn_over
from reconciler.daemon.signals import Signals
from reconciler.disk_space import is_full
from reconciler.engine.controller import Controller
from reconciler.engine.loop.loop import RESYNC, Loop
from reconciler.model.resource import Resource
from reconciler.telemetry import Say, get_logger
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.api.webhook import Door

END_SECONDS = 5.0
"""For what is under way to come to an end. What does not is looked at by whoever comes next."""
LOOK_SECONDS = 1.0
ANEW = "RECONCILER_BEGUN_ANEW"
"""How often it had to begin anew since it last was well, in its own environment."""
LONGEST_PAUSE = 60.0

log = get_logger()


@dataclass(slots=True)
class Daemon:
    """`Threads` do the work; the main thread watches over them and listens to signals."""

    home: str
    controller: Controller
    loop: Loop
    door: Door | None = None
    """Where requests to look at a Source are taken, if anywhere."""
    further: dict[str, Handler] = field(default_factory=dict)
    """Questions that others answer than the loop."""
    signals: Signals = field(default_factory=Signals)
    started_at: float = field(default_factory=time.time)
    begun: float = field(default_factory=time.monotonic)
    held: int = -1
    """The descriptor that makes us the daemon of this home."""

    def run(self, guests: Sequence[Resource] = ()) -> int:
        """Until it is told to end. Raises `lock.Held` where there is another one. `guests` are Sources that are
        followed for as long as it runs; what they brought stays.
        """
        Path(self.home).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.held = lock.take(self.home)
        try:
            visitors.welcome(self.controller.parts, guests)
            trouble = self._serve()
            if trouble:
                self._begin_anew(trouble)
        finally:
            try:
                visitors.farewell(self.controller.parts, guests)
            finally:
                os.close(self.held)
        return 0

    def _serve(self) -> list[str]:
        server = Server(self.home, {**answers(self.controller, self.loop, self.health), **self.further})
        server.open()
        self.signals.listen()
        self.loop.threads.start("server", server.serve)
        if self.door:
            self.loop.threads.start("webhook", self.door.serve)
        self.loop.start()
        notify.tell("READY=1")
        trouble = self._watch_over(server)
        notify.tell("STOPPING=1")
        self.loop.threads.stopping()
        server.close()
        if self.door:
            self.door.close()
        self.loop.stop(END_SECONDS)
        return trouble

    def health(self) -> dict[str, Any]:
        troubles = [*self.loop.troubles(), *self.loop.unhealed(), *self._state_of_disk()]
        return {
            "running": True,
            "pid": os.getpid(),
            "home": self.home,
            "startedAt": self.started_at,
            "healthy": not troubles,
            "troubles": troubles,
        }

    def _state_of_disk(self) -> list[str]:
        """No reason to begin anew: what needs no room there is healed all the same."""
        why = f"no space left on the disk of {self.home}: what happens is not written down; make room"
        return [why] if is_full(self.home) else []

    def _taken_away(self, server: Server) -> list[str]:
        """What makes us the one that is asked. A home that is gone altogether, like a disk that is not mounted, is not
        made anew.
        """
        if not os.path.exists(f"{self.home}/owner"):  # noqa: PTH110 -- this one never raises
            return []
        lost = {"daemon.lock": not lock.stands(self.home, self.held), "api.sock": not server.stands()}
        return [f"{name} was taken away, or replaced" for name, gone in lost.items() if gone]

    def _watch_over(self, server: Server) -> list[str]:
        """Blocks until it is to end; the troubles it ends for, if it is for any."""
        pulse = notify.watchdog_seconds()
        told = 0.0
        while not self.signals.end:
            self.signals.sleep(LOOK_SECONDS)
            if self.signals.reread:
                self.signals.reread = False
                log.info(Say.REREADING)
                self.loop.wake(RESYNC)
            if troubles := [*self.loop.troubles(), *self._taken_away(server)]:
                log.error(Say.UNHEALTHY, troubles=troubles)
                return troubles
            if pulse and time.monotonic() - told > pulse / 3:
                notify.tell("WATCHDOG=1")
                told = time.monotonic()
            turn_over(self.home)
        return []

    def _begin_anew(self, troubles: Sequence[str]) -> None:
        """In the same process, so that whoever watches over us sees one and the same. Ever more slowly, if it does
        not help; whoever is told to end meanwhile does. Until then nobody else becomes the daemon.
        """
        times = int(os.environ.get(ANEW, "0")) if time.monotonic() - self.begun < LONGEST_PAUSE else 0
        notify.tell(f"STATUS=beginning anew: {'; '.join(troubles)}")
        until = time.monotonic() + min(0.1 * 2.0**times, LONGEST_PAUSE)
        while (left := until - time.monotonic()) > 0 and not self.signals.end:
            notify.tell("WATCHDOG=1")
            self.signals.sleep(min(left, LOOK_SECONDS))
        if self.signals.end:
            return
        os.environ[ANEW] = str(times + 1)
        os.execv(sys.executable, [sys.executable, "-m", "reconciler", *sys.argv[1:]])  # noqa: S606 -- ourselves
