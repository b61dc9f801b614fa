from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import campaigning, line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_names, show_tree
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb, verbs
from reconciler.core.advice import command_line
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.model.key import Key

EXAMPLES = """
reconciler campaign status bench
reconciler campaign list
reconciler campaign results bench > bench.csv
"""
STATUS = """
reconciler campaign status bench
reconciler campaign status bench -o json
"""
LIST = """
reconciler campaign list
reconciler campaign list -A
reconciler campaign list -n lab -o json
"""
RESULTS = """
reconciler campaign results bench > bench.csv
reconciler campaign results bench -o json
"""


@verb("status", examples=STATUS, outputs=TREES)
@click.argument("word", metavar="NAME", shell_complete=names.campaigns)
def status(context: Context, word: str) -> None:
    """Show how far a campaign is, while it runs and afterwards."""
    controller = line.open_controller(context)
    key = _key(context, word)
    tree = _tree(context, controller, key)
    if not show_tree(context, tree):
        left = tree.get("etaSeconds")
        to_come = f", ETA {campaigning.span(left)}" if left is not None else ""
        print(f"{campaigning.summary(tree)}{to_come}\n", file=context.stdout)
        campaigning.print_runs(context, tree["runs"])
        if tree["state"] == "interrupted":
            print(f"hint: go on with it: {command_line(key, 'run', '--resume')}", file=context.stderr)


@verb("list", examples=LIST, outputs=(*TREES, "name"))
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
def listing(context: Context, *, everywhere: bool) -> int:
    """List campaigns: those that are declared, and those that were run."""
    controller = line.open_controller(context)
    keys = campaigning.keys_known(context, controller, everywhere=everywhere)
    if context.output == "name":
        show_names(context, (str(key) if everywhere else key.short for key in keys))
        return 0
    trees = list(_readable(context, controller, keys))
    if not show_tree(context, {"items": [{k: v for k, v in tree.items() if k != "runs"} for tree in trees]}):
        _print_list(context, trees, everywhere=everywhere)
    return int(len(trees) < len(keys))


def _readable(context: Context, controller: Controller, keys: Sequence[Key]) -> Iterator[dict[str, Any]]:
    """One whose manifest is damaged costs nobody the sight of the others."""
    for key in keys:
        try:
            yield _tree(context, controller, key)
        except ReconcilerError as error:
            print(f"error: {clean(error.message)}\nhint: {clean(error.hint)}", file=context.stderr)


def _print_list(context: Context, trees: Sequence[Mapping[str, Any]], *, everywhere: bool) -> None:
    from reconciler.cli.render.table import Column, table

    space = ("NAMESPACE",) if everywhere else ()
    columns = [Column(name) for name in (*space, "NAME", "STATE", "RUNS", "COMPLETED", "FAILED", "ETA")]
    rows = [
        (
            *((tree["namespace"],) if everywhere else ()), tree["name"], tree["state"], str(tree["total"]),
            str(tree["completed"]), str(tree["failed"]),
            campaigning.span(tree.get("etaSeconds")),
        )
        for tree in trees
    ]  # fmt: skip
    if rows:
        context.stdout.write(table(columns, rows, color=context.color))
    elif everywhere:
        print("no campaigns in any namespace", file=context.stderr)
    else:
        print(f"no campaigns in namespace {context.scope}; next: reconciler campaign list -A", file=context.stderr)


@verb("results", examples=RESULTS, outputs=("json", "yaml"))
@click.argument("word", metavar="NAME", shell_complete=names.campaigns)
def results(context: Context, word: str) -> None:
    """Print what the runs that have ended brought, as CSV or JSON."""
    from reconciler.core.campaign import tell

    key = _key(context, word)
    manifest = campaigning.records_of(context).manifest(key)
    if manifest is None:
        _tree(context, line.open_controller(context), key)  # says so if there is no such campaign
        raise ReconcilerError(f"{key.short}: it has not been run yet", hint=command_line(key, "run"))
    if not show_tree(context, [json.loads(text) for text in tell.json_lines(manifest.runs).splitlines()]):
        context.stdout.write(tell.table(manifest.runs))


def _key(context: Context, word: str) -> Key:
    from reconciler.model.key import Key

    return Key("campaign", context.scope, campaigning.name_of(word))


def _tree(context: Context, controller: Controller, key: Key) -> dict[str, Any]:
    """Of what was run by the manifest, of what was only declared by its spec."""
    from reconciler.core.campaign import tell
    from reconciler.core.campaign.runs import runs

    records = campaigning.records_of(context)
    kept = {r.key: r for r in controller.parts.source.resources(key.namespace) if not r.deleting}
    attended = records.attended(key)
    manifest = records.manifest(key)
    if manifest:
        gap = kept[key].spec.gap_seconds if key in kept else 0.0
        return tell.status(manifest, attended=attended, gap=gap, now=controller.parts.clock.now())
    if key not in kept:
        raise picking.not_found(controller.parts, key.namespace, (key.kind, key.name))
    return tell.unbegun(key.name, key.namespace, runs(kept[key].spec))


command = verbs(
    "campaign", "See how campaigns are doing, and what they brought.", examples=EXAMPLES,
    commands=[status, listing, results],
)  # fmt: skip
