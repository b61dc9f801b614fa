"""Points on the way at which something may be made to go wrong, in the style of FreeBSD's fail(9).

    RECONCILER_FAILPOINTS='docker.create.after=1*off->1*kill; store.write.before=error(disk full)'
    RECONCILER_FAILPOINTS_TRACE=FILE      # appends the name of each point that is passed

A point is followed by terms, `[P%][N*]action[(argument)]`, joined by `->`. Of them the first that is due acts:
P% is its chance at each passing, N how often it acts at most.

off           nothing, and none of the later terms is due
kill          SIGKILL to this very process: no handler, no clearing up
error(text)   the world refuses: nothing further happens at this step
unknown(text) nobody can say whether it happened: what a deadline that passes leaves behind
sleep(ms)     goes on later
print         says on stderr that it came by

Nothing but these two variables turns points on, and then a note on stderr says so. Off, a point costs one look at
a variable.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from reconciler.errors import OutcomeUnknown, Refused, UsageError

VARIABLE = "RECONCILER_FAILPOINTS"
TRACE = "RECONCILER_FAILPOINTS_TRACE"

RUNTIMES = ("docker", "memory", "mesh", "process")
VERBS = ("prepare", "create", "adjust", "start", "stop", "remove")
EFFECTS = tuple(
    f"{runtime}.{verb}.{moment}" for runtime in RUNTIMES for verb in VERBS for moment in ("before", "after")
)
"""Around each effect of the executor. After: it was done; what was refused never comes by."""

STEPS = (
    "docker.image.pulled",
    "docker.image.built",
    "docker.network.made",
    "docker.volume.made",
    "docker.container.made",
    "docker.container.filled",
    "docker.container.joined",
    "docker.container.started",
    "docker.container.signalled",
    "docker.container.unpaused",
    "docker.container.adopted",
    "process.directory.made",
    "process.cgroup.made",
    "process.labels.written",
    "process.directory.filled",
    "process.service.launched",
    "process.tree.ended",
    "process.log.kept",
    "source.keep.before",
    "source.keep.drafted",
    "source.keep.replaced",
    "source.keep.after",
    "source.forget.before",
    "source.forget.after",
    "source.remember.before",
    "source.remember.after",
    "sync.fetch.before",
    "sync.fetch.after",
    "sync.keep.before",
    "sync.keep.after",
    "sync.remember.before",
    "sync.remember.after",
    "git.fetch.before",
    "git.fetch.after",
    "store.write.before",
    "store.write.after",
    "loop.worker.turn",
    "loop.timer.turn",
    "loop.alarm.begun",
    "loop.pass.before",
    "loop.pass.after",
)
"""Inside an effect, where desired state and the diary are written, and in the threads of the loop."""

POINTS = frozenset((*EFFECTS, *STEPS))


def failpoint(*name: str) -> None:
    """Here. The name comes in parts, so that none is put together while points are off."""
    if _armed is not None:
        _armed.passed(".".join(name).lower())


def arm(environment: Mapping[str, str]) -> None:
    """Turns points on or off as the environment says. The same words again go on where they are in their counts."""
    global _armed  # noqa: PLW0603 -- the one switch of the process
    text, trace = environment.get(VARIABLE, ""), environment.get(TRACE, "")
    if not text and not trace:
        _armed = None
    elif _armed is None or (_armed.text, _armed.trace) != (text, trace):
        _armed = Failpoints(text, trace)
        _say(f"note: failpoints are on ({VARIABLE}={text!r}): things go wrong on purpose")


class Term:
    """One alternative at a point. `left` is how often it may still act; None for ever."""

    __slots__ = ("action", "argument", "chance", "left")

    def __init__(self, action: str, argument: str, chance: float, left: int | None) -> None:
        self.action = action
        self.argument = argument
        self.chance = chance
        self.left = left


class Failpoints:
    """Points that are on, and how far each has come. Threads pass at once; counts are exact all the same."""

    def __init__(self, text: str, trace: str = "", chance: Callable[[], float] | None = None) -> None:
        self.text = text
        self.trace = trace
        self._terms = dict(_points(text))
        self._chance = chance or _at_random()
        self._lock = threading.Lock()

    def passed(self, name: str) -> None:
        assert name in POINTS, f"{name} is not in the list of failpoints"
        if self.trace:
            _append(self.trace, name)
        if term := self._due(name):
            ACTIONS[term.action](name, term.argument)

    def _due(self, name: str) -> Term | None:
        with self._lock:
            for term in self._terms.get(name, ()):
                if term.left != 0 and self._chance() < term.chance:
                    term.left = None if term.left is None else term.left - 1
                    return term
        return None


def _at_random() -> Callable[[], float]:
    from random import random  # noqa: PLC0415 -- as dear to import as all the rest here

    return random


# -- the words

_POINT = r"[\s;]*([\w.]+)\s*=\s*((?:[^;()]|\([^()]*\))+?)\s*(?:;|$)"
_TERM = r"(?:(\d{1,3}(?:\.\d+)?)%)?(?:(\d+)\*)?([a-z]+)(?:\(([^()]*)\))?"
"""Texts, for nearly everybody passes here with points off."""


def _points(text: str) -> Iterator[tuple[str, list[Term]]]:
    at = 0
    while text[at:].strip(" ;"):
        found = re.compile(_POINT).match(text, at)
        if found is None:
            raise _unusable(f"{text[at:].strip()!r} is not of the form NAME=TERM->TERM; NAME=TERM")
        name, terms = found.groups()
        if name not in POINTS:
            raise _unusable(f"no point is called {name!r}")
        yield name, [_term(words.strip()) for words in terms.split("->")]
        at = found.end()


def _term(words: str) -> Term:
    found = re.fullmatch(_TERM, words)
    if found is None:
        raise _unusable(f"{words!r} is not of the form [P%][N*]action[(argument)]")
    percent, times, action, argument = found.groups()
    if action not in ACTIONS:
        raise _unusable(f"{words!r}: no action is called {action!r}; there are {', '.join(ACTIONS)}")
    if action == "sleep" and not (argument or "").isdecimal():
        raise _unusable(f"{words!r}: sleep takes a number of milliseconds, like sleep(200)")
    chance = float(percent) / 100 if percent else 1.0
    return Term(action, argument or "", chance, int(times) if times else None)


def _unusable(what: str) -> UsageError:
    return UsageError(f"{VARIABLE}: {what}", hint=f"the points are {', '.join(sorted(POINTS))}")


# -- the actions


def _off(_name: str, _argument: str) -> None:
    """Nothing."""


def _kill(_name: str, _argument: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _error(name: str, argument: str) -> None:
    raise Refused(argument or f"failpoint {name}", hint=f"{VARIABLE} asks for it at {name}")


def _unknown(name: str, argument: str) -> None:
    raise OutcomeUnknown(argument or f"failpoint {name}", hint=f"{VARIABLE} asks for it at {name}")


def _sleep(_name: str, argument: str) -> None:
    time.sleep(int(argument) / 1000)


def _print(name: str, _argument: str) -> None:
    _say(f"failpoint {name}")


ACTIONS: dict[str, Callable[[str, str], None]] = {
    "off": _off,
    "kill": _kill,
    "error": _error,
    "unknown": _unknown,
    "sleep": _sleep,
    "print": _print,
}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 -- for whoever has set the variable, on whatever command


def _append(path: str, name: str) -> None:
    """In one write and before anything else happens here: whoever is killed next has still left its line."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{name}\n".encode())
    finally:
        os.close(descriptor)


_armed: Failpoints | None = None
