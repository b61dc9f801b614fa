"""Where a setting comes from, and which of two wins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def settings(cli: Run, *arguments: str, env: dict[str, str] | None = None) -> dict[str, tuple[object, str]]:
    shown = cli("doctor", *arguments, "-o", "json", env=env)
    return {
        name: (setting["value"], setting["origin"]) for name, setting in json.loads(shown.stdout)["settings"].items()
    }


def test_R20_a_flag_beats_the_environment_the_config_file_and_the_default(
    cli: Run, config_file: Path, user_home: Path
) -> None:
    default = str(user_home / ".local/state/reconciler")
    assert settings(cli)["home"] == (default, "default")
    assert settings(cli, env={"XDG_STATE_HOME": "/x"})["home"] == ("/x/reconciler", "default")
    config_file.write_text("# mine\nhome: /from/config\n")
    assert settings(cli)["home"] == ("/from/config", f"{config_file}:2")
    assert settings(cli, env={"RECONCILER_HOME": "/from/env"})["home"] == ("/from/env", "RECONCILER_HOME")
    flagged = settings(cli, "--home", "/from/flag", env={"RECONCILER_HOME": "/from/env"})
    assert flagged["home"] == ("/from/flag", "--home")


def test_R20_each_setting_tells_where_it_comes_from(cli: Run, config_file: Path) -> None:
    config_file.write_text('namespace: shop\ntimeout: 5m\ncolor: never\nportRange: "21000-21999"\noutput: wide\n')
    found = settings(cli)
    assert found["namespace"] == ("shop", f"{config_file}:1")
    assert found["timeout"] == (300, f"{config_file}:2")
    assert found["color"] == ("never", f"{config_file}:3")
    assert found["portRange"] == ([21000, 21999], f"{config_file}:4")
    assert settings(cli, "-n", "other")["namespace"] == ("other", "-n")
    assert "shop" in cli("doctor").stdout
    assert f"({config_file}:1)" in cli("doctor").stdout


@pytest.mark.parametrize(
    "arguments", [["-o", "json", "version"], ["version", "-o", "json"], ["-o", "yaml", "version", "-o", "json"]]
)
def test_global_options_stand_before_or_after_the_verb_and_the_last_wins(cli: Run, arguments: list[str]) -> None:
    assert json.loads(cli(*arguments).stdout)["version"]


def test_a_preferred_output_is_passed_over_by_a_verb_that_has_no_such_form(cli: Run, config_file: Path) -> None:
    config_file.write_text("output: yaml\n")
    assert cli("version").stdout.startswith("reconciler ")
    config_file.write_text("output: json\n")
    assert cli("version").stdout.startswith("{")


def test_an_output_that_the_verb_does_not_have_is_a_usage_error(cli: Run) -> None:
    wrong = cli("version", "-o", "jsno")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean json?" in wrong.stderr
    assert cli("-o", "json", "init").returncode == 2


def test_a_namespace_has_to_be_a_label(cli: Run) -> None:
    wrong = cli("validate", "-n", "No/Good", "-f", "-")
    assert wrong.returncode == 2
    assert "'No/Good' is not a namespace" in wrong.stderr


def test_colours_follow_the_flag_the_convention_and_the_stream(cli: Run, config_file: Path) -> None:
    assert "\x1b[" not in cli("doctor").stdout
    assert "\x1b[" in cli("doctor", env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[" not in cli("doctor", env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout
    assert "\x1b[" not in cli("doctor", "--no-color", env={"FORCE_COLOR": "1"}).stdout
    config_file.write_text("color: always\n")
    assert "\x1b[" in cli("doctor").stdout
    assert "\x1b[" not in cli("doctor", env={"NO_COLOR": "1"}).stdout


BAD = {
    "nmespace: x\n": ("1:1", "did you mean namespace?"),
    "namespace: No_Good\n": ("1:12", "is not a namespace"),
    "timeout: soon\n": ("1:10", "is not a time"),
    "color: no\n": ("1:8", 'quote it: "no"'),
    "portRange: 5-3\n": ("1:12", "is not a range of ports"),
    "home: relative/path\n": ("1:7", "relative"),
    "output: jsn\n": ("1:9", "no output format"),
    "namespace: [a]\n": ("1:12", "one value is expected"),
    "namespace:\n": ("1:", "missing"),
    "- a\n": ("1:1", "key: value"),
    "namespace: a\nnamespace: b\n": ("2:1", "stands twice"),
    "namespace: a\n---\nnamespace: b\n": ("3:1", "a second document"),
    "namespace: 'a\n": ("1:", "quote"),
}


@pytest.mark.parametrize("content", BAD)
def test_a_bad_config_file_is_an_error_with_its_place(cli: Run, config_file: Path, content: str) -> None:
    config_file.write_text(content)
    wrong = cli("validate", "-f", "-")
    place, words = BAD[content]
    assert wrong.returncode == 2
    assert f"{config_file}:{place}" in wrong.stderr
    assert words in wrong.stderr
    assert "internal" not in wrong.stderr


def test_doctor_and_version_work_beside_a_bad_config_file(cli: Run, config_file: Path) -> None:
    config_file.write_text("nmespace: x\n")
    assert cli("version", "-o", "json").returncode == 0
    doctor = cli("doctor")
    assert doctor.returncode == 1
    assert "✗ config file" in doctor.stdout
    assert "did you mean namespace?" in doctor.stdout


def test_an_unreadable_config_file_is_an_error_that_says_so(cli: Run, config_file: Path) -> None:
    config_file.mkdir()
    wrong = cli("validate", "-f", "-")
    assert (wrong.returncode, wrong.stderr.splitlines()[0]) == (2, f"error: {config_file}: Is a directory")
