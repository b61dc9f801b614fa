"""`${VAR}` and its kin from the environment. `${lower.case}` references and `$$` are left for the linker.

What a variable holds is data: each dollar in it is doubled, so that no later stage takes it for a reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_NESTING = 8

_VARIABLE = re.compile(r"([A-Z_][A-Z0-9_]*)(?:(:?[-?+])(.*))?", re.DOTALL)
_LITERAL_HINT = "write $${ for a literal ${"


class Unresolved(Exception):
    """An expression that gives no text. `token` is how it stands in the file, to point at it."""

    def __init__(self, token: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.token = token
        self.message = message
        self.hint = hint


def interpolate(text: str, environment: Mapping[str, str], *, nesting: int = 0) -> str:
    if "${" not in text and not (nesting and text.endswith("$")):
        return text
    parts: list[str] = []
    done = 0
    while (dollar := text.find("$", done)) >= 0:
        parts.append(text[done:dollar])
        done = dollar + 2
        match text[dollar + 1 : dollar + 2]:
            case "$":
                parts.append("$$")
            case "{":
                end = _closing(text, dollar)
                parts.append(_expression(text[dollar : end + 1], environment, nesting))
                done = end + 1
            case _:
                last_of_default = nesting > 0 and dollar + 1 == len(text)
                parts.append("$$" if last_of_default else "$")  # or it would join what follows the expression
                done = dollar + 1
    return "".join((*parts, text[done:]))


def whole(text: str) -> bool:
    """Whether a text is one expression and nothing else, and so may stand for a number or a truth."""
    if not text.startswith("${") or not text.endswith("}"):
        return False
    try:
        return _closing(text, 0) == len(text) - 1
    except Unresolved:
        return False


def _closing(text: str, start: int) -> int:
    """The brace that ends the expression at `start`. Only `${` nests: a lone brace in a default is text."""
    depth = 1
    position = start + 2
    while (found := _BRACES.search(text, position)) is not None:
        depth += -1 if found[0] == "}" else 1
        if depth == 0:
            return found.start()
        position = found.end()
    raise Unresolved(text[start : start + 12], "${ without its closing brace", f"close it, or {_LITERAL_HINT}")


_BRACES = re.compile(r"\$\{|\}")


def _expression(token: str, environment: Mapping[str, str], nesting: int) -> str:
    body = token[2:-1]
    variable = _VARIABLE.fullmatch(body)
    if variable:
        if nesting >= MAX_NESTING:
            raise Unresolved(token, f"defaults nested deeper than {MAX_NESTING} levels", "write them out")
        return _substitute(token, variable, environment, nesting)
    if body[:1].isascii() and body[:1].islower():
        return token
    hint = f"${{VARIABLE}} in upper case, ${{service.host}} in lower case; {_LITERAL_HINT}"
    raise Unresolved(token, f"{_brief(token)} is neither a variable nor a reference", hint)


def _substitute(token: str, variable: re.Match[str], environment: Mapping[str, str], nesting: int) -> str:
    name, operator, rest = variable[1], variable[2] or "", variable[3] or ""
    value = environment.get(name)
    given = value is not None and (value != "" or not operator.startswith(":"))
    match operator[-1:]:
        case "+":
            return interpolate(rest, environment, nesting=nesting + 1) if given else ""
        case "-" if not given:
            return interpolate(rest, environment, nesting=nesting + 1)
    if not given:
        said = f": {rest}" if rest else ""
        state = "is empty" if value == "" else "is not set"
        hint = f"set it, or give a default: ${{{name}:-value}}"
        raise Unresolved(token, f"the environment variable {name} {state}{said}", hint)
    return literal(token, name, value or "")


def literal(token: str, name: str, value: str) -> str:
    return readable(token, name, value).replace("$", "$$")


def readable(token: str, name: str, value: str) -> str:
    """The environment holds bytes; those that are no text can't go into a spec."""
    try:
        value.encode()
    except UnicodeEncodeError:
        message = f"what the environment variable {name} holds is not UTF-8"
        raise Unresolved(token, message, "put it into a file, and name that") from None
    return value


def _brief(token: str) -> str:
    return token if len(token) <= 40 else token[:37] + "..."
