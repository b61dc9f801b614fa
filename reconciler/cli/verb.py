"""Makes a function into a verb: global options before and after it, a Context as argument, examples in its help."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from reconciler.cli import names
from reconciler.cli.context import Context
from reconciler.cli.invocation import Flags, Invocation
from reconciler.errors import UsageError

GLOBAL_OPTIONS: tuple[click.Option, ...] = (
    click.Option(
        ["-n", "--namespace"],
        metavar="NAME",
        help="The namespace. Wins over what specs say; by default theirs, or `default`.",
        shell_complete=names.namespaces,
    ),
    click.Option(
        ["--home"],
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="Where state lives [RECONCILER_HOME, default ~/.local/state/reconciler].",
    ),
    click.Option(
        ["-o", "--output"], metavar="FORMAT", help="Form of the results.", shell_complete=names.output_formats
    ),
    click.Option(["--no-color"], is_flag=True, help="No colours; NO_COLOR does the same."),
    click.Option(["-v", "--verbose", "verbosity"], count=True, help="Tell more; -vv shows traces of errors."),
    click.Option(["--log-format"], type=click.Choice(["json", "console"]), help="Form of the logs on stderr."),
)


def verb(name: str, *, examples: str, outputs: Sequence[str] = ()) -> Callable[[Callable[..., int | None]], Verb]:
    """For a function of a Context and its own click parameters, which returns an exit code or nothing.

    `outputs` are the values of -o that it knows; one that ends in "=" takes an argument, like jsonpath=.
    """
    return click.command(name, cls=Verb, examples=examples, outputs=tuple(outputs))


def verbs(name: str, summary: str, *, examples: str, commands: Iterable[Verb]) -> Family:
    """Verbs of two words, like `rollout status`."""
    return Family(name, help=summary, examples=examples, commands=list(commands), params=[*GLOBAL_OPTIONS])


FAMILIAR = {
    "bash": ("attach",), "cat": ("get",), "check": ("validate",), "create": ("apply",), "destroy": ("delete",),
    "down": ("delete",), "edit": ("apply",), "inspect": ("describe",), "kill": ("stop",), "list": ("status", "get"),
    "log": ("logs",), "ls": ("status", "get"), "plan": ("diff",), "ps": ("status",), "remove": ("delete",),
    "replace": ("apply",), "rm": ("delete",), "sh": ("attach",), "shell": ("attach",), "show": ("describe",),
    "top": ("status",), "up": ("apply",),
}  # fmt: skip
"""What docker, Compose, kubectl and Terraform call it."""


class NoSuchVerb(click.UsageError):
    """Says what was probably meant."""

    def __init__(self, name: str, known: Iterable[str], ctx: click.Context) -> None:
        from difflib import get_close_matches

        known = list(known)
        close = [verb for verb in FAMILIAR.get(name, ()) if verb in known] or get_close_matches(name, known, 3, 0.6)
        guess = f"; did you mean {' or '.join(close)}?" if close else ""
        super().__init__(f"no verb is called {name!r}{guess}", ctx)


class Verb(click.Command):
    """One verb."""

    def __init__(self, name: str, *, examples: str, outputs: tuple[str, ...], **attributes: Any) -> None:
        self.examples = textwrap.dedent(examples).strip()
        self.outputs = outputs
        self.own_params = list(attributes.pop("params", None) or [])
        super().__init__(name, params=[*self.own_params, *GLOBAL_OPTIONS], **attributes)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if any(param.name == "argv" for param in self.own_params):
                raise _dashes_meant(ctx.command_path, error) from None
            raise
        except click.UsageError as error:
            if type(error) is click.UsageError and any(param.name == "paths" for param in self.own_params):
                raise _files_meant(self, ctx, typed) or error from None
            raise

    def invoke(self, ctx: click.Context) -> Any:
        assert self.callback is not None
        context = Context(_later_flags(ctx), self.outputs)
        context.check()
        return ctx.invoke(self.callback, context, **ctx.params)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_options("Options", ctx, formatter, self.own_params)
        write_globals(ctx, formatter, shown=[o for o in GLOBAL_OPTIONS if o.name != "output" or self.outputs])
        if self.outputs:
            shown = ", ".join(f"{name}…" if name.endswith("=") else name for name in self.outputs)
            formatter.write(f"\nFormats of -o: {shown}\n")

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)


class Family(click.Group):
    """A verb of two words: what stands here only leads to the second one."""

    def __init__(self, name: str, *, examples: str, **attributes: Any) -> None:
        self.examples = textwrap.dedent(examples).strip()
        super().__init__(name, **attributes)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise NoSuchVerb(args[0], self.commands, ctx)
        return args[0], command, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        _later_flags(ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(80)) for name in self.commands])
        write_globals(ctx, formatter, shown=GLOBAL_OPTIONS)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)


def _files_meant(verb: Verb, ctx: click.Context, typed: list[str]) -> UsageError | None:
    """`apply web.yaml`: files are named with -f, as kubectl has it."""
    extra = verb.make_parser(ctx).parse_args(typed)[1]
    if not extra:
        return None
    line = " ".join(f"-f {shlex.quote(path)}" for path in extra)
    return UsageError(f"{extra[0]}: files are named with -f", hint=f"{ctx.command_path} {line}")


def _dashes_meant(verb: str, error: click.NoSuchOption) -> UsageError:
    """`exec web sh -c ...`, as docker has it. To guess where its command begins would be to guess whose `-n` it is."""
    hint = f"what is run inside comes after two dashes: {verb} NAME -- COMMAND {error.option_name} …"
    return UsageError(f"{verb.partition(' ')[2]} has no option {error.option_name}", hint=hint)


def _later_flags(ctx: click.Context) -> Invocation:
    invocation = ctx.find_object(Invocation)
    assert invocation is not None, "the root command was given one"
    invocation.flags = invocation.flags.then(Flags.pop_from(ctx.params))
    return invocation


def write_globals(ctx: click.Context, formatter: click.HelpFormatter, *, shown: Sequence[click.Option]) -> None:
    write_options("Global options, before or after the verb", ctx, formatter, shown)


def write_options(
    title: str, ctx: click.Context, formatter: click.HelpFormatter, options: Sequence[click.Parameter]
) -> None:
    """Of options only: what an argument is called stands in the usage line already, and there is no more to tell."""
    records = [option.get_help_record(ctx) for option in options if isinstance(option, click.Option)]
    rows = [record for record in records if record is not None]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows, col_max=32)


def _write_examples(examples: str, formatter: click.HelpFormatter) -> None:
    """As written: a wrapped command can't be copied."""
    with formatter.section("Examples"):
        for line in examples.splitlines():
            formatter.write(f"{'':{formatter.current_indent}}{line}\n" if line else "\n")
