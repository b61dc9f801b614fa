from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.forwards.verbs import keep, listing, run, start, stop
from reconciler.cli.forwards.ways import LOOPBACK, Way, Wish, finder, listen, way
from reconciler.cli.reach import inside
from reconciler.cli.render.text import clean
from reconciler.cli.verb import GLOBAL_OPTIONS, Family, verb, write_options
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from socket import socket

    from reconciler.engine.reconcile import Parts
    from reconciler.model.key import Key

EXAMPLES = """
reconciler port-forward web 8080:80
reconciler port-forward web http :9090
reconciler port-forward --keep web 8080:80
reconciler port-forward list
reconciler port-forward stop forward-web-80
"""


@verb("port-forward", examples=EXAMPLES)
@click.argument("word", metavar="NAME", shell_complete=names.services)
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL:]PORT…")
@click.option("--address", default=LOOPBACK, metavar="ADDRESS", help="Listen there [127.0.0.1].")
@click.option("--index", type=click.IntRange(0), metavar="N", help="To this instance; by default to any that runs.")
@click.option("--keep", "kept", is_flag=True, help="In the background, begun again when it dies: the same as `start`.")
def here(
    context: Context, word: str, ports: tuple[str, ...], *, address: str, index: int | None, kept: bool
) -> int | None:
    """Lead ports of this machine to a service's, until Ctrl-C."""
    if kept:
        return keep(context, word, ports, address=address, index=index)
    wishes = [Wish.read(port) for port in ports]
    parts, key = _target(context, word)
    spec = next((r.spec for r in parts.source.resources(key.namespace) if r.key == key and not r.deleting), None)
    _note_absence(context, parts, key, index)
    open_ones = [(listen(_spelled(address), wish, context.port_range), way(spec, key, wish)) for wish in wishes]
    for listener, to in open_ones:
        _begin(context, parts, key, index, listener, to)
    threading.Event().wait()
    return None


def _target(context: Context, word: str) -> tuple[Parts, Key]:
    from reconciler.model.key import Key

    (kind, name), *_ = picking.workloads((word,)).names
    return line.open_controller(context).parts, Key(kind, context.scope, name)


def _note_absence(context: Context, parts: Parts, key: Key, index: int | None) -> None:
    """It may come, and then is found; but whoever is not declared at all never will."""
    from reconciler.model.observed import Phase

    found = inside.instances(parts, key)
    if not any(thing.phase is Phase.RUNNING for thing in found):
        print(f"note: {key.short} is not running; who connects waits for a while until it is", file=context.stderr)
    elif index is not None:
        inside.of_index(key, found, index)


def _spelled(address: str) -> str:
    import ipaddress

    if address == "localhost":
        return LOOPBACK
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise UsageError(f"--address {address}: an address of this machine is expected", hint="like 0.0.0.0") from None


def _begin(context: Context, parts: Parts, key: Key, index: int | None, listener: socket, to: Way) -> None:
    from reconciler.engine.forwarding import Forward

    host, port = listener.getsockname()[:2]
    title = f"{f'[{host}]' if ':' in host else host}:{port} -> {key.name}:{to.title}"

    def tell(text: str) -> None:
        print(f"{title}: {clean(text)}", file=context.stderr, flush=True)

    Forward(listener, finder(parts, key, index, to), tell).begin()
    print(title, file=context.stdout, flush=True)


class Forwarding(Family):
    """A verb of its own, and a family: what is not one of its second words is a service."""

    def resolve_command(
        self, _ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.commands.get(args[0])
        return (args[0], known, args[1:]) if known else (None, here, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "NAME [LOCAL:]PORT… [OPTIONS]")
        formatter.write_usage(ctx.command_path, "VERB [ARGUMENTS]...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options("Options", ctx, formatter, here.own_params)
        super().format_options(ctx, formatter)


command = Forwarding(
    "port-forward", examples=EXAMPLES, params=[*GLOBAL_OPTIONS],
    help="""Lead ports of this machine to a service's, until Ctrl-C.

    PORT is a number or the name of a port; LOCAL is the same number if left out, or any that is free, as with `:PORT`.
    Each connection looks anew who serves: it outlives a restart. Only TCP.
    """,
    commands=[start, listing, stop, run],
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)  # fmt: skip
