"""`instances start-all` and `stop-all`: namespace after namespace; what fails in one keeps no other from its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import line, picking
from reconciler.cli.context import Context
from reconciler.cli.editing import called
from reconciler.cli.render.progress import progress
from reconciler.cli.render.text import clean, paint
from reconciler.cli.start import by_itself
from reconciler.cli.verb import verb
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.engine.report import Report
    from reconciler.model.key import Key

    Chosen = Mapping[str, Sequence[Key]]
    Act = Callable[[Sequence[Key], line.Bridge], Report]

START = """
reconciler instances start-all
reconciler instances start-all -n shop --timeout 2m
"""
STOP = """
reconciler instances stop-all
reconciler instances stop-all -n shop --undeclared
"""
SERVICES = picking.Wanted(("service",))


def everywhere_option(function: Callable[..., Any]) -> Callable[..., Any]:
    said = "In all namespaces, as without -n."
    return click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help=said)(function)


@verb("start-all", examples=START, outputs=line.OUTPUTS)
@everywhere_option
@line.waiting_options
def start_all(context: Context, *, everywhere: bool, wait: bool, timeout: float | None) -> int:
    """Start every service that is declared, unless it has autoStart: false.

    It goes on after one that fails, and says at the end which those were.
    """
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)
    seconds = context.timeout if timeout is None else timeout
    spaces = _spaces(context, controller, everywhere=everywhere)
    chosen = {s: by_itself(context, picking.declared(controller.parts, s, SERVICES)) for s in spaces}

    def start(keys: Sequence[Key], lines: line.Bridge) -> Report:
        return called(controller.edit(keys, edits.start, wait=wait, timeout=seconds, progress=lines), "started")

    reports, failed = _through(context, chosen, start)
    return _told(context, reports, [*_unreadable(context, controller, spaces), *failed])


@verb("stop-all", examples=STOP, outputs=line.OUTPUTS)
@everywhere_option
@click.option("--undeclared", is_flag=True, help="Take down too what runs though nobody declares it.")
@line.waiting_options
def stop_all(context: Context, *, everywhere: bool, undeclared: bool, wait: bool, timeout: float | None) -> int:
    """Stop every service that is declared; its data and its declaration stay.

    What runs undeclared is only told of: nothing would be left of it to be started again.
    """
    from reconciler.engine import edits

    controller = line.open_controller(context, acts=True)
    seconds = context.timeout if timeout is None else timeout
    spaces = _spaces(context, controller, everywhere=everywhere)
    chosen = {s: list(picking.declared(controller.parts, s, SERVICES)) for s in spaces}
    lost = {s: _undeclared(controller, s) for s in spaces}

    def stop(keys: Sequence[Key], lines: line.Bridge) -> Report:
        return called(controller.edit(keys, edits.stop_ours, wait=wait, timeout=seconds, progress=lines), "stopped")

    def remove(keys: Sequence[Key], lines: line.Bridge) -> Report:
        return called(controller.delete(keys, wait=wait, timeout=seconds, progress=lines), "removed")

    reports, failed = _through(context, chosen, stop)
    if undeclared:
        more, missed = _through(context, lost, remove)
        reports, failed = [*reports, *more], [*failed, *missed]
    for key in [] if undeclared else [key for keys in lost.values() for key in keys]:
        print(f"note: nobody declares {key}, and it stays: --undeclared takes it down too", file=context.stderr)
    return _told(context, reports, [*_unreadable(context, controller, spaces), *failed])


def _spaces(context: Context, controller: Controller, *, everywhere: bool) -> list[str]:
    from reconciler.engine import looking

    if context.namespace is not None and not everywhere:
        return [context.namespace]
    return looking.namespaces(controller.parts)


def _undeclared(controller: Controller, namespace: str) -> list[Key]:
    """Runs of a campaign are whoever's who runs it: he takes them away, or the next one does."""
    return [key for key in controller.orphans(namespace) if key.is_workload and key.kind != "campaign"]


def _through(context: Context, chosen: Chosen, act: Act) -> tuple[list[Report], list[str]]:
    reports, failed = [], []
    with progress(context) as lines:
        bridge = line.Bridge(lines, [key for keys in chosen.values() for key in keys])
        for keys in filter(None, chosen.values()):
            try:
                reports.append(act(keys, bridge))
            except ReconcilerError as error:
                lines.note(f"error: namespace {keys[0].namespace}: {error.message}")
                failed += [str(key) for key in keys]
    return reports, failed


def _unreadable(context: Context, controller: Controller, spaces: Sequence[str]) -> Iterator[str]:
    """Nothing is done about what a damaged document declares, and that is no success."""
    for space in spaces:
        for key, why in sorted(controller.parts.source.damaged(space).items()):
            if key.is_workload:
                print(f"error: {key}: {clean(why)}", file=context.stderr)
                yield str(key)


def _told(context: Context, reports: Sequence[Report], failed: Sequence[str]) -> int:
    from reconciler.engine.report import joined

    if not reports and not failed:
        print("there is nothing to do", file=context.stderr)
    code = line.print_report(context, joined(reports))
    names = sorted({*failed, *(str(key) for report in reports for key in _failed(report))})
    if not names:
        return code
    error = paint("error:", "red", color=context.color_on_stderr)
    print(f"{error} some instances failed: {', '.join(names)}", file=context.stderr)
    return 1


def _failed(report: Report) -> set[Key]:
    """Who is not as wanted, were it only for time that was up."""
    if report.ok:
        return set()
    named = {trouble.key.resource for trouble in report.troubles} | {wait.key.resource for wait in report.waits}
    late = {key for key in report.results if key not in report.statuses or not report.statuses[key].ready}
    return named & {*report.results} or late
