"""What a YAML parser's complaint means to who wrote the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

_WORDS: tuple[tuple[str, str, str], ...] = (
    (
        "mapping values are not allowed",
        "a colon where no key can be",
        "quote a text with ': ' in it; else look at the indentation",
    ),
    (
        "could not find expected ':'",
        "a key without a colon, or a text that goes on in the wrong column",
        "write 'key: value'; indent what belongs to a text",
    ),
    (
        "did not find expected key",
        "this does not line up with the keys above",
        "give the keys of one mapping the same indentation",
    ),
    (
        "did not find expected '-' indicator",
        "this does not line up with the list above",
        "give all dashes of one list the same indentation",
    ),
    (
        "block sequence entries are not allowed",
        "a list can't begin here",
        "put the dash on a line of its own, below its key",
    ),
    (
        "did not find expected ',' or ']'",
        "a comma or ] is missing",
        "close the bracket; quote texts with commas, brackets or ': ' in them",
    ),
    (
        "did not find expected ',' or '}'",
        "a comma or } is missing",
        "close the brace; quote texts with commas, braces or ': ' in them",
    ),
    ("found unexpected end of stream", "the file ends inside a quoted text", "close the quote"),
    ("found unexpected document indicator", "the document ends inside a quoted text", "close the quote"),
    (
        "found unknown escape character",
        "a backslash that means nothing here",
        "write \\\\ for a backslash, or use single quotes",
    ),
    ("found invalid unicode character escape", "an escape that is no character", "write the character itself"),
    (
        "found undefined tag handle",
        "tags (words that start with !) are not read",
        "leave the tag out, or quote the text",
    ),
    (
        "did not find expected <document start>",
        "something stands between two documents",
        "begin each document with --- on a line of its own",
    ),
    (
        "did not find expected alphabetic",
        "a text can't begin with * or &",
        "quote it",
    ),
    (
        "did not find expected node content",
        "a value is missing here",
        "write one, or remove the comma or dash before it",
    ),
    (
        "did not find expected comment or line break",
        "something follows the | or > of a text",
        "begin the text on the next line",
    ),
    ("found a tab character", "a tab in the indentation", "YAML is indented with spaces; replace the tab"),
    ("invalid leading utf-8", "this is not UTF-8", "save the file as UTF-8 in your editor"),
)


def explain(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, int, str, str]:
    said = (error.problem or "not YAML").strip()
    line, column = _place(error, said)
    here = lines[line - 1][column - 1 : column] if line <= len(lines) else ""
    if "cannot start any token" in said:
        return line, column, *_bad_start(here)
    for pattern, message, hint in _WORDS:
        if pattern in said.lower():
            return *_within(line, column, lines), message + _beginning(error, line, said), hint
    return *_within(line, column, lines), f"not YAML: {said}", "look at the quotes and the indentation around here"


def _place(error: yaml.MarkedYAMLError, said: str) -> tuple[int, int]:
    """Where the mistake is, which for a key without a colon is where the key began."""
    marks = [error.problem_mark, error.context_mark]
    if "expected ':'" in said:
        marks.reverse()
    mark = next(filter(None, marks), None)
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _beginning(error: yaml.MarkedYAMLError, line: int, said: str) -> str:
    """For what is left open: where it was opened, which may be far above."""
    begun = error.context_mark
    if not begun or begun.line + 1 == line or not re.search(r"end of stream|document indicator|or '[\]}]'", said):
        return ""
    return f"; what is open begins in line {begun.line + 1}"


def _bad_start(character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab in the indentation", "YAML is indented with spaces; replace the tab"
    return f"a text can't begin with {character or 'this'}", "quote it"


def _within(line: int, column: int, lines: list[str]) -> tuple[int, int]:
    """The parser puts what is missing at the end one line behind the last; people look at the last one."""
    while line > 1 and (line > len(lines) or not lines[line - 1].strip()):
        line -= 1
        column = len(lines[line - 1]) + 1 if line <= len(lines) else 1
    return line, column
