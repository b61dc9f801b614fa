"""What a `.dockerignore` leaves out. Of several lines that speak of a file, the last one holds."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

USUAL = ".git"
"""Left out unless a line says otherwise: whoever asks Git how things stand writes there, and what is built is the
same."""

Leaves = Callable[[str], bool]


class Ignored:
    """`path` is relative to the context, with slashes."""

    def __init__(self, text: str) -> None:
        self._rules = [(negated, _compiled(pattern)) for negated, pattern in _lines(f"{USUAL}\n{text}")]
        self.has_exceptions = any(negated for negated, _ in self._rules)
        """Then something may have to be taken from a directory that is left out."""

    def __call__(self, path: str) -> bool:
        """It, or a directory that it lies in, is named."""
        parts = path.split("/")
        above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        left_out = False
        for negated, pattern in self._rules:
            if negated == left_out and any(pattern.fullmatch(one) for one in above):
                left_out = not negated
        return left_out


def _lines(text: str) -> Iterator[tuple[bool, str]]:
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        pattern = line.strip()
        negated = pattern.startswith("!")
        pattern = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
        if pattern not in ("", "."):
            yield negated, pattern


def _compiled(pattern: str) -> re.Pattern[str]:
    """`**` stands for any number of directories, `*` and `?` for what has no slash in it."""
    found, at = "", 0
    while at < len(pattern):
        rest = pattern[at:]
        if rest.startswith("**"):
            at += 2
            at += pattern[at : at + 1] == "/"
            found += ".*" if at >= len(pattern) else "(?:.*/)?"
        elif rest[0] in "*?":
            found += "[^/]*" if rest[0] == "*" else "[^/]"
            at += 1
        elif rest[0] == "\\" and len(rest) > 1:
            found += re.escape(rest[1])
            at += 2
        elif rest[0] == "[" and (end := rest.find("]", 2)) > 0:
            inner = rest[1:end].replace("\\", "\\\\").replace("[", "\\[")
            found += f"[{'^' + inner[1:] if inner[0] in '!^' else inner}]"
            at += end + 1
        else:
            found += re.escape(rest[0])
            at += 1
    try:
        return re.compile(found, re.DOTALL)
    except re.error:
        return re.compile(re.escape(pattern))
