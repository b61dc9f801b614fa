"""Kept documents as they were last read, for whoever comes next: to build them from this takes a tenth of the time
that YAML and its validation take, most of it the time to import those.

A document counts for as long as its file has the same stamp, and the code is the same. The form is JSON with the
names of our own dataclasses in it, and no others: what is read here can't call anything else. It holds what the
documents hold, secrets among them: so it lies among them, has their modes, and goes with the first that goes.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

from reconciler.model.key import Key
from reconciler.model.resource import Origin, Resource
from reconciler.sources.code import code

Stamp = tuple[int, int, int]
Known = dict[Path, tuple[Stamp, Resource]]
OURS = ("reconciler.kinds.", "reconciler.model.")
LARGEST = 64 << 20
KEY = ("kind", "namespace", "name", "index")


class Recollection:
    """One hidden file in the directory of each namespace; it can be deleted at any time."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def recall(self, namespace: str) -> Known:
        """By the files from which they came. Empty for none, and for what can't be believed."""
        folder = self._root / namespace
        try:
            remembered = _read(self._path(namespace), namespace)
            if remembered is None or remembered["code"] != code():
                return {}
            return {folder / name: _known(folder / name, *entry) for name, entry in remembered["documents"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RecursionError):
            return {}

    def remember(self, namespace: str, known: Known) -> None:
        """What can't be written is not missed."""
        documents = {path.name: [stamp, _plain(resource)] for path, (stamp, resource) in known.items()}
        text = json.dumps({"code": code(), "documents": documents}, separators=(",", ":"))
        path = self._path(namespace)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"{_digest(namespace, text)}\n{text}")
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def forget(self, namespace: str) -> None:
        path = self._path(namespace)
        for left in path.parent.glob(f"{path.name}*"):  # drafts of who was killed over them as well
            if not left.is_dir() or left.is_symlink():  # a directory holds nothing of ours
                left.unlink(missing_ok=True)

    def _path(self, namespace: str) -> Path:
        return self._root / namespace / ".read.json"


def _read(path: Path, namespace: str) -> Any:
    """None for what others could have written, and for what is no longer what was written."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            return None
        digest, _, text = file.read(LARGEST).decode().partition("\n")
        return json.loads(text) if digest == _digest(namespace, text) else None


def _digest(namespace: str, text: str) -> str:
    """Against disks, not against people: whoever may write here may write the documents too."""
    return blake2b(text.encode(), person=namespace.encode()[:16], digest_size=16).hexdigest()


def _known(path: Path, stamp: list[int], tree: Any) -> tuple[Stamp, Resource]:
    resource = _built(tree)
    if not isinstance(resource, Resource):
        raise TypeError(f"{path.name} is no resource")
    written, size, inode = map(int, stamp)
    return (written, size, inode), replace(resource, origin=Origin(str(path), 1, 1))


# -- any of our dataclasses as JSON: an object with its class, a list that begins with it, or what JSON has itself


def _plain(value: Any) -> Any:
    match value:
        case Key():  # a tuple, but not any
            return [f"{Key.__module__}:{Key.__qualname__}", dict(zip(KEY, value.__getnewargs__(), strict=True))]
        case _ if is_dataclass(value) and not isinstance(value, type):
            cls = type(value)
            defaults = _defaults(cls)
            found = ((name, getattr(value, name)) for name in defaults)
            told = {name: _plain(item) for name, item in found if item != defaults[name]}
            return [f"{cls.__module__}:{cls.__qualname__}", told]
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case tuple() | list():
            return ["", *map(_plain, value)]
        case _:
            return value


def _built(tree: Any) -> Any:
    match tree:
        case dict():
            return {name: _built(item) for name, item in tree.items()}
        case ["", *items]:
            return tuple(_built(item) for item in items)
        case [str(name), dict(told)]:
            return _class(name)(**{field: _built(item) for field, item in told.items()})
        case list():
            raise ValueError("a list without its kind")
        case _:
            return tree


@cache
def _defaults(cls: type) -> dict[str, Any]:
    """What need not be told, by field."""
    found = {}
    for item in fields(cls):
        default = item.default if item.default is not MISSING else MISSING
        found[item.name] = item.default_factory() if item.default_factory is not MISSING else default
    found.pop("origin", None)
    return found


@cache
def _class(name: str) -> type:
    module, _, word = name.partition(":")
    if not module.startswith(OURS):
        raise ValueError(f"{name} is none of ours")
    cls = getattr(sys.modules.get(module) or import_module(module), word)
    if not (is_dataclass(cls) or cls is Key) or not isinstance(cls, type) or cls.__module__ != module:
        raise ValueError(f"{name} is no dataclass of ours")
    return cls
