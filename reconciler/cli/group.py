"""The command `reconciler` itself: knows its verbs by name, imports the one that runs."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.catalog import SUMMARIES
from reconciler.cli.invocation import Flags, Invocation
from reconciler.cli.shortcuts.overview import columns, help_text
from reconciler.cli.verb import GLOBAL_OPTIONS, NoSuchVerb

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM = "reconciler"
COMPLETE_VARIABLE = "_RECONCILER_COMPLETE"


def dispatch(arguments: list[str], invocation: Invocation) -> int | None:
    """Not click's own `main`, which takes every EPIPE, an engine's too, for a reader that went away."""
    instruction = invocation.environ.get(COMPLETE_VARIABLE)
    if instruction:
        return _complete(instruction)
    with ROOT.make_context(PROGRAM, arguments, obj=invocation) as ctx:
        code: int | None = ROOT.invoke(ctx)
    return code


def _complete(instruction: str) -> int:
    from click.shell_completion import shell_complete

    return shell_complete(ROOT, {"obj": Invocation.real()}, PROGRAM, COMPLETE_VARIABLE, instruction)


class Root(click.Group):
    """A lazy group. Help and completion come from the catalog alone."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(SUMMARIES)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUMMARIES:
            return None
        command: click.Command = importlib.import_module(f"reconciler.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise NoSuchVerb(args[0], SUMMARIES, ctx)
        return args[0], command, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        invocation = ctx.find_object(Invocation)
        assert invocation is not None
        invocation.flags = Flags.pop_from(ctx.params)
        return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name, help=line) for name, line in SUMMARIES.items() if name.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def get_help(self, _ctx: click.Context) -> str:
        return help_text(columns(os.environ)).rstrip("\n")


ROOT = Root(
    PROGRAM,
    params=[*GLOBAL_OPTIONS],
    subcommand_metavar="VERB [ARGUMENTS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
