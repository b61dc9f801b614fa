from __future__ import annotations

import click

from reconciler.cli.context import Context
from reconciler.cli.verb import verb

EXAMPLES = """
reconciler completion bash --install
reconciler completion zsh --install --rc-file ~/.zshrc.local
eval "$(reconciler completion bash)"       # for this shell only
reconciler completion fish > ~/.config/fish/completions/reconciler.fish
"""


@verb("completion", examples=EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option(
    "--install", is_flag=True, help="Write the script down and let the shell's start-up file read it. Once is enough."
)
@click.option(
    "--rc-file", type=click.Path(dir_okay=False), metavar="FILE", help="The start-up file, if not the usual one."
)
def command(context: Context, shell: str, *, install: bool, rc_file: str | None) -> None:
    """Print or install shell completion."""
    from reconciler.cli import shells
    from reconciler.errors import UsageError

    if rc_file and not install:
        raise UsageError("--rc-file says where to install", hint="add --install")
    if not install:
        context.stdout.write(shells.script(shell))
        return
    for line in shells.install(shell, rc_file, context.invocation.environ):
        print(line, file=context.stdout)
