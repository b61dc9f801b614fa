from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.render.output import json_text
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb, verbs
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.exporting.sheet import Sheet

EXAMPLES = """
reconciler export compose -n shop > compose.yaml
reconciler export kubernetes -n shop > shop.k8s.yaml
"""
COMPOSE = """
reconciler export compose -n shop > compose.yaml
reconciler export compose -n shop web db --strict
"""
KUBERNETES = """
reconciler export kubernetes -n shop > shop.k8s.yaml
reconciler export kubernetes -n shop --secrets | kubectl apply -f -
"""
OUTPUTS = ("yaml", "json")


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    words = click.argument("words", nargs=-1, metavar="[NAME | KIND/NAME]…", shell_complete=names.kinds_and_resources)
    secrets = click.option(
        "--secrets", is_flag=True, help="Write out the values of secrets, not the names of variables."
    )
    strict = click.option("--strict", is_flag=True, help="Exit with 1 if something can't be carried.")
    return words(secrets(strict(function)))


@verb("compose", examples=COMPOSE, outputs=OUTPUTS)
@options
def compose(context: Context, words: Sequence[str], *, secrets: bool, strict: bool) -> int:
    """Write a namespace as a Compose file; what can't be carried is listed on stderr.

    Of a Secret the file names the variables that hold it; --secrets says in comments what belongs in them.
    """
    from reconciler.exporting.compose import compose as export
    from reconciler.exporting.compose import variables

    sheet = _sheet(context, words, secrets=secrets)
    tree = export(sheet)
    comments = [f"{name}={value}" for name, value in variables(sheet).items()] if secrets else []
    if comments:
        comments = ["", "goes into .env, beside this file:", *comments]
    _write(context, sheet, [tree], tree, comments)
    return _told(context, sheet, strict=strict)


@verb("kubernetes", examples=KUBERNETES, outputs=OUTPUTS)
@options
def kubernetes(context: Context, words: Sequence[str], *, secrets: bool, strict: bool) -> int:
    """Write a namespace as manifests of Kubernetes; what can't be carried is listed on stderr."""
    from reconciler.exporting.kubernetes import kubernetes as export
    from reconciler.exporting.kubernetes import listed

    sheet = _sheet(context, words, secrets=secrets)
    trees = export(sheet)
    _write(context, sheet, trees, listed(trees), [])
    return _told(context, sheet, strict=strict)


command = verbs(
    "export", "Write what is declared for others: Compose, Kubernetes.", examples=EXAMPLES,
    commands=[compose, kubernetes],
)  # fmt: skip


def _sheet(context: Context, words: Sequence[str], *, secrets: bool) -> Sheet:
    from reconciler.exporting.sheet import sheet

    parts = line.open_controller(context).parts
    want = picking.wanted(words or ["all"], bare="service")
    chosen = picking.declared(parts, context.scope, want)
    if not chosen:
        raise ReconcilerError(f"nothing is declared in namespace {context.scope}", hint="see: reconciler status -A")
    graph = parts.source.graph(context.scope, parts.home.identity(make=False))
    for key in chosen:
        if key in graph.unreadable:
            raise ReconcilerError(f"{key.short}: {graph.unreadable[key]}")
    return sheet(graph, chosen, reveal=secrets)


def _write(context: Context, sheet: Sheet, trees: Sequence[Any], whole: Any, comments: Sequence[str]) -> None:
    from reconciler.core.unparse import to_yaml

    if context.output == "json":
        context.stdout.write(json_text(whole))
        return
    told = [f"namespace {sheet.graph.namespace}, exported by reconciler", *_left(sheet), *comments]
    head = "".join(f"# {clean(text)}".rstrip() + "\n" for text in told)
    context.stdout.write(head + "---\n".join(to_yaml(tree) for tree in trees))


def _left(sheet: Sheet) -> Iterator[str]:
    yield from (f"left out: {left}" for left in sorted(sheet.lefts, key=str))


def _told(context: Context, sheet: Sheet, *, strict: bool) -> int:
    """After the results, so that they are not lost among them."""
    context.stdout.flush()
    for text in _left(sheet):
        print(clean(text), file=context.stderr)
    return 1 if strict and sheet.lefts else 0
