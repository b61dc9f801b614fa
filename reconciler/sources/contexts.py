"""What images are built from, and what processes are delivered with: directories, looked through without following any
link, known by their content.

A digest is taken of names, modes, content and where links lead; not of times and owners, which differ from one
machine to the next. What is sent on is compared with it once more on its way.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from reconciler.core.cargo import Ledger, Member, Unsafe, contents_digest
from reconciler.core.references import literal, mapped
from reconciler.errors import Refused
from reconciler.kinds import KINDS, find
from reconciler.kinds.base import Tree
from reconciler.model.desired import Context
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.sources.dockerignore import Ignored
from reconciler.values import dataclass

MOST_ENTRIES = 50_000
MOST_BYTES = 1 << 30
SECONDS = 30.0
DEEPEST = 100
PIECE = 1 << 20
BLOCK = 512
FRESH_NS = 100_000_000
"""What was written less than a tenth of a second ago may be written again at the same time of the file system's."""
FILE, EXECUTABLE, DIRECTORY = stat.S_IFREG | 0o644, stat.S_IFREG | 0o755, stat.S_IFDIR | 0o755
"""All the rights that are told of what is delivered: the rest is a matter of who checked it out."""

Refusal = Callable[[Resource, str], str]
Stamp = tuple[int, ...]


class Contexts:
    """Remembers of each file what its content came to, for as long as it is not written to."""

    def __init__(self) -> None:
        self._known: dict[Tree, dict[str, tuple[Stamp, str]]] = {}

    def read(self, resources: Iterable[Resource], refusal: Refusal) -> tuple[dict[Tree, Context], dict[Key, str]]:
        """What each tree holds now. What can't be read concerns only those who asked for it."""
        found: dict[Tree, tuple[Context, str]] = {}
        unreadable: dict[Key, str] = {}
        for resource in resources:
            for named in () if resource.deleting else _trees(resource):
                tree = _literally(named)
                try:
                    if tree not in found:
                        found[tree] = self._context(tree)
                except OSError as error:
                    unreadable[resource.key] = f"{tree.title}: {_why(error)}"
                else:
                    why = refusal(resource, found[tree][1]) if resource.profile else ""
                    if why:
                        unreadable[resource.key] = f"{tree.title} may not be read: {why}"
        return {tree: context for tree, (context, _) in found.items()}, unreadable

    def of(self, named: Tree) -> Context:
        """What one tree holds. Raises Refused."""
        tree = _literally(named)
        try:
            return self._context(tree)[0]
        except OSError as error:
            raise _unreadable(tree, error) from error

    def glance(self, trees: Iterable[Tree]) -> str:
        """The same text for as long as nothing in them is written to."""
        return "".join(_glance(tree) for tree in trees)

    def _context(self, tree: Tree) -> tuple[Context, str]:
        known = self._known.get(tree, {})
        with _Walk(tree) as walk:
            entries = list(walk.entries(known))
            self._known[tree] = {entry.path: (entry.stamp, entry.content) for entry in entries if entry.is_settled}
            digest = _digest(tree, entries)
            return Context(digest, tree.dockerfile, lambda: _archive(tree, digest)), walk.real


@dataclass(frozen=True, slots=True)
class Entry:
    path: str
    mode: int
    stamp: Stamp
    """When and by what it would be seen that it was written to: content and status, size, inode."""
    content: str = ""
    """The digest of a file, where a link leads to; of a directory nothing."""

    @property
    def size(self) -> int:
        return self.stamp[2] if stat.S_ISREG(self.mode) else 0

    @property
    def is_settled(self) -> bool:
        return stat.S_ISREG(self.mode) and time.time_ns() - self.stamp[1] > FRESH_NS


class _Walk:
    """One look through a tree, by descriptors: whoever puts a link where a directory was leads nobody astray."""

    def __init__(self, tree: Tree) -> None:
        self._deadline = time.monotonic() + SECONDS
        self._count = 0
        self._bytes = 0
        self._root = os.open(tree.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.real = str(Path(f"/proc/self/fd/{self._root}").readlink())
            self._tree, self._dockerfile = tree, tree.dockerfile
            built = {tree.dockerfile, ".dockerignore", f"{tree.dockerfile}.dockerignore"}
            self.needed = built if tree.dockerfile else set()
            self._ignored = Ignored(self._rules()) if tree.whole else None
        except BaseException:
            os.close(self._root)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def entries(self, known: Mapping[str, tuple[Stamp, str]] | None) -> Iterator[Entry]:
        """In order. `known` has the digests of what is unchanged; None: nobody wants any."""
        there = not self._dockerfile
        found = self._within(self._root, "", known)
        for entry in found if self._dockerfile else self._delivered(found):
            there = there or entry.path == self._dockerfile
            yield entry
        if not there:
            raise OSError(0, f"there is no {self._dockerfile} in it")

    def open(self, path: str) -> int:
        """A file in it, through real directories only."""
        folder, *rest = os.dup(self._root), *path.split("/")
        for i, name in enumerate(rest):
            kind = os.O_NONBLOCK if i == len(rest) - 1 else os.O_DIRECTORY
            try:
                inner = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return folder

    def _delivered(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Nothing but files and directories, and each directory that something wanted lies in."""
        ledger, told = Ledger(), set[str]()
        for entry in entries:
            is_directory = stat.S_ISDIR(entry.mode)
            if not is_directory and not stat.S_ISREG(entry.mode):
                what = "a symbolic link" if stat.S_ISLNK(entry.mode) else "no regular file"
                raise OSError(0, f"{entry.path} is {what}, which is not delivered; {self._less}")
            try:
                ledger.admit(entry.path, directory=is_directory, size=entry.size)
            except Unsafe as unsafe:
                raise OSError(0, f"{unsafe.message}; {self._less}") from None
            for above in _above(entry.path):
                if above not in told:
                    told.add(above)
                    yield Entry(above, DIRECTORY, (0, 0, 0, 0))
            if is_directory:
                told.add(entry.path)
            yield replace(entry, mode=_rights(entry.mode))

    @property
    def _less(self) -> str:
        where = "its .dockerignore" if self._dockerfile else "process.package.exclude"
        return f"name what is not needed in {where}"

    def _rules(self) -> str:
        """One beside the Dockerfile goes before the context's own."""
        if not self._dockerfile:
            only = ["*", *(f"!{pattern}" for pattern in self._tree.include)] if self._tree.include else []
            return "\n".join([*only, *self._tree.exclude])
        for name in (f"{self._dockerfile}.dockerignore", ".dockerignore"):
            try:
                with os.fdopen(self.open(name), "rb") as file:
                    return file.read(PIECE).decode(errors="surrogateescape")
            except FileNotFoundError:
                continue
        return ""

    def _within(self, folder: int, above: str, known: Mapping[str, tuple[Stamp, str]] | None) -> Iterator[Entry]:
        with os.scandir(folder) as listed:
            names = sorted(item.name for item in listed)
        for name in names:
            path = f"{above}{name}"
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if self._is_wanted(path) and (entry := self._entry(folder, name, path, facts, known)):
                self._count_in(entry)
                yield entry
            if stat.S_ISDIR(facts.st_mode) and self._leads_to_wanted(path):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                try:
                    yield from self._within(inner, f"{path}/", known)
                finally:
                    os.close(inner)

    def _entry(
        self, folder: int, name: str, path: str, facts: os.stat_result, known: Mapping[str, tuple[Stamp, str]] | None
    ) -> Entry | None:
        stamp = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino)
        entry = Entry(path, facts.st_mode, stamp)
        if stat.S_ISLNK(facts.st_mode):
            return replace(entry, content=os.readlink(name, dir_fd=folder))
        if stat.S_ISDIR(facts.st_mode) or known is None:
            return entry
        if not stat.S_ISREG(facts.st_mode):
            return None if self._dockerfile else entry  # nobody can send a socket or a device
        if path in known and known[path][0] == stamp:
            return replace(entry, content=known[path][1])
        return replace(entry, content=self._hashed(path, entry))

    def _hashed(self, path: str, entry: Entry) -> str:
        if entry.size > MOST_BYTES:
            raise OSError(0, f"{path} alone has more than {MOST_BYTES >> 20:,} MiB; {self._less}")
        with os.fdopen(self.open(path), "rb", buffering=0) as file:
            digest = hashlib.sha256()
            while piece := file.read(PIECE):
                digest.update(piece)
                self._in_time()
        return digest.hexdigest()

    def _is_wanted(self, path: str) -> bool:
        return path in self.needed or (self._ignored is not None and not self._ignored(path))

    def _leads_to_wanted(self, path: str) -> bool:
        if any(name.startswith(f"{path}/") for name in self.needed):
            return True
        return self._ignored is not None and (self._ignored.has_exceptions or not self._ignored(path))

    def _count_in(self, entry: Entry) -> None:
        self._count += 1
        self._bytes += entry.size
        if self._count > MOST_ENTRIES:
            raise OSError(0, f"it has more than {MOST_ENTRIES:,} files; {self._less}")
        if self._bytes > MOST_BYTES:
            raise OSError(0, f"it has more than {MOST_BYTES >> 20:,} MiB; {self._less}")
        if entry.path.count("/") > DEEPEST:
            raise OSError(0, f"it is more than {DEEPEST} directories deep; {self._less}")
        self._in_time()

    def _in_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise OSError(0, f"it could not be read in {SECONDS:g} s; {self._less}")


def _trees(resource: Resource) -> Iterator[Tree]:
    kind = find(resource.key.kind)
    assert kind is not None and kind.name in KINDS, "validated"  # noqa: PT018
    return (tree for _, tree in kind.trees(resource.spec))


def _literally(tree: Tree) -> Tree:
    literally: Tree = mapped(tree, literal)
    return literally


def _above(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))


def _rights(mode: int) -> int:
    return DIRECTORY if stat.S_ISDIR(mode) else EXECUTABLE if mode & 0o111 else FILE


def _why(error: OSError) -> str:
    said = error.strerror or str(error)
    return f"{error.filename}: {said}" if error.filename and error.errno else said


def _glance(tree: Tree) -> str:
    try:
        with _Walk(tree) as walk:
            return _hash(repr((e.path, e.mode, e.stamp)).encode(errors="surrogateescape") for e in walk.entries(None))
    except OSError as error:
        return _why(error)


def _digest(tree: Tree, entries: Iterable[Entry]) -> str:
    if not tree.dockerfile:
        return contents_digest(
            Member(entry.path, stat.S_ISDIR(entry.mode), stat.S_IMODE(entry.mode), digest=entry.content)
            for entry in entries
        )
    return _hash(
        f"{_kind(entry)}\0{entry.path}\0{entry.content}\0".encode(errors="surrogateescape") for entry in entries
    )


def _kind(entry: Entry) -> str:
    """Of a link the mode means nothing."""
    return "link" if stat.S_ISLNK(entry.mode) else f"{stat.S_IFMT(entry.mode):o} {stat.S_IMODE(entry.mode):o}"


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


# -- on its way to the engine


def _archive(tree: Tree, digest: str) -> tuple[int, Iterator[bytes]]:
    """Its size, and the pieces. Where the Dockerfile alone counts, the rest is sent as it happens to be."""
    try:
        with _Walk(replace(tree, whole=True)) as walk:
            entries = list(walk.entries({}))
    except OSError as error:
        raise _unreadable(tree, error) from error
    if _digest(tree, (entry for entry in entries if tree.whole or entry.path in walk.needed)) != digest:
        raise _changed(tree)
    heads = [_head(entry, is_dated=bool(tree.dockerfile)) for entry in entries]
    size = sum(map(len, heads)) + sum(-(-entry.size // BLOCK) * BLOCK for entry in entries) + 2 * BLOCK
    return size, _pieces(tree, list(zip(entries, heads, strict=True)))


def _pieces(tree: Tree, entries: Iterable[tuple[Entry, bytes]]) -> Iterator[bytes]:
    try:
        with _Walk(tree) as walk:
            for entry, head in entries:
                yield head
                if entry.size:
                    yield from _content(walk.open(entry.path), entry, tree)
    except OSError as error:
        raise _unreadable(tree, error) from error
    yield bytes(2 * BLOCK)


def _unreadable(tree: Tree, error: OSError) -> Refused:
    return Refused(f"{tree.title}: {_why(error)}", hint="put it right, then try again")


def _changed(tree: Tree) -> Refused:
    hint = "the next look takes it as it is then"
    return Refused(f"{tree.title} is being written to: it was read while it changed", hint=hint)


def _content(descriptor: int, entry: Entry, tree: Tree) -> Iterator[bytes]:
    digest, left = hashlib.sha256(), entry.size
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while left and (piece := file.read(min(PIECE, left))):
            digest.update(piece)
            left -= len(piece)
            yield piece
    if left or digest.hexdigest() != entry.content:
        raise _changed(tree)
    yield bytes(-entry.size % BLOCK)


def _head(entry: Entry, *, is_dated: bool) -> bytes:
    """As root's, as engines have it; with its own time where what is built may look at it."""
    import tarfile  # noqa: PLC0415 -- for who builds

    info = tarfile.TarInfo(entry.path)
    info.mode, info.size = stat.S_IMODE(entry.mode), entry.size
    info.mtime = entry.stamp[0] // 1_000_000_000 if is_dated else 0
    if stat.S_ISDIR(entry.mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(entry.mode):
        info.type, info.linkname = tarfile.SYMTYPE, entry.content
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
