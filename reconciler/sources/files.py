"""Spec files as texts: a file, a directory, or standard input. All limits are checked before anything is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path

from reconciler.core.parse import Text
from reconciler.core.yaml12 import MAX_BYTES
from reconciler.errors import UsageError
from reconciler.values import dataclass

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILES = 2000
MAX_TREE_BYTES = 16 << 20


def read(
    paths: Sequence[str], *, recursive: bool, stdin: Callable[[], bytes], visited: dict[str, list[str]] | None = None
) -> list[Text]:
    """The texts that `-f` names, each once: a file, a directory's spec files in order, or `-`.

    `visited` gets the directories that were gone through, with the names that were found in them.
    """
    found = _Found(visited={} if visited is None else visited)
    for path in paths:
        if path == "-":
            found.add_stdin()
        elif stat.S_ISDIR(_facts(path).st_mode):
            found.add_directory(path, recursive=recursive)
        else:
            found.add(path)
    return [Text("<stdin>", _capped(stdin), str(Path.cwd())) if path == "-" else _text(path) for path in found.paths]


def names(root: str, *, recursive: bool, visited: dict[str, list[str]]) -> list[str]:
    """Paths of a directory's spec files, in order; there may be none. For who reads them in a way of his own."""
    return list(_tree(root, visited, recursive=recursive))


@dataclass(slots=True)
class _Found:
    paths: list[str] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)
    """Device and inode: named twice, or reached by two links, it is still one file."""
    size: int = 0
    visited: dict[str, list[str]] = field(default_factory=dict)

    def add_stdin(self) -> None:
        if "-" not in self.paths:
            self.paths.append("-")

    def add_directory(self, path: str, *, recursive: bool) -> None:
        names = list(_tree(path, self.visited, recursive=recursive))
        if not names:
            deeper = "" if recursive else "; -R looks into its subdirectories too"
            raise UsageError(f"{path}: no spec files here", hint=f"specs end in {', '.join(SUFFIXES)}{deeper}")
        for name in names:
            self.add(name)

    def add(self, path: str) -> None:
        facts = _facts(path)
        if (facts.st_dev, facts.st_ino) in self.seen:
            return
        self.seen.add((facts.st_dev, facts.st_ino))
        self.size += facts.st_size
        self.paths.append(path)
        if facts.st_size > MAX_BYTES:
            message = f"{path}: the file has {facts.st_size:,} bytes; {MAX_BYTES:,} is the most"
            raise UsageError(message, hint="is it a spec at all? if so, split it into several files")
        if self.size > MAX_TREE_BYTES:
            raise UsageError(
                f"the spec files have more than {MAX_TREE_BYTES:,} bytes together", hint="name fewer of them"
            )
        _check_count(len(self.paths))


def _tree(root: str, visited: dict[str, list[str]], *, recursive: bool) -> Iterator[str]:
    """Spec files in a stable order. A directory is entered once, by whatever links it may be reached."""
    entered: set[tuple[int, int]] = set()
    pending, looked_at = [root], 0
    while pending:
        directory = pending.pop()
        here = _facts(directory)
        if (here.st_dev, here.st_ino) in entered:
            continue
        entered.add((here.st_dev, here.st_ino))
        names = _names(directory)
        visited[directory] = [name for name, _ in names]
        specs = [name for name, is_directory in names if name.endswith(SUFFIXES) and not is_directory]
        looked_at += len(specs)
        _check_count(looked_at)
        yield from (os.path.join(directory, name) for name in specs)  # noqa: PTH118 -- as the user gave it: keeps ./
        deeper = [os.path.join(directory, name) for name, is_directory in reversed(names) if is_directory]  # noqa: PTH118
        pending += deeper if recursive else ()


def _names(directory: str) -> list[tuple[str, bool]]:
    """Names in order, and which are directories. Hidden ones are not specs but leftovers of editors and Git."""
    try:
        with os.scandir(directory) as entries:
            return sorted((entry.name, _is_directory(entry)) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise _unreadable(directory, error) from None


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle: when it is called like a spec, reading it will say so


def _facts(path: str) -> os.stat_result:
    try:
        facts = Path(path).stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not any(test(facts.st_mode) for test in (stat.S_ISREG, stat.S_ISDIR, stat.S_ISFIFO)):
        raise UsageError(f"{path}: neither a file nor a directory", hint="use - to read specs from standard input")
    return facts


def _text(path: str) -> Text:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    return Text(path, content, str(Path(path).absolute().parent))


def _capped(stdin: Callable[[], bytes]) -> bytes:
    content = stdin()
    if len(content) > MAX_BYTES:
        raise UsageError(f"standard input holds more than {MAX_BYTES:,} bytes", hint="split it into several files")
    return content


def _check_count(count: int) -> None:
    if count > MAX_FILES:
        raise UsageError(f"more than {MAX_FILES:,} spec files", hint="name fewer of them, or a subdirectory")


def _unreadable(path: str, error: OSError | ValueError) -> UsageError:
    match error:
        case FileNotFoundError():
            return UsageError(f"{path}: no such file or directory", hint="-f takes a file, a directory or -")
        case PermissionError():
            return UsageError(f"{path}: not permitted to read it", hint="look at its owner and mode with ls -l")
        case OSError():
            return UsageError(f"{path}: {error.strerror or error}", hint="-f takes a file, a directory or -")
        case _:
            return UsageError(f"{path!a} is not a path", hint="-f takes a file, a directory or -")
