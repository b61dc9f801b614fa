"""`port-forward start | list | stop | run`: those that stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.forwards.ways import LOOPBACK, Wish, way
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.progress import progress
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb
from reconciler.errors import ReconcilerError, UsageError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.engine.report import Report
    from reconciler.model.key import Key
    from reconciler.model.resource import Resource

START = """
reconciler port-forward start web 8080:80
reconciler port-forward start web http --address 0.0.0.0
"""
LIST = """
reconciler port-forward list
reconciler port-forward list -A -o json
"""
STOP = """
reconciler port-forward stop forward-web-80
reconciler port-forward stop --all
"""
RUN = """
reconciler port-forward run --config kept.yaml
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One forward, as somebody asked for it."""

    namespace: str
    word: str
    port: Wish
    address: str = LOOPBACK
    index: int | None = None


@verb("start", examples=START)
@click.argument("word", metavar="NAME", shell_complete=names.services)
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL:]PORT…")
@click.option("--address", default=LOOPBACK, metavar="ADDRESS", help="Listen there [127.0.0.1].")
@click.option("--index", type=click.IntRange(0), metavar="N", help="To this instance; by default to any that runs.")
def start(context: Context, word: str, ports: tuple[str, ...], *, address: str, index: int | None) -> int:
    """Lead ports to a service for good: detached, and begun again when it dies."""
    return keep(context, word, ports, address=address, index=index)


def keep(context: Context, word: str, ports: Sequence[str], *, address: str, index: int | None) -> int:
    where = LOOPBACK if address == "localhost" else address
    return _keep_all(context, [Asked(context.scope, word, Wish.read(port), where, index) for port in ports])


@verb("run", examples=RUN)
@click.option("--config", "path", required=True, type=click.Path(dir_okay=False), metavar="FILE", help="Which ones.")
def run(context: Context, path: str) -> int:
    """Start all that a file lists, and keep them.

    `forwards: [{service: web, port: 80, localPort: 8080, address: 127.0.0.1, namespace: shop}]`; a localPort of 0 is
    any that is free.
    """
    from reconciler.cli.forwards.file import read

    return _keep_all(context, read(path, context.scope))


def _keep_all(context: Context, asked: Sequence[Asked]) -> int:
    """All of one namespace at once, and what is already so is left as it is."""
    controller = line.open_controller(context, acts=True)
    given = _resources(context, controller, asked)
    with progress(context) as lines:
        keys = [resource.key for resource in given]
        report = controller.apply(given, timeout=context.timeout, progress=line.Bridge(lines, keys))
    _print_ways(context, report, given)
    return line.print_report(context, _silenced(report))


def _resources(context: Context, controller: Controller, asked: Sequence[Asked]) -> list[Resource]:
    from reconciler.cli.forwards import services
    from reconciler.model.key import Key

    found: dict[Key, Resource] = {}
    for one in asked:
        known = {r.key: r for r in controller.parts.source.resources(one.namespace) if not r.deleting}
        (kind, name), *_ = picking.services((one.word,)).names
        target = Key(kind, one.namespace, name)
        if target not in known:
            raise picking.not_found(controller.parts, one.namespace, (kind, name))
        to = way(known[target].spec, target, one.port)
        made = services.declared(context, target, one.port, to, one.address, one.index, {**known, **found})
        found[made.key] = made
    return list(found.values())


def _print_ways(context: Context, report: Report, given: Sequence[Resource]) -> None:
    from reconciler.model.resource import FORWARD

    for resource in given:
        service, _, port = resource.labels[FORWARD].rpartition(".")
        for end in report.statuses[resource.key].endpoints if resource.key in report.statuses else ():
            print(f"{end.host}:{end.port} -> {service}:{port}  ({resource.key.name})", file=context.stdout)


def _silenced(report: Report) -> Report:
    """Where it leads to has been said; what went wrong has not."""
    from dataclasses import replace

    return replace(report, results={})


@verb("list", examples=LIST, outputs=TREES)
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of all namespaces.")
def listing(context: Context, *, everywhere: bool) -> None:
    """List those that are kept: active, stopped or error."""
    from reconciler.cli.forwards import services
    from reconciler.cli.render.table import Column, table

    looks = picking.looks(context, line.open_controller(context), everywhere=everywhere)
    found = list(services.kept(looks))
    if show_tree(context, {"items": [one.tree() for one in found]}):
        return
    if not found:
        place = "" if everywhere else f" in namespace {context.scope}"
        step = "reconciler port-forward start NAME PORT" if everywhere else "reconciler port-forward list -A"
        print(f"no port-forwards are kept{place}; next: {step}", file=context.stderr)
        return
    columns = [Column("ID"), Column("NAMESPACE"), Column("FROM"), Column("TO"), Column("STATE", status=True),
               Column("RESTARTS", right=True), Column("MESSAGE", last=True)]  # fmt: skip
    rows = [(one.id, one.namespace, one.address or "-", f"{one.service}:{one.port}", one.state, one.restarts,
             clean(one.message) or "-") for one in found]  # fmt: skip
    context.stdout.write(table(columns, rows, color=context.color, limit=context.width))


@verb("stop", examples=STOP)
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--all", "everything", is_flag=True, help="All of the namespace.")
def stop(context: Context, ids: tuple[str, ...], *, everything: bool) -> int:
    """Take kept ones away; the services that they lead to stay."""
    from reconciler.cli.forwards import services

    if bool(ids) == everything:
        raise UsageError("which ones is not clear", hint="name their IDs, or say --all: reconciler port-forward list")
    controller = line.open_controller(context, acts=True)
    known = {r.key.name: r.key for r in controller.parts.source.resources(context.scope)
             if services.is_one(r) and not r.deleting}  # fmt: skip
    if missing := [one for one in ids if one not in known]:
        there = f"there are: {', '.join(sorted(known))}" if known else "see: reconciler port-forward list -A"
        raise ReconcilerError(f"no port-forward is called {missing[0]} in namespace {context.scope}", hint=there)
    keys: list[Key] = [known[one] for one in ids] if ids else list(known.values())
    if not keys:
        print(f"no port-forwards are kept in namespace {context.scope}", file=context.stderr)
        return 0
    with progress(context) as lines:
        report = controller.delete(keys, timeout=context.timeout, progress=line.Bridge(lines, keys))
    return line.print_report(context, report)
