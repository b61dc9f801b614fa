"""A bare repository that a container writes to: what in it would have Git run a program or leave it is as we left it.

Git has no way to leave a repository's own settings out. So they are looked at before each use, by what is known to be
harmless: a list of what is dangerous would be out of date with the next version of Git.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from reconciler.errors import Refused

LARGEST = 1 << 20
HARMLESS = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|ignorecase|precomposeunicode|symlinks|logallrefupdates|autocrlf|eol)"
    r"|remote\.origin\.(url|fetch|pushurl)|branch\..+\.(remote|merge|rebase|description|pushremote)"
    r"|user\.(name|email)|push\.(default|autosetupremote)|pull\.(rebase|ff)",
    re.DOTALL,
)
"""Settings that name no program, no other file, and no extension that would read more of them."""
WHOSE = "see who put it there, or move it away"
CLEAR = "nothing of it was run; if you wrote it, move it to your own ~/.gitconfig or {instead}, else look who did"


def unexpected(listed: bytes) -> list[str]:
    """Of `git config --list -z` the names that are none of ours."""
    names = [entry.partition(b"\n")[0].decode(errors="replace") for entry in listed.split(b"\0") if entry]
    format_ = [entry for entry in listed.split(b"\0") if entry.startswith(b"core.repositoryformatversion\n")]
    strange = [name for name in names if not HARMLESS.fullmatch(name)]
    return strange + ["core.repositoryformatversion" for entry in format_ if not entry.endswith(b"\n0")]


def settings(bare: Path) -> bytes:
    """Its config as it stands, and not what a link in its place leads to."""
    return content(bare / "config")


def content(path: Path) -> bytes:
    """Of a plain file: one that is a link leads elsewhere, and a pipe is waited on for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{path} can't be read: {error.strerror}", hint=WHOSE) from error
    with _opened(descriptor, path) as file:
        read = file.read(LARGEST + 1)
    if len(read) > LARGEST:
        raise Refused(f"{path} has more than {LARGEST:,} bytes", hint=WHOSE)
    return read


def _opened(descriptor: int, path: Path) -> IO[bytes]:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise Refused(f"{path} is no plain file", hint=WHOSE)


def require_plain(bare: Path) -> None:
    """No hooks, no other repository's objects, and nothing through which Git would write elsewhere."""
    for path, mode in _everything(bare):
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise Refused(f"{path} is a link, or no file at all", hint=_hint("remove it"))
        if path.parent == bare / "hooks" or (path == bare / "hooks" and not stat.S_ISDIR(mode)):
            raise Refused(f"{path} is a program that Git would run", hint=_hint("call it by hand"))
        if path.parent == bare / "objects/info" and path.name.endswith("alternates"):
            raise Refused(f"{path} names another repository", hint=_hint("remove it"))
        if path.name == "commondir" and path.parent.parent == bare / "worktrees" and content(path).strip() != b"../..":
            raise Refused(f"{path} leads to another repository", hint=_hint("write ../.. there"))


def refuse_settings(bare: Path, names: list[str]) -> None:
    if names:
        message = f"{bare / 'config'} has settings that were not written by us: {', '.join(map(ascii, names[:5]))}"
        raise Refused(message, hint=_hint(f"remove them: git config --file {bare / 'config'} --unset-all NAME"))


def _hint(instead: str) -> str:
    return CLEAR.format(instead=instead)


def _everything(folder: Path) -> Iterator[tuple[Path, int]]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 -- names are enough
    except FileNotFoundError:
        return
    for path in (folder / name for name in names):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # a lock or a temporary file of who works in it
            continue
        yield path, mode
        if stat.S_ISDIR(mode):
            yield from _everything(path)
