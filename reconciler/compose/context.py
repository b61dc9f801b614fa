"""What the translators of one project share: its desk, its names, and the documents made so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Protocol

from reconciler.compose.desk import Desk
from reconciler.compose.gather import Place, label
from reconciler.compose.nodes import Spot, said, table
from reconciler.compose.plain import Plain
from reconciler.core.envelope import API_VERSION
from reconciler.core.shape import Path
from reconciler.core.sheet import show_path
from reconciler.core.yaml12 import Entry, Node, Table
from reconciler.errors import Problem
from reconciler.kinds.workload import Container
from reconciler.values import dataclass

CONTAINER = frozenset(item.name for item in fields(Container))
"""What a container of ours can have."""


class Disk(Protocol):
    """The files of the machine, handed in: this room opens none."""

    def read(self, path: str) -> bytes | None:
        """The content; None if there is nothing that can be read."""

    def exists(self, path: str) -> bool:
        """Whether there is anything."""


@dataclass(frozen=True, slots=True)
class Made:
    """A document, and what of the files it was made from."""

    node: Table
    origin: Path
    at: Spot


@dataclass(slots=True)
class Context:
    desk: Desk
    disk: Disk
    place: Place
    namespace: str
    tree: Table
    services: dict[str, Entry] = field(default_factory=dict)
    """Those of active profiles, by the names they have in the file."""
    completed: set[str] = field(default_factory=set)
    """Services whose end others wait for."""
    aliases: dict[str, dict[str, None]] = field(default_factory=dict)
    """Further names of services."""
    made: dict[tuple[str, str], Made] = field(default_factory=dict)
    grants: dict[tuple[str, frozenset[tuple[str, str]]], str] = field(default_factory=dict)
    """Names of Configs and Secrets, by kind and by what is in them: which file is which source."""
    missing: dict[str, Problem] = field(default_factory=dict)
    """Directories that are mounted and not there, which Compose would make."""
    used: set[tuple[str, str]] = field(default_factory=set)
    """Group and name of what a service uses."""

    def group(self, name: str) -> Mapping[str, Entry]:
        entry = self.tree.entries.get(name)
        return self.desk.table(entry.node, (name,)) if entry else {}

    def name(self, name: str, at: Spot, path: Path) -> str:
        found = label(name)
        if not found:
            self.desk.wrong(at, path, f"{name!r} holds no letter and no digit, so it can't be a name", "rename it")
        return found or "unnamed"

    def add(
        self, kind: str, name: str, spec: Mapping[str, Node], at: Spot, origin: Path, notes: Node | None = None
    ) -> None:
        """A document of ours. Two names of Compose's may be one of ours."""
        first = self.made.get((kind, name))
        if first and first.origin != origin:
            there = show_path(first.origin)
            self.desk.wrong(at, origin, f"it would be called {name} here, as {there} is", "rename one of them")
            return
        metadata: dict[str, Node] = {"name": said(name, at), "namespace": said(self.namespace, at)}
        if isinstance(notes, Table) and notes.entries:
            metadata["annotations"] = notes
        whole: dict[str, Node] = {
            "apiVersion": said(API_VERSION, at),
            "kind": said(kind, at),
            "metadata": table(metadata, at),
            "spec": table(spec, at),
        }
        self.made[kind, name] = Made(table(whole, at), origin, at)

    def annotations(self, entry: Entry | None, path: Path) -> Node | None:
        """Labels of what is no container."""
        if entry is None:
            return None
        pairs = Plain(self.desk, self.place.base).pairs(entry.node, path)
        found = self.desk.table(pairs, path)
        return table({key: said(self.desk.loosely(e.node, (*path, key)) or "", e) for key, e in found.items()}, entry)
