"""What `watch` and the verbs of `daemon` share: how the loop is to run, as options, and the way to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict

import click

from reconciler.cli.context import Context
from reconciler.cli.durations import duration
from reconciler.cli.line import set_up_logs
from reconciler.errors import ReconcilerError, UsageError

if TYPE_CHECKING:
    from reconciler.daemon.run import Daemon


SHORTEST_RESYNC = 1.0


class Ways(TypedDict):
    """How it is to run."""

    resync: float
    webhook: str | None


USUAL: Ways = {"resync": 30.0, "webhook": None}
"""Where nothing else is said."""


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """A verb with these takes `**ways: Unpack[Ways]`."""
    resync = click.option(
        "--resync", type=duration, default=f"{USUAL['resync']:g}", metavar="SPAN", show_default=True,
        help="Look at everything this often, whatever was heard.", callback=_not_too_often,
    )  # fmt: skip
    webhook = click.option(
        "--webhook", metavar="HOST:PORT", help="Take signed requests to look at a Source: POST /hooks/NAMESPACE/NAME."
    )
    return resync(webhook(function))


def _not_too_often(_context: click.Context, _option: click.Parameter, seconds: float) -> float:
    if seconds < SHORTEST_RESYNC:
        raise click.BadParameter(f"at least {SHORTEST_RESYNC:g} s: what happens is heard of at once in any case")
    return seconds


def flags(context: Context, ways: Ways) -> list[str]:
    """With which it runs elsewhere as it would here."""
    hook = ["--webhook", ways["webhook"]] if ways["webhook"] else []
    return ["--resync", f"{ways['resync']:g}s", *hook, "--log-format", context.log_format, *["-v"] * context.verbosity]


def open_daemon(context: Context, ways: Ways) -> Daemon:
    """The loop of this home. It tells what it does, where a command would only tell of trouble."""
    from reconciler import wiring
    from reconciler.cli.shortcuts import daemon_status
    from reconciler.telemetry import Say, get_logger

    set_up_logs(context, max(context.verbosity, 1))
    log = get_logger()
    try:
        daemon = wiring.daemon(
            context.home, port_range=context.port_range, resync=ways["resync"], webhook=_address(ways["webhook"]),
            note=lambda text: log.warning(Say.NOTE, note=text),
        )  # fmt: skip
    except OSError as error:
        if not ways["webhook"]:
            raise
        raise ReconcilerError(
            f"--webhook {ways['webhook']}: nothing can listen there: {error.strerror}", hint="choose another port"
        ) from error
    daemon.further["say"] = daemon_status.handler(context.home)
    return daemon


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--webhook {text}: not of the form HOST:PORT", hint="like 127.0.0.1:9000, or 0.0.0.0:9000")
    return host.strip("[]") or "127.0.0.1", int(port)
