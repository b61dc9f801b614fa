"""posix_spawn by the C library itself, in which other threads go on.

The interpreter's own keeps its lock until the new process has begun its program, which on a busy machine takes
milliseconds in which nothing else of ours happens: a hundred starts then stand in line for it. The C library is called
here without that lock; by vfork all the same, so it does not matter how large we are.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from reconciler.values import dataclass

ROOM = 1024
"""Bytes, for structures that are the C library's business: the largest known is 336."""
SETSIGDEF, SETSIGMASK, SETSID = 0x04, 0x08, 0x80
"""As glibc and musl have them."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file to be opened as this descriptor."""

    fd: int
    path: str
    flags: int


@dataclass(frozen=True, slots=True)
class Given:
    """One of our own descriptors, to be had as this one. The two differ, or it would be closed by the exec."""

    fd: int
    ours: int


@dataclass(frozen=True, slots=True)
class Closed:
    """One that would be inherited, and is not to be."""

    fd: int


Descriptor = Opened | Given | Closed


def spawn(
    argv: Sequence[str], env: Mapping[str, str], descriptors: Sequence[Descriptor], defaults: tuple[int, ...]
) -> int:
    """Its number. It leads a session of its own, blocks no signal, and ignores none of `defaults`."""
    library, actions, pid = _library(), ctypes.create_string_buffer(ROOM), ctypes.c_int()
    _insist(library.quick.posix_spawn_file_actions_init(actions))
    try:
        for descriptor in descriptors:
            _insist(_add(library.quick, actions, descriptor))
        environment = list(map("=".join, env.items()))
        _insist(
            library.posix_spawn(
                ctypes.byref(pid),
                os.fsencode(argv[0]),
                actions,
                _attributes(defaults),
                _texts(argv),
                _texts(environment),
            ),
            argv[0],
        )
    finally:
        library.quick.posix_spawn_file_actions_destroy(actions)
    return pid.value


def _add(quick: Any, actions: Any, descriptor: Descriptor) -> int:
    match descriptor:
        case Opened(fd, path, flags):
            code = quick.posix_spawn_file_actions_addopen(actions, fd, os.fsencode(path), flags, 0)
        case Given(fd, ours):
            code = quick.posix_spawn_file_actions_adddup2(actions, ours, fd)
        case Closed(fd):
            code = quick.posix_spawn_file_actions_addclose(actions, fd)
    return int(code)


@cache
def _attributes(defaults: tuple[int, ...]) -> Any:
    """Never changed once made, so that all threads may read it."""
    quick = _library().quick
    attributes, none, some = (ctypes.create_string_buffer(ROOM) for _ in range(3))
    quick.sigemptyset(none)
    quick.sigemptyset(some)
    for number in defaults:
        quick.sigaddset(some, number)
    _insist(quick.posix_spawnattr_init(attributes))
    _insist(quick.posix_spawnattr_setflags(attributes, ctypes.c_short(SETSIGDEF | SETSIGMASK | SETSID)))
    _insist(quick.posix_spawnattr_setsigmask(attributes, none))
    _insist(quick.posix_spawnattr_setsigdefault(attributes, some))
    return attributes


@dataclass(frozen=True, slots=True)
class _Library:
    posix_spawn: Callable[..., int]
    """Without the interpreter's lock."""
    quick: Any
    """With it: for what takes less time than to give it up and wait for it again."""


@cache
def _library() -> _Library:
    return _Library(ctypes.CDLL(None).posix_spawn, ctypes.PyDLL(None))


def _texts(texts: Sequence[str]) -> Any:
    """Ended by a null, as exec wants it. What holds one itself would be cut off there."""
    encoded = list(map(os.fsencode, texts))
    if any(b"\0" in text for text in encoded):
        raise ValueError("an argument or variable holds a null byte")
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


def _insist(code: int, path: str | None = None) -> None:
    if code:
        raise OSError(code, os.strerror(code), path)
