from __future__ import annotations

from collections.abc import Sequence

import click

from reconciler.cli import line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.reach import inside, surroundings
from reconciler.cli.verb import verb
from reconciler.errors import UsageError

EXAMPLES = """
reconciler exec web -- env
reconciler exec web -- sh
reconciler exec web --index 1 -e LOG=debug -w /tmp -- ls -l
echo hello | reconciler exec db -- cat
"""


@verb("exec", examples=EXAMPLES)
@click.argument("word", metavar="NAME", shell_complete=names.services)
@click.argument("argv", nargs=-1, metavar="-- CMD…", type=click.UNPROCESSED)
@click.option("-i/-I", "--stdin/--no-stdin", default=None, help="Pass standard input on; without a word if it has any.")
@click.option("-t/-T", "--tty/--no-tty", default=None, help="Give it a terminal; without a word if we have one.")
@click.option("--index", type=click.IntRange(0), metavar="N", help="In this instance; by default the first that runs.")
@click.option("-e", "--env", "pairs", multiple=True, metavar="K=V", help="A variable; without =V it is passed on.")
@click.option("-u", "--user", default="", help="As this user: name or id.")
@click.option("-w", "--workdir", default="", metavar="DIR", help="In this directory.")
@click.option("--alone", default="", hidden=True)
def command(
    context: Context, word: str, argv: Sequence[str], *, stdin: bool | None, tty: bool | None, index: int | None,
    pairs: Sequence[str], user: str, workdir: str, alone: str,
) -> int:  # fmt: skip
    """Run a command inside; its exit code is passed on.

    So are signals that would end us: they are its own. Only of a kill -9 it learns nothing, and goes on.
    """
    from reconciler.model.key import Key

    if not argv:
        raise UsageError("no command is given", hint=f"after two dashes: reconciler exec {word} -- env")
    env = surroundings.variables(pairs, context.invocation.environ)
    (kind, name), *_ = picking.workloads(picking.spelled(context, (word,))).names
    parts = line.open_controller(context).parts
    thing = inside.one_that_runs(parts, Key(kind, context.scope, name), index)
    terminal = _terminal(context, tty)
    wanted = surroundings.has_input(context) if stdin is None else stdin
    context.stdout.flush()
    return parts.reach[thing.place].attach(
        thing, argv, tty=terminal, stdin=wanted, env=surroundings.with_terminal(context, env, tty=terminal), user=user,
        workdir=workdir, alone=alone,
    )  # fmt: skip


def _terminal(context: Context, wanted: bool | None) -> bool:
    if wanted and not context.stdin.isatty():
        print("note: standard input is no terminal, so none is made", file=context.stderr)
        return False
    return surroundings.has_terminal(context) if wanted is None else wanted
