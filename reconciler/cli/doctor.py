from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

from reconciler.cli.checks import examine
from reconciler.cli.checks.finding import Finding, Level
from reconciler.cli.context import Context
from reconciler.cli.render.output import TREES, show_tree
from reconciler.cli.render.table import Column, table
from reconciler.cli.render.text import clean, mark, paint
from reconciler.cli.verb import verb
from reconciler.errors import SpecError, Unusable

EXAMPLES = """
reconciler doctor
reconciler doctor -o json
reconciler doctor -o jsonpath='{.checks[?(@.level=="failed")].message}'
"""
STYLES = {Level.OK: "green", Level.INFO: "dim", Level.WARNING: "yellow", Level.FAILED: "red"}


@verb("doctor", examples=EXAMPLES, outputs=TREES)
def command(context: Context) -> int:
    """Check what this machine offers, and show the settings.

    Exit code 1 says that a check failed; warnings and remarks don't.
    """
    broken = list(_config_file(context))
    usable = replace(context, without_config=True) if any(f.level is Level.FAILED for f in broken) else context
    findings = [*broken, *examine(usable)]
    if not show_tree(usable, _tree(usable, findings)):
        _print(usable, findings)
    return 1 if any(finding.level is Level.FAILED for finding in findings) else 0


def _config_file(context: Context) -> Iterator[Finding]:
    try:
        config = context.config
    except SpecError as error:
        for problem in error.problems:
            yield Finding(
                "settings",
                "config file",
                Level.FAILED,
                f"{problem.place}: {problem.path}: {problem.message}",
                problem.hint,
            )
    except Unusable as error:
        yield Finding("settings", "config file", Level.FAILED, error.message, error.hint)
    else:
        message = config.path if config.present else f"none at {config.path}; that is fine"
        yield Finding("settings", "config file", Level.OK if config.present else Level.INFO, message)


def _tree(context: Context, findings: Sequence[Finding]) -> dict[str, Any]:
    settings = {name: {"value": value, "origin": origin} for name, (value, origin) in context.settings.items()}
    return {"checks": [asdict(finding) for finding in findings], "settings": settings}


def _print(context: Context, findings: Sequence[Finding]) -> None:
    for group, members in groupby(findings, key=lambda finding: finding.group):
        print(paint(group, "bold", color=context.color), file=context.stdout)
        for finding in members:
            _print_finding(context, finding)
        if group == "settings":
            context.stdout.write(_settings(context))


def _print_finding(context: Context, finding: Finding) -> None:
    sign = "·" if finding.level is Level.INFO else mark(finding.level, context.stdout)
    if finding.level is Level.INFO and mark("ok", context.stdout) == "ok":
        sign = "-"
    print(
        f"  {paint(sign, STYLES[finding.level], color=context.color)} {finding.name:<11} {clean(finding.message)}",
        file=context.stdout,
    )
    if finding.hint:
        print(f"      {paint('hint:', 'cyan', color=context.color)} {clean(finding.hint)}", file=context.stdout)


def _settings(context: Context) -> str:
    rows = [(f"    {name}", _shown(name, value), f"({origin})") for name, (value, origin) in context.settings.items()]
    return table((Column("NAME"), Column("VALUE"), Column("ORIGIN")), rows, headers=False)


def _shown(name: str, value: Any) -> str:
    match value:
        case (low, high):
            return f"{low}-{high}"
        case "":
            return "each verb's own text" if name == "output" else "none"
        case float():
            return f"{value:g} s"
        case _:
            return str(value)
