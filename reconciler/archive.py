"""Files on their way: trees as tar streams, piece by piece, so that no size is too large.

What arrives was packed by somebody else. It is written beneath one directory and nowhere else, whatever it says: no
name leads out of it, and none leads through a symbolic link that came along. Links themselves are kept as they are.
"""

from __future__ import annotations

import os
import secrets
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from reconciler.errors import Refused
from reconciler.values import dataclass

PIECE = 1 << 18
BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""Not padded any further: Podman stops reading there, and calls a connection that says more broken."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


# -- packing


def pack(path: str, name: str) -> Iterator[bytes]:
    """A file or a tree, as `name`; with an empty name, what is in a directory. Whoever unpacks it owns it."""
    seen: dict[tuple[int, int], str] = {}
    yield from _packed(path, name, seen)
    yield END


def _packed(path: str, name: str, seen: dict[tuple[int, int], str]) -> Iterator[bytes]:
    told = os.lstat(path)
    if stat.S_ISSOCK(told.st_mode):
        return  # somebody has to listen there, and he stays
    entry = _entry(path, name, told, seen)
    if name:
        yield entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    if entry.isreg():
        yield from _content(path, entry.size)
    elif entry.isdir():
        for child in sorted(os.listdir(path)):  # noqa: PTH208 -- names
            yield from _packed(f"{path}/{child}", f"{name}/{child}" if name else child, seen)


def _entry(path: str, name: str, told: os.stat_result, seen: dict[tuple[int, int], str]) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.mtime = stat.S_IMODE(told.st_mode), int(told.st_mtime)
    match stat.S_IFMT(told.st_mode):
        case stat.S_IFDIR:
            entry.type = tarfile.DIRTYPE
        case stat.S_IFLNK:
            entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115 -- as it is, not as a path
        case stat.S_IFIFO:
            entry.type = tarfile.FIFOTYPE
        case stat.S_IFREG if told.st_nlink > 1 and (first := seen.setdefault((told.st_dev, told.st_ino), name)) != name:
            entry.type, entry.linkname = tarfile.LNKTYPE, first
        case stat.S_IFREG:
            entry.size = told.st_size
        case _:
            raise Refused(f"{path} is a device, which can't be copied", hint="leave it out")
    return entry


def _content(path: str, size: int) -> Iterator[bytes]:
    """As much as was announced: a log that grows meanwhile is cut, and one that shrank can't be told any more."""
    left = size
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- a plain path, as everywhere here
        while left:
            piece = file.read(min(PIECE, left))
            if not piece:
                raise Refused(f"{path} became shorter while it was copied", hint="try again")
            left -= len(piece)
            yield piece
    yield bytes(-size % BLOCK)


# -- unpacking


def unpack(pieces: Iterable[bytes], into: str, *, root: str | None = None, name: str = "") -> None:
    """What was packed as `root` becomes `name` in the directory `into`; with an empty name its content lies there.
    Without a root everything keeps its name.
    """
    arriving = _Arriving(pieces)
    try:
        with _opened(into) as base, tarfile.open(fileobj=arriving, mode="r|", bufsize=PIECE) as tar:  # type: ignore[call-overload]
            ground = _Ground(base, root, name)
            for entry in tar:
                ground.write(tar, entry)
            ground.finish()
    except tarfile.TarError as error:
        raise Refused(f"what was to be unpacked in {into} is no whole tar archive: {error}") from error
    if not arriving.ended_well():
        raise Refused(f"what was to be unpacked in {into} broke off", hint="try again")


class _Arriving:
    """A file to read from, made of pieces; it knows whether its end was there."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self._last = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
            self._last = (self._last + piece)[-BLOCK:]
        given, self._rest = self._rest[:size], self._rest[size:]
        return given

    def ended_well(self) -> bool:
        """All of it is read: whoever sends it is not to be left with half of it in his hands."""
        while self.read(PIECE):
            continue
        return self._last == bytes(BLOCK)


@dataclass(frozen=True, slots=True)
class _Late:
    """What is set of a directory once everything is in it."""

    parts: tuple[str, ...]
    mode: int
    mtime: float


class _Ground:
    """One directory, by descriptors: nobody can put a link in the way between a look and a step."""

    def __init__(self, base: int, root: str | None, name: str) -> None:
        self._base = base
        self._root = root
        self._name = name
        self._late: list[_Late] = []

    def write(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        parts = self._placed(entry.name)
        if not parts:
            return
        with self._parent(parts) as (parent, name):
            if entry.isdir():
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=parent)
                self._late.append(_Late(parts, entry.mode, entry.mtime))
                return
            _demand_replaceable(name, parent, entry)
            if entry.isreg():
                self._fill(tar, entry, parent, name)
                return
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
            self._make(entry, parent, name)

    def finish(self) -> None:
        """From the innermost out: a directory that nobody may write to is closed last."""
        for late in reversed(self._late):
            with self._descended(late.parts) as directory:
                os.fchmod(directory, late.mode & 0o777)
                os.utime(directory, (late.mtime, late.mtime))

    def _make(self, entry: tarfile.TarInfo, parent: int, name: str) -> None:
        if entry.issym():
            os.symlink(entry.linkname, name, dir_fd=parent)
        elif entry.isfifo():
            os.mkfifo(name, entry.mode & 0o777, dir_fd=parent)
        elif entry.islnk() and (source := self._placed(entry.linkname)):
            with self._parent(source) as (other, same):
                os.link(same, name, src_dir_fd=other, dst_dir_fd=parent, follow_symlinks=False)
        else:
            raise Refused(f"{entry.name} is a device, which is not unpacked", hint="leave it out")

    def _fill(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, parent: int, name: str) -> None:
        """Rights to act as somebody else are not taken over from who packed it. What has the name keeps it until all is
        there: a copy that breaks off has destroyed nothing.
        """
        source = tar.extractfile(entry)
        assert source is not None, "a regular file"
        draft = f".reconciler-cp-{secrets.token_hex(6)}"
        try:
            with os.fdopen(os.open(draft, NEW_FILE, 0o600, dir_fd=parent), "wb") as file:
                while piece := source.read(PIECE):
                    file.write(piece)
                file.flush()
                os.fchmod(file.fileno(), entry.mode & 0o777)
                os.utime(file.fileno(), (entry.mtime, entry.mtime))
            os.replace(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=parent)

    def _placed(self, told: str) -> tuple[str, ...]:
        """Where a name of the archive belongs; nothing for the ground itself."""
        parts = [part for part in told.split("/") if part not in ("", ".")]
        if told.startswith("/") or ".." in parts:
            raise Refused(f"the archive holds {told!r}, which leads out of where it is to be unpacked")
        if self._root is None:
            return tuple(parts)
        own = [part for part in self._root.split("/") if part]
        if parts[: len(own)] != own:
            raise Refused(f"the archive holds {told!r}, which is no part of {self._root!r}")
        return (*([self._name] if self._name else []), *parts[len(own) :])

    @contextmanager
    def _parent(self, parts: tuple[str, ...]) -> Iterator[tuple[int, str]]:
        with self._descended(parts[:-1]) as directory:
            yield directory, parts[-1]

    @contextmanager
    def _descended(self, parts: tuple[str, ...]) -> Iterator[int]:
        """Directories that are not told of are made; what is a link, or no directory, is never passed through."""
        here = os.dup(self._base)
        try:
            for part in parts:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=here)
                try:
                    deeper = os.open(part, DIRECTORY, dir_fd=here)
                except OSError as error:
                    raise Refused(f"{'/'.join(parts)}: {part} is no directory, so nothing is put into it") from error
                os.close(here)
                here = deeper
            yield here
        finally:
            os.close(here)


def _demand_replaceable(name: str, parent: int, entry: tarfile.TarInfo) -> None:
    """A device has a name for others to find it by: with a file in its place the machine would be without it."""
    try:
        there = stat.S_IFMT(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return
    if there == stat.S_IFDIR:
        raise Refused(f"{name} is a directory, and is not replaced", hint="remove it, or choose another name")
    if there not in (stat.S_IFREG, stat.S_IFLNK) and not (there == stat.S_IFIFO and entry.isfifo()):
        hint = "choose a file; `-` instead of it is standard output, as a tar stream"
        raise Refused(f"{name} is neither a file nor a link, and is not replaced", hint=hint)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
