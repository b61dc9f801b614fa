"""YAML 1.2 (core schema), read strictly: every node with its place, every surprise an explained flaw.

libyaml's events are used, not its nodes: whoever composes nodes first has walked into the depth and the aliases
of a hostile file before he can count them. Here each is counted as it passes by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from reconciler.core import syntax
from reconciler.core.scalar import Value, ambiguous, resolve, resolve_old, show
from reconciler.values import dataclass

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_ALIASES = 100
MAX_NODES = 200_000
MAX_BORROWED = 50_000
"""How many nodes aliases may add to those that are written down."""


@dataclass(slots=True, eq=False)
class Scalar:
    line: int
    column: int
    text: str
    plain: bool
    end: int = 0
    """The last line on which any of it stands."""

    weight: ClassVar[int] = 1
    height: ClassVar[int] = 0

    @property
    def value(self) -> Value:
        return resolve(self.text) if self.plain else self.text

    @property
    def ambiguous(self) -> bool:
        """Whether readers of YAML 1.1 see something else here."""
        return self.plain and ambiguous(self.text)


@dataclass(slots=True, eq=False)
class Listing:
    line: int
    column: int
    items: list[Node] = field(default_factory=list)
    end: int = 0
    weight: int = 1
    """How many nodes it is, with all that aliases repeat."""
    height: int = 1


class Entry(NamedTuple):
    line: int
    column: int
    node: Node


@dataclass(slots=True, eq=False)
class Table:
    line: int
    column: int
    entries: dict[str, Entry] = field(default_factory=dict)
    end: int = 0
    weight: int = 1
    height: int = 1

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry.node if entry else None


Node = Scalar | Listing | Table


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that can't be accepted, and where. Never shows a value: the excerpt may, where it is allowed to."""

    line: int
    column: int
    message: str
    hint: str = ""


@dataclass(slots=True)
class Loaded:
    documents: list[Node] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def load(content: bytes, builder: Callable[[Loaded], Builder] | None = None) -> Loaded:
    """All documents up to the first place where nothing can be made of the text; empty ones are left out.

    `builder` is for who reads a file that others wrote for another reader.
    """
    loaded = Loaded()
    text = _decode(content, loaded)
    if text is None:
        return loaded
    loaded.lines = _BREAK.split(text)
    try:
        _check_characters(text)
        _build(text, (builder or Builder)(loaded))
    except _Stop as stop:
        loaded.flaws.append(stop.flaw)
    return loaded


def plain(node: Node) -> Any:
    """The node as a tree of dict, list and scalars, places forgotten."""
    match node:
        case Scalar():
            return node.value
        case Listing():
            return [plain(item) for item in node.items]
        case Table():
            return {key: plain(entry.node) for key, entry in node.entries.items()}


class _Stop(Exception):
    """Nothing sensible can be read from here on."""

    def __init__(self, line: int, column: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.flaw = Flaw(line, column, message, hint)


_BREAK = re.compile(r"\r\n|\r|\n")
_FORBIDDEN = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Written as what it is, not as what it is not: a range of 50,000 characters takes 5 ms to compile."""


def _decode(content: bytes, loaded: Loaded) -> str | None:
    message, offset = "", 0
    if len(content) > MAX_BYTES:
        message, hint = f"the file has {len(content):,} bytes; {MAX_BYTES:,} is the most", "split it into several files"
    elif content.startswith((b"\xff\xfe", b"\xfe\xff")) or content[:4].count(0) >= 2:
        message, hint = "the file is UTF-16 or UTF-32, not UTF-8", "save it as UTF-8 in your editor"
    elif content.startswith(b"\xef\xbb\xbf"):
        message, hint = "the file starts with a byte order mark", 'save it as "UTF-8 without BOM" in your editor'
    else:
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            message, offset = f"the byte 0x{content[error.start]:02x} is not UTF-8", error.start
            hint = "save the file as UTF-8 in your editor"
    before = content[:offset].decode(errors="replace")
    lines = _BREAK.split(before)
    loaded.flaws.append(Flaw(len(lines), len(lines[-1]) + 1, message, hint))
    return None


def _check_characters(text: str) -> None:
    found = _FORBIDDEN.search(text)
    if found:
        before = _BREAK.split(text[: found.start()])
        code = ord(found[0])
        name = "a NUL byte" if code == 0 else f"the character U+{code:04X}"
        hint = "remove it" if code < 0x80 else f'remove it, or write "\\u{code:04x}" inside double quotes'
        raise _Stop(len(before), len(before[-1]) + 1, f"{name} can't stand in a spec", hint)


def _build(text: str, builder: Builder) -> None:
    import yaml  # noqa: PLC0415 -- only those who read a spec pay for it

    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _Stop(*syntax.explain(error, builder.loaded.lines)) from None


def _events(text: str) -> Iterator[yaml.Event]:
    import yaml  # noqa: PLC0415

    return yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been seen. `key` waits for its value."""

    node: Listing | Table
    anchor: str | None
    key: Node | None = None


class Builder:
    """Nodes out of events, on a stack of its own: no depth of a file can exhaust Python's."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._nodes = self._aliases = self._borrowed = 0

    def tagged(self, node: Node, tag: str) -> None:  # noqa: ARG002 -- for other readers
        """A value that says of what type it is."""
        hint = "leave the tag out, or quote the text"
        self.flaw(node.line, node.column, "tags (words that start with !) are not read", hint)

    def key_complaint(self, key: Node) -> tuple[str, str] | None:
        """What is wrong with a key, and what to do about it."""
        return _key_complaint(key)

    def closed(self, node: Listing | Table) -> None:
        """The collection has all that it is written with."""

    def take(self, event: Any) -> None:
        match type(event).__name__:
            case "ScalarEvent":
                self._scalar(event)
            case "MappingStartEvent":
                self._start(event, Table(*_place(event)))
            case "SequenceStartEvent":
                self._start(event, Listing(*_place(event)))
            case "MappingEndEvent" | "SequenceEndEvent":
                self._end(event)
            case "AliasEvent":
                self._alias(event)
            case "DocumentStartEvent":
                self._document(event)

    def _document(self, event: Any) -> None:
        self._anchors.clear()
        self._aliases = self._borrowed = 0
        if event.version and tuple(event.version) != (1, 2):
            self.flaw(
                *_place(event), "the file says it is not YAML 1.2, which is what is read here", "remove the %YAML line"
            )

    def _scalar(self, event: Any) -> None:
        line, column = self._count(event)
        node = Scalar(line, column, event.value, not event.style and not event.tag, event.end_mark.line + 1)
        if event.tag:
            self.tagged(node, event.tag)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._add(node)

    def _start(self, event: Any, node: Listing | Table) -> None:
        line, column = self._count(event)
        if len(self._open) >= MAX_DEPTH:
            raise _Stop(
                line, column, f"nested deeper than {MAX_DEPTH} levels", "no spec needs that; is a bracket missing?"
            )
        if event.tag:
            self.tagged(node, event.tag)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Open(node, event.anchor))

    def _end(self, event: Any) -> None:
        done = self._open.pop()
        done.node.end = max(done.node.line, event.end_mark.line + (1 if event.end_mark.column else 0))
        self.closed(done.node)
        if done.anchor:
            self._anchors[done.anchor] = done.node
        self._add(done.node)

    def _alias(self, event: Any) -> None:
        line, column = _place(event)
        if event.anchor not in self._anchors:
            self.flaw(
                line,
                column,
                "nothing above has the anchor that this alias names",
                "a text that starts with * has to be quoted",
            )
            self._add(Scalar(line, column, "", plain=False, end=line))
            return
        target = self._anchors[event.anchor]
        if target is None:
            raise _Stop(line, column, "this alias stands inside of what it refers to", "write out what is meant")
        self._borrow(line, column, target)
        self._add(target)

    def _borrow(self, line: int, column: int, target: Node) -> None:
        self._aliases += 1
        self._borrowed += target.weight
        hint = "write the repeated parts as documents of their own"
        if self._aliases > MAX_ALIASES:
            raise _Stop(line, column, f"more than {MAX_ALIASES} aliases in one document", hint)
        if self._borrowed > MAX_BORROWED:
            raise _Stop(line, column, f"the aliases expand to more than {MAX_BORROWED:,} nodes", hint)
        if len(self._open) + target.height > MAX_DEPTH:
            raise _Stop(line, column, f"with what this alias repeats, nested deeper than {MAX_DEPTH} levels", hint)

    def _count(self, event: Any) -> tuple[int, int]:
        line, column = _place(event)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _Stop(line, column, f"more than {MAX_NODES:,} values in one file", "split it into several files")
        return line, column

    def _add(self, node: Node) -> None:
        if not self._open:
            if not (isinstance(node, Scalar) and node.plain and not node.text):
                self.loaded.documents.append(node)
            return
        top = self._open[-1]
        if isinstance(top.node, Listing):
            top.node.items.append(node)
        elif top.key is None:
            top.key = node
            return
        else:
            self.enter(top.node, top.key, node)
            top.key = None
        top.node.weight += node.weight
        top.node.height = max(top.node.height, node.height + 1)

    def enter(self, table: Table, key: Node, node: Node) -> None:
        complaint = self.key_complaint(key)
        if complaint:
            self.flaw(key.line, key.column, *complaint)
            return
        assert isinstance(key, Scalar), "a key without complaint is a string"
        first = table.entries.get(key.text)
        if first:
            message = f"the key {key.text[:60]!r} stands twice: in line {first.line} and here"
            self.flaw(key.line, key.column, message, "remove one of the two")
            return
        table.entries[key.text] = Entry(key.line, key.column, node)

    def flaw(self, line: int, column: int, message: str, hint: str) -> None:
        self.loaded.flaws.append(Flaw(line, column, message, hint))


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _key_complaint(key: Node) -> tuple[str, str] | None:
    """Single letters pass: `y` and `n` are good names, and readers that took them for true and false are gone."""
    if not isinstance(key, Scalar):
        kind = "list" if isinstance(key, Listing) else "mapping"
        return f"a key has to be a string, not a {kind}", "quote it, if it begins with a bracket or a brace"
    if not key.plain or (len(key.text) == 1 and key.text.isalpha()):
        return None
    if key.text == "<<":
        return "merge keys (<<) are not read", "write the fields out; a whole value may be repeated with *alias"
    return _misread_key(key.text)


@lru_cache(maxsize=1024)
def _misread_key(text: str) -> tuple[str, str] | None:
    """Remembered, because the same few words are the keys of every document."""
    if not text:
        return "a key is missing before the colon", 'write one; the empty string is ""'
    for meaning in (resolve(text), resolve_old(text)):
        if not isinstance(meaning, str):
            return f"the key {text[:60]} is {show(meaning)} to YAML readers, not a string", f'quote it: "{text[:60]}"'
    return None
