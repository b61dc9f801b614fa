"""Deaths of processes on another host, as an alarm: a shell there looks once a second, and speaks when one has ended.

It costs the host a `sleep` a second, and the wire a line for each death; it ends when the connection does. What it
misses, or does not understand, costs latency only: the loop's own round finds it.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from reconciler.errors import ReconcilerError, Unreachable
from reconciler.runtimes.remote.scripts import COMMON
from reconciler.telemetry import Say, get_logger

FIRST_PAUSE, ENOUGH_SECONDS = 0.2, 5.0
"""Where it could be heard for so long, it is dialled again at once."""
AWAY_SECONDS = 30.0
"""To dial a machine that is away holds up everybody else who does: no oftener than the loop itself looks."""
NOTICE = 0.5
"""How long it takes at most until `stopping` is seen."""

LONGEST_LINE = 1 << 20
LIFE = re.compile(r" ([a-z0-9-]{1,63})\.([a-z0-9.-]{1,80}:[0-9]{1,10})(?= |$)")
"""A namespace, and which process of it; nothing else that a host may say is of interest."""

WATCH = (
    COMMON
    + r"""
living() {
  read -r pid start since rest < "$1/pid" && [ "$since" = "$boot" ] || return
  stat=
  while read -r line; do stat="$stat $line"; done < "/proc/$pid/stat" || return
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "$1" != X ] && [ "${20}" = "$start" ]
} 2>/dev/null
before=- doubts=
while :; do
  now= doubted=$doubts doubts=' '
  for directory in "$state"/processes/*/; do
    directory=${directory%/}
    name=${directory##*/}
    if living "$directory"; then
      now="$now $name:$pid"
    elif [ ! -s "$directory/exit" ]; then
      doubts="$doubts$name "
      case $doubted in *" $name "*) ;; *) case $before in *" $name:"*) now="$now $name:$pid" ;; esac ;; esac
    fi
  done
  [ "$now" = "$before" ] || { echo "lives$now"; before=$now; }
  sleep 1
done
"""
)
"""Who is dead and has not been written down as dead yet is told a second later: till then somebody may still do so."""

log = get_logger()


class Watched(Protocol):
    """What is asked of a host."""

    name: str

    def stream(self, argv: list[str], *, tick: float) -> Iterator[bytes]: ...


class Deaths:
    """An alarm that never gives up: a host that is away is asked again and again, ever more rarely."""

    def __init__(self, there: Watched, state: str) -> None:
        """`state` is a directory there; empty for the usual one of the user that we are there."""
        self._there, self._state = there, state

    def watch(self, tell: Callable[[str], None], stopping: threading.Event) -> None:
        pause = 0.0
        while not stopping.wait(pause):
            lasted = self._follow(tell, stopping) > ENOUGH_SECONDS
            pause = FIRST_PAUSE if lasted or not pause else min(pause * 2, AWAY_SECONDS)

    def _follow(self, tell: Callable[[str], None], stopping: threading.Event) -> float:
        """From when it can be heard until it can't, and how long that was. What was before is anybody's guess, so all
        is looked at then.
        """
        began, known = math.inf, frozenset[tuple[str, str]]()
        pieces = self._there.stream(["sh", "-c", WATCH, "watch", self._state], tick=NOTICE)
        try:
            for line in _lines(pieces, stopping):
                lives = frozenset(LIFE.findall(line))
                if began == math.inf:
                    began = time.monotonic()
                    tell("")
                for namespace in sorted({namespace for namespace, _ in known - lives}):
                    tell(namespace)
                known = lives
        except ReconcilerError as error:
            log.debug(Say.EVENTS_ENDED, host=self._there.name, problem=error.message)
        return time.monotonic() - began


def _lines(pieces: Iterator[bytes], stopping: threading.Event) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        if stopping.is_set():
            return
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise Unreachable("a line without end")
        yield from (line.decode(errors="replace") for line in lines)
