from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from reconciler.cli import specs
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.table import Column, table
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb, verbs
from reconciler.errors import Refused, UsageError

if TYPE_CHECKING:
    from reconciler.core.tarball import Contents
    from reconciler.kinds.base import Tree

EXAMPLES = """
reconciler package build -f web.yaml
reconciler package inspect web.tar
"""
BUILD = """
reconciler package build -f web.yaml
reconciler package build -f specs -R web --out /tmp/web.tar
reconciler package build ./app --out - | ssh nas tar -tf -
"""
INSPECT = """
reconciler package inspect web.tar
reconciler package inspect download.tar.gz -o json
"""
PIECE = 1 << 18
COLUMNS = (Column("MODE"), Column("SIZE", right=True), Column("NAME"))


@verb("build", examples=BUILD, outputs=TREES)
@specs.files_options
@click.option("--out", metavar="FILE|-", help="Where to write it. By default NAME.tar, here.")
@click.argument("target", metavar="[NAME | DIR]", required=False, default="")
def build(context: Context, paths: Sequence[str], target: str, *, recursive: bool, out: str | None) -> None:
    """Pack what a process would be delivered with, as a tar archive.

    With -f the package of a spec, NAME's if there are several; else all of a directory. The same files are the same
    archive, byte for byte, whenever and wherever it is made.
    """
    from reconciler.core.tarball import inspect
    from reconciler.sources.contexts import Contexts

    name, tree = _wanted(context, paths, target, recursive=recursive)
    _, pieces = Contexts().of(tree).archive()
    if out == "-":
        raw = context.stdout.buffer
        raw.writelines(pieces)
        raw.flush()
        return
    file = out or f"{name}.tar"
    with _draft(file) as draft:
        draft.writelines(pieces)
        draft.seek(0)
        found = inspect(_pieces(draft))
    if not show_tree(context, {"file": file, **_told(found)}):
        print(f"{clean(file)}: {_summary(found)}", file=context.stdout)


@verb("inspect", examples=INSPECT, outputs=TREES)
@click.argument("file", metavar="FILE|-", type=click.Path(allow_dash=True))
def inspect(context: Context, file: str) -> None:
    """Look through a tar archive, and refuse what nobody should unpack.

    It may be gzipped; nothing of it is unpacked. Refused are names that lead elsewhere, links, devices, special rights,
    names that come twice or differ by case only, bombs, and whatever programs would read differently.
    """
    from reconciler.core.cargo import Unsafe
    from reconciler.core.tarball import inspect as inspected

    try:
        with _opened(context, file) as stream:
            found = inspected(_pieces(stream))
    except Unsafe as unsafe:
        raise Unsafe(f"{file} is not to be unpacked: {unsafe.message}", hint="ask whoever made it") from None
    if not show_tree(context, {"file": file, **_told(found), "members": _members(found)}):
        rows = [[f"{'d' if m.directory else '-'}{m.mode:o}", str(m.size), m.name] for m in found.members]
        context.stdout.write(table(COLUMNS, rows))
        print(f"\n{_summary(found)}", file=context.stdout)


command = verbs("package", "Pack files for processes, and look into what others packed.", examples=EXAMPLES,
                commands=[build, inspect])  # fmt: skip


def _wanted(context: Context, paths: Sequence[str], target: str, *, recursive: bool) -> tuple[str, Tree]:
    from reconciler.kinds.base import Tree

    if paths:
        return _of_spec(context, paths, target, recursive=recursive)
    if not target:
        raise UsageError("nothing to pack is named", hint="a spec by -f FILE, or a directory")
    path = os.path.abspath(target)
    return os.path.basename(path) or "root", Tree(path.replace("$", "$$"), "")


def _of_spec(context: Context, paths: Sequence[str], name: str, *, recursive: bool) -> tuple[str, Tree]:
    from reconciler.kinds import find

    found: dict[str, Tree] = {}
    for document in specs.read(context, paths, recursive=recursive):
        kind = find(document.resource.key.kind)
        trees = [tree for _, tree in kind.trees(document.resource.spec)] if kind else []
        found.update((document.resource.key.name, tree) for tree in trees if not tree.dockerfile)
    if found and name and name not in found:
        raise UsageError(f"{name} has no package", hint=f"one of {', '.join(found)}")
    if not found:
        raise UsageError("nothing there has a package", hint="see: reconciler explain service.process.package")
    if len(found) > 1 and not name:
        raise UsageError(f"there are several packages: {', '.join(found)}", hint="say whose: NAME")
    chosen = name or next(iter(found))
    return chosen, found[chosen]


@contextmanager
def _draft(file: str) -> Iterator[BinaryIO]:
    """The file is there whole, or not at all."""
    draft = f"{file}.{secrets.token_hex(4)}"
    try:
        with open(draft, "xb+") as stream:
            yield stream
        os.replace(draft, file)
    except OSError as error:
        raise Refused(f"{file} can't be written: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


@contextmanager
def _opened(context: Context, file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield context.stdin
        return
    try:
        with open(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb", buffering=0) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Refused(f"{file} is no regular file", hint="or pipe it in: -")
            yield stream
    except OSError as error:
        raise Refused(f"{file} can't be read: {error.strerror}") from error


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    yield from iter(lambda: stream.read(PIECE), b"")


def _told(found: Contents) -> dict[str, Any]:
    return {
        "digest": found.digest, "sha256": found.sha256, "size": found.packed,
        "files": sum(not member.directory for member in found.members), "bytes": found.bytes,
    }  # fmt: skip


def _members(found: Contents) -> list[dict[str, Any]]:
    return [
        {"name": m.name, "type": "directory" if m.directory else "file", "mode": f"{m.mode:04o}", "size": m.size,
         **({} if m.directory else {"sha256": m.digest})}
        for m in found.members
    ]  # fmt: skip


def _summary(found: Contents) -> str:
    told = _told(found)
    files = "1 file" if told["files"] == 1 else f"{told['files']} files"
    return f"{files}, {found.bytes:,} bytes, package {found.digest[:16]}, sha256 {found.sha256}"
