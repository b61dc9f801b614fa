"""What lies in a service's directory, and how each of its files is written and read.

Everything is written so that a crash between any two steps leaves something that `observation` has a name for.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from reconciler.errors import Denied
from reconciler.model import labels as table
from reconciler.model.desired import Mount
from reconciler.model.key import Key
from reconciler.runtimes.process.identity import Identity, slurp
from reconciler.runtimes.process.payload import Account
from reconciler.values import dataclass

LABELS = ("labels.json", "labels.copy.json")
"""They say whose it is and what was started, and nothing else can: so one of the two may be lost."""
BLANK_EXIT = b" " * 16 + b"\n"
"""Room for an exit code, taken while there is room: a full disk later can't lose it."""


@dataclass(frozen=True, slots=True)
class Record:
    """The `pid` file: who the service is, who its shell parent is, since which boot, in which cgroup."""

    service: Identity
    parent: Identity
    boot: str
    group: str
    written: float


def directory_name(key: Key) -> str:
    return f"{key.namespace}.{key.name}.{key.index}"


def read_record(directory: str) -> Record | None:
    """None when nothing was recorded: the shell writes it in one go, so a part of it is the same as none."""
    path = f"{directory}/pid"
    text = slurp(path).decode(errors="replace")
    words = text.split(" ", 5)
    if not text.endswith("\n") or len(words) != 6 or not all(word.isdecimal() for word in words[:4]):
        return None
    pid, started, parent, parent_started = map(int, words[:4])
    group = words[5].strip()
    return Record(
        Identity(pid, started),
        Identity(parent, parent_started),
        words[4],
        "" if group == "-" else group,
        _modified(path),
    )


def read_exit(directory: str) -> tuple[int, float] | None:
    """The exit code and when it was written; a death by signal is 128 and its number, as shells have it."""
    path = f"{directory}/exit"
    code = slurp(path).split(b"\n", 1)[0].strip()
    return (int(code), _modified(path)) if code.isdigit() else None


def read_labels(directory: str) -> dict[str, Any] | None:
    """Of the two copies the first that holds a table of labels, of whomever; None when neither does."""
    return next((found for name in LABELS if (found := _table(slurp(f"{directory}/{name}"))) is not None), None)


def _table(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in (table.OWNER, "id")):
        return None
    return found


def write_labels(directory: str, labels: Mapping[str, Any]) -> None:
    """The copy comes last: it may tell of what was before, never of what is not yet."""
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(labels[name], sort_keys=True)}" for name in sorted(labels))
    for name in LABELS:
        write_whole(f"{directory}/{name}", f"{{\n{lines}\n}}\n".encode())


def write_whole(path: str, content: bytes) -> None:
    """A reader sees the old content or the new. Not synced: what a power cut could lose died with the machine."""
    write_new(f"{path}.new", content)
    os.replace(f"{path}.new", path)


def write_new(path: str, content: bytes, mode: int = 0o600) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def begin(directory: str) -> None:
    """Nothing may speak of the last run any more, except its log under another name."""
    there = set(os.listdir(directory))
    for name in sorted(there & {"pid", "exit", "refused", "log.1"}):
        discard(f"{directory}/{name}")
    if "log" in there:
        with suppress(FileNotFoundError):
            os.replace(f"{directory}/log", f"{directory}/previous.log")
    write_new(f"{directory}/exit", BLANK_EXIT)


def deliver(directory: str, mounts: tuple[Mount, ...], account: Account | None) -> None:
    """Configs and secrets as files, each mount a directory. Nobody may write: a config is changed in its spec."""
    if os.path.isdir(f"{directory}/files"):
        shutil.rmtree(f"{directory}/files")
    for mount in mounts:
        if not mount.files:
            continue
        place = f"{directory}/files/{mount.name}"
        make_private(f"{directory}/files")
        make_private(place)
        for file in mount.files:
            write_new(f"{place}/{file.name}", file.data(), file.mode & 0o555)
            if account:
                os.chown(f"{place}/{file.name}", account.uid, account.gid)
        if account:
            os.chown(place, account.uid, account.gid)


def open_way(key: Key, ours: Sequence[str], account: Account) -> None:
    """Let another user pass through to files of its own, by directories of ours, innermost first. Pass through only:
    nothing can be listed or read.
    """
    for place in ours:
        os.chmod(place, 0o711)  # noqa: S103 -- see above
    above = os.path.dirname(ours[-1])
    while above != "/":
        mode = os.stat(above)
        if not mode.st_mode & stat.S_IXOTH and mode.st_uid != account.uid:
            raise Denied(
                f"{key}: user {account.name or account.uid} can't reach its files, for {above} is closed to it",
                hint="keep reconciler's home elsewhere: --home /var/lib/reconciler",
            )
        above = os.path.dirname(above)


def make_private(directory: str) -> None:
    """With everything above that is missing; what is there already is left as it is."""
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_private(os.path.dirname(directory))
        make_private(directory)


def take_apart(directory: str) -> None:
    """Away with it, labels last: a removal cut short is still recognized as ours and can be finished.

    Should somebody take a turn just before the end, a directory stays that holds a `turn`, and maybe a `lock`, and is
    nobody's. It is left to the next one under that name. A look, to which it is nothing, does not clear it away: looks
    take no locks, for each would now and then stand in the way of a launch.
    """
    last = [LABELS[0], "lock", "turn"]
    order = sorted(_entries(directory), key=lambda entry: last.index(entry.name) if entry.name in last else -1)
    for entry in order:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            discard(entry.path)
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # somebody has taken a turn meanwhile, to make it anew
            raise


def directories(place: str) -> list[str]:
    """Names of what lies there. Not there is empty; what can't be read is raised, for it is not the same."""
    try:
        with os.scandir(place) as found:
            return sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def discard(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _entries(directory: str) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as found:
        return list(found)


def _modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0
