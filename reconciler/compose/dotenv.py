"""Files of variables as Compose reads them: `.env` and what `env_file` names.

More than ours can say: values of several lines between quotes, variables in values, names without a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.compose.variables import NAME, Layered, filled
from reconciler.core.envfile import BadEnvFile, parse_env
from reconciler.core.interpolation import Unresolved

_LINE = re.compile(rf"[ \t]*(?:export[ \t]+)?({NAME.replace('0-9_', '0-9_.-')})[ \t]*(?:([=:])[ \t]*|(?=[\n#]|$))")
_SKIP = re.compile(r"\s*(?:#[^\n]*(?:\n|$)|\n|$)|\s+(?=\S)")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"'}


def read(content: bytes, name: str, outer: Mapping[str, str]) -> dict[str, str | None]:
    """None for a name without a value: it is passed through. Values may use what stands above them, and `outer`,
    which wins.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BadEnvFile(f"{name} is not UTF-8 text") from error
    found: dict[str, str | None] = {}
    position = 0
    while position < len(text):
        if skipped := _SKIP.match(text, position):
            position = max(skipped.end(), position + 1)
            continue
        position = _assignment(text, position, found, name, outer)
    return found


def same_here(content: bytes, name: str, found: Mapping[str, str | None]) -> bool:
    """Whether our own reader of such files sees the same variables, so that the file itself can be named."""
    try:
        return parse_env(content, name) == dict(found)
    except BadEnvFile:
        return False


def _assignment(text: str, position: int, found: dict[str, str | None], name: str, outer: Mapping[str, str]) -> int:
    number = text.count("\n", 0, position) + 1
    line = _LINE.match(text, position)
    if line is None:
        raise BadEnvFile(f"{name}:{number}: not a line of the form NAME=value", hint="comments start with #")
    if line[2] is None:
        found[line[1]] = None
        return line.end()
    raw, end, expands = _value(text, line.end(), f"{name}:{number}")
    known = {key: value for key, value in found.items() if value is not None}
    try:
        found[line[1]] = filled(raw, Layered(outer, known), []) if expands else raw
    except Unresolved as error:
        raise BadEnvFile(f"{name}:{number}: {error.message}", hint="single quotes keep a dollar a dollar") from error
    return end


def _value(text: str, start: int, place: str) -> tuple[str, int, bool]:
    """The value, where the text goes on, and whether variables in it are filled in."""
    quote = text[start : start + 1]
    if quote in {'"', "'"}:
        quoted = (_DOUBLE if quote == '"' else _SINGLE).match(text, start)
        if quoted is None:
            raise BadEnvFile(f"{place}: a quote that is not closed", hint="close it")
        rest = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|$)").match(text, quoted.end())
        if rest is None:
            raise BadEnvFile(f"{place}: something follows the closing quote", hint="quote the whole value")
        if quote == "'":
            return quoted[1], rest.end(), False
        return re.sub(r"\\(.)", _escape, quoted[1], flags=re.DOTALL), rest.end(), True
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return re.split(r"(?:^|\s)#", text[start:end], maxsplit=1)[0].strip(), end, True


def _escape(found: re.Match[str]) -> str:
    """What is no escape stays as it stands; a dollar behind a backslash is one."""
    return "$$" if found[1] == "$" else _ESCAPES.get(found[1], found[0])
