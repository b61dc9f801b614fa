from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import followed, line, names, specs
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_names, show_tree
from reconciler.cli.render.text import clean, paint
from reconciler.cli.verb import verb
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.engine.report import Change, Foresight
    from reconciler.model.plan import Action

EXAMPLES = """
reconciler diff -f web.yaml
reconciler diff -f specs -R --prune -o json
reconciler diff -n shop                  # what has drifted since the last apply
reconciler diff source/shop              # what a Source holds back, and `confirm` would put into force
"""
SIGNS = {"Create": "+", "Remove": "-", "Adjust": "~", "Start": ">", "Stop": "x"}
TROUBLE = 2
"""Of any error: 1 would say that there are differences."""
STYLES = {"Create": "green", "Remove": "red", "Adjust": "yellow", "Start": "green", "Stop": "yellow"}


@verb("diff", examples=EXAMPLES, outputs=(*TREES, "name"))
@click.argument("words", nargs=-1, metavar="[source/NAME]…", shell_complete=names.sources)
@specs.files_options
@click.option("--prune", is_flag=True, help="As if applied with --prune.")
def command(context: Context, words: tuple[str, ...], paths: Sequence[str], *, recursive: bool, prune: bool) -> int:
    """Show what apply would do, field by field, and do nothing.

    Without files: what has changed in the world since the last apply. Of a Source: what its newest revision would
    bring, be it held back. Probes are not asked, for some of them do something: what fails its liveness probe is seen
    by apply. Exit code 0: no differences, 1: some, 2: an error.
    """
    try:
        if words:
            foresights = _foreseen(context, words, alone=not (paths or prune))
        else:
            foresights = _shown(context, paths, recursive=recursive, prune=prune)
    except Exception as error:
        error.exit_code = TROUBLE  # type: ignore[attr-defined]
        raise
    return 0 if all(foresight.same for foresight in foresights) else 1


def _shown(context: Context, paths: Sequence[str], *, recursive: bool, prune: bool) -> Sequence[Foresight]:
    controller = line.open_controller(context)
    if paths:
        from reconciler.loading import located

        documents = specs.read(context, paths, recursive=recursive)
        resources = [document.resource for document in documents]
        foresights: Sequence[Foresight] = located(documents, lambda: controller.preview(resources, prune=prune))
    else:
        foresights = [controller.drift(context.scope)]
    show(context, foresights, controller)
    return foresights


def _foreseen(context: Context, words: Sequence[str], *, alone: bool) -> Sequence[Foresight]:
    from reconciler.engine.gitops.sync import feeds_of

    other = next((word for word in words if "/" not in word), "")
    if other or not alone:
        message = f"{other} is no Source" if other else "a Source names its files itself"
        raise UsageError(message, hint="either: reconciler diff source/NAME, or: reconciler diff -f FILE")
    controller = line.open_controller(context)
    found: list[Foresight] = []
    for key, source in followed.chosen(context, controller, words, everything=False).items():
        if held := feeds_of(controller.parts).known(key).held:
            print(f"{key.short} holds this back: {held.reason}: {clean(held.message)}", file=context.stderr)
        found += controller.foreseen(source)
    show(context, found, controller)
    return found


def show(context: Context, foresights: Sequence[Foresight], controller: Controller) -> None:
    if context.output == "name":
        show_names(context, sorted({str(action.key) for foresight in foresights for action in foresight.actions}))
    elif not show_tree(context, _tree(foresights)):
        for text in (text for foresight in foresights for text in _lines(context, foresight, controller)):
            print(clean(text) if not context.color else text, file=context.stdout)


def _tree(foresights: Sequence[Foresight]) -> dict[str, object]:
    from reconciler.engine.report import as_json

    actions = [action for foresight in foresights for action in foresight.actions]
    waits = [wait for foresight in foresights for wait in foresight.waits]
    results = {key: word for foresight in foresights for key, word in foresight.results.items()}
    return as_json(all(foresight.same for foresight in foresights), actions, waits, results)


def _lines(context: Context, foresight: Foresight, controller: Controller) -> Iterator[str]:
    for key in sorted(foresight.changes):
        yield from _document(foresight.changes[key])
    for number, wave in enumerate(wave for wave in foresight.waves if wave.actions):
        if number:  # what may have to wait for its back-off comes after nothing
            yield "then, once that is Ready:"
        for sequence in wave.sequences:
            yield from _sequence(context, sequence, controller)
    for wait in foresight.waits:
        yield f"! {clean(str(wait.key))}  waits: {wait.reason}: {clean(wait.message)}"


def _document(change: Change) -> Iterator[str]:
    """What differs between what was declared and what is now."""
    from reconciler.core.difference import redeclared

    key = change.after.key
    if change.after.deleting:
        yield f"spec {key.short}: removed"
    elif change.before is None:
        yield f"spec {key.short}: new"
    else:
        yield f"spec {key.short}:"
        found = [f"    {clean(str(difference))}" for difference in redeclared(change.before, change.after)]
        yield from found or ["    a secret value"]


def _sequence(context: Context, sequence: Sequence[Action], controller: Controller) -> Iterator[str]:
    for action in sequence:
        sign = paint(SIGNS[action.verb], STYLES[action.verb], color=context.color)
        yield f"{sign} {clean(str(action.key))}  {action.verb}: {clean(action.cause)}"
    first = sequence[0]
    if first.desired and first.seen:
        fields = _found if first.seen.fingerprint == first.desired.fingerprint else _payload
        yield from fields(first, controller)


def _found(action: Action, _controller: Controller) -> Iterator[str]:
    """What a closer look found, one line for each; the cause has room for a few."""
    from reconciler.core.verdict import deviations

    assert action.seen, "compared with what is there"
    assert action.desired, "and with what is wanted"
    causes = [one.cause for one in deviations(action.desired, action.seen)]
    yield from (f"    {clean(cause)}" for cause in causes if len(causes) > 1)


def _payload(action: Action, controller: Controller) -> Iterator[str]:
    from reconciler.core.difference import differences
    from reconciler.core.fingerprint import plain_json

    assert action.seen, "compared with what is there"
    assert action.desired, "and with what is wanted"
    before = controller.parts.store.payload(action.seen.fingerprint)
    if before is None:
        yield from _found(action, controller)
        yield f"    (what it was made of is not remembered here; its fingerprint is {clean(action.seen.fingerprint)})"
        return
    for difference in differences(json.loads(before), json.loads(plain_json(action.desired.payload))):
        yield f"    {clean(str(difference))}"
