"""Compose files of the corpus, read as if they lay in /src, with an environment of their own."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.compose.project import Project, Wanted, translate
from reconciler.core.graph import graph_of
from reconciler.core.linking import link_faults
from reconciler.core.parse import Document, Text, parse
from reconciler.core.unparse import to_yaml
from reconciler.core.yaml12 import plain
from reconciler.errors import SpecError

CORPUS = Path(__file__).parent / "corpus"
ENVIRONMENT = {"HOME": "/home/me", "TOKEN": "t0ken", "SET": "1", "FROM_OUTSIDE": "outside"}


@dataclass
class Paper:
    """A disk of texts."""

    files: dict[str, bytes] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def exists(self, path: str) -> bool:
        return path in self.files


class Corpus:
    """/src is the corpus."""

    def read(self, path: str) -> bytes | None:
        file = CORPUS / posixpath.relpath(path, "/src")
        return file.read_bytes() if path.startswith("/src/") and file.is_file() else None

    def exists(self, path: str) -> bool:
        return path.startswith("/")


def project(
    *texts: str, files: dict[str, str] | None = None, env: dict[str, str] | None = None, **more: Any
) -> Project:
    """Of texts, the later over the earlier."""
    given = [Text(f"{i}.yaml" if i else "compose.yaml", text.encode(), "/src") for i, text in enumerate(texts)]
    paper = Paper({path: text.encode() for path, text in (files or {}).items()})
    return translate(given, Wanted({"HOME": "/home/me", **(env or {})}, paper, **more))


def service(text: str, **more: Any) -> dict[str, Any]:
    """The spec of the service `web`, of which the text is the body."""
    body = "".join(f"    {line}\n" for line in text.splitlines())
    return specs(project(f"services:\n  web:\n    image: app\n{body}", **more))["Service/web"]


def specs(of: Project) -> dict[str, Any]:
    trees = [plain(made.node) for made in of.made]
    return {f"{tree['kind']}/{tree['metadata']['name']}": tree["spec"] for tree in trees}


def documents(of: Project) -> list[Document]:
    """As they are applied; raises what is wrong with them, or between them."""
    found = parse([], environment={}, translated=of.translated(), lenient=True)
    by_key = {document.resource.key: document for document in found}
    faults = link_faults(graph_of(of.name, [document.resource for document in found]))
    problems = [by_key[key].problem(fault) for key, fault in faults if not fault.absent]
    if problems:
        raise SpecError(problems)
    return found


def told(names: Sequence[str], **more: Any) -> str:
    """What comes of files of the corpus: documents and notes, or what is wrong."""
    texts = [Text(name, (CORPUS / name).read_bytes(), posixpath.dirname(f"/src/{name}")) for name in names]
    try:
        found = translate(texts, Wanted(ENVIRONMENT, Corpus(), **more))
        documents(found)
    except SpecError as error:
        return "".join(f"{problem}\n" for problem in error.problems)
    shown = [f"# from {found.origin(made)}\n{to_yaml(plain(made.node))}" for made in found.made]
    lines = [
        f"# {word}: {p.place}: {p.path}: {p.message}\n"
        for word, ps in (("note", found.notes), ("dropped", found.dropped))
        for p in ps
    ]
    return "".join(lines) + "---\n".join(shown)
