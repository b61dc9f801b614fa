"""Spec texts to resources: all of them, or every problem of every file with its place and what to do about it.

The steps, each on what the one before left: YAML to nodes (yaml12), nodes fitted to the kind's shape with the
environment put in (fit), limits checked and the dataclass built (validate), the kind's own rules, paths anchored.
"""

from __future__ import annotations

import gc
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from functools import cache
from typing import Any, Final

from reconciler.core import envelope, validate
from reconciler.core import shape as shapes
from reconciler.core.discretion import hide_secrets
from reconciler.core.envelope import API_VERSION, Metadata
from reconciler.core.fit import Fit
from reconciler.core.interpolation import Unresolved, readable
from reconciler.core.sheet import Flooded, Sheet, locate, show_path
from reconciler.core.wording import did_you_mean, unfit_node, unknown
from reconciler.core.yaml12 import Listing, Node, Scalar, Table, load
from reconciler.errors import Problem, SpecError
from reconciler.kinds import KINDS
from reconciler.kinds.base import Fault, Kind
from reconciler.kinds.secret import SecretSpec
from reconciler.model.key import Key
from reconciler.model.resource import Origin, Resource
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """One file's worth."""

    name: str
    """As the user gave it, for messages."""
    content: bytes
    base: str
    """The absolute directory that relative paths are relative to."""


@dataclass(frozen=True, slots=True)
class Document:
    """A resource, and where each part of it stands."""

    resource: Resource
    _sheet: Sheet = field(repr=False, compare=False)
    _node: Table = field(repr=False, compare=False)

    def problem(self, fault: Fault) -> Problem:
        """The fault at its exact place, or at the nearest parent that is written down."""
        place, path = _fault_place(self._node, "spec", self.resource.spec.__class__, fault)
        return self._sheet.problem(place, path, fault.message, fault.hint)


@dataclass(frozen=True, slots=True)
class Translated:
    """A document made of what was written in another format; its nodes stand where that stands."""

    sheet: Sheet
    node: Node
    base: str
    environment: Mapping[str, str]


def parse(
    texts: Sequence[Text], *, environment: Mapping[str, str], namespace: str = envelope.DEFAULT_NAMESPACE,
    lenient: bool = False, kept: bool = False, translated: Sequence[Translated] = (),
) -> list[Document]:  # fmt: skip
    """Every document of every text, in order, then those translated. Raises SpecError with all problems at once.

    `lenient` is for who only checks: a Secret's variables that are not set here stay in its `env`. `kept` is for what
    we wrote ourselves: marks of ours may stand there.
    """
    reading = _Reading(environment, namespace, lenient, kept)
    with _no_collector():
        for text in texts:
            reading.text(text)
        reading.translated(translated)
    if reading.problems:
        raise SpecError(reading.problems)
    return reading.documents


@dataclass(slots=True)
class _Reading:
    environment: Mapping[str, str]
    namespace: str
    lenient: bool = False
    kept: bool = False
    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seen: dict[Key, Origin] = field(default_factory=dict)

    def text(self, text: Text) -> None:
        loaded = load(text.content)
        sheet = Sheet(text.name, loaded.lines)
        hide_secrets(sheet, loaded, text.content)
        try:
            sheet.flaws(loaded.flaws)
            for node in loaded.documents:
                page = _Page(sheet, node, text.base, self.environment, self.namespace, self.lenient, self.kept)
                self._document(page)
        except Flooded:
            sheet.give_up()
        self.problems += sheet.problems

    def translated(self, documents: Sequence[Translated]) -> None:
        """They share sheets, and what was said on those before is known to who made them."""
        sheets = {id(document.sheet): document.sheet for document in documents}
        for sheet in sheets.values():
            sheet.problems.clear()
        try:
            for it in documents:
                page = _Page(it.sheet, it.node, it.base, it.environment, self.namespace, self.lenient, self.kept)
                self._document(page)
        except Flooded:
            next(sheet for sheet in sheets.values() if sheet.problems).give_up()
        for sheet in sheets.values():
            self.problems += sheet.problems

    def _document(self, page: _Page) -> None:
        for item in page.unfolded():
            resource = item.resource()
            if resource and isinstance(item.node, Table):
                self._check_unique(resource, item)
                self.documents.append(Document(resource, item.sheet, item.node))

    def _check_unique(self, resource: Resource, page: _Page) -> None:
        first = self.seen.setdefault(resource.key, resource.origin)
        if first is not resource.origin:
            message = f"{resource.key} is declared twice: in {first} and here"
            page.complain(("metadata", "name"), message, "rename one, or remove it")


_ENVELOPE = ("apiVersion", "kind", "metadata", "spec", "status")


@dataclass(slots=True)
class _Page:
    """One document on its way to a resource."""

    sheet: Sheet
    node: Node
    base: str
    environment: Mapping[str, str]
    namespace: str
    lenient: bool
    kept: bool

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, Table) and _word(self.node.get("kind")) == "List"

    def unfolded(self) -> Iterator[_Page]:
        """The document itself, or the items of a List, of any depth."""
        if not (isinstance(self.node, Table) and self.is_list):
            yield self
            return
        items = self.node.get("items")
        if not isinstance(items, Listing):
            hint = "a List has items: [...], each a whole document"
            self.complain(
                ("items",) if items else (), "expected a list of documents" if items else "items is missing", hint
            )
            return
        for node in items.items:
            yield from replace(self, node=node).unfolded()

    def resource(self) -> Resource | None:
        """None when there was something to complain about."""
        before = len(self.sheet.problems)
        if not isinstance(self.node, Table):
            message, _ = unfit_node(self.node, _DOCUMENT)
            self.complain((), message, "a document has apiVersion: reconciler/v1, kind: ... and metadata: {name: ...}")
            return None
        if self._foreign(self.node):
            return None
        self._api_version(self.node)
        kind = self._kind(self.node)
        metadata = self._metadata(self.node, kind)
        if kind is None:
            return None
        self._unknown_keys(self.node, kind)
        spec = self._spec(self.node, kind)
        return self._resource(kind, metadata, spec) if len(self.sheet.problems) == before else None

    def complain(self, path: shapes.Path, message: str, hint: str = "", *, key: bool = False) -> None:
        place = locate(self.node, path, key=key)
        self.sheet.complain(place, show_path(path), message, hint)

    def _resource(self, kind: Kind, metadata: Metadata | None, spec: Any) -> Resource:
        assert metadata is not None, "or there would have been a complaint"
        line, column = locate(self.node, ())
        return Resource(
            key=Key(kind.key, metadata.namespace or self.namespace, metadata.name),
            spec=spec,
            labels=metadata.labels,
            annotations=metadata.annotations,
            generation=metadata.generation,
            origin=self.sheet.origin(line, column),
        )

    def _foreign(self, node: Table) -> bool:
        """A file of Compose gets one complaint, not one for each field that it lacks."""
        compose = "services" in node.entries and not {"kind", "apiVersion"} & set(node.entries)
        if compose:
            hint = "`apply -f` reads it when it is named; `reconciler import compose FILE` writes a spec of it"
            self.complain(("services",), "this is a Compose file, not a spec", hint, key=True)
        return compose

    def _api_version(self, node: Table) -> None:
        found = node.get("apiVersion")
        if found is None:
            self.complain((), "apiVersion is missing", f"add apiVersion: {API_VERSION}")
        elif _word(found) != API_VERSION:
            self.complain(
                ("apiVersion",),
                f"{_shown(found)} is not an apiVersion that is known here",
                f"write apiVersion: {API_VERSION}",
            )

    def _kind(self, node: Table) -> Kind | None:
        found = node.get("kind")
        word = _word(found)
        if word in KINDS:
            return KINDS[word]
        if found is None:
            self.complain((), "kind is missing", f"add kind: one of {', '.join(KINDS)}")
        else:
            self.complain(("kind",), f"{_shown(found)} is not a kind", _kind_hint(word))
        return None

    def _unknown_keys(self, node: Table, kind: Kind) -> None:
        shape = shapes.record(kind.spec)
        for key in node.entries:
            if key not in _ENVELOPE and not key.startswith("x-"):
                self.complain((key,), *unknown(key, _DOCUMENT, _elsewhere(shape)), key=True)

    def _metadata(self, node: Table, kind: Kind | None) -> Metadata | None:
        found = node.get("metadata")
        if found is None:
            self.complain((), "metadata is missing", "add metadata: {name: ...}")
            return None
        fit = Fit(self.sheet, "metadata", elsewhere=_elsewhere(shapes.record(kind.spec)) if kind else ())
        metadata: Metadata | None = validate.build(Metadata, found, fit)
        if metadata:
            self._faults("metadata", Metadata, envelope.faults(metadata, kind.name if kind else ""))
        if metadata and not self.kept:
            self._faults("metadata", Metadata, envelope.mark_faults(metadata))
        return metadata

    def _spec(self, node: Table, kind: Kind) -> Any:
        found = node.get("spec")
        if found is None or (isinstance(found, Scalar) and found.value is None):
            found = Table(node.line, node.column)
        shape = shapes.record(kind.spec)
        fit = Fit(
            self.sheet, "spec", self.environment, _LITERAL.get(kind.name, frozenset()),
            _UNSHOWN.get(kind.name, frozenset()), _elsewhere(shape),
        )  # fmt: skip
        spec = validate.build(kind.spec, found, fit)
        if spec is None:
            return None
        self._faults("spec", kind.spec, kind.faults(spec))
        spec, faults = self._finished(spec, kind)
        self._faults("spec", kind.spec, faults)
        return spec

    def _faults(self, root: str, cls: type, faults: Iterable[Fault]) -> None:
        for fault in faults:
            place, path = _fault_place(self.node, root, cls, fault)
            self.sheet.complain(place, path, fault.message, fault.hint)

    def _finished(self, spec: Any, kind: Kind) -> tuple[Any, list[Fault]]:
        """What depends on where it is read: paths made absolute, secrets fetched."""
        faults: list[Fault] = []
        if isinstance(spec, SecretSpec):
            spec = _fetched(spec, self.environment, faults, lenient=self.lenient)
        anchor = _Anchor(self.base, self.environment.get("HOME", ""), faults)
        return kind.anchor(spec, anchor.absolute), faults


_DOCUMENT: Final = shapes.Record(
    Resource, {name: shapes.Field(name, shapes.Anything(), required=False) for name in _ENVELOPE}
)
_LITERAL: Final = {"Secret": frozenset({"data", "env"})}
"""Where a dollar is a dollar."""
_UNSHOWN: Final = {"Secret": frozenset({"data"})}
_FOREIGN_KINDS: Final = {
    "configmap": "Config", "container": "Service", "daemonset": "Service", "deployment": "Service", "pod": "Service",
    "process": "Service", "replicaset": "Service", "statefulset": "Service", "persistentvolume": "Volume",
    "persistentvolumeclaim": "Volume", "networkpolicy": "Network",
}  # fmt: skip


def _fault_place(node: Node, root: str, cls: type, fault: Fault) -> tuple[tuple[int, int], str]:
    """A name that the user chose is pointed at by itself, other fields by their value."""
    parent = shapes.bare(shapes.at(shapes.record(cls), fault.path[:-1])) if fault.path else None
    path = (root, *fault.path)
    return locate(node, path, key=isinstance(parent, shapes.Entries)), show_path(path)


def _fetched(spec: SecretSpec, environment: Mapping[str, str], faults: list[Fault], *, lenient: bool) -> SecretSpec:
    """Variables of a Secret are read once, here: what is kept must not depend on who looks at it later."""
    data = dict(spec.data)
    unset = {key: variable for key, variable in spec.env.items() if variable not in environment}
    if not lenient:
        faults += unset_faults(unset)
    for key, variable in spec.env.items():
        if key in unset:
            continue
        try:
            data[key] = readable("", variable, environment[variable])
        except Unresolved as error:
            faults.append(Fault(("env", key), error.message, error.hint))
    return replace(spec, data=data, env=unset if lenient else {})


def unset_faults(env: Mapping[str, str]) -> Iterator[Fault]:
    """Of a Secret's variables, by key, that are not set here."""
    for key, variable in env.items():
        hint = "set it where you apply this, or use files"
        yield Fault(("env", key), f"the environment variable {variable} is not set", hint)


@dataclass(frozen=True, slots=True)
class _Anchor:
    base: str
    home: str
    faults: list[Fault]

    def absolute(self, path: str) -> str:
        in_home = path == "~" or path.startswith("~/")
        if in_home and not self.home:
            self.faults.append(Fault((), "a path starts with ~, but HOME is not set", "write the path out"))
        start = self.home if in_home else "" if path.startswith("/") else self.base
        if "$$" in start or "${" in start:
            hint = "rename the directory, or write the path out with $$ for each dollar"
            self.faults.append(Fault((), f"a relative path leads through {start}, which reads like a reference", hint))
        return posixpath.normpath(posixpath.join(start, path[2:] if in_home else path))


@cache
def _elsewhere(shape: shapes.Record) -> tuple[tuple[str, str], ...]:
    """Every field that a document of the kind can have, and where."""
    outer = ((name, "the document itself, beside kind") for name in _ENVELOPE)
    return (*shapes.places(shape), *shapes.places(shapes.record(Metadata), "metadata"), *outer)


def _kind_hint(word: str) -> str:
    foreign = _FOREIGN_KINDS.get(word.lower())
    return f"here that is a {foreign}" if foreign else did_you_mean(word, KINDS)


def _word(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _shown(node: Node) -> str:
    return ascii(node.text[:60]) if isinstance(node, Scalar) else "this"


@contextmanager
def _no_collector() -> Iterator[None]:
    """The cyclic collector would walk the growing tree again and again, for three quarters of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
