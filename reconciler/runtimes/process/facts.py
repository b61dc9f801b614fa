"""How a service that runs was made: what a judge compares with what is wanted now.

The honest rule. Whatever a process is told by its exec -- arguments, environment, directory, user -- nobody but the
process itself can change afterwards, and programs do: they rewrite their arguments (setproctitle), wipe a password
from their environment, go elsewhere, give up root, or become another program (`sh -c 'exec foo'`, a script by its
`#!`). What /proc shows of these differs from what was started only by the program's own doing, and that is no drift:
a service made anew for it would do it again, for ever. So of these the facts tell what was given at the start, as it
was written down with the labels, secrets as their keyed digests. The kernel is believed about what others can change:

- the limits in force, read from its cgroups, and whether it is still in them;
- whether its program was replaced on disk: the file that `command` names is another one than the one that runs. That
  is only said of a process that still runs the very file that was found at its start. So neither the interpreter of
  a script nor a script among the arguments counts, nor what a wrapper became. The same content under another inode,
  as of a package that was installed again, is the same program.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from reconciler.core.making import making
from reconciler.model.desired import ProcessPayload, Sealed
from reconciler.model.observed import Facts
from reconciler.runtimes.process.limits import in_force
from reconciler.runtimes.process.payload import find_program

CHUNK = 1 << 20


def as_asked(payload: ProcessPayload) -> dict[str, Any]:
    """What goes into the labels. The payload is the one that was wanted: places still stand for themselves."""
    asked = making(payload)
    env: Mapping[str, str | Sealed] = asked["env"]
    return {
        "made": {
            "command": list(payload.command),
            "working_dir": asked["working_dir"],
            "user": payload.user,
            "env": {name: value for name, value in env.items() if isinstance(value, str)},
            "sealed": {name: value.digest for name, value in env.items() if isinstance(value, Sealed)},
        },
        "asked": dict(asked["limits"]),
    }


def program_of(command: str, directory: str, path: str) -> list[object]:
    """The file that will be run, as far as can be known before."""
    place = find_program(command, directory, path)
    seen = os.stat(place) if place else None
    return [place, seen.st_dev, seen.st_ino] if seen else []


def facts(labels: Mapping[str, Any], pid: int, place: str) -> Facts | None:
    """None when it was started by an older version, which wrote none of this down."""
    made = labels.get("made")
    if not isinstance(made, dict):
        return None
    sealed = {name: Sealed(digest, b"") for name, digest in made["sealed"].items()}
    fields = {
        "command": tuple(made["command"]),
        "working_dir": made["working_dir"],
        "user": made["user"],
        "env": {**made["env"], **sealed},
        "limits": in_force(labels, pid, place),
    }
    return Facts(fields=fields, given={"env": {}}, stale=_replaced(labels.get("program"), pid))


def _replaced(program: object, pid: int) -> str:
    match program:
        case [str() as path, int() as device, int() as inode]:
            return f"its program {path} was replaced on disk" if _differs(path, (device, inode), pid) else ""
        case _:
            return ""


def _differs(path: str, started: tuple[int, int], pid: int) -> bool:
    """A path at which nothing lies is no other program: there would be nothing to start."""
    running = f"/proc/{pid}/exe"
    try:
        runs, lies = os.stat(running), os.stat(path)
    except OSError:
        return False
    if (runs.st_dev, runs.st_ino) != started or (lies.st_dev, lies.st_ino) == started:
        return False
    return runs.st_size != lies.st_size or not _same(running, path, (runs.st_ino, lies.st_ino, lies.st_mtime_ns))


@lru_cache(64)
def _same(one: str, other: str, _stamp: tuple[int, ...]) -> bool:
    """Byte for byte, once for each pair of files. What can't be read is not said to differ."""
    try:
        with open(one, "rb") as left, open(other, "rb") as right:
            while chunk := left.read(CHUNK):
                if chunk != right.read(CHUNK):
                    return False
            return True
    except OSError:
        return True
