"""The first words of the program come at once, and are the same that it would have said with all of itself loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from reconciler.cli.shortcuts.overview import GLOBALS
from reconciler.cli.verb import GLOBAL_OPTIONS
from tests.cli.conftest import Run

THE_LONG_WAY = "import sys; from reconciler.cli import obey; from reconciler.cli.invocation import Invocation as I\n"
THE_LONG_WAY += "sys.exit(obey(sys.argv[1:], I.real()))"


@pytest.mark.parametrize("width", ["", "20", "60", "80", "100", "200", "none"])
@pytest.mark.parametrize("line", [(), ("--help",), ("-h",), ("version",), ("--version",)])
def test_the_short_way_says_what_the_long_way_says(
    line: tuple[str, ...], width: str, cli: Run, environment: dict[str, str]
) -> None:
    longer = subprocess.run(
        [sys.executable, "-c", THE_LONG_WAY, *line],
        env={**environment, "COLUMNS": width}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert cli(*line, env={"COLUMNS": width}).stdout == longer.stdout


def test_the_overview_describes_the_global_options_as_they_describe_themselves() -> None:
    context = click.Context(click.Command("any"))
    assert list(GLOBALS.items()) == [option.get_help_record(context) for option in GLOBAL_OPTIONS]


@pytest.mark.parametrize("line", ["--help", "version", "--version"])
def test_the_short_way_imports_no_command_line_library(line: str, environment: dict[str, str]) -> None:
    code = "import json, sys\nfrom reconciler.cli import main\nmain()\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", code, line], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(ran.stdout.splitlines()[-1]))
    assert {"click", "dataclasses", "inspect", "logging", "threading", "subprocess"} & loaded == set()


@pytest.mark.parametrize("line", ["--help", "version"])
def test_a_full_disk_is_an_error_on_the_short_way_too(line: str, environment: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ran = subprocess.run(
            [sys.executable, "-m", "reconciler", line], env=environment, stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: No space left on device\n")
