from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from reconciler.cli import inside, line, names, picking
from reconciler.cli.context import Context
from reconciler.cli.verb import verb
from reconciler.errors import UsageError

EXAMPLES = """
reconciler exec web -- env
reconciler exec -it web -- sh
reconciler exec web --index 1 -e LOG=debug -w /tmp -- ls -l
echo hello | reconciler exec -i db -- cat
"""


@verb("exec", examples=EXAMPLES)
@click.argument("word", metavar="NAME", shell_complete=names.services)
@click.argument("argv", nargs=-1, metavar="-- CMD…", type=click.UNPROCESSED)
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="Give it a terminal; left out when there is none here.")
@click.option("--index", type=click.IntRange(0), metavar="N", help="In this instance; by default the first that runs.")
@click.option("-e", "--env", "pairs", multiple=True, metavar="K=V", help="A variable; without =V it is passed on.")
@click.option("-u", "--user", default="", help="As this user: name or id.")
@click.option("-w", "--workdir", default="", metavar="DIR", help="In this directory.")
def command(
    context: Context, word: str, argv: Sequence[str], *, stdin: bool, tty: bool, index: int | None,
    pairs: Sequence[str], user: str, workdir: str,
) -> int:  # fmt: skip
    """Run a command inside; its exit code is passed on."""
    from reconciler.model.key import Key

    if not argv:
        raise UsageError("no command is given", hint=f"after two dashes: reconciler exec {word} -- env")
    env = _variables(pairs, context.invocation.environ)
    (_, name), *_ = picking.services((word,)).names
    parts = line.open_controller(context).parts
    thing = inside.one_that_runs(parts, Key("service", context.scope, name), index)
    if tty and not context.stdin.isatty():
        print("note: standard input is no terminal, so none is made", file=context.stderr)
        tty = False
    context.stdout.flush()
    return parts.reach[thing.runtime].attach(thing, argv, tty=tty, stdin=stdin, env=env, user=user, workdir=workdir)


def _variables(pairs: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or (not equals and name not in environ):
            raise UsageError(f"-e {pair}: NAME=VALUE is expected", hint="or the NAME of a variable that is set here")
        found[name] = value if equals else environ[name]
    return found
