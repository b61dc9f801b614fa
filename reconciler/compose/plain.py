"""The many ways to write a thing in Compose, each brought to one: so that files can be merged, and read.

Paths become absolute here, since each file's begin elsewhere; what it is in the end depends on no file's place.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from reconciler.compose.desk import Desk, empty
from reconciler.compose.nodes import Spot, listing, nothing, plainly, said, table
from reconciler.core.shape import Path
from reconciler.core.yaml12 import Entry, Listing, Node, Scalar, Table
from reconciler.values import dataclass

Form = Callable[[Node, Path], Node]


@dataclass(frozen=True, slots=True)
class Plain:
    """For the files of one directory."""

    desk: Desk
    base: str
    home: str = ""
    reshaped: Callable[[Node, Node], None] = lambda _before, _after: None
    """Told of each node that takes another's place."""

    def file(self, node: Table) -> None:
        """In place: these nodes are nobody else's, but for those that anchors share, which want the same."""
        for group, forms in (
            ("services", self._service()),
            *((kind, self._filed()) for kind in ("configs", "secrets")),
        ):
            entry = node.entries.get(group)
            for name, thing in self.desk.table(entry.node, (group,)).items() if entry else ():
                if isinstance(thing.node, Table):
                    self._form(thing.node, forms, (group, name))

    def _form(self, node: Table, forms: dict[str, Form], path: Path) -> None:
        for key, form in forms.items():
            entry = node.entries.get(key)
            if entry and not empty(entry.node):
                after = form(entry.node, (*path, key))
                self.reshaped(entry.node, after)
                node.entries[key] = Entry(entry.line, entry.column, after)

    def _service(self) -> dict[str, Form]:
        pairs = ("environment", "labels", "annotations", "sysctls")
        lists = ("env_file", "label_file", "tmpfs", "dns", "dns_search", "profiles")
        return {
            **dict.fromkeys(pairs, self.pairs),
            **dict.fromkeys(lists, self._list),
            "env_file": self._env_files,
            "build": self._build,
            "depends_on": self._dependencies,
            "networks": self._networks,
            "volumes": self._mounts,
            "extends": self._extends,
            "extra_hosts": self._hosts,
            "configs": self._grants,
            "secrets": self._grants,
        }

    def _filed(self) -> dict[str, Form]:
        return {"file": self._path}

    def pairs(self, node: Node, path: Path) -> Node:
        """`- A=1`, `- A` and `A: 1` as a mapping."""
        if not isinstance(node, Listing):
            return node
        entries: dict[str, Node] = {}
        for i, item in enumerate(node.items):
            name, equals, value = (self.desk.loosely(item, (*path, i)) or "").partition("=")
            entries[name] = said(value, item) if equals else nothing(item)
        return table(entries, node)

    def _hosts(self, node: Node, path: Path) -> Node:
        """name:address or name=address; an address may hold colons, a name can't."""
        if not isinstance(node, Listing):
            return node
        entries: dict[str, Node] = {}
        for i, item in enumerate(node.items):
            text = self.desk.text(item, (*path, i))
            found = re.fullmatch(r"([^:=]+)[:=]\[?([^\]]+)\]?", text)
            if found:
                entries[found[1]] = said(found[2], item)
            elif text:
                self.desk.wrong(item, (*path, i), f"{text!r} is not name:address", "like db:10.0.0.5")
        return table(entries, node)

    def _list(self, node: Node, _path: Path) -> Node:
        return node if isinstance(node, Listing) else listing([node], node)

    def _env_files(self, node: Node, path: Path) -> Node:
        found = []
        for where, item in self.desk.items(self._list(node, path), path):
            if isinstance(item, Table):
                self._form(item, {"path": self._path}, where)
                found.append(item)
            else:
                found.append(table({"path": self._path(item, where)}, item))
        return listing(found, node)

    def _build(self, node: Node, path: Path) -> Node:
        if isinstance(node, Scalar):
            return table({"context": self._context(node, path)}, node)
        if isinstance(node, Table):
            node.entries.setdefault("context", Entry(node.line, node.column, said(".", node)))
            self._form(node, {"context": self._context, "args": self.pairs, "labels": self.pairs}, path)
        return node

    def _context(self, node: Node, path: Path) -> Node:
        text = self.desk.text(node, path)
        remote = re.match(r"[a-z+]+://|git@|github\.com/|docker-image:|service:", text)
        return node if remote else self._path(node, path)

    def _dependencies(self, node: Node, path: Path) -> Node:
        if not isinstance(node, Listing):
            return node
        names = [(item, self.desk.text(item, (*path, i))) for i, item in enumerate(node.items)]
        started = {name: table({"condition": said("service_started", item)}, item) for item, name in names}
        return table(started, node)

    def _networks(self, node: Node, path: Path) -> Node:
        if not isinstance(node, Listing):
            return node
        return table({self.desk.text(item, (*path, i)): nothing(item) for i, item in enumerate(node.items)}, node)

    def _extends(self, node: Node, path: Path) -> Node:
        if isinstance(node, Scalar):
            return table({"service": node}, node)
        if isinstance(node, Table):
            self._form(node, {"file": self._path}, path)
        return node

    def _grants(self, node: Node, path: Path) -> Node:
        """Configs and secrets of a service."""
        items = [table({"source": n}, n) if isinstance(n, Scalar) else n for _, n in self.desk.items(node, path)]
        return listing(items, node)

    def _mounts(self, node: Node, path: Path) -> Node:
        return listing([self._mount(item, where) for where, item in self.desk.items(node, path)], node)

    def _mount(self, node: Node, path: Path) -> Node:
        if isinstance(node, Table):
            kind = node.entries.get("type")
            if kind and isinstance(kind.node, Scalar) and kind.node.text == "bind":
                self._form(node, {"source": self._path}, path)
            return node
        text = self.desk.text(node, path)
        return self._short(text, node, path) if text else table({}, node)

    def _short(self, text: str, at: Spot, path: Path) -> Node:
        """SOURCE:TARGET:MODE, SOURCE:TARGET or TARGET alone."""
        parts = text.split(":")
        if len(parts) > 3 or not all(parts):
            self.desk.wrong(at, path, f"{text!r} is not source:target:mode", "the long form takes colons in paths")
            return table({}, at)
        source, target, mode = ("", parts[0], "") if len(parts) == 1 else (parts[0], parts[1], "".join(parts[2:]))
        bind = source.startswith(("/", ".", "~"))
        entries: dict[str, Node] = {"type": said("bind" if bind else "volume", at)}
        if source:
            entries["source"] = said(self.absolute(source) if bind else source, at)
        entries["target"] = said(target, at)
        if bind:
            entries["bind"] = table({"create_host_path": plainly(value=True, at=at)}, at)
        for word in filter(None, mode.split(",")):
            self._mode(word, entries, at, path, bind=bind)
        return table(entries, at)

    def _mode(self, word: str, entries: dict[str, Node], at: Spot, path: Path, *, bind: bool) -> None:
        match word:
            case "rw" | "cached" | "delegated" | "consistent":
                pass  # what is so anyway, and what is for Docker Desktop
            case "ro":
                entries["read_only"] = plainly(value=True, at=at)
            case "z" | "Z" | "nocopy":
                where, key = ("bind", "selinux") if word in {"z", "Z"} else ("volume", "nocopy")
                value = said(word, at) if key == "selinux" else plainly(value=True, at=at)
                before = entries.get(where)
                known = (
                    {name: entry.node for name, entry in before.entries.items()} if isinstance(before, Table) else {}
                )
                entries[where] = table({**known, key: value}, at)
            case "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" if bind:
                entries["bind"] = table({"propagation": said(word, at)}, at)
            case _:
                self.desk.wrong(at, path, f"{word!r} is no mode of a volume", "ro or rw")

    def _path(self, node: Node, path: Path) -> Node:
        text = self.desk.text(node, path)
        return said(self.absolute(text), node) if text else node

    def absolute(self, path: str) -> str:
        if path == "~" or path.startswith("~/"):
            path = posixpath.join(self.home or "/", path[2:])
        return posixpath.normpath(posixpath.join(self.base, path))
