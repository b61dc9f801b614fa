from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.reach import entering, inside, surroundings
from reconciler.cli.verb import verb
from reconciler.errors import Refused

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts
    from reconciler.model.key import Key
    from reconciler.model.observed import Observed

EXAMPLES = """
reconciler attach box
reconciler attach web --index 1 --shell sh
reconciler attach box -- python3 -i
"""


@verb("attach", examples=EXAMPLES)
@click.argument("word", metavar="NAME", shell_complete=names.services)
@click.argument("argv", nargs=-1, metavar="[-- CMD…]", type=click.UNPROCESSED)
@click.option("--index", type=click.IntRange(0), metavar="N", help="Of this instance; by default the first that runs.")
@click.option("--shell", metavar="SHELL", help="This shell, and not the best one that it has.")
@click.option("-e", "--env", "pairs", multiple=True, metavar="K=V", help="A variable; without =V it is passed on.")
@click.option("-u", "--user", default="", help="As this user: name or id.")
@click.option("-w", "--workdir", default="", metavar="DIR", help="In this directory.")
def command(
    context: Context, word: str, argv: Sequence[str], *, index: int | None, shell: str | None, pairs: Sequence[str],
    user: str, workdir: str,
) -> int:  # fmt: skip
    """Open a shell inside; what is stopped is started first.

    As many at once as one likes; what runs there stays when the last one leaves. The shell's exit code is passed on.
    """
    from reconciler.model.key import Key

    env = surroundings.variables(pairs, context.invocation.environ)
    (kind, name), *_ = picking.workloads(picking.spelled(context, (word,))).names
    key = Key(kind, context.scope, name)
    parts = line.open_controller(context).parts
    thing = entering.one_to_enter(context, parts, key, index)
    return enter(context, parts, key, thing, argv, shell=shell, env=env, user=user, workdir=workdir)


def enter(
    context: Context, parts: Parts, key: Key, thing: Observed, argv: Sequence[str] = (), *, shell: str | None = None,
    env: Mapping[str, str] | None = None, user: str = "", workdir: str = "",
) -> int:  # fmt: skip
    from reconciler.cli.reach import shell as shells
    from reconciler.cli.reach import workspace

    reach = parts.reach[thing.place]
    tty = surroundings.has_terminal(context)
    context.stdout.flush()
    try:
        return reach.attach(
            thing, argv or [shell or shells.best(reach, thing, key)], tty=tty, stdin=surroundings.has_input(context),
            env=surroundings.with_terminal(context, env or {}, tty=tty), user=user,
            workdir=workdir or workspace.declared(parts, key),
        )  # fmt: skip
    except Refused:
        inside.one_that_runs(parts, key, thing.key.index if thing.key else None)  # or says why it has ended meanwhile
        raise
