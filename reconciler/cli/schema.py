from __future__ import annotations

import os

import click

from reconciler.cli import names
from reconciler.cli.context import Context
from reconciler.cli.render.output import json_text, show_tree
from reconciler.cli.verb import verb
from reconciler.errors import UsageError

EXAMPLES = """
reconciler schema > reconciler.schema.json
reconciler schema service
reconciler schema --all schemas

# in an editor that speaks YAML, as the first line of a spec:
# yaml-language-server: $schema=./reconciler.schema.json
"""


@verb("schema", examples=EXAMPLES, outputs=("json", "yaml", "jsonpath="))
@click.argument("kind", required=False, shell_complete=names.kinds)
@click.option(
    "--all", "directory", type=click.Path(file_okay=False), metavar="DIR", help="Write one file per kind there."
)
def command(context: Context, kind: str | None, directory: str | None) -> None:
    """Print JSON Schema, for editors and checks."""
    if kind and directory:
        raise UsageError("--all writes the schemas of all kinds", hint="leave KIND out")
    if directory:
        _write_all(context, directory)
        return
    name = _kind_name(kind) if kind else None
    from reconciler.core.schema import schema

    tree = schema(name)
    if not show_tree(context, tree):
        context.stdout.write(json_text(tree))


def _kind_name(word: str) -> str:
    """The kind as documents write it, by any of its names."""
    from reconciler.cli.kinds import kind_called

    return kind_called(word).name


def _write_all(context: Context, directory: str) -> None:
    from reconciler.core.schema import all_schemas

    os.makedirs(directory, exist_ok=True)
    for name, text in all_schemas().items():
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        print(path, file=context.stdout)
