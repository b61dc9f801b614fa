"""The files of a project made into one: variables filled in, included files, extended services and overrides merged."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

from reconciler.compose import dotenv, reading
from reconciler.compose.desk import Desk, beside
from reconciler.compose.merge import merged, without_resets
from reconciler.compose.nodes import Spot, said
from reconciler.compose.plain import Plain
from reconciler.compose.variables import Layered, filled
from reconciler.core.interpolation import Unresolved
from reconciler.core.parse import Text
from reconciler.core.shape import Path
from reconciler.core.sheet import Flooded
from reconciler.core.wording import did_you_mean
from reconciler.core.yaml12 import Entry, Listing, Node, Scalar, Table
from reconciler.values import dataclass

Files = Callable[[str], bytes | None]
"""The content of a file by its absolute path; None if there is none that can be read."""

GROUPS = ("services", "networks", "volumes", "configs", "secrets", "models")
MOST_FILES = 200
"""Of one project, with all that it includes and extends."""
ROOT = Table(1, 1)


@dataclass(frozen=True, slots=True)
class Place:
    """What the files of one directory share."""

    base: str
    variables: Mapping[str, str]
    trail: tuple[str, ...] = ()
    """Files that lead to one that is included."""


@dataclass(slots=True)
class Gathering:
    desk: Desk
    files: Files
    environment: Mapping[str, str]
    tags: dict[int, str] = field(default_factory=dict)
    unset: dict[str, None] = field(default_factory=dict)
    """Variables that were asked for and are not there, each once."""
    extended: dict[str, Table] = field(default_factory=dict)
    """Files that services extend, by path."""
    first: tuple[str, str] = ("", "")
    """Directory and name of the project's first file."""
    kept: list[Node] = field(default_factory=list)
    """All nodes with a tag, so that no other node can have their identity."""

    def place(self, base: str, *, env_files: Sequence[str] = (), outer: Mapping[str, str] | None = None) -> Place:
        """With the variables of `.env` beside it, or of the files named in its place. The environment wins."""
        outer = self.environment if outer is None else outer
        found: dict[str, str] = {}
        for path in env_files or (posixpath.join(base, ".env"),):
            content = self.files(path)
            if content is not None:
                known = dotenv.read(content, path, Layered(outer, found))
                found |= {name: value for name, value in known.items() if value is not None}
        return Place(base, Layered(outer, found))

    def project(self, texts: Sequence[Text], place: Place) -> Table:
        """All files, the later over the earlier, with what they include."""
        whole: Node = ROOT
        for text in texts:
            whole = merged(whole, self._file(text, place), self.tags)
        assert isinstance(whole, Table), "tables make tables"
        return whole

    def _file(self, text: Text, place: Place) -> Table:
        first, *more = self._documents(text, place) or [ROOT]
        whole: Node = self._extensions(first, text.name, place)
        for document in more:
            whole = merged(whole, self._extensions(document, text.name, place), self.tags)
        assert isinstance(whole, Table), "tables make tables"
        return self._with_included(whole, place)

    def _documents(self, text: Text, place: Place) -> list[Table]:
        read = reading.read(text.content)
        self.desk.folio.bind(text.name, read)
        found = []
        for node in read.documents:
            if isinstance(node, Table):
                document = _Filling(self, place.variables, read.tags).document(node)
                Plain(self.desk, place.base, self.environment.get("HOME", ""), self.retag).file(document)
                found.append(document)
            else:
                self.desk.unfit(node, (), "a mapping")
        return found

    def retag(self, before: Node, after: Node) -> None:
        """A tag stays with what takes the place of what it was put on; and so does that one, or its identity would be
        another's.
        """
        if id(before) in self.tags:
            self.tags[id(after)] = self.tags[id(before)]
            self.kept += (before, after)

    def shown(self, file: str) -> str:
        """A file beside the first one, as somebody would name it who names that one so."""
        root, name = self.first
        beside_it = file.startswith(f"{root}/")
        return posixpath.join(posixpath.dirname(name), file[len(root) + 1 :]) if root and beside_it else file

    # -- extends

    def _extensions(self, document: Table, name: str, place: Place) -> Table:
        services = document.get("services")
        if not isinstance(services, Table):
            return document
        done = {
            key: Entry(e.line, e.column, self._extended(key, e.node, services, (name,), place))
            for key, e in services.entries.items()
        }
        entry = document.entries["services"]
        whole = Table(services.line, services.column, done, services.end)
        return replace(document, entries={**document.entries, "services": replace_node(entry, whole)})

    def _extended(self, name: str, node: Node, among: Table, trail: tuple[str, ...], place: Place) -> Node:
        """The service with what it extends below it. `trail` says through which files and services the way led."""
        entry = node.entries.get("extends") if isinstance(node, Table) else None
        if entry is None or not isinstance(node, Table):
            return node
        path: Path = ("services", name, "extends")
        rest = Table(node.line, node.column, {k: e for k, e in node.entries.items() if k != "extends"}, node.end)
        fields = self.desk.fields(entry.node, "extends", path)
        wanted = self.desk.text(fields["service"].node, (*path, "service")) if "service" in fields else ""
        file = self.desk.text(fields["file"].node, (*path, "file")) if "file" in fields else ""
        step = f"{file or trail[0]}:{wanted}"
        if step in trail or (not file and wanted == name):
            self.desk.wrong(
                entry, path, f"{name} extends itself: {' -> '.join((*trail[1:], step))}", "break the circle"
            )
            return rest
        others, below = self._base(file, wanted, among, beside(fields.get("service", entry)), path, place)
        if others is None or below is None:
            return rest
        trail = (file or trail[0], *trail[1:], step)
        return merged(self._extended(wanted, below, others, trail, place), rest, self.tags, ("services", name))

    def _base(
        self, file: str, wanted: str, among: Table, at: Spot, path: Path, place: Place
    ) -> tuple[Table | None, Node | None]:
        if file:
            document = self._extended_file(file, at, path, place)
            services = document.get("services") if document else None
            among = services if isinstance(services, Table) else ROOT
            if document is None:
                return None, None
        found = among.get(wanted)
        if found is None:
            where = f" in {file}" if file else ""
            message = f"there is no service called {wanted!r}{where} to extend"
            self.desk.wrong(at, (*path, "service"), message, did_you_mean(wanted, among.entries))
        return among, found

    def _extended_file(self, file: str, at: Spot, path: Path, place: Place) -> Table | None:
        if file not in self.extended:
            content = self.files(file)
            if content is None:
                self.desk.wrong(at, (*path, "file"), f"{file} can't be read", "paths are relative to the file")
                return None
            there = replace(place, base=posixpath.dirname(file))
            documents = self._documents(Text(self.shown(file), content, there.base), there)
            whole: Node = ROOT
            for document in documents:
                whole = merged(whole, document, self.tags)
            assert isinstance(whole, Table), "tables make tables"
            self.extended[file] = whole
        return self.extended[file]

    # -- include

    def _with_included(self, whole: Table, place: Place) -> Table:
        entry = whole.entries.get("include")
        if entry is None:
            return whole
        rest: Node = Table(whole.line, whole.column, {k: e for k, e in whole.entries.items() if k != "include"})
        for path, item in self.desk.items(entry.node, ("include",)):
            included = self._included(item, path, place)
            self._collisions(included, rest)
            rest = merged(included, rest, {})
        return without_resets_table(rest)

    def _included(self, item: Node, path: Path, place: Place) -> Table:
        fields = self.desk.fields(item, "include", path) if isinstance(item, Table) else {}
        start = Plain(self.desk, place.base, self.environment.get("HOME", ""))
        nodes = self.desk.items(fields["path"].node, (*path, "path")) if "path" in fields else []
        nodes = [(path, item)] if isinstance(item, Scalar) else nodes
        paths = [(where, node, start.absolute(self.desk.text(node, where))) for where, node in nodes]
        if not paths:
            self.desk.wrong(item, path, "it does not say which file", "path: other/compose.yaml")
            return ROOT
        base = posixpath.dirname(paths[0][2])
        if "project_directory" in fields:
            where = (*path, "project_directory")
            base = start.absolute(self.desk.text(fields["project_directory"].node, where))
        named = self.desk.items(fields["env_file"].node, (*path, "env_file")) if "env_file" in fields else []
        env_files = [start.absolute(self.desk.text(node, where)) for where, node in named]
        there = self.place(base, env_files=env_files, outer=place.variables)
        files = [(where, node, file) for where, node, file in paths if self._may_include(file, node, where, place)]
        texts = [text for where, node, file in files for text in self._text(file, base, node, where)]
        return self.project(texts, replace(there, trail=(*place.trail, *(file for _, _, file in files))))

    def _may_include(self, file: str, at: Node, path: Path, place: Place) -> bool:
        if file in place.trail:
            self.desk.wrong(at, path, f"{file} includes itself", "break the circle")
        elif len(self.desk.folio.names) >= MOST_FILES:
            self.desk.wrong(at, path, f"there are more than {MOST_FILES} files", "include fewer")
            raise Flooded
        return file not in place.trail

    def _text(self, file: str, base: str, at: Node, path: Path) -> list[Text]:
        content = self.files(file)
        if content is None:
            self.desk.wrong(at, path, f"{file} can't be read", "paths are relative to the file that includes")
        return [] if content is None else [Text(self.shown(file), content, base)]

    def _collisions(self, included: Table, own: Node) -> None:
        """Who includes a file does not change what it declares; an override file does."""
        for group in GROUPS:
            theirs, ours = included.get(group), own.get(group) if isinstance(own, Table) else None
            if isinstance(theirs, Table) and isinstance(ours, Table):
                for name in sorted(set(theirs.entries) & set(ours.entries)):
                    message = f"{name} is declared by an included file, too"
                    self.desk.wrong(ours.entries[name], (group, name), message, "rename one of them")


def replace_node(entry: Entry, node: Node) -> Entry:
    return Entry(entry.line, entry.column, node)


def without_resets_table(node: Node) -> Table:
    cleaned = without_resets(node, {})
    assert isinstance(cleaned, Table), "tables make tables"
    return cleaned


class _Filling:
    """A copy of a document with its variables filled in. What anchors share stays shared, and tags stay."""

    def __init__(self, gathering: Gathering, variables: Mapping[str, str], tags: Mapping[int, str]) -> None:
        self._gathering = gathering
        self._variables = variables
        self._tags = tags
        self._done: dict[int, Node] = {}

    def document(self, node: Table) -> Table:
        """Sections that nobody reads may hold anything."""
        entries = {
            key: replace_node(e, e.node if key.startswith("x-") else self._node(e.node, (key,)))
            for key, e in node.entries.items()
        }
        return Table(node.line, node.column, entries, node.end)

    def _node(self, node: Node, path: Path) -> Node:
        if id(node) not in self._done:
            copy = self._done[id(node)] = self._copy(node, path)
            if id(node) in self._tags:
                self._gathering.tags[id(copy)] = self._tags[id(node)]
                self._gathering.kept.append(copy)
        return self._done[id(node)]

    def _copy(self, node: Node, path: Path) -> Node:
        match node:
            case Scalar():
                return self._scalar(node, path)
            case Listing():
                items = [self._node(item, (*path, i)) for i, item in enumerate(node.items)]
                return Listing(node.line, node.column, items, node.end)
            case Table():
                entries = {k: replace_node(e, self._node(e.node, (*path, k))) for k, e in node.entries.items()}
                return Table(node.line, node.column, entries, node.end)

    def _scalar(self, node: Scalar, path: Path) -> Scalar:
        """What is filled in is a string, whatever it looks like; fields that want a number take one in a string."""
        if "$" not in node.text:
            return replace(node)
        unset: list[str] = []
        try:
            text = filled(node.text, self._variables, unset)
        except Unresolved as error:
            desk = self._gathering.desk
            line, column = desk.folio.token(node, error.token)
            desk.wrong(Entry(line, column, node), path, error.message, error.hint)
            return said("", node)
        self._gathering.unset |= dict.fromkeys(unset)
        for name in unset:
            self._gathering.desk.note(node, path, f"the variable {name} is not set, so it is empty")
        return Scalar(node.line, node.column, text, plain=False, end=node.end)


NAME = re.compile(r"[^a-z0-9]+")


def label(name: str) -> str:
    """A name of Compose's as one of ours: lower-case letters, digits and dashes."""
    return NAME.sub("-", name.lower()).strip("-")[:63].strip("-")
