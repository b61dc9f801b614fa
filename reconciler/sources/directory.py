"""A directory as a revision: all of its spec files as they were at one moment, or an error. Never a part of them."""

from __future__ import annotations

import os
import stat
import time
from hashlib import blake2b

from reconciler.core.parse import Text
from reconciler.core.yaml12 import MAX_BYTES
from reconciler.errors import UsageError
from reconciler.ports import Checkout
from reconciler.sources import files
from reconciler.sources.tree import MAX_TREE_BYTES, Unreadable

CALM_SECONDS = 2.0
"""For so long a directory may change while it is read before somebody is told."""
QUIET_SECONDS = 0.3
"""So long nothing in it must have been written to: half of a document can be a document too."""
PAUSE_SECONDS = 0.05
Stamps = dict[str, tuple[int, int, int, int]]


def read(path: str, *, recursive: bool) -> Checkout:
    """Read, and looked at once more: what changed meanwhile may be half of one state and half of another."""
    deadline = time.monotonic() + CALM_SECONDS
    while True:
        before = _stamps(path, recursive=recursive)
        if (rest := _until_quiet(before)) and time.monotonic() + rest < deadline:
            time.sleep(rest)
            continue
        texts = [_text(name) for name in before if name.endswith(files.SUFFIXES)]
        if _stamps(path, recursive=recursive) == before:
            return Checkout(_digest(path, texts), tuple(texts), root=path)
        if time.monotonic() > deadline:
            raise Unreadable(f"{path} changes all the time while it is read", hint="it is looked at again by itself")
        time.sleep(PAUSE_SECONDS)


def _until_quiet(stamps: Stamps) -> float:
    """Times in the future say nothing: some clocks are wrong."""
    since = time.time() - max((stamp[0] for stamp in stamps.values()), default=0) / 1e9
    return QUIET_SECONDS - since if 0 <= since < QUIET_SECONDS else 0.0


def _stamps(path: str, *, recursive: bool) -> Stamps:
    """Of each spec file and each directory in it: any change of either shows in one of them."""
    visited: dict[str, list[str]] = {}
    try:
        specs = files.names(path, recursive=recursive, visited=visited)
        stamps = {name: _stamp(os.stat(name), name) for name in (*specs, *visited)}  # noqa: PTH116
    except FileNotFoundError as error:
        raise Unreadable(f"{error.filename}: it is not there", hint=_hint(path)) from error
    except OSError as error:
        raise Unreadable(f"{error.filename}: {error.strerror}", hint=_hint(path)) from error
    except UsageError as error:
        raise Unreadable(error.message, hint=_hint(path)) from error
    if sum(stamps[name][1] for name in specs) > MAX_TREE_BYTES:
        message = f"{path}: the spec files have more than {MAX_TREE_BYTES:,} bytes together"
        raise Unreadable(message, hint="name a directory with fewer of them")
    return stamps


def _stamp(facts: os.stat_result, name: str) -> tuple[int, int, int, int]:
    if stat.S_ISDIR(facts.st_mode):
        return facts.st_mtime_ns, 0, facts.st_ino, facts.st_dev
    if not stat.S_ISREG(facts.st_mode):
        raise Unreadable(f"{name}: it is no regular file", hint="specs are files; move it away, or rename it")
    if facts.st_size > MAX_BYTES:
        message = f"{name}: the file has {facts.st_size:,} bytes; {MAX_BYTES:,} is the most"
        raise Unreadable(message, hint="is it a spec at all? if so, split it into several files")
    return facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_dev


def _text(name: str) -> Text:
    """Whatever was put in its place since it was looked at, nobody waits for the other end of a pipe."""
    try:
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"{name}: {error.strerror}", hint="look at its owner and mode with ls -l") from error
    return Text(name, content, os.path.dirname(name))  # noqa: PTH120


def _digest(path: str, texts: list[Text]) -> str:
    digest = blake2b(digest_size=16)
    for text in texts:
        name = os.path.relpath(text.name, path).encode(errors="surrogateescape")
        digest.update(b"%d:%s%d:%s" % (len(name), name, len(text.content), text.content))
    return digest.hexdigest()


def _hint(path: str) -> str:
    return f"is {path} mounted, and may this user read it? what is in force stays so meanwhile"
