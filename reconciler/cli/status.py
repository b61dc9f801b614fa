from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import names, picking, watching
from reconciler.cli.context import Context
from reconciler.cli.picking import Picked, Wanted
from reconciler.cli.render.output import TREES, show_names, show_tree
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb
from reconciler.errors import UsageError
from reconciler.model.plan import Reason

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller

EXAMPLES = """
reconciler status
reconciler status -A
reconciler status web db -w
reconciler status -o json
"""
ENDING = ("job", "campaign")
"""Kinds of which most are done at some time, and are no worse for it."""


@verb("status", examples=EXAMPLES, outputs=(*TREES, "wide", "name"))
@click.argument("words", nargs=-1, metavar="[NAME | KIND/NAME]…", shell_complete=names.services)
@click.option("-l", "--selector", metavar="LABELS", help="Only what wears these labels: a=b,c!=d.")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Go on: drawn anew on a terminal, each change in a pipe.")
@click.option("--no-headers", is_flag=True, help="Leave the header line and the sum out.")
def command(
    context: Context, words: tuple[str, ...], *, selector: str | None, everywhere: bool, watch: bool, no_headers: bool
) -> None:
    """Show everything at a glance."""
    want = picking.wanted(picking.spelled(context, words) or ("all",), bare="service")
    if watch and context.output not in watching.OUTPUTS:
        raise UsageError(f"-w with -o {context.output} is not possible", hint="use -o json: one line for each change")
    onlooker = picking.Onlooker(context)
    deep = context.output != "name"  # drift is found by a closer look alone

    def found() -> list[Picked]:
        looks = picking.looks(context, onlooker.controller, everywhere=everywhere, deep=deep)
        return [item for item in picking.pick(looks, want, selector) if not _unsaid(item)]

    if watch:
        _watch(context, onlooker.controller, found, everywhere=everywhere, headers=not no_headers)
    items = found()
    _require(onlooker.controller, context, want, items, everywhere=everywhere)
    _show(context, items, want, everywhere=everywhere, headers=not no_headers)


def _unsaid(item: Picked) -> bool:
    """What belongs there without a document is not worth a line."""
    from reconciler.cli.render.words import implied

    return item.sight.resource is None and implied(item.look, item.key)


def _require(
    controller: Controller, context: Context, want: Wanted, items: Sequence[Picked], *, everywhere: bool
) -> None:
    missing = picking.missing_names(want, [item.key for item in items])
    if missing:
        raise picking.not_found(controller.parts, None if everywhere else context.scope, missing[0])


def _show(context: Context, items: Sequence[Picked], want: Wanted, *, everywhere: bool, headers: bool) -> None:
    from reconciler.cli.render.resource import listing, tree

    if context.output == "name":
        show_names(context, (item.key.short for item in items))
    elif context.output in ("", "wide"):
        context.stdout.write(_picture(context, items, everywhere=everywhere, headers=headers))
    else:
        trees = [tree(item.look, item.sight) for item in items]
        show_tree(context, trees[0] if want.single and len(trees) == 1 else listing(trees))


def _picture(context: Context, items: Sequence[Picked], *, everywhere: bool, headers: bool) -> str:
    body = _rows(context, items, everywhere=everywhere, headers=headers)
    if not headers:
        return body
    unread = "".join(f"{clean(problem)}\n" for problem in _unread(items))
    said = f"{clean(_sum(context, items, everywhere=everywhere))}\n{_unwatched(context) if items else ''}"
    return f"{unread}{body}{'' if not items else chr(10)}{said}"


def _unwatched(context: Context) -> str:
    """Where there has been a daemon once, somebody counts on it."""
    from reconciler.daemon import lock

    if not os.path.exists(f"{context.home}/daemon.lock") or lock.holder(context.home) is not None:
        return ""
    return "no daemon runs: nothing heals by itself; reconciler daemon start\n"


def _rows(context: Context, items: Sequence[Picked], *, everywhere: bool, headers: bool) -> str:
    from reconciler.cli.render.columns import AT_A_GLANCE, NAMESPACE, printed

    shape = (*(NAMESPACE if everywhere else ()), *AT_A_GLANCE)
    return printed(context, shape, items, headers=headers) if items else ""


def _unread(items: Sequence[Picked]) -> Iterator[str]:
    """Runtimes that can't be read now, if anything here lives there."""
    from reconciler.cli.render.words import place_of

    problems: dict[str, str] = {}
    for item in items:
        runtime = place_of(item.look, item.sight)
        if problem := item.look.problems.get(runtime):
            problems[runtime] = problem
    yield from (f"{runtime}: {problems[runtime]}" for runtime in sorted(problems))


def _sum(context: Context, items: Sequence[Picked], *, everywhere: bool) -> str:
    if not items:
        return _nothing(context, everywhere=everywhere)
    parts = [_services([item for item in items if item.key.kind == "service"])]
    by_kind = ((kind, [item for item in items if item.key.kind == kind]) for kind in ENDING)
    parts += [_those_that_end(kind, those) for kind, those in by_kind if those]
    if other := sum(item.key.kind not in {"service", *ENDING} for item in items):
        parts.append(f"{other} other{'' if other == 1 else 's'}")
    return "; ".join(filter(None, (", ".join(parts), _next(items))))


def _nothing(context: Context, *, everywhere: bool) -> str:
    """Whoever has forgotten -n is told where there is something."""
    if everywhere:
        return "nothing is declared in any namespace; next: reconciler apply -f FILE"
    others = [name for name in names.with_something(context.home) if name != context.scope]
    here = f"nothing is declared in namespace {context.scope}"
    if not others:
        return f"{here}; next: reconciler apply -f FILE"
    from reconciler.cli.render.words import few

    return f"{here}, but in {few(others)}; next: reconciler status {f'-n {others[0]}' if len(others) == 1 else '-A'}"


def _services(items: Sequence[Picked]) -> str:
    """One that is stopped is as it should be, but nobody would call it ready."""
    from reconciler.cli.render.words import status_word

    stopped = sum(status_word(item.look, item.sight) == "Stopped" for item in items)
    ready = sum(item.sight.status.ready for item in items) - stopped
    count = f"{len(items)} service{'' if len(items) == 1 else 's'}, {ready} ready"
    return f"{count}, {stopped} stopped" if stopped else count


def _those_that_end(kind: str, items: Sequence[Picked]) -> str:
    from reconciler.cli.render.words import status_word

    said = [status_word(item.look, item.sight) for item in items]
    told = [f"{said.count(word)} {word.lower()}" for word in ("Running", "Failed", "Interrupted") if word in said]
    return ", ".join([f"{len(items)} {kind}{'' if len(items) == 1 else 's'}", *told])


def _next(items: Sequence[Picked]) -> str:
    """What to do about the first thing that is not as it should be; whoever only waits for another comes last."""
    from reconciler.cli.diagnosis import next_step

    causes_first = sorted(items, key=_only_waits)
    step = next(filter(None, (next_step(item.look, item.sight) for item in causes_first)), "")
    return f"next: {step}" if step else ""


def _only_waits(item: Picked) -> bool:
    ready = item.sight.status.condition("Ready")
    return ready is not None and ready.reason == Reason.DEPENDENCY


def _watch(context: Context, controller: Controller, found: watching.Found, *, everywhere: bool, headers: bool) -> None:
    def show(items: Sequence[Picked], first: bool) -> None:
        context.stdout.write(_rows(context, items, everywhere=everywhere, headers=first and headers))

    clock = controller.parts.clock
    if context.stdout.isatty() and context.output in ("", "wide"):
        watching.redraw(context, clock, lambda: _picture(context, found(), everywhere=everywhere, headers=headers))
    watching.follow(context, clock, found, show)
