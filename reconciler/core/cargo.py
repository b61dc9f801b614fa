"""What a package may hold: regular files and directories, each once, each beneath the place where it is unpacked, and
no more of them than a disk can bear. Who packs and who unpacks asks the same ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from reconciler.errors import Refused
from reconciler.values import dataclass

MOST_ENTRIES = 50_000
MOST_BYTES = 1 << 30
LONGEST_NAME, LONGEST_PART, DEEPEST = 1024, 255, 100


class Unsafe(Refused):
    """The archive, or what is to be packed, holds something that nobody is to unpack."""


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    """As it is unpacked: no leading `./`, and no slash at the end."""
    directory: bool
    mode: int
    size: int = 0
    digest: str = ""
    """SHA-256 of a file's content."""

    @property
    def is_executable(self) -> bool:
        return bool(self.mode & 0o111)


def contents_digest(members: Iterable[Member]) -> str:
    digest = hashlib.sha256()
    for member in sorted(members, key=lambda one: one.name.split("/")):
        kind = "d" if member.directory else "x" if member.is_executable else "f"
        digest.update(f"{kind}\0{member.name}\0{member.digest}\0".encode())
    return digest.hexdigest()


class Ledger:
    """Of what was let in so far. Who packs and who unpacks asks the same one."""

    def __init__(self) -> None:
        self._kinds: dict[str, bool] = {}
        """Whether it is a directory, by its name."""
        self._implied: set[str] = set()
        """Directories that were not told of, but something in them."""
        self._folded: dict[str, str] = {}
        self._count = self.bytes = 0

    def admit(self, name: str, *, directory: bool, size: int = 0) -> None:
        """Raises Unsafe for what may not come after all that came before."""
        _demand_plain(name)
        if name in self._kinds and not (directory and name in self._implied):
            raise Unsafe(f"{shown(name)} is in it twice")
        for above in _above(name):
            if self._kinds.get(above) is False:
                raise Unsafe(f"{shown(name)} lies in {shown(above)}, which is a file")
            if above not in self._kinds:
                self._count_in(above, size=0)
                self._kinds[above] = True
                self._implied.add(above)
        self._count_in(name, size)
        self._implied.discard(name)
        self._kinds[name] = directory

    def _count_in(self, name: str, size: int) -> None:
        other = self._folded.setdefault(_folded(name), name)
        if other != name:
            raise Unsafe(f"{shown(name)} and {shown(other)} are one name where case does not count")
        self._count += 1
        self.bytes += size
        if self._count > MOST_ENTRIES:
            raise Unsafe(f"it holds more than {MOST_ENTRIES:,} files")
        if self.bytes > MOST_BYTES:
            raise Unsafe(f"it holds more than {MOST_BYTES >> 20:,} MiB")


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    import unicodedata  # noqa: PLC0415 -- its tables are large, and few names need them

    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def shown(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _above(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))


def _demand_plain(name: str) -> None:
    parts = name.split("/")
    if name.startswith("/"):
        raise Unsafe(f"{shown(name)} is an absolute path")
    if ".." in parts:
        raise Unsafe(f"{shown(name)} leads out of where it is unpacked")
    if any(part in ("", ".") for part in parts):
        raise Unsafe(f"{shown(name)} is not a plain path")
    if any(ord(char) < 32 or ord(char) == 127 or 0x80 <= ord(char) < 0xA0 for char in name):
        raise Unsafe(f"{shown(name)} has control characters in its name")
    if not name.isascii() and any(0xD800 <= ord(char) < 0xE000 for char in name):
        raise Unsafe(f"{shown(name)} is not UTF-8")
    sizes = [len(part.encode()) for part in parts]
    if sum(sizes) + len(sizes) - 1 > LONGEST_NAME or max(sizes) > LONGEST_PART:
        raise Unsafe(f"{shown(name)} is too long a name")
    if len(parts) > DEEPEST:
        raise Unsafe(f"{shown(name)} is more than {DEEPEST} directories deep")
