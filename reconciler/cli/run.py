from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import campaigning, line, names, specs
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.progress import progress
from reconciler.cli.verb import verb

if TYPE_CHECKING:
    from reconciler.core.campaign.manifest import Manifest
    from reconciler.model.resource import Resource

EXAMPLES = """
reconciler run -f campaign.yaml
reconciler run bench --resume
reconciler run -f campaign.yaml --strategy persistent --yes
reconciler run -f campaign.yaml --dry-run
"""


@verb("run", examples=EXAMPLES, outputs=TREES)
@click.argument("name", required=False, metavar="[NAME | campaign/NAME]", shell_complete=names.campaigns)
@specs.files_options
@click.option("--strategy", type=click.Choice(["ephemeral", "persistent"]), help="Wins over what the spec says.")
@click.option("--resume", is_flag=True, help="Go on with it: do what has not worked yet.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever was done before.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="List the runs in their order, and do nothing.")
@click.option("--validate-only", is_flag=True, help="Check it, and do nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No lines about each run.")
@click.option("--no-lease", is_flag=True, help="Don't wait for GPUs and devices that another campaign uses.")
def command(
    context: Context, name: str | None, paths: Sequence[str], *, recursive: bool, strategy: str | None, resume: bool,
    restart: bool, yes: bool, dry_run: bool, validate_only: bool, quiet: bool, no_lease: bool,
) -> int:  # fmt: skip
    """Run a campaign: one command, with ever other parameters.

    One run that fails does not stop the others; the exit code is 1 then. Ctrl-C stops the run that is under way and
    leaves nothing behind; --resume goes on from there.
    """
    acts = not (dry_run or validate_only)
    chosen = campaigning.chosen(context, name, paths, recursive=recursive, acts=acts)
    if not acts:
        return _foretold(context, chosen.resource, runs=dry_run)
    plan = campaigning.plan(context, chosen.resource, strategy=strategy, resume=resume, restart=restart, yes=yes)
    code = _surroundings(context, chosen)
    if code:
        return code
    teller = campaigning.Teller(context, quiet=quiet)
    with _told_to_end() as hurried:
        manifest = campaigning.run(context, chosen, plan, teller, lease=not no_lease, hurried=hurried)
    return _ending(context, manifest)


def _foretold(context: Context, resource: Resource, *, runs: bool) -> int:
    from reconciler.core.campaign import tell
    from reconciler.core.campaign.runs import runs as all_runs

    found = all_runs(resource.spec)
    tree = tell.unbegun(resource.key.name, resource.key.namespace, found)
    if not show_tree(context, tree):
        if runs:
            campaigning.print_runs(context, tree["runs"])
        else:
            print(f"{resource.key.short}: valid, {len(found)} runs", file=context.stdout)
    return 0


def _surroundings(context: Context, chosen: campaigning.Chosen) -> int:
    """What its runs need: networks, volumes, services. The exit code, if they can't be had."""
    from reconciler.campaigns.begin import prepare
    from reconciler.loading import located

    keys = [resource.key for resource in chosen.given] or [chosen.resource.key]
    with progress(context) as lines:
        bridge = line.Bridge(lines, [key for key in keys if key.kind != "campaign"])
        report = located(
            chosen.documents,
            lambda: prepare(chosen.controller, chosen.given, chosen.resource, timeout=context.timeout, progress=bridge),
        )
    return line.print_troubles(context, report)


@contextmanager
def _told_to_end() -> Iterator[Callable[[], bool]]:
    """Whoever is told to end, or loses his terminal, clears up as after Ctrl-C. Once for it to be asked to end, twice
    for it to be killed: more than that would only interrupt the killing. What is yielded tells of the second time,
    wherever in the code that came.
    """
    told = 0

    def interrupt(_number: int, _frame: Any) -> None:
        nonlocal told
        told += 1
        if told <= 2:
            raise KeyboardInterrupt

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with suppress(ValueError):  # not in the main thread of somebody else's program
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
                before[number] = signal.signal(number, interrupt)
    try:
        yield lambda: told > 1
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_IGN if told else old)  # it ends now anyhow


def _ending(context: Context, manifest: Manifest) -> int:
    from reconciler.core.campaign import tell

    tree = tell.status(manifest, attended=False)
    if not show_tree(context, tree):
        print(campaigning.summary(tree), file=context.stdout)
    campaigning.print_failures(context, tree)
    return 0 if manifest.worked else 1
