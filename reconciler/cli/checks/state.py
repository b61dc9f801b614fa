from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator

from reconciler.cli.checks.finding import Finding, Level
from reconciler.cli.context import Context

GROUP = "state"
MIB = 1 << 20
SCARCE, LOW = 64 * MIB, 1024 * MIB


def home(context: Context) -> Iterator[Finding]:
    path = context.home
    try:
        found = os.stat(path)
    except FileNotFoundError:
        yield _not_there(path)
        return
    except OSError as error:
        yield Finding(GROUP, "home", Level.FAILED, f"{path}: {error.strerror}", "choose another with --home")
        return
    yield _there(path, found)


def _not_there(path: str) -> Finding:
    parent = existing_parent(path)
    if os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK):
        return Finding(GROUP, "home", Level.OK, f"{path} is not there yet; the first apply makes it")
    return Finding(GROUP, "home", Level.FAILED, f"{path} can't be made in {parent}", "choose another with --home")


def _there(path: str, found: os.stat_result) -> Finding:
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode):
        return Finding(GROUP, "home", Level.FAILED, f"{path} is not a directory", "choose another with --home")
    if found.st_uid != os.geteuid():
        who = f"user {found.st_uid}, and you are {os.geteuid()}"
        return Finding(
            GROUP, "home", Level.FAILED, f"{path} belongs to {who}", "use the same user always, or another --home"
        )
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding(GROUP, "home", Level.FAILED, f"{path} is read-only", "choose another with --home")
    if mode & 0o077:
        return Finding(
            GROUP, "home", Level.WARNING, f"{path} has mode {mode:04o}: others may see what lies in it",
            f"chmod 700 {shlex.quote(path)}",
        )  # fmt: skip
    return Finding(GROUP, "home", Level.OK, f"{path}, mode {mode:04o}")


def disk(context: Context) -> Iterator[Finding]:
    place = existing_parent(context.home)
    try:
        room = os.statvfs(place)
    except OSError as error:
        yield Finding(GROUP, "disk", Level.WARNING, f"{place}: {error.strerror}")
        return
    free = room.f_bavail * room.f_frsize
    message = f"{_amount(free)} free for {context.home}"
    if free < LOW:
        level = Level.FAILED if free < SCARCE else Level.WARNING
        yield Finding(GROUP, "disk", level, message, "make room: logs and the diary have nowhere to go on a full disk")
    elif room.f_files and room.f_favail < 1000:
        yield Finding(
            GROUP, "disk", Level.WARNING, f"{room.f_favail} files can still be made on the disk of {context.home}"
        )
    else:
        yield Finding(GROUP, "disk", Level.OK, message)


def adopted(context: Context) -> Iterator[Finding]:
    """Whose labels stand in a file, because nobody can hang any on a container that lives."""
    from pathlib import Path

    from reconciler.errors import ReconcilerError
    from reconciler.runtimes.docker.adopted import understood

    for path in sorted(Path(context.home, "adopted").glob("*.json")):
        try:
            count = len(understood(path))
        except OSError as error:
            yield Finding(GROUP, "adopted", Level.FAILED, f"{path}: {error.strerror}", "it has to be readable for you")
        except ReconcilerError as error:
            yield Finding(GROUP, "adopted", Level.FAILED, error.message, error.hint)
        else:
            said = "1 container that others made is" if count == 1 else f"{count} containers that others made are"
            if count:
                yield Finding(GROUP, "adopted", Level.INFO, f"{said} ours by {path}")


def existing_parent(path: str) -> str:
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _amount(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / MIB:.0f} MiB"
