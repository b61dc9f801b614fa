from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.durations import moment
from reconciler.cli.reach import inside
from reconciler.cli.verb import verb
from reconciler.core.advice import command_line
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.place import LOCAL

if TYPE_CHECKING:
    from reconciler.cli.lines import Stream
    from reconciler.engine.reconcile import Parts
    from reconciler.model.key import Key
    from reconciler.model.observed import Observed

EXAMPLES = """
reconciler logs web
reconciler logs -f
reconciler logs -f web db --tail 20
reconciler logs service/web --since 10m --timestamps
reconciler logs web --previous
reconciler logs -l tier=front --prefix
"""


T = TypeVar("T")


class NoLog(ReconcilerError):
    """There is none of that kind."""


@verb("logs", examples=EXAMPLES)
@click.argument("words", nargs=-1, metavar="[NAME | KIND/NAME]…", shell_complete=names.services)
@click.option("-f", "--follow", is_flag=True, help="Go on, and show what comes.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines of each instance.")
@click.option("--since", metavar="SPAN|TIME", help="Only what is newer: 10m, or 2026-11-21T02:05:10Z.")
@click.option("--timestamps", is_flag=True, help="The time before each line.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before the present one.")
@click.option("--prefix", is_flag=True, help="The instance before each line; several always have it.")
@click.option("--index", type=click.IntRange(0), metavar="N", help="Only of this instance.")
@click.option("-l", "--selector", metavar="LABELS", help="Of those that wear these labels: a=b,c!=d.")
def command(
    context: Context, words: tuple[str, ...], *, follow: bool, tail: int | None, since: str | None, timestamps: bool,
    previous: bool, prefix: bool, index: int | None, selector: str | None,
) -> None:  # fmt: skip
    """Print what services and jobs have written. Without a name: all of the namespace."""
    from reconciler.cli import lines

    if previous and (follow or since or timestamps):
        raise UsageError("--previous is a finished file without times", hint="leave -f, --since and --timestamps out")
    controller = line.open_controller(context)
    parts = controller.parts
    keys = _keys(context, parts, words, selector)
    if previous:
        streams = _of_each(keys, lambda key: _earlier(context, parts, key, index, tail), named=bool(words))
    else:
        start = moment(since, parts.clock.now()) if since else None
        things = _of_each(keys, lambda key: _instances(parts, key, index), named=bool(words))
        streams = [_stream(parts, thing, follow, tail, start, timestamps) for thing in things]
        if start is not None:
            _note_without_times(context, things)
    lines.print_streams(context, streams, prefix=prefix or len(streams) > 1 or not (words or selector), at_once=follow)


def _keys(context: Context, parts: Parts, words: Sequence[str], selector: str | None) -> list[Key]:
    from reconciler.model.key import Key

    want = picking.workloads(picking.spelled(context, words)) if words else picking.Wanted(("service", "job"))
    if words and selector is None:
        return [Key(kind, context.scope, name) for kind, name in want.names]
    found = picking.declared(parts, context.scope, want, selector)
    if not found and selector is not None:
        raise ReconcilerError(f"-l {selector}: nothing in namespace {context.scope} that runs wears these labels")
    if not found:
        raise ReconcilerError(
            f"nothing that runs is declared in namespace {context.scope}", hint="another one is said with -n"
        )
    return list(found)


def _of_each(keys: Iterable[Key], get: Callable[[Key], Iterable[T]], *, named: bool) -> list[T]:
    """Who was not named may have none, as long as somebody has one."""
    found: list[T] = []
    without: NoLog | None = None
    for key in keys:
        try:
            found += get(key)
        except NoLog as error:
            if named:
                raise
            without = error
    if without and not found:
        raise without
    return found


def _note_without_times(context: Context, things: Iterable[Observed]) -> None:
    whole = sorted({thing.key.resource.short for thing in things if thing.key and thing.runtime == "process"})
    if whole:
        note = "lines of native processes carry no time, so they are shown from the beginning"
        print(f"note: {', '.join(whole)}: {note}", file=context.stderr)


def _instances(parts: Parts, key: Key, index: int | None) -> list[Observed]:
    things = inside.instances(parts, key)
    if not things:
        raise _without_instance(parts, key)
    return inside.of_index(key, things, index)


def _without_instance(parts: Parts, key: Key) -> ReconcilerError:
    if key.kind == "campaign":
        return inside.not_running(parts, key)
    declared = next((r for r in parts.source.resources(key.namespace) if r.key == key), None)
    stopped = declared is not None and declared.spec.replicas == 0
    return NoLog(
        f"{key.short} has no instance, so it has no log: {'it is stopped' if stopped else 'it does not exist'}",
        hint=f"start it: {command_line(key, 'start')}; its last run: {command_line(key, 'logs', '--previous')}",
    )


def _stream(
    parts: Parts, thing: Observed, follow: bool, tail: int | None, since: float | None, timestamps: bool
) -> Stream:
    from reconciler.cli.lines import Stream

    reach = parts.reach[thing.place]
    assert thing.key, "ours"
    return Stream(
        f"{thing.key.name}/{thing.key.index}",
        lambda: reach.logs(thing, follow=follow, tail=tail, since=since, timestamps=timestamps),
    )


def _earlier(context: Context, parts: Parts, key: Key, index: int | None, tail: int | None) -> Iterator[Stream]:
    """Files that were kept when an instance was taken away, or began anew."""
    from reconciler.cli.lines import Stream, from_file

    found = list(_files(context.home, key, index))
    if index is None:
        found = [one for one in found if one[0] < _replicas(parts, key)] or found  # extra ones of updates are gone
    streams = {number: Stream(f"{key.name}/{number}", partial(from_file, path, tail)) for number, path in found}
    streams |= dict(_earlier_elsewhere(parts, key, index, tail))
    if not streams:
        inside.instances(parts, key)  # says so if there is no such service at all
        raise NoLog(f"{key.short} has no log of an earlier run", hint=f"the present one: {command_line(key, 'logs')}")
    yield from (streams[number] for number in sorted(streams))


def _earlier_elsewhere(parts: Parts, key: Key, index: int | None, tail: int | None) -> Iterator[tuple[int, Stream]]:
    """A process on another host keeps that of its last run beside it, there."""
    from reconciler.cli.lines import Stream

    declared = next((r.spec for r in parts.source.resources(key.namespace) if r.key == key), None)
    if getattr(declared, "run_on", LOCAL) == LOCAL:
        return
    for thing in inside.of_index(key, found, index) if (found := inside.instances(parts, key)) else ():
        assert thing.key, "ours"
        reach: Any = parts.reach[thing.place]
        if thing.host != LOCAL and thing.runtime == "process" and (log := reach.earlier(thing, tail)) is not None:
            number = thing.key.index or 0
            yield number, Stream(f"{key.name}/{number}", partial(iter, [log]))


def _replicas(parts: Parts, key: Key) -> int:
    """A stopped one had at least one. A campaign counts its runs, and each of them is as good as the others."""
    if key.kind == "campaign":
        return sys.maxsize
    return max((r.spec.replicas for r in parts.source.resources(key.namespace) if r.key == key), default=0) or 1


def _files(home: str, key: Key, index: int | None) -> Iterator[tuple[int, str]]:
    """`<home>/logs/<ns>.<name>.<index>.log` of what was removed; a process keeps that of its last run beside it."""
    import os
    import re

    pattern = re.compile(rf"{re.escape(key.namespace)}\.{re.escape(key.name)}\.(\d+)(\.log)?")
    found: dict[int, list[str]] = {}
    far = [os.path.join("hosts", host, "logs") for host in _names(os.path.join(home, "hosts"))]
    for directory, file in (("logs", ""), ("processes", "previous.log"), *((logs, "") for logs in far)):
        for entry in _names(os.path.join(home, directory)):
            match = pattern.fullmatch(entry)
            path = os.path.join(home, directory, entry, file) if file else os.path.join(home, directory, entry)
            if match and index in (None, int(match[1])) and os.path.isfile(path):
                found.setdefault(int(match[1]), []).append(path)
    yield from ((number, max(found[number], key=os.path.getmtime)) for number in sorted(found))


def _names(directory: str) -> list[str]:
    import os

    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
