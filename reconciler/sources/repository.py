"""From a mirror to a checkout: what was fetched is newer, signed, small and plain, or it is refused with a word why."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from reconciler.core.parse import Text
from reconciler.core.yaml12 import MAX_BYTES
from reconciler.errors import Refused, Unreachable
from reconciler.kinds.source import Keys, SourceSpec
from reconciler.model.following import Known
from reconciler.ports import Checkout
from reconciler.sources.files import SUFFIXES
from reconciler.sources.git import Caps, Entry, Mirror, plain
from reconciler.sources.tree import MAX_FILES, MAX_TREE_BYTES
from reconciler.sources.verify import verify
from reconciler.values import dataclass

LINK = "120000"
LONGEST_LINK = 4096
LFS = b"version https://git-lfs.github.com/spec/"


def read(
    folder: Path, spec: SourceSpec, known: Known, *, revision: str = "", caps: Caps | None = None,
    abandoned: Callable[[], bool] = lambda: False,
) -> Checkout:  # fmt: skip
    """The newest revision; or a former one, which has to be signed by one of the keys that are named today."""
    assert spec.git is not None, "asked before"
    mirror = Mirror(folder / "mirror.git", caps or Caps(), abandoned)
    head = revision or mirror.fetch(spec.git)
    if revision and not mirror.has(revision):
        raise Unreachable(f"revision {revision[:10]} is no longer in the repository", hint="what is in force stays so")
    if isinstance(spec.verify, Keys):
        verify(mirror, head, "" if revision else _base(mirror, known), spec.verify, folder)
    found = _Tree.of(mirror, head, spec.git.path)
    texts = found.specs(recursive=spec.recursive)
    author, subject = mirror.about(head)
    rewound = bool(not revision and known.newest and known.newest != head and not mirror.contains(head, known.newest))
    return Checkout(
        head, texts, author, subject, root=ROOT, on_disk=False, rewound=rewound, content=found.content
    )  # fmt: skip


ROOT = "/nowhere/repository"
"""The name of the directory that a repository would lie in, if it lay anywhere."""


def _base(mirror: Mirror, known: Known) -> str:
    return known.newest if known.newest and mirror.has(known.newest) else ""


@dataclass(frozen=True, slots=True)
class _Tree:
    mirror: Mirror
    within: str
    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, mirror: Mirror, commit: str, path: str) -> _Tree:
        entries = {entry.path: entry for entry in mirror.entries(commit)}
        within = posixpath.normpath(path)
        if within != "." and not any(_inside(name, within) for name in entries):
            raise Unreachable(f"there is no directory {path} in revision {commit[:10]}", hint="was it renamed?")
        tree = cls(mirror, within, entries)
        tree._refuse_links()
        return tree

    def specs(self, *, recursive: bool) -> tuple[Text, ...]:
        """In order. Hidden ones are none, as in a directory; submodules are other people's repositories."""
        chosen = {name: self._target(name) for name in sorted(self.entries) if self._is_spec(name, recursive=recursive)}
        found = {name: entry for name, entry in chosen.items() if entry}
        self._check_sizes(found)
        contents = self.mirror.contents([entry.id for entry in found.values()])
        texts = []
        for name, entry in found.items():
            content = contents[entry.id]
            if content.startswith(LFS):
                message = f"{plain(name)} is a pointer into Git LFS, not a spec"
                raise Refused(message, hint="keep specs in Git itself: they are small")
            texts.append(Text(plain(name), content, posixpath.dirname(f"{ROOT}/{name}")))
        return tuple(texts)

    def content(self, path: str) -> bytes:
        """Of a file that a spec names, by where it would lie."""
        name = path.removeprefix(f"{ROOT}/")
        entry = self._target(name)
        if entry is None:
            raise Refused(f"there is no file {name} in the repository", hint="was it committed?")
        self._check_sizes({name: entry})
        content = self.mirror.contents([entry.id])[entry.id]
        if content.startswith(LFS):
            raise Refused(f"{name} is a pointer into Git LFS", hint="keep what specs need in Git itself")
        return content

    def _is_spec(self, name: str, *, recursive: bool) -> bool:
        if not _inside(name, self.within) or not name.endswith(SUFFIXES):
            return False
        below = name if self.within == "." else name[len(self.within) + 1 :]
        return not any(part.startswith(".") for part in below.split("/")) and (recursive or "/" not in below)

    def _target(self, name: str) -> Entry | None:
        """The file, or where a link leads to inside the repository; one step, for two could be a circle."""
        entry = self.entries.get(name)
        if entry and entry.mode == LINK:
            entry = self.entries.get(_led(name, self.mirror.contents([entry.id])[entry.id]))
        return entry if entry and entry.kind == "blob" and entry.mode != LINK else None

    def _refuse_links(self) -> None:
        """A link that leads out of the repository has nothing good in mind."""
        links = [e for e in self.entries.values() if e.mode == LINK and _inside(e.path, self.within)]
        if any(link.size > LONGEST_LINK for link in links):
            raise Refused("the repository has a symbolic link of absurd length", hint="remove it")
        contents = self.mirror.contents([link.id for link in links])
        for link in links:
            led = _led(link.path, contents[link.id])
            if led.startswith(("/", "../")) or led == "..":
                message = f"{plain(link.path)} is a symbolic link that leads out of the repository"
                raise Refused(message, hint="replace it with a file")

    def _check_sizes(self, found: Mapping[str, Entry]) -> None:
        if len(found) > MAX_FILES:
            raise Refused(f"more than {MAX_FILES:,} spec files", hint="follow a directory inside the repository: path")
        large = next((name for name, entry in found.items() if entry.size > MAX_BYTES), "")
        if large:
            message = f"{plain(large)}: the file has {found[large].size:,} bytes; {MAX_BYTES:,} is the most"
            raise Refused(message, hint="is it a spec at all? if so, split it into several files")
        if _total(found.values()) > MAX_TREE_BYTES:
            raise Refused(f"the spec files have more than {MAX_TREE_BYTES:,} bytes together", hint="split them up")


def _total(entries: Iterable[Entry]) -> int:
    return sum(entry.size for entry in entries)


def _inside(name: str, folder: str) -> bool:
    return folder == "." or name.startswith(f"{folder}/")


def _led(name: str, target: bytes) -> str:
    text = target.decode(errors="surrogateescape")
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), text))
