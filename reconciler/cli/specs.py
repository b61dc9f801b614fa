"""The way from `-f` to documents, the same for every verb that reads specs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from reconciler.errors import Denied, UsageError

if TYPE_CHECKING:
    from reconciler.cli.context import Context
    from reconciler.cli.shortcuts.note import Reading
    from reconciler.core.parse import Document
    from reconciler.errors import Problem


PROFILES = f"{__name__}.profiles"


def files_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """-f, any number of times, and -R. Profiles are asked for in few places, so they don't go through all verbs."""
    path = click.Path(allow_dash=True)
    files = click.option(
        "-f", "--filename", "paths", multiple=True, type=path, metavar="FILE|DIR|-", help="Specs to read."
    )
    deep = click.option("-R", "--recursive", is_flag=True, help="Read directories with all that lies in them.")
    profile = click.option(
        "--profile", multiple=True, metavar="NAME", expose_value=False, callback=_remember,
        help="Of a Compose file: its services of this profile too.",
    )  # fmt: skip
    return files(deep(profile(function)))


def _remember(ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> None:
    ctx.meta[PROFILES] = value


def _profiles() -> tuple[str, ...]:
    ctx = click.get_current_context(silent=True)
    return ctx.meta.get(PROFILES, ()) if ctx else ()


def read(
    context: Context, paths: Sequence[str], *, recursive: bool, lenient: bool = False, quiet: bool = False
) -> list[Document]:
    """All documents of all files, or a SpecError with all that is wrong with them."""
    return read_noting(context, paths, recursive=recursive, lenient=lenient, quiet=quiet)[0]


def read_noting(
    context: Context, paths: Sequence[str], *, recursive: bool, lenient: bool = False, quiet: bool = False,
    makes: bool = False,
) -> tuple[list[Document], Reading | None]:  # fmt: skip
    """Also what was read on the way to them; None when it can't be read again, as standard input can't. With `makes`
    the directories are made that a Compose file mounts, as Compose does it.
    """
    from reconciler import loading
    from reconciler.cli.shortcuts.note import Reading, Watched
    from reconciler.sources.compositions import Disk

    if not paths:
        raise UsageError("no specs are named", hint=_which())
    folders: dict[str, list[str]] = {}
    texts: list[Any] = []
    notes: list[Problem] = []
    disk = Disk()
    environment = Watched(context.invocation.environ)
    documents = loading.load(
        paths, namespace=context.namespace or "", scope=context.scope, environment=environment, recursive=recursive,
        stdin=loading.capped(context.stdin.read), visited=folders, texts=texts, lenient=lenient,
        disk=disk, notes=notes, profiles=_profiles(),
    )  # fmt: skip
    if not quiet:
        tell(context, [*notes, *(() if makes else disk.missing.values())])
    for path in disk.missing if makes else ():
        make(context, path)
    read_files = {text.name: text.content for text in texts} | disk.read_so_far
    reading = Reading(read_files, folders, environment.asked)
    return documents, None if "-" in paths else reading


def _which() -> str:
    from reconciler.environments import SPECS

    here = next(filter(os.path.isfile, SPECS), "")
    beside = f"; {here} is here: -f {here}" if here else ""
    return f"say which with -f FILE, -f DIR, or -f - to read standard input{beside}"


def tell(context: Context, notes: Sequence[Problem], word: str = "note") -> None:
    """What a Compose file says to no effect, one line each."""
    for note in notes:
        path = f"{note.path}: " if note.path else ""
        print(f"{word}: {note.place}: {path}{note.message}", file=context.stderr)


def make(context: Context, path: str) -> None:
    """Ours, as whoever applies; not root's, as Compose's would be."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise Denied(
            f"{path} is mounted, and can't be made: {error.strerror}", hint="make it, or name another"
        ) from error
    print(f"made the directory {path}, which is mounted", file=context.stderr)
