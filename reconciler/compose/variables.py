"""$VAR, ${VAR} and all their forms, as Compose fills them in: in values, never in keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.core.interpolation import Unresolved

MAX_NESTING = 8
NAME = "[A-Za-z_][A-Za-z0-9_]*"

_PLAIN = re.compile(NAME)
_BRACED = re.compile(f"({NAME})(?:(:?[-?+])(.*))?", re.DOTALL)
_BRACES = re.compile(r"\$\{|\}")


class Layered(Mapping[str, str]):
    """Several sets of variables: the first that has one wins."""

    def __init__(self, *layers: Mapping[str, str]) -> None:
        self._layers = layers

    def __getitem__(self, name: str) -> str:
        for layer in self._layers:
            value = layer.get(name)
            if value is not None:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name for layer in self._layers for name in layer})

    def __len__(self) -> int:
        return len(set(self))


def filled(text: str, variables: Mapping[str, str], unset: list[str], *, nesting: int = 0) -> str:
    """The text with every variable in its place, and `$$` made a dollar. Unset ones are empty, and told in `unset`.

    Raises Unresolved for what is no expression, and for `${VAR:?why}`.
    """
    parts: list[str] = []
    done = 0
    while (dollar := text.find("$", done)) >= 0:
        parts.append(text[done:dollar])
        piece, done = _expression(text, dollar, variables, unset, nesting)
        parts.append(piece)
    return "".join((*parts, text[done:]))


def _expression(
    text: str, dollar: int, variables: Mapping[str, str], unset: list[str], nesting: int
) -> tuple[str, int]:
    """What stands for the expression at `dollar`, and where the text goes on after it."""
    following = text[dollar + 1 : dollar + 2]
    if following == "$":
        return "$", dollar + 2
    if following == "{":
        end = _closing(text, dollar)
        return _braced(text[dollar : end + 1], variables, unset, nesting), end + 1
    plain = _PLAIN.match(text, dollar + 1)
    if plain is None:
        raise Unresolved(text[dollar : dollar + 2], "a $ that begins no variable", "write $$ for a dollar")
    return _value(plain[0], variables, unset), plain.end()


def _closing(text: str, start: int) -> int:
    depth, position = 1, start + 2
    while (found := _BRACES.search(text, position)) is not None:
        depth += -1 if found[0] == "}" else 1
        if depth == 0:
            return found.start()
        position = found.end()
    raise Unresolved(
        text[start : start + 12], "${ without its closing brace", "close it, or write $${ for a literal ${"
    )


def _braced(token: str, variables: Mapping[str, str], unset: list[str], nesting: int) -> str:
    found = _BRACED.fullmatch(token[2:-1])
    if found is None:
        said = token if len(token) <= 40 else token[:37] + "..."
        raise Unresolved(token, f"{said} is no variable", "${NAME}, ${NAME:-default}; $${ for a literal ${")
    if nesting >= MAX_NESTING:
        raise Unresolved(token, f"defaults nested deeper than {MAX_NESTING} levels", "write them out")
    name, operator, rest = found[1], found[2] or "", found[3] or ""
    value = variables.get(name)
    given = value is not None and (value != "" or not operator.startswith(":"))
    match operator[-1:]:
        case "+":
            return filled(rest, variables, unset, nesting=nesting + 1) if given else ""
        case "-" if not given:
            return filled(rest, variables, unset, nesting=nesting + 1)
        case "?" if not given:
            said = filled(rest, variables, unset, nesting=nesting + 1)
            state = "is empty" if value == "" else "is not set"
            hint = f"set {name}, in the environment or in .env"
            raise Unresolved(token, f"the variable {name} {state}{f': {said}' if said else ''}", hint)
    return _value(name, variables, unset)


def _value(name: str, variables: Mapping[str, str], unset: list[str]) -> str:
    value = variables.get(name)
    if value is None:
        unset.append(name)
        return ""
    return value
