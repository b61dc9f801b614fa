from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.reach import inside
from reconciler.cli.reach.copying import Where, landing
from reconciler.cli.verb import verb
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.observed import Phase
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts
    from reconciler.model.key import Key
    from reconciler.model.observed import Observed
    from reconciler.ports import Reach

EXAMPLES = """
reconciler cp web:/etc/nginx/nginx.conf .
reconciler cp ./site web:/usr/share/nginx/html
reconciler cp ./site/. web:/usr/share/nginx/html
reconciler cp web:/var/log - > log.tar
"""
STREAM = "-"


@verb("cp", examples=EXAMPLES)
@click.argument("source", metavar="SRC", shell_complete=names.services)
@click.argument("target", metavar="DST", shell_complete=names.services)
@click.option("--index", type=click.IntRange(0), metavar="N", help="Of this instance; by default the first that runs.")
@click.option("-L", "--follow-link", is_flag=True, help="If SRC is a symbolic link, copy what it leads to.")
def command(context: Context, source: str, target: str, *, index: int | None, follow_link: bool) -> None:
    """Copy files in or out: NAME:PATH is inside.

    As `docker cp`: a directory that is there takes SRC into it, SRC/. is what is in one, - is a tar stream.
    Relative paths of a container begin at its root, those of a process in its working directory. It need not run.
    """
    ends = [_split(word) for word in (source, target)]
    if (ends[0] is None) == (ends[1] is None):
        raise UsageError("one of the two has to be inside, and the other one here", hint="like web:/path, or ./path")
    word, path = ends[0] or ends[1] or ("", "")
    there = _there(context, word, path, index)
    if ends[0]:
        _out(context, there, target, follow=follow_link)
    else:
        _into(context, there, source, follow=follow_link)


def _split(word: str) -> tuple[str, str] | None:
    """Who begins with a slash or a dot is a file of ours, whatever its name holds."""
    name, colon, path = word.partition(":")
    return (name, path) if colon and name and not word.startswith(("/", ".")) else None


@dataclass(frozen=True, slots=True)
class There:
    """A place inside."""

    reach: Reach
    thing: Observed
    key: Key
    path: str

    def kind(self, path: str) -> Where:
        """What is to be written to is looked for through links."""
        entry = self.reach.entry(self.thing, path)
        if entry and entry.target:
            entry = self.reach.entry(self.thing, entry.target)
        return Where.NOTHING if entry is None else Where.DIRECTORY if entry.directory else Where.FILE


def _there(context: Context, word: str, path: str, index: int | None) -> There:
    from reconciler.model.key import Key

    (kind, name), *_ = picking.workloads((word,)).names
    key = Key(kind, context.scope, name)
    parts = line.open_controller(context).parts
    found = inside.instances(parts, key)
    chosen = inside.of_index(key, found, index) if found else []
    if not chosen:
        raise inside.not_running(parts, key)
    thing = next((one for one in chosen if one.phase is Phase.RUNNING), chosen[0])
    whole = posixpath.join(_begin(parts, key, thing), path)
    return There(parts.reach[thing.place], thing, key, whole)


def _begin(parts: Parts, key: Key, thing: Observed) -> str:
    """Where its relative paths begin."""
    if thing.runtime != "process":
        return "/"
    if found := inside.directory(parts.reach[thing.place], thing):
        return found
    spec = next((r.spec for r in parts.source.resources(key.namespace) if r.key == key), None)
    process = spec.process if spec else None
    return str(process.working_dir) if process and not process.package else "/"


# -- out


def _out(context: Context, there: There, target: str, *, follow: bool) -> None:
    from reconciler.archive import unpack

    path, content_only = _source(there.path)
    own = posixpath.basename(path)
    entry = there.reach.entry(there.thing, path)
    if entry and entry.target and (follow or content_only or there.path.endswith("/")):
        path, entry = entry.target, there.reach.entry(there.thing, entry.target)
    if entry is None:
        raise ReconcilerError(f"{there.key.short}: there is no {path} in {there.thing.title}")
    if target == STREAM:
        _print(context, there.reach.fetch(there.thing, path))
        return
    _demand_directory(there.path, directory=entry.directory)
    directory, name = landing(own, target, directory=entry.directory, content_only=content_only, kind=_here)
    unpack(there.reach.fetch(there.thing, path), directory, root=posixpath.basename(path), name=name)


def _print(context: Context, pieces: Iterable[bytes]) -> None:
    if context.stdout.isatty():
        raise UsageError("a tar stream is nothing for a terminal", hint="send it on: reconciler cp … - | tar -t")
    context.stdout.flush()
    for piece in pieces:
        left = memoryview(piece)
        while left:
            left = left[os.write(context.stdout.fileno(), left) :]


def _here(path: str) -> Where:
    return Where.DIRECTORY if os.path.isdir(path) else Where.FILE if os.path.lexists(path) else Where.NOTHING


# -- in


def _into(context: Context, there: There, source: str, *, follow: bool) -> None:
    from reconciler.archive import pack

    if source == STREAM:
        if there.kind(there.path) is not Where.DIRECTORY:
            raise ReconcilerError(f"{there.key.short}: {there.path} is no directory to unpack in")
        there.reach.deliver(there.thing, _behind(there, there.path), _given(context))
        return
    path, content_only = _source(source)
    own = os.path.basename(os.path.abspath(path))
    if follow or content_only or source.endswith("/"):
        path = os.path.realpath(path)
    if not os.path.lexists(path):
        raise ReconcilerError(f"there is no {source}")
    whole = os.path.isdir(path) and not os.path.islink(path)
    _demand_directory(source, directory=whole)
    directory, name = landing(own, there.path, directory=whole, content_only=content_only, kind=there.kind)
    there.reach.deliver(there.thing, _behind(there, directory), pack(path, name))


def _behind(there: There, path: str) -> str:
    """Where a link leads that is to be written into."""
    entry = there.reach.entry(there.thing, path)
    return entry.target if entry and entry.target else path


def _given(context: Context) -> Iterator[bytes]:
    while piece := context.stdin.read(1 << 18):
        yield piece


def _source(path: str) -> tuple[str, bool]:
    """Without what stands at its end, and whether that says that only what is in it is meant."""
    content_only = path.endswith("/.") or path == "."
    return path.removesuffix("/.").rstrip("/") or ("." if path == "." else "/"), content_only


def _demand_directory(typed: str, *, directory: bool) -> None:
    if not directory and typed.endswith(("/", "/.")):
        raise ReconcilerError(f"{typed} is no directory")
