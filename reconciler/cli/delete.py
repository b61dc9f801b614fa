from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import line, names, picking, specs
from reconciler.cli.context import Context
from reconciler.cli.render.progress import progress
from reconciler.cli.selector import matches
from reconciler.cli.verb import verb
from reconciler.core.advice import command_line
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.resource import FORMER

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.model.key import Key

EXAMPLES = """
reconciler delete -f web.yaml
reconciler delete service web
reconciler delete web volume/data            # a bare name if only one thing is called so
reconciler delete services --all -n shop
reconciler delete volume data --volumes      # its data too
"""


LATE = "time is up before all was gone; what is left goes as soon as it can, unless it is applied again before"


@verb("delete", examples=EXAMPLES, outputs=line.OUTPUTS)
@click.argument(
    "words", nargs=-1, metavar="[KIND NAME… | KIND/NAME… | NAME…]", shell_complete=names.kinds_and_resources
)
@specs.files_options
@click.option("-l", "--selector", metavar="LABELS", help="Only what wears these labels: a=b,c!=d.")
@click.option("--all", "everything", is_flag=True, help="All of the kind in the namespace.")
@click.option("--volumes", is_flag=True, help="Volumes too, with their data. Never done unasked.")
@click.option("--force", is_flag=True, help="Campaigns too that are run right now, if they are not named one by one.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there counts as deleted.")
@line.waiting_options
def command(
    context: Context, words: tuple[str, ...], paths: Sequence[str], *, recursive: bool, selector: str | None,
    everything: bool, volumes: bool, force: bool, ignore_not_found: bool, wait: bool, timeout: float | None,
) -> int:  # fmt: skip
    """Take things down, users before what they use. Volumes keep their data.

    A Source takes along what it brought, unless it says `prune: false`.
    """
    if paths and (words or selector is not None or everything):
        raise UsageError("-f says already what goes", hint="leave the names, -l and --all out, or -f")
    controller = line.open_controller(context, acts=True)
    if paths:
        keys = [document.resource.key for document in specs.read(context, paths, recursive=recursive, quiet=True)]
        namespaces = {key.namespace for key in keys}
        if not _declared(controller, namespaces).issuperset(keys):  # else there is no need to look for more
            known = _known(controller, namespaces)
            keys = [key for key in keys if key in known]  # what is gone already is as it should be
    else:
        keys = _named(context, controller, words, selector, everything=everything, missing_ok=ignore_not_found)
    if not force and (paths or everything or selector is not None):
        _refuse_attended(context, controller, keys)
    with progress(context) as lines:
        report = controller.delete(
            keys, data=volumes, wait=wait, timeout=context.timeout if timeout is None else timeout,
            progress=line.Bridge(lines, keys, going=True),
        )  # fmt: skip
    return line.print_report(context, report, late=LATE)


def _refuse_attended(context: Context, controller: Controller, keys: Sequence[Key]) -> None:
    """Who tidies up a namespace may not know of the days that somebody's runs have taken."""
    from reconciler.cli.campaigning import records_of
    from reconciler.engine.in_use import campaigns

    for key in campaigns(controller.parts, keys):
        busy = records_of(context).busy(key).message
        hint = (
            f"end it there with Ctrl-C, or wait for its end; --force goes on, and so does {command_line(key, 'delete')}"
        )
        raise ReconcilerError(f"{busy}, so nothing was deleted", hint=hint)


def _known(controller: Controller, namespaces: set[str]) -> set[Key]:
    found = _declared(controller, namespaces)
    for namespace in namespaces:
        found |= set(controller.orphans(namespace)) | set(controller.parts.source.damaged(namespace))
    return found


def _declared(controller: Controller, namespaces: set[str]) -> set[Key]:
    return {r.key for namespace in namespaces for r in controller.parts.source.resources(namespace)}


def _named(
    context: Context, controller: Controller, words: tuple[str, ...], selector: str | None, *, everything: bool,
    missing_ok: bool,
) -> list[Key]:  # fmt: skip
    words = picking.told_apart(context, words, alone=True)
    want = picking.wanted(("all",) if selector is not None and not words else words)
    if want.names and (everything or selector is not None):
        raise UsageError(
            f"{want.names[0][1]} is named, and more than that asked for", hint="leave the names out, or --all and -l"
        )
    known = sorted(_known(controller, {context.scope}))
    kept = {r.key: r for r in controller.parts.source.resources(context.scope)}
    # Where a host led before goes by itself; that nobody can look there any more is for a person to say, by its name.
    by_itself = {key for key, r in kept.items() if FORMER in r.annotations} if not want.names else set()
    candidates = [key for key in known if want.wants(key) and key not in by_itself]
    if selector is not None:
        return [key for key in candidates if matches(selector, kept[key].labels if key in kept else {})]
    if not want.names and not everything:
        raise UsageError("nothing is named", hint="name it, or say --all, or -l LABELS")
    missing = picking.missing_names(want, candidates)
    if missing and not missing_ok:
        raise picking.not_found(controller.parts, context.scope, missing[0])
    return candidates
