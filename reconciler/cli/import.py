# ruff: noqa: N999 -- the verb is called so, and modules are called as their verbs
from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import specs
from reconciler.cli.context import Context
from reconciler.cli.render.output import json_text, show_names
from reconciler.cli.verb import verb, verbs
from reconciler.errors import Denied, Refused, SpecError, UsageError

if TYPE_CHECKING:
    from reconciler.compose.project import Project

EXAMPLES = """
reconciler import compose docker-compose.yml > shop.yaml
reconciler import compose compose.yaml compose.prod.yaml --profile debug
"""
COMPOSE = """
reconciler import compose docker-compose.yml > shop.yaml
reconciler import compose compose.yaml compose.prod.yaml -n shop --profile debug
reconciler import compose docker-compose.yml --lenient --dir specs
"""


@verb("compose", examples=COMPOSE, outputs=("yaml", "json", "name"))
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=click.Path(allow_dash=True))
@click.option("-f", "--filename", "more", multiple=True, hidden=True, type=click.Path(allow_dash=True))
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Bring the services of this profile too.")
@click.option("--lenient", is_flag=True, help="Leave out what can't be carried, and list it on stderr.")
@click.option(
    "--dir", "directory", metavar="DIR", type=click.Path(file_okay=False), help="Write a file each, in a directory."
)
def compose(
    context: Context, paths: Sequence[str], *, more: Sequence[str], profiles: Sequence[str], lenient: bool,
    directory: str | None,
) -> None:  # fmt: skip
    """Write what Compose files declare as specs; refuse what can't be carried, with its line.

    Several files are one project, the later over the earlier ones. Without a FILE: that of this directory, with its
    override. Paths become absolute, variables are filled in. `apply -f docker-compose.yml` works without this, too.
    """
    project = _read(context, [*paths, *more] or _usual("."), profiles, lenient=lenient)
    specs.tell(context, [*project.notes, *project.missing.values()])
    specs.tell(context, project.dropped, "dropped")
    if directory is not None:
        _write(context, project, directory)
    else:
        _show(context, project)


command = verbs("import", "Turn what others declare into specs: Compose files.", examples=EXAMPLES, commands=[compose])


def _read(context: Context, paths: Sequence[str], profiles: Sequence[str], *, lenient: bool) -> Project:
    from reconciler.loading import capped
    from reconciler.sources import compositions, files

    named = [name for path in paths for name in (_usual(path) if os.path.isdir(path) else [path])]
    texts = files.read(named, recursive=False, stdin=capped(context.stdin.read))
    project = compositions.read(
        texts, context.invocation.environ, compositions.Disk(), profiles=profiles, name=context.namespace or "",
        lenient=lenient,
    )  # fmt: skip
    if not project.made:
        raise UsageError(f"{', '.join(named)}: no service is declared there", hint="--profile NAME, if all have one")
    _check(project)
    return project


def _usual(directory: str) -> list[str]:
    """The file that Compose would take, with its override."""
    from reconciler.sources.compositions import USUAL

    for name in USUAL:
        path = os.path.normpath(os.path.join(directory, name))
        if os.path.isfile(path):
            stem, suffix = os.path.splitext(path)
            overrides = [f"{stem}.override{suffix}" for suffix in (suffix, {".yml": ".yaml", ".yaml": ".yml"}[suffix])]
            return [path, *(override for override in overrides if os.path.isfile(override))][:2]
    raise UsageError(f"{directory}: no Compose file is there", hint=f"name one; the usual ones are {', '.join(USUAL)}")


def _check(project: Project) -> None:
    """What is printed is valid: whatever is wrong with it, or between its parts, is said by the lines of the files."""
    from reconciler.core.graph import graph_of
    from reconciler.core.linking import link_faults
    from reconciler.core.parse import parse

    documents = parse([], environment={}, translated=project.translated(), lenient=True)
    by_key = {document.resource.key: document for document in documents}
    faults = link_faults(graph_of(project.name, [document.resource for document in documents]))
    problems = [by_key[key].problem(fault) for key, fault in faults if not fault.absent]
    if problems:
        raise SpecError(problems)


def _documents(project: Project) -> Iterator[tuple[str, Any]]:
    """Each with the place that it comes from."""
    from reconciler.core.yaml12 import plain

    for made in project.made:
        yield project.origin(made), plain(made.node)


def _show(context: Context, project: Project) -> None:
    trees = [tree for _, tree in _documents(project)]
    if context.output == "json":
        context.stdout.write(json_text({"apiVersion": "reconciler/v1", "kind": "List", "items": trees}))
    elif context.output == "name":
        show_names(context, (_name(tree) for tree in trees))
    else:
        context.stdout.write("---\n".join(_text(origin, tree) for origin, tree in _documents(project)))


def _text(origin: str, tree: Any) -> str:
    from reconciler.core.unparse import to_yaml

    shown = "".join(c if c.isprintable() else "?" for c in origin)
    return f"# from {shown}\n{to_yaml(tree)}"


def _name(tree: Any) -> str:
    return f"{tree['kind'].lower()}/{tree['metadata']['name']}"


def _write(context: Context, project: Project, directory: str) -> None:
    """Created anew or not at all: what somebody wrote is never lost."""
    try:
        os.makedirs(directory, exist_ok=True)
        for origin, tree in _documents(project):
            path = os.path.join(directory, f"{_name(tree).replace('/', '-')}.yaml")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(_text(origin, tree))
            print(path, file=context.stdout)
    except FileExistsError as error:
        raise Refused(f"{error.filename} is there already", hint="it stays as it is; name another directory") from None
    except OSError as error:
        raise Denied(
            f"{error.filename or directory}: {error.strerror}", hint="name a directory where you may write"
        ) from error
