from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import line, picking, specs
from reconciler.cli.context import Context
from reconciler.cli.reach import surroundings
from reconciler.cli.render.output import TREES, show_names, show_tree
from reconciler.cli.render.progress import progress
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb, verbs
from reconciler.core.advice import command_line
from reconciler.errors import ReconcilerError, UsageError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.environments import Environment, Named
    from reconciler.model.key import Key
    from reconciler.model.resource import Resource
    from reconciler.sources.worktrees import Worktree

EXAMPLES = """
reconciler env up
reconciler env up acme/web@feature/login
reconciler env list
reconciler env down web-feature-login
"""
UP = """
reconciler env up
reconciler env up ~/src/web --image python:3.12 -- python3 -m http.server
reconciler env up acme/web
reconciler env up acme/web@feature/login#services/api
reconciler env up acme/web --url git@git.example.org: --no-attach
"""
LIST = """
reconciler env list
reconciler env list -o json
"""
DOWN = """
reconciler env down
reconciler env down web
reconciler env down web-feature-login --delete-files
"""
PATH = """
cd "$(reconciler env path web-feature-login)"
"""


@verb("up", examples=UP, outputs=line.OUTPUTS)
@click.argument("target", metavar="[DIR | OWNER/REPO[@BRANCH][#SUBDIR] | URL]", default=".")
@click.argument("argv", nargs=-1, metavar="[-- CMD…]", type=click.UNPROCESSED)
@click.option("--image", default="", metavar="IMAGE", help="Run this image, whatever the directory says.")
@click.option("--name", default="", metavar="NAME", help="Call it so; by default as its spec, directory or branch.")
@click.option("--url", default="", metavar="URL", help="Where OWNER/REPO lies [env.git of the config file].")
@click.option("--build", is_flag=True, help="Build its image anew, with nothing taken over from older builds.")
@click.option("--attach/--no-attach", default=True, help="Open a shell inside, where there is a terminal.")
@line.waiting_options
def up(
    context: Context, target: str, argv: Sequence[str], *, image: str, name: str, url: str, build: bool, attach: bool,
    wait: bool, timeout: float | None,
) -> int:  # fmt: skip
    """Bring up a directory, or a branch of a repository, to work in it.

    What it is comes from reconciler.yaml or compose.yaml there, else from its Dockerfile, else from --image. A branch
    gets a directory of its own beside the others; what is fetched never overwrites work in it.
    """
    from reconciler import environments

    server = str(context.settings["env.git"].value)
    named = environments.named(target, server=server, url=url)
    found = _environment(context, named, image=image, name=name, argv=tuple(argv))
    controller = line.open_controller(context, acts=True)
    _refuse_namesakes(controller, found)
    code = _applied(context, controller, found, build=build, wait=wait, timeout=timeout)
    if code == 0 and attach and wait and not context.output and surroundings.has_terminal(context):
        return _attached(context, found.main.key)
    if code == 0 and wait:
        print(f"note: to work in it: {command_line(found.main.key, 'attach')}", file=context.stderr)
    return code


def _environment(context: Context, named: Named, *, image: str, name: str, argv: tuple[str, ...]) -> Environment:
    from reconciler import environments
    from reconciler.cli.userconfig import label
    from reconciler.sources.worktrees import Worktrees

    worktree, directory = None, named.directory
    if named.repository:
        worktree = Worktrees(context.home).up(named.repository, named.branch)
        directory = str(worktree.path / named.sub)
        for note in worktree.notes:
            print(f"note: {note}", file=context.stderr)
    try:
        wanted = environments.Wanted(
            directory=directory, name=label(name) if name else "", image=image, command=argv, worktree=worktree,
            usual_image=str(context.settings["env.image"].value), namespace=context.namespace or "",
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(f"--name {error}") from None
    found = environments.plan(wanted, context.invocation.environ)
    for said in found.notes:
        print(f"note: {clean(said, lines=True)}", file=context.stderr)
    for place in found.missing:
        specs.make(context, place)
    return found


def _refuse_namesakes(controller: Controller, found: Environment) -> None:
    """Two directories of one name would take each other's place, time and again."""
    from reconciler import environments

    for resource in (document.resource for document in found.documents):
        there = next(
            (r for r in controller.parts.source.resources(resource.key.namespace) if r.key == resource.key), None
        )
        place = resource.annotations[environments.DIRECTORY]
        if there and not there.deleting and there.annotations.get(environments.DIRECTORY) != place:
            whose = there.annotations.get(environments.DIRECTORY, "another spec")
            raise UsageError(f"{resource.key} is there already, from {whose}", hint="give this one a --name of its own")


def _applied(
    context: Context, controller: Controller, found: Environment, *, build: bool, wait: bool, timeout: float | None
) -> int:
    from reconciler.cli.apply import rebuilt
    from reconciler.loading import located

    resources = [document.resource for document in found.documents]
    if build:
        resources = [rebuilt(controller, resource) for resource in resources]
    limit = context.timeout if timeout is None else timeout
    with progress(context) as lines:
        witness = line.Bridge(lines, (resource.key for resource in resources))
        report = located(
            found.documents, lambda: controller.apply(resources, wait=wait, timeout=limit, progress=witness)
        )
    return line.print_report(context, report)


def _attached(context: Context, key: Key) -> int:
    from reconciler.cli import attach
    from reconciler.cli.reach import entering

    parts = line.open_controller(context).parts
    return attach.enter(context, parts, key, entering.one_to_enter(context, parts, key, None))


@dataclass(frozen=True, slots=True)
class Row:
    """An environment, or the files that one has left."""

    name: str
    namespace: str = ""
    service: str = ""
    status: str = "Files"
    ready: bool = False
    directory: str = ""
    branch: str = ""


@verb("list", examples=LIST, outputs=(*TREES, "name"))
def listing(context: Context) -> None:
    """List environments, and what branches' files there are besides."""
    from reconciler.cli.render.table import Column, table

    rows = list(_rows(context))
    if context.output == "name":
        show_names(context, (row.name for row in rows))
    elif show_tree(context, {"items": [_tree(row) for row in rows]}):
        return
    elif not rows:
        print("there are no environments; next: reconciler env up", file=context.stderr)
    else:
        columns = (
            Column("NAME"),
            Column("STATUS", status=True),
            Column("SERVICE"),
            Column("BRANCH"),
            Column("DIRECTORY"),
        )
        cells = [
            (r.name, r.status, f"{r.namespace}/{r.service}" if r.service else "", r.branch, r.directory) for r in rows
        ]
        context.stdout.write(table(columns, cells, color=context.color))


def _rows(context: Context) -> Iterator[Row]:
    from reconciler import environments
    from reconciler.cli.render.words import status_word
    from reconciler.sources.worktrees import Worktrees, label

    places = set()
    controller = line.open_controller(context)
    for look in picking.looks(context, controller, everywhere=context.namespace is None, deep=False):
        for sight in look.sights:
            resource = sight.resource
            if resource is None or resource.key.kind != "service" or not (name := environments.of(resource)):
                continue
            place = resource.annotations.get(environments.DIRECTORY, "")
            places.add(place)
            branch = resource.annotations.get(environments.BRANCH, "")
            word = status_word(look, sight)
            yield Row(name, sight.key.namespace, sight.key.name, word, sight.status.ready, place, branch)
    for one in Worktrees(context.home).known():
        if str(one.path) not in places:
            yield Row(label(f"{one.name}-{one.branch}"), directory=str(one.path), branch=one.title)


def _tree(row: Row) -> dict[str, Any]:
    return {
        "name": row.name, "namespace": row.namespace, "service": row.service, "status": row.status,
        "ready": row.ready, "directory": row.directory, "branch": row.branch,
    }  # fmt: skip


@verb("path", examples=PATH)
@click.argument("name", metavar="NAME")
def path(context: Context, name: str) -> None:
    """Print the directory that is worked in."""
    print(_directory(context, name), file=context.stdout)


@verb("down", examples=DOWN, outputs=line.OUTPUTS)
@click.argument("name", metavar="[NAME]", default="")
@click.option("--delete-files", is_flag=True, help="The branch's directory too; refused where work would be lost.")
@line.waiting_options
def down(context: Context, name: str, *, delete_files: bool, wait: bool, timeout: float | None) -> int:
    """Take an environment down, without a name the one of this directory. Its files stay, and so do its volumes."""
    from reconciler.sources.worktrees import Worktrees

    controller = line.open_controller(context, acts=True)
    name = name or _name_here(controller)
    worktrees = Worktrees(context.home)
    keys = [resource.key for resource in _resources(controller, name, context.namespace)]
    directory = _directory(context, name)
    files = next((one for one in worktrees.known() if str(one.path) == directory), None)
    if delete_files:
        _require_spare(worktrees, files, directory)
    code = 0
    if keys:
        with progress(context) as lines:
            report = controller.delete(
                keys, wait=wait, timeout=context.timeout if timeout is None else timeout,
                progress=line.Bridge(lines, keys),
            )  # fmt: skip
        code = line.print_report(context, report)
    if delete_files and files and code == 0:
        worktrees.remove(files)
        print(f"note: {directory} is removed", file=context.stderr)
    elif not delete_files:
        print(f"note: its files stay: {directory}", file=context.stderr)
    return code


def _name_here(controller: Controller) -> str:
    from reconciler import environments

    here, source = environments.named(".", server="").directory, controller.parts.source
    for resource in (resource for space in source.namespaces() for resource in source.resources(space)):
        if resource.annotations.get(environments.DIRECTORY) == here and not resource.deleting:
            return environments.of(resource)
    raise UsageError("no environment is up from this directory", hint="name it; see: reconciler env list")


def _require_spare(worktrees: Any, files: Worktree | None, directory: str) -> None:
    """Before anything is taken down: a refusal leaves all as it was."""
    if files is None:
        raise UsageError(f"{directory} is a directory of your own", hint="leave --delete-files out; remove it yourself")
    if lost := worktrees.unsaved(files):
        hint = f"commit and push it, or leave --delete-files out; it lies in {directory}"
        raise ReconcilerError(f"{directory} holds {lost}", hint=hint)


def _resources(controller: Controller, name: str, namespace: str | None) -> list[Resource]:
    from reconciler import environments

    source = controller.parts.source
    found = [r for space in source.namespaces() for r in source.resources(space) if environments.of(r) == name]
    return [r for r in found if not r.deleting and namespace in (None, r.key.namespace)]


def _directory(context: Context, name: str) -> str:
    from reconciler import environments
    from reconciler.sources.worktrees import Worktrees, label

    found = _resources(line.open_controller(context), name, context.namespace)
    if found:
        return found[0].annotations[environments.DIRECTORY]
    for one in Worktrees(context.home).known():
        if label(f"{one.name}-{one.branch}") == name:
            return str(one.path)
    raise ReconcilerError(f"there is no environment called {name!r}", hint="see: reconciler env list")


command = verbs(
    "env", "Bring up directories and branches to work in.", examples=EXAMPLES, commands=[up, listing, down, path]
)
