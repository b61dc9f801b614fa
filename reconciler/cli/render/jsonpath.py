r"""kubectl's dialect of JSONPath, as far as people use it.

Text stands for itself; in braces stand a path, a quoted text, or a loop:

    {.items[*].metadata.name}                 fields, [0] [-1] [0:2] [*] ['a.b'] ['a','b'] ..name
    {.items[?(@.status.phase=="Running")]}    filters with == != < <= > >=, or just [?(@.spec)]
    {range .items[*]}{.metadata.name}{"\n"}{end}

A template without braces is one path. What is not there prints as nothing, as `kubectl get` does.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from reconciler.errors import UsageError
from reconciler.values import dataclass

Step = Callable[[Any], Iterator[Any]]
Path = tuple[Step, ...]
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
FIELD = re.compile(r"(?:[^\s.\[\](){}'\"=!<>,*?@$\\]|\\.)+")
SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(\d+))?$")


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Find:
    path: Path


@dataclass(frozen=True, slots=True)
class Loop:
    path: Path
    body: tuple[Text | Find | Loop, ...]


Node = Text | Find | Loop


def compile_template(template: str) -> tuple[Node, ...]:
    """Parses it, or raises a UsageError that shows the place."""
    if "{" not in template:
        start = "" if template[:1] in (".", "[", "$", "@") else "."
        return (Find(_Scanner(start + template).whole_path()),)
    nodes, closed = _nodes(iter(_pieces(template)), template)
    if closed:
        raise UsageError(f"jsonpath {template!r}: an {{end}} without {{range}}")
    return nodes


def render(nodes: tuple[Node, ...], tree: Any) -> str:
    return "".join(_render(node, tree) for node in nodes)


def _render(node: Node, tree: Any) -> str:
    match node:
        case Text(text):
            return text
        case Find(path):
            return " ".join(_shown(value) for value in find(path, tree))
        case Loop(path, body):
            return "".join(render(body, value) for value in find(path, tree))


def find(path: Path, tree: Any) -> list[Any]:
    values = [tree]
    for step in path:
        values = [found for value in values for found in step(value)]
    return values


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pieces(template: str) -> Iterator[tuple[bool, str]]:
    """(inside braces, text) in turn. A brace inside quotes does not count."""
    here = 0
    while here < len(template):
        start = template.find("{", here)
        if start != here:
            yield False, template[here : start if start >= 0 else None]
        if start < 0:
            return
        end = _closing(template, start)
        yield True, template[start + 1 : end].strip()
        here = end + 1


def _closing(template: str, start: int) -> int:
    here = start + 1
    while here < len(template) and template[here] != "}":
        quoted = QUOTED.match(template, here)
        here = quoted.end() if quoted else here + 1
    if here >= len(template):
        raise UsageError(f"jsonpath {template!r}: the brace at character {start + 1} is never closed", hint="add }")
    return here


def _nodes(pieces: Iterator[tuple[bool, str]], template: str) -> tuple[tuple[Node, ...], bool]:
    nodes: list[Node] = []
    for in_braces, text in pieces:
        if not in_braces:
            nodes.append(Text(text))
        elif text == "end":
            return tuple(nodes), True
        elif text.startswith("range ") or text == "range":
            path = _Scanner(text[len("range") :].strip()).whole_path()
            body, closed = _nodes(pieces, template)
            if not closed:
                raise UsageError(f"jsonpath {template!r}: a {{range}} without {{end}}", hint="add {end}")
            nodes.append(Loop(path, body))
        elif quoted := QUOTED.fullmatch(text):
            nodes.append(Text(_unquoted(quoted)))
        else:
            nodes.append(Find(_Scanner(text).whole_path()))
    return tuple(nodes), False


ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def _unquoted(quoted: re.Match[str]) -> str:
    text = quoted[1] if quoted[1] is not None else quoted[2]
    return re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), text, flags=re.DOTALL)


class _Scanner:
    """Reads one path, left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.here = 0

    def whole_path(self) -> Path:
        path = self.path()
        if self.here != len(self.text) or not self.text:
            raise self._wrong("a path like .metadata.name is expected")
        return path

    def path(self) -> Path:
        steps: list[Step] = []
        if self._peek() in ("$", "@"):
            self.here += 1
        while (step := self._step()) is not None:
            steps.append(step)
        return tuple(steps)

    def _step(self) -> Step | None:
        if self._take(".."):
            name = self._field()
            return _descendants if name == "*" or not name else _below(name)
        if self._take("."):
            name = self._field()
            return _all if name == "*" else _fields((name,)) if name else _itself
        if self._take("["):
            return self._bracket()
        return None

    def _field(self) -> str:
        if self._take("*"):
            return "*"
        found = FIELD.match(self.text, self.here)
        self.here = found.end() if found else self.here
        return re.sub(r"\\(.)", r"\1", found[0]) if found else ""

    def _bracket(self) -> Step:
        if self._take("?("):
            condition = self._condition()
            self._expect(")]")
            return _filter(condition)
        if self._take("*]"):
            return _all
        if QUOTED.match(self.text, self.here):
            return _fields(self._quoted_names())
        end = self.text.find("]", self.here)
        inside = self.text[self.here : end].replace(" ", "") if end >= 0 else ""
        step = _positions(inside)
        if step is None:
            raise self._wrong("[...] takes a number, a slice like 0:2, *, a quoted name or ?(@.field==value)")
        self.here = end + 1
        return step

    def _quoted_names(self) -> tuple[str, ...]:
        names = []
        while quoted := QUOTED.match(self.text, self.here):
            names.append(_unquoted(quoted))
            self.here = quoted.end()
            if not self._take(","):
                break
            self._space()
        self._expect("]")
        return tuple(names)

    def _condition(self) -> Callable[[Any], bool]:
        left = self._operand()
        self._space()
        sign = next((sign for sign in sorted(COMPARISONS, key=len, reverse=True) if self._take(sign)), "")
        if not sign:
            return lambda value: bool(left(value))
        self._space()
        right = self._operand()
        self._space()
        compare = COMPARISONS[sign]
        return lambda value: any(_holds(compare, a, b) for a in left(value) for b in right(value))

    def _operand(self) -> Callable[[Any], list[Any]]:
        self._space()
        if self._peek() in ("@", "$", "."):
            path = self.path()
            return lambda value: find(path, value)
        if quoted := QUOTED.match(self.text, self.here):
            self.here = quoted.end()
            constant: Any = _unquoted(quoted)
            return lambda _value: [constant]
        literal = re.compile(r"[-+.\w]+").match(self.text, self.here)
        try:
            constant = json.loads(literal[0]) if literal else None
        except ValueError:
            literal = None
        if literal is None:
            raise self._wrong('a path like @.name, a "text" or a number is expected')
        self.here = literal.end()
        return lambda _value: [constant]

    def _peek(self) -> str:
        return self.text[self.here : self.here + 1]

    def _take(self, token: str) -> bool:
        found = self.text.startswith(token, self.here)
        self.here += len(token) if found else 0
        return found

    def _space(self) -> None:
        while self._peek().isspace():
            self.here += 1

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._wrong(f"{token} is expected")

    def _wrong(self, message: str) -> UsageError:
        return UsageError(f"jsonpath {self.text!r}, character {self.here + 1}: {message}")


def _itself(value: Any) -> Iterator[Any]:
    yield value


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _fields(names: tuple[str, ...]) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield from (value[name] for name in names if name in value)

    return step


def _positions(inside: str) -> Step | None:
    """[0], [-1], [0,2], [1:], [0:4:2]."""
    if sliced := SLICE.match(inside):
        start, stop, stride = (int(part) if part else None for part in sliced.groups())
        return lambda value: iter(value[start:stop:stride] if isinstance(value, list) and stride != 0 else ())
    try:
        numbers = [int(part) for part in inside.split(",")]
    except ValueError:
        return None
    return lambda value: (
        value[number] for number in numbers if isinstance(value, list) and -len(value) <= number < len(value)
    )


def _descendants(value: Any) -> Iterator[Any]:
    """Without recursion, so that no depth is too deep."""
    rest = [value]
    while rest:
        here = rest.pop()
        yield here
        rest.extend(reversed(list(_all(here))))


def _below(name: str) -> Step:
    return lambda value: (here[name] for here in _descendants(value) if isinstance(here, dict) and name in here)


def _filter(condition: Callable[[Any], bool]) -> Step:
    return lambda value: (item for item in _all(value) if condition(item))


def _holds(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    """Text and numbers have no order between them: such a pair does not hold."""
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers and type(left) is not type(right):
        return compare is operator.ne
    try:
        return compare(left, right)
    except TypeError:
        return False
