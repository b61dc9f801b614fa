from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Unpack

import click

from reconciler.cli import looping
from reconciler.cli.context import Context
from reconciler.cli.looping import Ways
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb, verbs
from reconciler.errors import ReconcilerError

EXAMPLES = """
reconciler daemon start
reconciler daemon status
reconciler daemon logs -f
reconciler daemon restart
reconciler daemon stop
"""
START = """
reconciler daemon start
reconciler --home /srv/state daemon start
"""
STOP = "reconciler daemon stop"
RESTART = "reconciler daemon restart"
STATUS = """
reconciler daemon status
reconciler daemon status -o json
"""
LOGS = """
reconciler daemon logs
reconciler daemon logs -f --tail 20
"""
INSTALL = """
reconciler daemon install
reconciler daemon install --print
"""


@verb("start", examples=START)
@looping.options
def start(context: Context, **ways: Unpack[Ways]) -> None:
    """Start it, detached from this terminal, and wait until it answers. One that runs already is left as it is."""
    from reconciler.daemon import launch, lock

    try:
        pid = launch.start(context.home, looping.flags(context, ways))
    except lock.Held as held:
        who = f" (pid {held.pid})" if held.pid else ""
        print(f"the daemon runs already{who}; it looks after {context.home}", file=context.stdout)
        return
    print(f"daemon started (pid {pid}); it looks after {context.home}", file=context.stdout)


@verb("stop", examples=STOP)
def stop(context: Context) -> None:
    """End it. Everything that it looked after goes on running."""
    from reconciler.daemon import launch

    pid = launch.stop(context.home)
    said = f"daemon stopped (pid {pid}); what it looked after goes on running" if pid else "no daemon runs"
    print(said, file=context.stdout)


@verb("restart", examples=RESTART)
def restart(context: Context) -> None:
    """End it and start it again, with the options that it has now. Everything that it looks after goes on running."""
    from reconciler.daemon import launch

    before, pid = launch.restart(context.home, looping.flags(context, looping.USUAL))
    said = f"daemon restarted (pid {pid}, before {before})" if before else f"no daemon ran; daemon started (pid {pid})"
    print(f"{said}; it looks after {context.home}", file=context.stdout)


@verb("status", examples=STATUS, outputs=TREES)
def status(context: Context) -> int:
    """Tell whether it runs, and whether it is well. Exit code 1 if not."""
    tree = _status(context.home)
    if not show_tree(context, tree):
        print(_sentence(tree), file=context.stdout)
        for trouble in tree["troubles"]:
            print(f"  {clean(trouble)}", file=context.stdout)
    return 0 if tree["healthy"] else 1


def _status(home: str) -> dict[str, Any]:
    from reconciler.api.call import health
    from reconciler.core.moments import iso
    from reconciler.daemon import lock

    answer = health(home)
    if answer:
        return {**answer, "startedAt": iso(answer["startedAt"], "auto")}
    pid = lock.holder(home)
    silent = [] if pid is None else ["it does not answer"]
    return {"running": pid is not None, "pid": pid or None, "home": home, "startedAt": None, "healthy": False,
            "troubles": silent}  # fmt: skip


def _sentence(tree: dict[str, Any]) -> str:
    if not tree["running"]:
        return f"no daemon runs for {tree['home']}; next: reconciler daemon start"
    word = "healthy" if tree["healthy"] else "not healthy"
    return f"the daemon of {tree['home']} runs (pid {tree['pid']}) and is {word}"


@verb("run", examples="reconciler daemon run")
@looping.options
def run(context: Context, **ways: Unpack[Ways]) -> int:
    """Be the daemon, in the foreground, with logs on stderr: for systemd, and whoever else looks after programs."""
    return looping.open_daemon(context, ways).run()


@verb("logs", examples=LOGS)
@click.option("-f", "--follow", is_flag=True, help="Go on, and show what comes.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines.")
def logs(context: Context, *, follow: bool, tail: int | None) -> None:
    """Print what it has told of itself."""
    from reconciler.daemon.log import lines

    for text in lines(context.home, tail=tail, follow=follow):
        print(clean(text), file=context.stdout, flush=follow)


@verb("install", examples=INSTALL)
@click.option("--print", "only_print", is_flag=True, help="Print the unit, and do nothing.")
@looping.options
def install(context: Context, *, only_print: bool, **ways: Unpack[Ways]) -> int:
    """Have systemd run it, from each boot on.

    As root for the machine, else for your own user. What it looks after is left alone when it is stopped. Programs
    are found as you find them now: your PATH is written down with it.
    """
    from reconciler.daemon.unit import unit

    made = unit(context.home, looping.flags(context, ways), context.invocation.environ, root=os.geteuid() == 0)
    if only_print:
        print(made.text, end="", file=context.stdout)
        return 0
    if not Path("/run/systemd/system").is_dir():
        raise ReconcilerError(
            "no systemd runs here, so there is nothing to install into",
            hint="have your init run `reconciler daemon run`, or at boot `reconciler daemon start`; "
            "--print shows the unit",
        )
    path = Path(made.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.text)
    enable = f"{made.systemctl} daemon-reload && {made.systemctl} enable --now {path.name}"
    print(f"{path} written; now: {enable}", file=context.stdout)
    return 0


command = verbs(
    "daemon", "Run the loop in the background: it heals what drifts.", examples=EXAMPLES,
    commands=[start, stop, restart, status, logs, install, run],
)  # fmt: skip
