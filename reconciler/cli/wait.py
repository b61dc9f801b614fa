from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import names, picking
from reconciler.cli.conditions import Expectation, expectation
from reconciler.cli.context import Context
from reconciler.cli.durations import duration
from reconciler.cli.picking import Onlooker, Picked, Wanted
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb
from reconciler.core.advice import command_line
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.model.key import Key

EXAMPLES = """
reconciler wait --for=condition=Ready service/web
reconciler wait --for=condition=Ready=False web --timeout 10s
reconciler wait --for=delete services --all
reconciler wait --for=jsonpath='{.status.readyReplicas}'=2 web --timeout 1m30s
reconciler wait --for=create web --timeout 0      # one look, yes or no
"""
SHORTEST_PAUSE = 0.2
LONGEST_PAUSE = 1.0


@verb("wait", examples=EXAMPLES)
@click.argument("words", nargs=-1, metavar="KIND/NAME… | KIND | NAME…", shell_complete=names.kinds_and_resources)
@click.option(
    "--for", "texts", multiple=True, required=True, metavar="WHAT",
    help="condition=NAME[=False], create, delete, or jsonpath='{PATH}'[=VALUE]. Several: all of them.",
)  # fmt: skip
@click.option("--timeout", type=duration, default="30s", metavar="SPAN", help="At most so long [30s]; 0 looks once.")
@click.option("--all", "everything", is_flag=True, help="All of the kind in the namespace.")
@click.option("-l", "--selector", metavar="LABELS", help="All that wear these labels: a=b,c!=d.")
def command(
    context: Context, words: tuple[str, ...], *, texts: Sequence[str], timeout: float, everything: bool,
    selector: str | None,
) -> int:  # fmt: skip
    """Wait until something is true of resources."""
    want = picking.wanted(picking.spelled(context, words), bare="service")
    if not want.names and not everything and selector is None:
        raise UsageError("nothing is named", hint="name it, like service/web, or say --all, or -l LABELS")
    expectations = [expectation(text) for text in texts]
    onlooker = picking.Onlooker(context)
    items = _look(context, onlooker, want, selector)
    keys = _keys(context, onlooker.controller, want, items, expectations)
    return _wait(context, onlooker, keys, expectations, timeout, first=items)


def _look(context: Context, onlooker: Onlooker, want: Wanted, selector: str | None = None) -> dict[Key, Picked]:
    looks = picking.looks(context, onlooker.controller, everywhere=False)
    return {item.key: item for item in picking.pick(looks, want, selector)}


def _keys(
    context: Context, controller: Controller, want: Wanted, items: Mapping[Key, Picked],
    expectations: Sequence[Expectation],
) -> list[Key]:  # fmt: skip
    """Whom it is about, once and for all. Only who waits for coming or going may name what is not there."""
    from reconciler.model.key import Key

    missing = picking.missing_names(want, items)
    if missing and not any(each.of_absence for each in expectations):
        raise picking.not_found(controller.parts, context.scope, missing[0])
    named = {Key(kind, context.scope, name) for kind, name in want.names}
    if not named and not items and not all(each.of_absence for each in expectations):
        raise picking.NotFound(f"nothing to wait for in namespace {context.scope!r}", hint="see: reconciler status -A")
    return sorted(named or items)


def _wait(
    context: Context, onlooker: Onlooker, keys: Sequence[Key], expectations: Sequence[Expectation],
    timeout: float, *, first: Mapping[Key, Picked],
) -> int:  # fmt: skip
    """Looks until all hold for all; each resource is told as soon as it is there."""
    clock = onlooker.controller.parts.clock
    deadline, pause, items, pending = clock.now() + timeout, SHORTEST_PAUSE, first, list(keys)
    want = Wanted(tuple({key.kind for key in keys}), tuple((key.kind, key.name) for key in keys))
    while True:
        for key in [key for key in pending if not _wrong(key, items.get(key), expectations)]:
            pending.remove(key)
            print(f"{key.short} condition met", file=context.stdout, flush=True)
        if not pending:
            return 0
        if clock.now() >= deadline:
            return _late(context, pending, items, expectations, timeout)
        clock.sleep(min(pause, max(deadline - clock.now(), 0.0)))
        pause = min(pause * 1.5, LONGEST_PAUSE)
        items = _look(context, onlooker, want)


def _wrong(key: Key, item: Picked | None, expectations: Sequence[Expectation]) -> list[str]:
    """What is otherwise than expected, in words; empty when all is as it should be."""
    return [wrong for each in expectations if (wrong := each.wrong(key, item))]


def _late(
    context: Context, pending: Sequence[Key], items: Mapping[Key, Picked], expectations: Sequence[Expectation],
    timeout: float,
) -> int:  # fmt: skip
    spent = f" after {timeout:g} s" if timeout else ""
    for key in pending:
        wrong = "; ".join(_wrong(key, items.get(key), expectations))
        print(f"error: {key.short}{spent}: {clean(wrong)}", file=context.stderr)
    print(f"hint: see: {command_line(pending[0], 'why')}", file=context.stderr)
    return 1
