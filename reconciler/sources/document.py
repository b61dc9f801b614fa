"""One kept document: the text of a resource in a file of its own, and back."""

from __future__ import annotations

import re
import stat
import time
from calendar import timegm
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from reconciler.errors import ReconcilerError, SpecError
from reconciler.model.key import Key
from reconciler.model.resource import TOMBSTONE, Resource

WHEN = "%Y-%m-%dT%H:%M:%SZ"
HEAD = re.compile(r"apiVersion: \S+  # kept (\S+) by: ([^\n]*)\n")
"""The first line: since when it is so, and which command said so. A comment, for it is not part of what is wanted."""
END = "# end\n"
"""The last line of what has such a first one: much of a document is a document too, if it is cut in the right place."""
LONGEST_CAUSE = 200
NEXT = "apply its spec again, which writes it anew; or delete it by name"


class Damaged(ReconcilerError):
    """What is kept of a resource is not its document, or not a whole one, or can't be read at all."""

    reason = "Unreadable"


def name_of(key: Key) -> str:
    return f"{key.kind}-{key.name}.yaml"


def key_of(file: Path) -> Key | None:
    """Of whom a file speaks by its name; None for what is not one of ours."""
    kind, dash, name = file.name.removesuffix(".yaml").partition("-")
    whole = file.suffix == ".yaml" and kind and dash and name and not file.name.startswith(".")
    return Key(kind, file.parent.name, name) if whole else None


def read(file: Path, key: Key) -> Resource:
    """Exactly what is meant to be there: of one that lies in another's place, that other's would seem undeclared."""
    from reconciler.core.parse import Text, parse  # noqa: PLC0415 -- a tenth of a second, for who has to read YAML

    content = _content(file)
    try:
        found = parse([Text(str(file), content, str(file.parent))], environment={}, namespace=key.namespace, kept=True)
    except SpecError as error:
        # Not what the problem is: that would quote what may be secret.
        raise Damaged(f"its document {file} is damaged (line {error.problems[0].line or 1})", hint=NEXT) from error
    if not _whole(content) or [one.resource.key for one in found] != [key]:
        wrong = "it is cut off" if not _whole(content) else f"it should hold {key.short} and nothing else"
        raise Damaged(f"its document {file} is damaged ({wrong})", hint=NEXT)
    resource = found[0].resource
    mark = resource.annotations.get(TOMBSTONE)
    if mark is None:
        return resource
    kept = {name: value for name, value in resource.annotations.items() if name != TOMBSTONE}
    return replace(resource, annotations=kept, deleting=True, delete_data=mark == "with-data")


@contextmanager
def found(file: Path) -> Iterator[None]:
    """What can't be looked at is damaged, and only what has no name any more is gone."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not file.is_symlink():
            raise
        raise Damaged(f"its document {file} can't be read ({error.strerror})", hint=NEXT) from error


def _content(file: Path) -> bytes:
    with found(file):
        if stat.S_ISREG(file.stat().st_mode):
            return file.read_bytes()
    raise Damaged(f"its document {file} is damaged (it is no regular file)", hint=NEXT)


def _whole(content: bytes) -> bool:
    """One that was kept before there were such lines has neither."""
    return HEAD.match(content[: 4 * LONGEST_CAUSE].decode(errors="replace")) is None or content.endswith(END.encode())


def head(file: Path) -> tuple[float, str]:
    """Since when it is so, and which command said so, as far as that was written down."""
    with file.open(errors="replace") as stream:
        written = HEAD.match(stream.readline(4 * LONGEST_CAUSE))
    try:
        return (timegm(time.strptime(written[1], WHEN)), written[2]) if written else (file.stat().st_mtime, "")
    except ValueError:  # somebody edited it
        return file.stat().st_mtime, ""


def text(resource: Resource, cause: str) -> bytes:
    from reconciler.core.unparse import to_yaml, unparse  # noqa: PLC0415 -- for who has to write YAML

    marks = {TOMBSTONE: "with-data" if resource.delete_data else "keep-data"} if resource.deleting else {}
    marked = replace(resource, annotations={**resource.annotations, **marks})
    said = "".join(c if " " <= c <= "~" else "?" for c in cause[:LONGEST_CAUSE])
    first, _, rest = to_yaml(unparse(marked, reveal=True)).partition("\n")
    return f"{first}  # kept {time.strftime(WHEN, time.gmtime())} by: {said}\n{rest}{END}".encode()
