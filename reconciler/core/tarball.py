"""Reads tar archives that anybody may have made, and lets nothing through that is not to be unpacked. Whatever
different programs would read differently is refused, for what was looked at is to be what is unpacked. Nothing is
written here.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from reconciler.core.cargo import Ledger, Member, Unsafe, contents_digest, shown
from reconciler.values import dataclass

BLOCK = 512
PIECE = 1 << 18
MOST_HEADER_BYTES = 64 << 10
BEST_RATIO, SMALL = 200, 1 << 20
"""What is packed more tightly than that, and is not small, was made to fill disks."""
GZIP = b"\x1f\x8b"
SPECIAL_BITS = 0o7000
HARMLESS = frozenset({"mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment", "charset"})
"""Records of a pax header that change nothing of what is unpacked."""


@dataclass(frozen=True, slots=True)
class Contents:
    members: tuple[Member, ...]
    bytes: int
    """Of all files together."""
    digest: str
    """Of names, kinds, rights to execute and content, whatever order they are in: what a package is known by."""
    sha256: str
    """Of the archive itself."""
    packed: int
    """Its size."""


def inspect(pieces: Iterable[bytes]) -> Contents:
    """All that an archive holds, gzipped or not. Raises Unsafe with the reason."""
    arriving = _Arriving(pieces)
    found = tuple(_hashed(member, body) for member, body in _entries(arriving))
    size = sum(member.size for member in found)
    return Contents(found, size, contents_digest(found), arriving.digest.hexdigest(), arriving.packed)


def unpacked(pieces: Iterable[bytes]) -> Iterator[tuple[Member, Iterable[bytes]]]:
    """Each member with its content, judged before it is told. Whoever writes them throws all away if this raises."""
    return _entries(_Arriving(pieces))


class _Arriving:
    """A stream of bytes, unzipped where it is zipped, and never by more than there can be in it."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.digest, self.packed, self._given = hashlib.sha256(), 0, 0
        self._pieces = self._plain(iter(pieces))
        self._rest = b""

    def read(self, size: int) -> bytes:
        """As much, or less at the end."""
        parts, have = [self._rest], len(self._rest)
        while have < size and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            have += len(piece)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]

    def _plain(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        first = b""
        while len(first) < len(GZIP) and (piece := next(pieces, None)) is not None:
            first += self._counted(piece)
        if first[:2] != GZIP:
            yield first
            yield from map(self._counted, pieces)
            return
        inflate = zlib.decompressobj(wbits=31)
        for piece in _after(first, map(self._counted, pieces)):
            data = piece
            while data and not inflate.eof:
                yield self._measured(_inflated(inflate, data))
                data = inflate.unconsumed_tail
            if inflate.eof and inflate.unused_data.strip(b"\0"):
                raise Unsafe("something follows the end of the compressed archive")
        if not inflate.eof:
            raise Unsafe("it is cut off")

    def _counted(self, piece: bytes) -> bytes:
        self.digest.update(piece)
        self.packed += len(piece)
        return piece

    def _measured(self, piece: bytes) -> bytes:
        self._given += len(piece)
        if self._given > SMALL and self._given > BEST_RATIO * self.packed:
            raise Unsafe(f"it grows to more than {BEST_RATIO} times its size")
        return piece


def _after(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _inflated(inflate: zlib._Decompress, data: bytes) -> bytes:
    try:
        return inflate.decompress(data, PIECE)
    except zlib.error as error:
        raise Unsafe(f"it is no gzip: {error}") from None


def _entries(arriving: _Arriving) -> Iterator[tuple[Member, Iterable[bytes]]]:
    ledger, told = Ledger(), _Told()
    while block := arriving.read(BLOCK):
        if len(block) < BLOCK:
            raise Unsafe("it is cut off")
        if block == bytes(BLOCK):
            _demand_end(arriving)
            return
        head = _Head.read(block)
        if head.kind in ("x", "L"):
            told = told.with_header(head, arriving)
            continue
        member = _judged(head, told)
        told = _Told()
        if member.name:
            ledger.admit(member.name, directory=member.directory, size=member.size)
        elif not member.directory:
            raise Unsafe("a file has no name")
        body = _Body(arriving, member.size)
        if member.name:
            yield member, body
        body.pass_by()
    raise Unsafe("it is cut off" if arriving.packed else "it is empty")


def _hashed(member: Member, body: Iterable[bytes]) -> Member:
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    return member if member.directory else replace(member, digest=digest.hexdigest())


def _demand_end(arriving: _Arriving) -> None:
    """Two empty blocks, and nothing after them that another program might go on with."""
    if arriving.read(BLOCK) != bytes(BLOCK):
        raise Unsafe("it has no proper end")
    while rest := arriving.read(PIECE):
        if rest.strip(b"\0"):
            raise Unsafe("something follows its end")


class _Body:
    """What is left of a member's content."""

    def __init__(self, arriving: _Arriving, size: int) -> None:
        self._arriving, self._left, self._padding = arriving, size, -size % BLOCK

    def pass_by(self) -> None:
        """To where the next member begins."""
        for _ in self:
            continue
        if any(self._arriving.read(self._padding)):
            raise Unsafe("something hides between two files")

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            piece = self._arriving.read(min(PIECE, self._left))
            if not piece:
                raise Unsafe("it is cut off")
            self._left -= len(piece)
            yield piece


@dataclass(frozen=True, slots=True)
class _Head:
    name: bytes
    mode: int
    size: int
    kind: str

    @classmethod
    def read(cls, block: bytes) -> _Head:
        if block[148:156].strip(b" \0").lstrip(b"0") != b"%o" % (sum(block[:148]) + 8 * 32 + sum(block[156:])):
            raise Unsafe("it is no tar archive, or damaged: a checksum is wrong")
        magic = block[257:265]
        if magic not in (b"ustar\x0000", b"ustar  \0", bytes(8)):
            raise Unsafe("it is in a format that nobody knows")
        name = _text(block[:100])
        if magic == b"ustar\x0000" and (prefix := _text(block[345:500])):
            name = prefix + b"/" + name
        elif magic != b"ustar\x0000" and any(block[345:500]):
            raise Unsafe(f"{name.decode(errors='replace')!a} may be the end of a longer name: programs differ")
        if _text(block[157:257]) and block[156:157] not in (b"1", b"2"):
            raise Unsafe(f"{shown(name.decode(errors='replace'))} leads elsewhere, though it is no link")
        return cls(name, _octal(block[100:108], "mode"), _octal(block[124:136], "size"), chr(block[156]))


def _text(raw: bytes) -> bytes:
    """Nothing may hide after its end."""
    text, _, rest = raw.partition(b"\0")
    if rest.strip(b"\0"):
        raise Unsafe(f"{text.decode(errors='replace')!a} has a NUL in its name")
    return text


def _octal(raw: bytes, what: str) -> int:
    text = raw.strip(b" \0")
    if not text:
        return 0
    if any(byte not in b"01234567" for byte in text):
        raise Unsafe(f"a {what} is no octal number: {raw.decode('latin-1')!a}")
    return int(text, 8)


@dataclass(frozen=True, slots=True)
class _Told:
    """What was said of the next member before it came."""

    name: bytes | None = None
    records: Mapping[str, bytes] = field(default_factory=dict)

    def with_header(self, head: _Head, arriving: _Arriving) -> _Told:
        if head.size > MOST_HEADER_BYTES:
            raise Unsafe("a header is too long")
        content = arriving.read(head.size)
        if len(content) < head.size or len(arriving.read(-head.size % BLOCK)) < -head.size % BLOCK:
            raise Unsafe("it is cut off")
        if self.name is not None or self.records:
            raise Unsafe("the name of a member is said twice")
        if head.kind == "L":
            return _Told(_text(content))
        records = dict(_records(content))
        return _Told(records.get("path"), records)


def _records(content: bytes) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    while content:
        length, _, _ = content.partition(b" ")
        size = int(length) if length.isdigit() and len(length) < 7 else 0
        record = content[len(length) + 1 : size - 1]
        if not len(length) + 1 < size <= len(content) or content[size - 1 : size] != b"\n":
            raise Unsafe("an extended header makes no sense")
        content = content[size:]
        keyword, _, value = record.partition(b"=")
        name = keyword.decode("ascii", "replace")
        if name in seen:
            raise Unsafe(f"an extended header says {shown(name)} twice")
        seen.add(name)
        if name == "path":
            if b"\0" in value:
                raise Unsafe(f"{value.decode(errors='replace')!a} has a NUL in its name")
        elif name not in HARMLESS and not name.startswith(("LIBARCHIVE.", "SCHILY.fflags")):
            raise Unsafe(f"an extended header says {shown(name)}, which programs take differently")
        yield name, value


KINDS = {
    "1": "is a hard link", "2": "is a symbolic link", "3": "is a device", "4": "is a device", "6": "is a pipe",
    "7": "is of a kind that programs take differently", "g": "speaks of all that follows", "S": "has holes",
    "K": "is a link", "D": "is a list of names", "M": "goes on from another archive", "V": "is a label",
}  # fmt: skip


def _judged(head: _Head, told: _Told) -> Member:
    raw = told.name if told.name is not None else head.name
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise Unsafe(f"{raw.decode('latin-1')!a} is not UTF-8") from None
    if head.kind not in ("0", "\0", "5"):
        raise Unsafe(f"{shown(name)} {KINDS.get(head.kind, 'is of a kind that nobody knows')}")
    directory = head.kind == "5"
    if name.endswith("/") and not directory:
        raise Unsafe(f"{shown(name)} is a file that is called like a directory")
    if directory and head.size:
        raise Unsafe(f"{shown(name)} is a directory with content")
    if head.mode & SPECIAL_BITS:
        raise Unsafe(f"{shown(name)} has special rights: mode {head.mode:o}")
    plain = name.removesuffix("/") if directory else name
    plain = "" if plain == "." and directory else plain.removeprefix("./")
    return Member(plain, directory, head.mode & 0o777, head.size)
