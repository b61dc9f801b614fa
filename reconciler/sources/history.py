"""What was wanted of a service before: its earlier documents, so that a person can look back and go back.

A document that is about to be replaced gets a second name here, a hard link: that costs no room, can't be half
done, and leaves the document with the modes it has. Only the last few are kept, and they go with their service.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.ports import Revision
from reconciler.sources import document

KEPT = 10
KINDS = {"service"}
"""Of which there is something to go back to. A Secret's values are not to outlive their change."""


class History:
    """`<home>/history/<namespace>/<kind>-<name>/<generation>.yaml`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def archive(self, file: Path, resource: Resource) -> Path | None:
        """Before the document is replaced; the directory that has to reach the disk, if anything was to be done."""
        if resource.key.kind not in KINDS or resource.deleting:
            return None
        folder = self._folder(resource.key)
        for place in (self._root, folder.parent, folder):
            place.mkdir(mode=0o700, exist_ok=True)
        _name_again(file, folder / f"{resource.generation}.yaml")
        for old in _generations(folder)[:-KEPT]:
            (folder / f"{old}.yaml").unlink(missing_ok=True)
        return folder

    def revisions(self, key: Key) -> Iterator[Revision]:
        """Oldest first. What is damaged is left out, for nobody could go back to it."""
        folder = self._folder(key)
        for generation in _generations(folder):
            with suppress(document.Damaged, FileNotFoundError):
                yield revision(folder / f"{generation}.yaml", document.read(folder / f"{generation}.yaml", key))

    def latest(self, key: Key) -> int:
        return max(_generations(self._folder(key)), default=0)

    def folders(self, namespaces: Iterable[str]) -> set[Path]:
        """Where drafts may lie of who was killed over them."""
        return {folder for namespace in namespaces for folder in (self._root / namespace).glob("*/")}

    def forget(self, key: Key) -> None:
        folder = self._folder(key)
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # others are still there, or nobody ever was
            folder.parent.rmdir()

    def _folder(self, key: Key) -> Path:
        return self._root / key.namespace / f"{key.kind}-{key.name}"


def revision(file: Path, resource: Resource) -> Revision:
    since, cause = document.head(file)
    return Revision(resource.generation, since, cause, resource)


def _generations(folder: Path) -> list[int]:
    try:
        return sorted(int(file.stem) for file in folder.iterdir() if file.suffix == ".yaml" and file.stem.isdecimal())
    except FileNotFoundError:
        return []


def _name_again(file: Path, name: Path) -> None:
    """By way of a draft, so that the name always has a whole document behind it."""
    draft = name.with_name(f".{name.name}.{secrets.token_hex(4)}")
    try:
        try:
            os.link(file, draft)
        except PermissionError:  # a file system without hard links
            shutil.copy2(file, draft)
        draft.replace(name)  # does nothing where both are one file already
    finally:
        draft.unlink(missing_ok=True)
