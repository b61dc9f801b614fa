"""Compose files among the specs that were read: told by what they hold, gathered to projects, made into documents.

What is named together is one project, the later files over the earlier ones, as Compose has it. Of a directory it is
the file that Compose would take, with its override beside it.
"""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.parse import Text, Translated
from reconciler.core.yaml12 import MAX_BYTES
from reconciler.errors import Problem, UsageError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.compose.project import Project

USUAL = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""Of several that lie in one directory Compose takes the first of these."""
_OVERRIDE = re.compile(r"(docker-)?compose\.override\.ya?ml")
_HINT = b"services", b"include"


@dataclass(slots=True)
class Disk:
    """Files that Compose files point at. What was read is remembered, with what was not there."""

    read_so_far: dict[str, bytes | None] = field(default_factory=dict)
    missing: dict[str, Problem] = field(default_factory=dict)
    """Directories that Compose would make: where they are wanted."""

    def read(self, path: str) -> bytes | None:
        if path not in self.read_so_far:
            self.read_so_far[path] = _content(path)
        return self.read_so_far[path]

    def exists(self, path: str) -> bool:
        return Path(path).exists()


@dataclass(frozen=True, slots=True)
class Sorted:
    """`specs` are ours; each of `projects` has its files in order."""

    specs: Sequence[Text]
    projects: Sequence[Sequence[Text]]
    beside: Sequence[Text] = ()
    """What lies in the directory of a Compose file and is no spec: what its services are configured with, mostly."""

    @property
    def notes(self) -> list[Problem]:
        return [Problem(text.name, 0, 0, "", "left out: no spec, but beside a Compose file") for text in self.beside]


def sort(texts: Sequence[Text], named: Sequence[str]) -> Sorted:
    """`named` are the files that somebody named one by one."""
    if not any(word in text.content for text in texts for word in _HINT):
        return Sorted(texts, ())  # most have none, and need not pay for more than this look
    from reconciler.compose.recognition import is_compose, says_its_kind  # noqa: PLC0415

    theirs = [text for text in texts if is_compose(text.content)]
    chosen = [text for text in theirs if text.name in named or text.name == "<stdin>"]
    if chosen:
        chosen = [t for t in texts if (t.name in named or t in chosen) and not says_its_kind(t.content)]
    projects = [chosen] if chosen else []
    bases = sorted({text.base for text in theirs if text not in chosen})
    rest = [text for text in texts if text not in chosen]
    projects += [_of_directory([text for text in rest if text.base == base], theirs) for base in bases]
    taken = {text.name for project in projects for text in project}
    rest = [text for text in texts if text.name not in taken]
    beside = [
        text for text in rest if text.base in bases and text.name not in named and not says_its_kind(text.content)
    ]
    return Sorted([text for text in rest if text not in beside], projects, beside)


def _of_directory(here: Sequence[Text], theirs: Sequence[Text]) -> list[Text]:
    names = {posixpath.basename(text.name): text for text in here}
    compose = [name for name, text in names.items() if text in theirs and not _OVERRIDE.fullmatch(name)]
    first = next((name for name in USUAL if name in compose), compose[0] if compose else "")
    others = [name for name in compose if name != first]
    if others or not first:
        second = names[others[0]] if others else next(iter(names.values()))
        raise UsageError(
            f"{second.name}: a Compose file beside {first or 'none that it would be laid over'}",
            hint="name the files of one project, in their order: -f compose.yaml -f compose.prod.yaml",
        )
    return [names[first], *(text for name, text in names.items() if _OVERRIDE.fullmatch(name))]


def translated(
    projects: Sequence[Sequence[Text]], environment: Mapping[str, str], disk: Disk, notes: list[Problem],
    profiles: Sequence[str] = (),
) -> list[Translated]:  # fmt: skip
    """The documents of all projects. What was left out of them for a good reason is told in `notes`."""
    found: list[Translated] = []
    for texts in projects:
        project = read(texts, environment, disk, profiles=profiles)
        notes += project.notes
        disk.missing |= project.missing
        found += project.translated()
    return found


def read(
    texts: Sequence[Text], environment: Mapping[str, str], disk: Disk, *, profiles: Sequence[str] = (),
    name: str = "", lenient: bool = False,
) -> Project:  # fmt: skip
    from reconciler.compose.project import Wanted, translate  # noqa: PLC0415 -- for those who have such files

    return translate(texts, Wanted(environment, disk, profiles, name, lenient))


def _content(path: str) -> bytes | None:
    """None, too, for what is no file, and for what is too large to be one of variables or services."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return None
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError):
        return None
    return content if len(content) <= MAX_BYTES else None
