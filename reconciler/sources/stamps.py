"""What a directory of specs looks like from outside: enough to see that something in it changed, nothing of what."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from reconciler.values import dataclass

Stamp = tuple[int, ...]

MOST = 20_000
"""Entries that are looked at. Who keeps more beside the specs learns of some changes at the next rescan only."""
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "afs", "ceph", "glusterfs", "fuse.sshfs"})
"""File systems on which others change files without this kernel being told."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """Of one directory with all below it. Links are followed, as they are when specs are read."""

    files: Mapping[str, Stamp] = field(default_factory=dict)
    directories: Mapping[str, Stamp] = field(default_factory=dict)
    outside: Mapping[str, bool] = field(default_factory=dict)
    """Directories to which links lead, and whether all that is below them counts."""

    @property
    def there(self) -> bool:
        return bool(self.files or self.directories)


def stamps(root: str) -> Stamps:
    """Hidden directories are left out, as they are by whoever reads specs: among them is all that Git does."""
    files: dict[str, Stamp] = {}
    directories: dict[str, Stamp] = {}
    outside: dict[str, bool] = {}
    entered: set[Stamp] = set()
    pending = [root]
    while pending and len(files) + len(directories) < MOST:
        path = pending.pop()
        facts = _facts(path)
        if not facts or facts[:2] in entered:
            continue
        if not stat.S_ISDIR(facts[2]):
            files[path] = facts
            outside.update(_target(path, root, recursive=False))
            continue
        entered.add(facts[:2])
        directories[path] = facts[:3]
        outside.update(_target(path, root, recursive=True))
        pending += _entries(path)
    return Stamps(files, directories, outside)


def is_remote(path: str, mounts: Iterable[str] | None = None) -> str:
    """The kind of file system where it is one that does not tell what others change."""
    device = _facts(path)[:1]
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines() if mounts is None else mounts
    except OSError:
        return ""
    for line in lines:
        words = line.split()
        major, _, minor = words[2].partition(":")
        if (os.makedev(int(major), int(minor)),) == device:
            kind = words[words.index("-") + 1]
            return kind if kind in REMOTE else ""
    return ""


def _facts(path: str) -> Stamp:
    """Empty for what is not there, or not to be looked at."""
    try:
        facts = os.stat(path)
    except OSError:
        return ()
    return facts.st_dev, facts.st_ino, facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _entries(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as found:
            return sorted((entry.path for entry in found if not _passing(entry)), reverse=True)
    except OSError:
        return []


def _passing(entry: os.DirEntry[str]) -> bool:
    """Hidden directories, and what editors keep while a file is open. Other hidden files may be named by specs."""
    name = entry.name
    if name.startswith("."):
        return name.startswith(".#") or name[:-1].endswith(".sw") or _is_directory(entry)
    return name.endswith("~")


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _target(path: str, root: str, *, recursive: bool) -> dict[str, bool]:
    """Where a link leads; the root itself, and a single file, may be reached by one as well."""
    if path != root and not os.path.islink(path):
        return {}
    target = os.path.realpath(path)
    return {target if recursive else os.path.dirname(target): recursive}
