from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import line, specs
from reconciler.cli.context import Context
from reconciler.cli.render.progress import progress
from reconciler.cli.shortcuts.note import Witness, leave
from reconciler.cli.verb import verb
from reconciler.core.advice import command_line
from reconciler.core.moments import iso
from reconciler.errors import Unreachable

if TYPE_CHECKING:
    from reconciler.engine.controller import Adopt, Controller
    from reconciler.engine.report import Report
    from reconciler.model.resource import Resource

CONFLICTS = ("PortInUse", "NameConflict")
EXAMPLES = """
reconciler apply -f web.yaml
reconciler apply -f specs -R --prune
cat web.yaml | reconciler apply -f - --timeout 120
reconciler apply -f web.yaml --dry-run
reconciler apply -f web.yaml --build         # its image from scratch
reconciler apply -f shop.yaml -n shop --adopt      # take over what `docker compose up` has started
"""


@verb("apply", examples=EXAMPLES, outputs=line.OUTPUTS)
@specs.files_options
@click.option("--prune", is_flag=True, help="Take down what the namespace holds and these files don't. Data stays.")
@click.option("--adopt", is_flag=True, help="Take over containers that run already, as they are; refuse what differs.")
@click.option("--adopt-replace", is_flag=True, help="The same, but make anew what differs; volumes stay.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, like `diff`, and do nothing.")
@click.option("--build", is_flag=True, help="Build images anew, with nothing taken over from older builds.")
@line.waiting_options
def command(
    context: Context, paths: Sequence[str], *, recursive: bool, prune: bool, adopt: bool, adopt_replace: bool,
    dry_run: bool, build: bool, wait: bool, timeout: float | None,
) -> int:  # fmt: skip
    """Make the world what the specs say, and wait until it is."""
    from reconciler.loading import located

    documents, reading = specs.read_noting(context, paths, recursive=recursive, makes=not dry_run)
    resources = [document.resource for document in documents]
    how: Adopt | None = "replace" if adopt_replace else "alike" if adopt else None
    controller = line.open_controller(context, acts=not dry_run)
    if build:
        resources = [rebuilt(controller, resource) for resource in resources]
    if how is None:
        _note_twins(context, controller, resources)
    if dry_run:
        from reconciler.cli.diff import show

        show(context, located(documents, lambda: controller.preview(resources, prune=prune, adopt=how)), controller)
        return 0
    with progress(context) as lines:
        witness = Witness(line.Bridge(lines, (resource.key for resource in resources)))
        limit = context.timeout if timeout is None else timeout
        report = located(
            documents,
            lambda: controller.apply(resources, prune=prune, wait=wait, timeout=limit, progress=witness, adopt=how),
        )
    if reading is not None:
        leave(context, reading, witness, controller, report)
    code = line.print_report(context, report)
    if how is None:
        _hint_at_adopting(context, controller, resources, report)
    _note_what_is_up_to_others(context, resources, report)
    return code


def _note_what_is_up_to_others(context: Context, given: Sequence[Resource], report: Report) -> None:
    """To declare it is not to run it: a campaign is run by a person, what comes of itself by the daemon."""
    from reconciler.daemon import lock

    for key in (r.key for r in given if r.key.kind == "campaign"):
        if report.results.get(key) in ("created", "configured"):
            print(f"note: {key.short} is declared; to run it: {command_line(key, 'run')}", file=context.stderr)
    awaited = [r.key for r in given if (r.key.kind == "job" and r.spec.schedule) or r.key.kind == "source"]
    if awaited and lock.holder(context.home) is None:
        whom = ", ".join(key.short for key in awaited)
        print(f"note: no daemon runs, and {whom} needs one: reconciler daemon start", file=context.stderr)


def _hint_at_adopting(context: Context, controller: Controller, given: Sequence[Resource], report: Report) -> None:
    """Who is stuck, and compose runs it: what he lacks, a port or a name, that one may well have."""
    blocked = {trouble.key for trouble in report.troubles if trouble.reason in CONFLICTS}
    stuck = [resource for resource in given if resource.key in blocked]
    if not any(resource.key.kind == "service" and resource.spec.container for resource in stuck):
        return
    from reconciler.engine.adopting import beside

    for key, seen in beside(controller.parts, stuck):
        print(f"hint: {seen.title} is what compose has started for {key.short}; to take it over as it runs: "
              "the same apply with --adopt", file=context.stderr)  # fmt: skip


def _note_twins(context: Context, controller: Controller, given: Sequence[Resource]) -> None:
    """Two of a kind may both serve, or eat from one queue. It is no error: somebody may want to compare them."""
    if not any(resource.key.kind == "service" and resource.spec.container for resource in given):
        return
    from reconciler.engine.adopting import beside

    source = controller.parts.source
    kept = {r.key for space in {r.key.namespace for r in given} for r in source.resources(space)}
    try:
        found = beside(controller.parts, given, kept)
    except Unreachable:
        return  # apply itself says so, with what to do about it
    for key, seen in found:
        print(f"note: {seen.title}, which compose has started for {key.short}, goes on beside what is made now; "
              "to take it over as it runs instead: --adopt", file=context.stderr)  # fmt: skip


def rebuilt(controller: Controller, resource: Resource) -> Resource:
    from reconciler.engine import edits

    return edits.rebuild(resource, iso(controller.parts.clock.now(), "auto") or "")
