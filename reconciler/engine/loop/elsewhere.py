"""The alarms of other hosts: as many as are declared, each in a thread of its own."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Mapping

from reconciler.engine.places.grounds import Ground
from reconciler.ports import Alarm
from reconciler.telemetry import Say, get_logger
from reconciler.values import dataclass
from reconciler.waitable import readable_once

RESCAN_SECONDS = 30.0
"""For who is declared without a pass of ours, and for an alarm that broke."""
LEAVING_SECONDS = 2.0

log = get_logger()


@dataclass(frozen=True, slots=True)
class _Posted:
    """Whoever watches one host, until told to stop."""

    ground: Ground
    stopping: threading.Event
    threads: tuple[threading.Thread, ...]


class AlarmsElsewhere:
    """An alarm of alarms. Of a host that is declared anew the former ones are called back."""

    def __init__(self, grounds: Callable[[], Mapping[str, Ground]]) -> None:
        """`grounds` tells of all hosts that are declared now."""
        self._grounds = grounds
        self._posted: dict[str, _Posted] = {}
        self._poked = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def look_again(self) -> None:
        """Hosts may have come or gone. May be called from any thread, whether or not anybody watches."""
        os.eventfd_write(self._poked, 1)

    def watch(self, tell: Callable[[str], None], stopping: threading.Event) -> None:
        poll = select.poll()
        try:
            with readable_once(stopping) as ending:
                poll.register(ending, select.POLLIN)
                poll.register(self._poked, select.POLLIN)
                while not stopping.is_set():
                    self._post(tell)
                    ready = [fd for fd, _ in poll.poll(RESCAN_SECONDS * 1000)]
                    if self._poked in ready:
                        os.eventfd_read(self._poked)
        finally:
            self._call_back(self._posted)

    def _post(self, tell: Callable[[str], None]) -> None:
        known = self._grounds()
        self._call_back({name: one for name, one in self._posted.items() if not _stands(one, known.get(name))})
        for name, ground in known.items():
            if name not in self._posted:
                self._posted[name] = _posted(name, ground, tell)

    def _call_back(self, leaving: Mapping[str, _Posted]) -> None:
        """Who waits for a machine that says nothing is not waited for."""
        for one in leaving.values():
            one.stopping.set()
        until = time.monotonic() + LEAVING_SECONDS
        for name, one in [*leaving.items()]:
            for thread in one.threads:
                thread.join(max(0.0, until - time.monotonic()))
            self._posted.pop(name, None)


def _stands(posted: _Posted, ground: Ground | None) -> bool:
    return posted.ground is ground and all(thread.is_alive() for thread in posted.threads)


def _posted(name: str, ground: Ground, tell: Callable[[str], None]) -> _Posted:
    stopping = threading.Event()

    def watch(what: str, alarm: Alarm) -> None:
        try:
            alarm.watch(tell, stopping)
        except Exception as error:
            log.exception(Say.ALARM_BROKEN, alarm=f"{what} of host {name}", error=str(error))

    threads = [
        threading.Thread(target=watch, args=item, name=f"{item[0]} of {name}", daemon=True)
        for item in sorted(ground.alarms().items())
    ]
    for thread in threads:
        thread.start()
    return _Posted(ground, stopping, tuple(threads))
