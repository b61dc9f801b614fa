"""What `start`, `stop`, `restart` and `scale` share: whom it is about, one edit of desired state, and the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.render.progress import progress
from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.engine.report import Report
    from reconciler.model.key import Key
    from reconciler.model.resource import Resource


def services_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Names, --all, -l."""
    words = click.argument("words", nargs=-1, metavar="[NAME | service/NAME]…", shell_complete=names.services)
    everything = click.option("--all", "everything", is_flag=True, help="All services of the namespace.")
    selector = click.option("-l", "--selector", metavar="LABELS", help="All that wear these labels: a=b,c!=d.")
    return words(everything(selector(function)))


def chosen(
    context: Context, controller: Controller, words: Sequence[str], *, everything: bool, selector: str | None
) -> dict[Key, Resource]:
    """Declared services only: what nobody declares can't be edited."""
    if everything and words and words[0] in {"service", "services", "svc", "all"}:
        words = words[1:]
    if not words and not everything and selector is None:
        raise UsageError("no service is named", hint="name one, or say --all, or -l LABELS")
    if words and everything:
        raise UsageError("--all is all of them", hint="leave the names out, or --all")
    want = picking.workloads(picking.spelled(context, words))
    if campaign := next((name for kind, name in want.names if kind == "campaign"), None):
        raise UsageError(
            f"campaign/{campaign} goes on for as long as its `run`, and neither is started nor stopped",
            hint=f"reconciler run {campaign} -n {context.scope}; Ctrl-C there ends it, and --resume goes on",
        )
    found = picking.declared(controller.parts, context.scope, want, selector)
    if not found and selector is not None:
        raise ReconcilerError(f"-l {selector}: no service in namespace {context.scope} wears these labels")
    if not found:
        print(f"no services in namespace {context.scope}", file=context.stderr)
    return found


def edit(
    context: Context, controller: Controller, keys: Sequence[Key], change: Callable[[Resource], Resource], *,
    word: str, wait: bool, timeout: float | None,
) -> int:  # fmt: skip
    """`word` is what each is called in the results that was changed, or had to be healed."""
    if not keys:
        return 0
    with progress(context) as lines:
        report = controller.edit(
            keys, change, wait=wait, timeout=context.timeout if timeout is None else timeout,
            progress=line.Bridge(lines, keys),
        )  # fmt: skip
    return line.print_report(context, called(report, word))


def called(report: Report, word: str) -> Report:
    done = {action.key.resource for action in report.actions} - report.pending
    results = {key: word if result == "configured" or key in done else result for key, result in report.results.items()}
    return replace(report, results=results)
