"""The way from paths to documents, and back from what is wrong between them to their lines. For every front door."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.graph import Graph, graph_of
from reconciler.core.linking import link_faults
from reconciler.core.parse import Document, Text, parse
from reconciler.core.yaml12 import MAX_BYTES
from reconciler.errors import Problem, SpecError, UsageError
from reconciler.sources import compositions, files


def load(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, namespace: str = "", scope: str = "default",
    environment: Mapping[str, str] | None = None, recursive: bool = False, stdin: Callable[[], bytes] = bytes,
    visited: dict[str, list[str]] | None = None, texts: list[Text] | None = None, lenient: bool = False,
    disk: compositions.Disk | None = None, notes: list[Problem] | None = None, profiles: Sequence[str] = (),
) -> list[Document]:  # fmt: skip
    """All documents of all files, or a SpecError with all that is wrong with them. Compose files are read as what they
    declare would be written here.

    `namespace` wins over what the documents say; `scope` is where those belong that say nothing. What was read on the
    way is told in `visited` (the directories), `texts` and `disk`; what Compose files say to no effect, in `notes`.
    `profiles` are those of Compose files that are active.
    `lenient`: variables of secrets need not be set.
    """
    named = [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    found = files.read(named, recursive=recursive, stdin=stdin, visited=visited)
    if texts is not None:
        texts += found
    variables = os.environ if environment is None else environment
    sorted_ = compositions.sort(found, named)
    told: list[Problem] = [] if notes is None else notes
    told += sorted_.notes
    composed = compositions.translated(sorted_.projects, variables, disk or compositions.Disk(), told, profiles)
    documents = parse(sorted_.specs, environment=variables, namespace=scope, lenient=lenient, translated=composed)
    if not documents:
        raise UsageError(f"there is no document in {', '.join(named)}", hint="`reconciler init` writes a first one")
    return moved(documents, namespace) if namespace else documents


def capped(read: Callable[[int], bytes]) -> Callable[[], bytes]:
    """One byte more than is allowed is enough to know that it is too much."""
    return lambda: read(MAX_BYTES + 1)


def moved(documents: Sequence[Document], namespace: str) -> list[Document]:
    """The same specs, side by side with themselves under another name."""
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
    return replace(document, resource=replace(resource, key=resource.key._replace(namespace=namespace)))


def link(documents: Sequence[Document], *, namespace: str = "", owner: str = "nobody") -> Graph:
    """One namespace, for who plans without a home; by default that of the documents, if they have but one. Raises
    SpecError with all that is wrong between the documents.
    """
    namespace = namespace or _only_namespace(documents)
    known = {document.resource.key: document for document in documents}
    graph = graph_of(namespace, (document.resource for document in documents), owner=owner)
    problems = [known[key].problem(fault) for key, fault in link_faults(graph)]
    if problems:
        raise SpecError(problems)
    return graph


def _only_namespace(documents: Sequence[Document]) -> str:
    found = sorted({document.resource.key.namespace for document in documents})
    if len(found) > 1:
        raise UsageError(f"they are of several namespaces: {', '.join(found)}", hint="say which: link(…, namespace=…)")
    return found[0] if found else "default"


def located(documents: Sequence[Document], action: Callable[[], Any]) -> Any:
    """Runs the action; what it finds wrong between documents is said with the place of each."""
    from reconciler.engine.controller import Unlinkable  # noqa: PLC0415 -- most readers of specs need no engine room

    try:
        return action()
    except Unlinkable as error:
        known = {document.resource.key: document for document in documents}
        if not all(key in known for key, _ in error.faults):
            raise
        raise SpecError([known[key].problem(fault) for key, fault in error.faults]) from None
