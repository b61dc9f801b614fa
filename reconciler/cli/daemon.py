from __future__ import annotations

from typing import Any

from reconciler.cli import line
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.text import clean
from reconciler.cli.verb import verb, verbs

EXAMPLES = """
reconciler daemon start
reconciler daemon status
reconciler daemon logs -f
reconciler daemon stop
"""
START = """
reconciler daemon start
reconciler --home /srv/state daemon start
"""
STOP = "reconciler daemon stop"
STATUS = """
reconciler daemon status
reconciler daemon status -o json
"""


@verb("start", examples=START)
@line.loop_options
def start(context: Context, *, resync: float) -> None:
    """Start it, detached from this terminal, and wait until it answers."""
    from reconciler.daemon import launch

    pid = launch.start(context.home, line.daemon_flags(context, resync))
    print(f"daemon started (pid {pid}); it looks after {context.home}", file=context.stdout)


@verb("stop", examples=STOP)
def stop(context: Context) -> None:
    """End it. Everything that it looked after goes on running."""
    from reconciler.daemon import launch

    pid = launch.stop(context.home)
    said = f"daemon stopped (pid {pid}); what it looked after goes on running" if pid else "no daemon runs"
    print(said, file=context.stdout)


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
    from reconciler.daemon import lock

    answer = health(home)
    if answer:
        return answer
    pid = lock.holder(home)
    silent = [] if pid is None else ["it does not answer"]
    return {"running": pid is not None, "pid": pid or None, "home": home, "startedAt": None, "healthy": False,
            "troubles": silent}  # fmt: skip


def _sentence(tree: dict[str, Any]) -> str:
    if not tree["running"]:
        return f"no daemon runs for {tree['home']}"
    word = "healthy" if tree["healthy"] else "not healthy"
    return f"the daemon of {tree['home']} runs (pid {tree['pid']}) and is {word}"


@verb("run", examples="reconciler daemon run")
@line.loop_options
def run(context: Context, *, resync: float) -> int:
    """Be the daemon, in the foreground, with logs on stderr: for systemd, and whoever else looks after programs."""
    return line.open_daemon(context, resync=resync).run()


command = verbs(
    "daemon", "Run the loop in the background: it heals what drifts.", examples=EXAMPLES,
    commands=[start, stop, status, run],
)  # fmt: skip
