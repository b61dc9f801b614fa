"""The way from `-f` to documents, the same for every verb that reads specs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.cli.context import Context
    from reconciler.cli.noting import Reading
    from reconciler.core.parse import Document


def files_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """-f, any number of times, and -R."""
    path = click.Path(allow_dash=True)
    files = click.option(
        "-f", "--filename", "paths", multiple=True, type=path, metavar="FILE|DIR|-", help="Specs to read."
    )
    deep = click.option("-R", "--recursive", is_flag=True, help="Read directories with all that lies in them.")
    return files(deep(function))


def read(context: Context, paths: Sequence[str], *, recursive: bool) -> list[Document]:
    """All documents of all files, or a SpecError with all that is wrong with them."""
    return read_noting(context, paths, recursive=recursive)[0]


def read_noting(context: Context, paths: Sequence[str], *, recursive: bool) -> tuple[list[Document], Reading | None]:
    """Also what was read on the way to them; None when it can't be read again, as standard input can't."""
    from reconciler.cli.noting import Reading, Watched
    from reconciler.core.parse import parse
    from reconciler.core.yaml12 import MAX_BYTES
    from reconciler.sources import files

    if not paths:
        raise UsageError("no specs are named", hint="say which with -f FILE, -f DIR, or -f - to read standard input")
    folders: dict[str, list[str]] = {}
    # One byte more than is allowed is enough to know that it is too much.
    texts = files.read(paths, recursive=recursive, stdin=lambda: context.stdin.read(MAX_BYTES + 1), visited=folders)
    environment = Watched(context.invocation.environ)
    documents = parse(texts, environment=environment, namespace=context.scope)
    if not documents:
        raise UsageError(f"there is no document in {', '.join(paths)}", hint="`reconciler init` writes a first one")
    moved = _moved(documents, context.namespace) if context.namespace else documents
    reading = Reading({text.name: text.content for text in texts}, folders, environment.asked)
    return moved, None if "-" in paths else reading


def _moved(documents: Sequence[Document], namespace: str) -> list[Document]:
    """-n wins over what the documents say: the same specs, side by side under another name."""
    moved = [_to(document, namespace) for document in documents]
    seen: dict[object, Document] = {}
    for before, after in zip(documents, moved, strict=True):
        first = seen.setdefault(after.resource.key, before)
        if first is not before:
            raise UsageError(
                f"-n {namespace}: {first.resource.key} ({first.resource.origin}) and {before.resource.key} "
                f"({before.resource.origin}) would become one",
                hint="leave -n out, or rename one of them",
            )
    return moved


def _to(document: Document, namespace: str) -> Document:
    resource = document.resource
    return replace(document, resource=replace(resource, key=replace(resource.key, namespace=namespace)))
