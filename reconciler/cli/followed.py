"""What `sync`, `confirm`, `suspend` and `resume` share: which Sources are meant, and the report of one look at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.picking import Wanted
from reconciler.cli.render.progress import progress
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller
    from reconciler.model.key import Key
    from reconciler.model.resource import Resource


def sources_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Names, or --all."""
    words = click.argument("words", nargs=-1, metavar="[NAME | source/NAME]…", shell_complete=names.sources)
    everything = click.option("--all", "everything", is_flag=True, help="All Sources of the namespace.")
    return words(everything(function))


def chosen(context: Context, controller: Controller, words: Sequence[str], *, everything: bool) -> dict[Key, Resource]:
    if bool(words) == everything:
        raise UsageError("no Source is named" if not words else "--all is all of them", hint="name one, or say --all")
    found: dict[Key, Resource] = picking.declared(controller.parts, context.scope, _wanted(words))
    if not found:
        print(f"no Sources in namespace {context.scope}", file=context.stderr)
    return found


def _wanted(words: Sequence[str]) -> Wanted:
    pairs = [word.partition("/") for word in words]
    other = next((word for word, (kind, slash, _) in zip(words, pairs, strict=True) if slash and kind not in KINDS), "")
    if other:
        raise UsageError(f"{other} is no Source", hint="only Sources are followed: source/NAME")
    return Wanted(("source",), tuple(("source", name if slash else kind) for kind, slash, name in pairs))


KINDS = {"source", "sources", "src"}


def follow(context: Context, controller: Controller, keys: Sequence[Key], *, wait: bool, timeout: float | None) -> int:
    """Looked at now, one after another; the exit code."""
    from reconciler.engine.report import joined

    if not keys:
        return 0
    seconds = context.timeout if timeout is None else timeout
    with progress(context) as lines:
        bridge = line.Bridge(lines, keys)
        reports = [controller.follow(key, wait=wait, timeout=seconds, progress=bridge) for key in keys]
    return line.print_report(context, joined(reports))
