"""From a payload to what a launch needs: environment, user, program. Refuses what can't work, before anything is."""

from __future__ import annotations

import errno
import os
import pwd
from dataclasses import replace

from reconciler.errors import Denied, Refused
from reconciler.model.desired import Desired, ProcessPayload, Sealed, places
from reconciler.runtimes.process.launcher import tool
from reconciler.runtimes.process.within import entering
from reconciler.values import dataclass

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR")
"""Of our own environment, what every program needs. All else would make a service depend on who applied it."""
ROOM_BYTES, ROOM_FILES = 128 * 1024, 16
"""What a service directory takes, twice over."""
MAKE_ROOM = "make room, then try again"
FIRST_PLACES, LONGEST_PATH = 3, 80
"""Of a PATH, in messages."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Account:
    """The user a service runs as, where that is another one than we are."""

    name: str
    uid: int
    gid: int
    home: str = "/"
    shell: str = "/bin/sh"

    @property
    def become(self) -> list[str]:
        groups = "--init-groups" if self.name else "--clear-groups"
        return [tool("setpriv"), f"--reuid={self.uid}", f"--regid={self.gid}", groups, "--"]


def payload_of(desired: Desired) -> ProcessPayload:
    if isinstance(desired.payload, ProcessPayload):
        return desired.payload
    raise Refused(f"{desired.key}: {type(desired.payload).__name__} can't be run as a native process")


def placed(desired: Desired, home: str, directory: str) -> Desired:
    """The same as it is launched: every stand-in for a mount replaced by where it lies on this host."""
    payload = payload_of(desired)
    if payload.inside:
        return entering(desired, payload, home)
    if not payload.mounts and not payload.package:
        return desired
    if payload.package:
        inside = os.path.join(home, "packages", payload.package.id, "tree", payload.working_dir)
        payload = replace(payload, working_dir=inside)
        desired = replace(desired, payload=payload)
    where = {
        mount.name: f"{home}/volumes/{mount.volume}/data" if mount.volume else f"{directory}/files/{mount.name}"
        for mount in payload.mounts
    }
    filled = replace(
        payload,
        command=tuple(places(argument, where) for argument in payload.command),
        working_dir=places(payload.working_dir, where),
        env={k: places(v, where) if isinstance(v, str) else v for k, v in payload.env.items()},
    )
    return replace(desired, payload=filled)


def check(desired: Desired, *, ours: str = "", wholly: bool = False) -> None:
    """What can be known before a launch. The launch itself has the last word: it acts as the user, in the place.
    `ours` is what a person calls the program that does it: the daemon, this command. Only who asks for it `wholly` is
    told of an interpreter too.
    """
    payload = payload_of(desired)
    account = account_of(desired)
    directory = payload.working_dir or "/"
    if not os.path.isdir(directory):
        raise Refused(
            f"{desired.key}: the working directory {directory} does not exist",
            hint="make it, or set process.workingDir",
        )
    if account is None and not os.access(directory, os.X_OK):
        raise Denied(f"{desired.key}: no permission to enter the working directory {directory}")
    path = path_of(desired)
    program = find_program(payload.command[0], directory, path)
    if program is None or (wholly and _missing_interpreter(program, directory, path)):
        raise missing(desired, ours)


def check_room(desired: Desired, home: str) -> None:
    """Before anything is stopped for it: on a full disk nothing could be started in its place."""
    facts = os.statvfs(home)
    files = facts.f_favail if facts.f_files else ROOM_FILES  # there are file systems that don't count them
    if facts.f_bavail * facts.f_frsize < ROOM_BYTES or files < ROOM_FILES:
        raise Refused(f"{desired.key}: it can't be started: {home}: No space left on device; make room")


def refusal(desired: Desired, verdict: str, directory: str) -> Refused:
    """What the launch said, as an error."""
    payload = payload_of(desired)
    match verdict.split():
        case ["exec", _]:
            return missing(desired)
        case ["workdir"]:
            who = payload.user or "this user"
            return Denied(f"{desired.key}: {who} may not enter the working directory {payload.working_dir}")
        case ["cgroup", path]:
            return Denied(f"{desired.key}: it can't be put into its cgroup, {path}", hint="see the log of the kernel")
        case ["record"]:
            message = f"{desired.key}: its pid can't be written down in {directory}: most likely no space is left"
            return Refused(message, hint=MAKE_ROOM)
        case _ if payload.user:
            return Denied(
                f"{desired.key}: the step to user {payload.user} failed, or the launcher was killed", hint="try again"
            )
        case _:
            return Refused(f"{desired.key}: its launcher was killed before the program began", hint="try again")


def cannot_start(desired: Desired, error: OSError | Refused, directory: str) -> Refused:
    """What got in the way before anything was launched."""
    if isinstance(error, Refused):
        return error
    where = error.filename or directory
    hint = MAKE_ROOM if error.errno in {errno.ENOSPC, errno.EDQUOT} else "see: reconciler doctor"
    return Refused(f"{desired.key}: it can't be started: {where}: {error.strerror}", hint=hint)


def missing(desired: Desired, ours: str = "") -> Refused:
    """Why the program can't be executed, as far as the file system tells."""
    payload = payload_of(desired)
    program, directory, path = payload.command[0], payload.working_dir or "/", path_of(desired)
    found = find_program(program, directory, path)
    if "/" not in program and found is None:
        whose = f"the PATH of {ours}" if ours else "its PATH"
        whose = "its PATH, which spec.env sets" if "PATH" in payload.env else whose
        return Refused(
            f"{desired.key}: no program {program!r} on {whose} ({_shortened(path)})",
            hint="install it, give its full path, or set PATH in spec.env",
        )
    place = found or os.path.join(directory, program)
    if not os.path.lexists(place):
        return Refused(
            f"{desired.key}: the program {place} does not exist", hint="check process.command and process.workingDir"
        )
    if os.path.isdir(place):
        return Refused(f"{desired.key}: {place} is a directory, not a program")
    if not os.access(place, os.X_OK):
        return Denied(f"{desired.key}: {place} is not executable", hint=f"chmod +x {place}")
    if interpreter := _missing_interpreter(place, directory, path):
        return Refused(
            f"{desired.key}: the interpreter of {place}, {interpreter}, does not exist", hint="see its first line"
        )
    return Refused(
        f"{desired.key}: {place} can't be executed", hint="is it a program for this machine, and may its user run it?"
    )


def _shortened(path: str) -> str:
    """Its first places: a whole one takes lines."""
    first = path.split(os.pathsep)[:FIRST_PLACES]
    text = os.pathsep.join(first) + (":..." if path.count(os.pathsep) >= FIRST_PLACES else "")
    return text if len(text) <= LONGEST_PATH else f"{text[: LONGEST_PATH - 3]}..."


def find_program(program: str, directory: str, path: str) -> str | None:
    """As execvp finds it, but without running it. A relative entry on the PATH counts from the working directory of
    the service, not from ours.
    """
    entries = [""] if "/" in program else path.split(os.pathsep)
    places = (os.path.join(directory, entry, program) for entry in entries)
    return next((place for place in places if os.access(place, os.X_OK) and os.path.isfile(place)), None)


def account_of(desired: Desired) -> Account | None:
    """None when it runs as who we are."""
    name = payload_of(desired).user
    if not name:
        return None
    account = _look_up(name)
    if account is None:
        raise Refused(
            f"{desired.key}: there is no user {name!r} on this machine", hint="create it, or change process.user"
        )
    if account.uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise Denied(
            f"{desired.key}: only root may run a process as {name!r}",
            hint="run reconciler as root, or leave process.user out",
        )
    return account


def environment(desired: Desired) -> dict[str, str]:
    """The whole environment of the service, secrets revealed. For the exec and nothing else."""
    base = inherited()
    if account := account_of(desired):
        base |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name, "SHELL": account.shell}
    given = payload_of(desired).env
    return base | {name: value.text() if isinstance(value, Sealed) else value for name, value in given.items()}


def inherited() -> dict[str, str]:
    """What everybody has, whoever applied it."""
    base = {name: os.environ[name] for name in os.environ if name in INHERITED or name.startswith("LC_")}
    base.setdefault("PATH", DEFAULT_PATH)
    return base


def path_of(desired: Desired) -> str:
    given = payload_of(desired).env.get("PATH") or os.environ.get("PATH", DEFAULT_PATH)
    return given.text() if isinstance(given, Sealed) else given


def _look_up(name: str) -> Account | None:
    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        return Account("", int(name), int(name)) if name.isdecimal() else None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell)


def _missing_interpreter(place: str, directory: str, path: str) -> str:
    """Of a script. `env` has it looked for on the PATH."""
    try:
        with open(place, "rb") as file:
            first = file.readline(512)
    except OSError:
        return ""
    words = first[2:].decode(errors="replace").split() if first.startswith(b"#!") else []
    if words and not os.path.exists(os.path.join(directory, words[0])):
        return words[0]
    if len(words) > 1 and os.path.basename(words[0]) == "env" and not words[1].startswith("-") and "=" not in words[1]:
        return "" if find_program(words[1], directory, path) else words[1]
    return ""
