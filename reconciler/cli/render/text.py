"""Text for a terminal. Whatever comes from outside passes through `clean` before a person sees it.

A container's name, a log line or an image label may hold escape sequences that move the cursor, set the
window's title or turn the direction of writing around: an attack on who reads it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TextIO

ESCAPE = re.compile(
    r"""\x1b\[[0-?]*[ -/]*[@-~]          # CSI: colours, cursor
      | \x1b[]PX^_].*?(?:\x07|\x1b\\|$)  # OSC, DCS and kin, with all that they carry
      | \x1b[ -/]*[0-~]                  # the two-letter ones
      | \x9b[0-?]*[ -/]*[@-~]            # CSI in one byte
    """,
    re.VERBOSE | re.DOTALL,
)
JOINER = "\u200d"
COLORS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
MARKS = {"ok": "✓", "warning": "!", "failed": "✗"}
PLAIN_MARKS = {"ok": "ok", "warning": "!", "failed": "x"}


def clean(text: str, *, lines: bool = False) -> str:
    """Without escape sequences, control characters and invisible format characters; on one line unless `lines`."""
    if text.isascii() and text.isprintable():
        return text
    text = ESCAPE.sub("", text.replace("\r\n", "\n"))
    return "".join(_safe(character, lines=lines) for character in text)


def _safe(character: str, *, lines: bool) -> str:
    if character in "\n\t":
        return character if lines else " "
    match unicodedata.category(character):
        case "Cc":
            return ""
        case "Cf":
            return character if character == JOINER else ""
        case "Cs":
            return "\ufffd"
        case "Zl" | "Zp":
            return " "
        case _:
            return character


def width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character == JOINER:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """At most so many columns; what was cut away shows as an ellipsis."""
    if width(text) <= columns:
        return text
    kept, used = [], 0
    for character in text:
        used += _columns(character)
        if used > columns - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def paint(text: str, style: str, *, color: bool) -> str:
    """An empty style leaves the text as it is."""
    return f"\x1b[{COLORS[style]}m{text}\x1b[0m" if color and style else text


def mark(level: str, stream: TextIO) -> str:
    """✓, ! or ✗; in words of ASCII where the stream's encoding has no such characters."""
    try:
        MARKS[level].encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return PLAIN_MARKS[level]
    return MARKS[level]
