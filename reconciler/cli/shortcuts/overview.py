"""What `reconciler --help` and `reconciler version` say, told before anything else is imported.

Both are asked by people who wait and by prompts that ask often; the command line library alone costs three times
what the interpreter does. The slow path says the same, for it takes its words from here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from reconciler import __version__
from reconciler.cli.catalog import GROUPS, SUMMARIES
from reconciler.usual_places import config_file

USAGE = "Usage: reconciler [OPTIONS] VERB [ARGUMENTS]..."
ABOUT = (
    "kubectl apply for your own machines: declare containers and native processes; "
    "reconciler shows the difference, and closes it."
)
GLOBALS = {
    "-n, --namespace NAME": "The namespace. Wins over what specs say; by default theirs, or `default`.",
    "--home DIR": "Where state lives [RECONCILER_HOME, default ~/.local/state/reconciler].",
    "-o, --output FORMAT": "Form of the results.",
    "--no-color": "No colours; NO_COLOR does the same.",
    "-v, --verbose": "Tell more; -vv shows traces of errors.",
    "--log-format [json|console]": "Form of the logs on stderr.",
}
"""As the options themselves say it; a test holds the two together."""
EXAMPLES = (
    "reconciler init                    write a starter spec here",
    "reconciler validate -f .           check it",
    "reconciler explain service.ports   look a field up",
    "reconciler doctor                  see what this machine offers",
)
NARROWEST, WIDEST = 50, 98


def answer(arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """The whole output, for the few command lines that need nothing else."""
    if "_RECONCILER_COMPLETE" in environ:
        return None
    match list(arguments):
        case [] | ["--help"] | ["-h"]:
            return help_text(columns(environ))
        case ["version"] | ["--version"] if not os.path.lexists(config_file(environ)):  # it may ask for another form
            return f"{version_line()}\n"
        case _:
            return None


def help_text(terminal: int) -> str:
    """For a terminal of so many columns."""
    from textwrap import fill

    width = max(min(terminal - 2, WIDEST), NARROWEST)
    about = fill(ABOUT, width, initial_indent="  ", subsequent_indent="  ")
    verbs = max(map(len, SUMMARIES))
    sections = [
        *(_section(title, _rows(group, verbs, width)) for title, group in GROUPS.items() if group),
        _section("Global options, before or after the verb", _rows(GLOBALS, max(map(len, GLOBALS)), width)),
        _section("Examples", [f"  {line}" for line in EXAMPLES]),
    ]
    return "\n".join([f"{USAGE}\n", f"{about}\n", *sections, "More about one verb: reconciler VERB --help\n"])


def columns(environ: Mapping[str, str]) -> int:
    """As `shutil` finds it out, which takes three compression libraries along."""
    wished = environ.get("COLUMNS", "")
    if wished.isdecimal() and int(wished) > 0:
        return int(wished)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80  # closed, or not a terminal


def version_line() -> str:
    facts = version_facts()
    return f"reconciler {facts['version']} (Python {facts['python']}, {facts['platform']})"


def version_facts() -> dict[str, str]:
    machine = os.uname()
    return {
        "version": __version__,
        "python": sys.version.split()[0],
        "platform": f"{machine.sysname} {machine.release} {machine.machine}",
    }


def _section(title: str, lines: Sequence[str] | Iterator[str]) -> str:
    return "\n".join([f"{title}:", *lines, ""])


def _rows(texts: Mapping[str, str], column: int, width: int) -> Iterator[str]:
    """Two columns; what does not fit goes on below itself."""
    from textwrap import wrap

    for name, text in texts.items():
        first, *others = wrap(text, max(width - column - 4, 10))
        yield f"  {name.ljust(column)}  {first}"
        yield from (f"{'':{column + 4}}{line}" for line in others)
