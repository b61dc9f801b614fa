"""Help is complete, and what it says agrees with the verbs."""

from __future__ import annotations

import importlib

import click
import pytest

from reconciler.cli.catalog import GROUPS, SUMMARIES
from tests.cli.conftest import Run


def command_of(verb: str) -> click.Command:
    return importlib.import_module(f"reconciler.cli.{verb.replace('-', '_')}").command


@pytest.mark.parametrize("verb", SUMMARIES)
def test_the_catalog_says_what_the_verb_itself_says(verb: str) -> None:
    assert SUMMARIES[verb] == command_of(verb).get_short_help_str(limit=100)
    assert command_of(verb).name == verb


def test_help_lists_every_verb_under_its_group(cli: Run) -> None:
    text = cli("--help").stdout
    places = [text.index(f"\n{group}:") for group, verbs in GROUPS.items() if verbs]
    assert places == sorted(places)
    for verb, summary in SUMMARIES.items():
        assert f"  {verb} " in text
        assert summary in text


def test_without_arguments_it_shows_help(cli: Run) -> None:
    shown = cli()
    assert (shown.returncode, shown.stdout) == (0, cli("--help").stdout)


@pytest.mark.parametrize("verb", SUMMARIES)
def test_every_help_has_examples_that_name_the_verb(verb: str, cli: Run) -> None:
    shown = cli(verb, "--help")
    assert shown.returncode == 0
    _, _, examples = shown.stdout.partition("Examples:\n")
    assert f"reconciler {verb}" in examples
    assert shown.stdout == cli(verb, "-h").stdout


@pytest.mark.parametrize("verb", SUMMARIES)
def test_every_example_is_a_command_line_that_parses(verb: str) -> None:
    """Only the verb's own options and arguments are looked at, nothing is run."""
    import shlex

    command = command_of(verb)
    for line in command.examples.splitlines():  # type: ignore[attr-defined]
        words = shlex.split(line.split(" > ")[0], comments=True)
        if words[:2] == ["reconciler", verb]:
            command.make_context(verb, words[2:], resilient_parsing=False)


def test_help_fits_eighty_columns(cli: Run) -> None:
    for arguments in ([], *([verb] for verb in SUMMARIES)):
        text = cli(*arguments, "--help", env={"COLUMNS": "80"}).stdout
        body = text.partition("Examples:")[0]
        assert max(map(len, body.splitlines())) <= 80


def test_an_unknown_verb_is_answered_with_the_one_that_was_meant(cli: Run) -> None:
    wrong = cli("validat", "-f", "x.yaml")
    assert wrong.returncode == 2
    assert wrong.stderr == "error: no verb is called 'validat'; did you mean validate?\nhint: see reconciler --help\n"


def test_an_unknown_option_is_a_usage_error(cli: Run) -> None:
    wrong = cli("version", "--jsn")
    assert wrong.returncode == 2
    assert "--jsn" in wrong.stderr
    assert "see reconciler version --help" in wrong.stderr


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("scale web", "missing option '--replicas'\nhint: like: reconciler scale web --replicas 3; see"),
        ("exec web sh -c ls", "after two dashes: reconciler exec NAME -- COMMAND -c …\n"),
        ("env up web -c", "after two dashes: reconciler env up NAME -- COMMAND -c …\n"),
        ("daemon", "Usage: reconciler daemon"),
    ],
)
def test_an_unfinished_command_line_is_answered_with_how_it_goes_on(line: str, text: str, cli: Run) -> None:
    wrong = cli(*line.split())
    assert wrong.returncode == 2
    assert text in wrong.stderr
    assert "error: Usage" not in wrong.stderr


def test_an_unknown_kind_is_answered_with_the_one_that_was_meant(cli: Run) -> None:
    wrong = cli("schema", "servce")
    assert wrong.returncode == 2
    assert "did you mean service?" in wrong.stderr
