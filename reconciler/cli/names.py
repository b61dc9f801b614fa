"""Completion of names: from tables and file names only, so that a Tab is answered at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import click

from reconciler.cli.context import Context
from reconciler.cli.invocation import Flags, Invocation
from reconciler.errors import ReconcilerError


def namespaces(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return _starting(incomplete, (entry.name for entry in _entries(_applied(ctx)) if entry.is_dir()))


def with_something(home: str) -> list[str]:
    """The namespaces in which anything is declared."""
    return [entry.name for entry in _entries(os.path.join(home, "applied")) if _entries(entry.path)]


def kinds(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from reconciler.kinds import KINDS

    return _starting(incomplete, (kind.key for kind in KINDS.values()))


def fields(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """`service.spec.ports`, one step at a time, for `explain`."""
    from reconciler.kinds import KINDS, find

    parents = incomplete.split(".")[:-1]
    if not parents:
        return _starting(incomplete, (kind.key for kind in KINDS.values()))
    kind = find(parents[0])
    inside = _fields_inside(kind.spec, parents[2:] if parents[1:2] == ["spec"] else parents[1:]) if kind else []
    steps = ["spec", *inside] if len(parents) == 1 else inside
    return _starting(incomplete, (".".join([*parents, step]) for step in steps))


def _fields_inside(spec: type, steps: list[str]) -> list[str]:
    """Field names of the dataclass that the steps lead to; through lists, options and unions."""
    from dataclasses import fields as fields_of
    from dataclasses import is_dataclass
    from typing import get_args, get_type_hints

    from reconciler.kinds.base import camel

    here: Any = spec
    for step in steps:
        hints = {camel(name): hint for name, hint in get_type_hints(here).items()} if is_dataclass(here) else {}
        choices = [hints.get(step)]
        while choices and not is_dataclass(choices[0]):
            choices = [*choices[1:], *get_args(choices[0])]
        here = choices[0] if choices else None
    return [camel(field.name) for field in fields_of(here)] if is_dataclass(here) else []


def kinds_and_resources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """`services` and `service/web` for the first word; names of that kind for the words after a bare kind."""
    words = _words(ctx, param)
    if words and "/" not in words[0]:
        return _starting(incomplete, resources(ctx, words[0]))
    if "/" in incomplete:
        return _starting(incomplete, (f"{kind}/{name}" for kind, name in applied(ctx)))
    return _starting(incomplete, _plurals())


def services(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """What can be reached into: `web`, or `service/web`."""
    found = [(kind, name) for kind in ("service", "job") for name in resources(ctx, kind)]
    return _starting(incomplete, [f"{kind}/{name}" if "/" in incomplete else name for kind, name in found])


def hosts(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return _starting(incomplete, resources(ctx, "host"))


def sources(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    found = resources(ctx, "source")
    return _starting(incomplete, [*found, *(f"source/{name}" for name in found)] if "/" in incomplete else found)


def campaigns(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return _starting(incomplete, resources(ctx, "campaign"))


def output_formats(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    known = getattr(ctx.command, "outputs", ()) or ("json", "yaml", "name", "wide", "jsonpath=")
    return _starting(incomplete, known)


def resources(ctx: click.Context, kind_word: str) -> list[str]:
    from reconciler.kinds import find

    kind = find(kind_word)
    return [name for found, name in applied(ctx) if kind and found == kind.key]


def applied(ctx: click.Context) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that was applied in the namespace, by the names of its files."""
    settings = _context(ctx)
    try:
        directory = os.path.join(settings.home, "applied", settings.scope)
    except ReconcilerError:
        return
    for entry in _entries(directory):
        kind, dash, rest = entry.name.removesuffix(".yaml").partition("-")
        if dash and rest != entry.name:
            yield kind, rest


def _plurals() -> list[str]:
    from reconciler.kinds import KINDS

    return [kind.plural for kind in KINDS.values()]


def _applied(ctx: click.Context) -> str:
    try:
        return os.path.join(_context(ctx).home, "applied")
    except ReconcilerError:  # a broken config file is no reason to disturb who is typing
        return os.devnull


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:  # nothing was applied yet, or it is not ours to read: there is nothing to offer
        return []


def _context(ctx: click.Context) -> Context:
    """The settings as far as the line has been typed."""
    flags = Flags()
    chain: list[click.Context] = []
    here: click.Context | None = ctx
    while here is not None:
        chain.insert(0, here)
        here = here.parent
    for level in chain:
        flags = flags.then(Flags.pop_from(dict(level.params)))
    invocation = Invocation.real()
    invocation.flags = flags
    return Context(invocation)


def _words(ctx: click.Context, param: click.Parameter) -> tuple[str, ...]:
    value: Any = ctx.params.get(param.name or "")
    return (value,) if isinstance(value, str) else tuple(value or ())


def _starting(incomplete: str, candidates: Iterable[str]) -> list[str]:
    return [candidate for candidate in candidates if candidate.startswith(incomplete)]
