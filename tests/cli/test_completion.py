"""R23: completion is printed and installed, and answers with what there is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.cli.catalog import SUMMARIES
from tests.cli.conftest import Run


def offered(cli: Run, line: str, env: dict[str, str] | None = None) -> list[str]:
    """What Tab offers at the end of the line."""
    words = line.split(" ")
    tab = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_RECONCILER_COMPLETE": "bash_complete"}
    shown = cli(env={**tab, **(env or {})})
    assert (shown.returncode, shown.stderr) == (0, "")
    return [answer.partition(",")[2] for answer in shown.stdout.split()]


def test_R23_verbs_are_completed(cli: Run) -> None:
    assert offered(cli, "reconciler ") == list(SUMMARIES)
    assert offered(cli, "reconciler ver") == ["version"]
    assert "--strict" in offered(cli, "reconciler validate --s")


def test_R23_kinds_and_their_fields_are_completed(cli: Run) -> None:
    assert offered(cli, "reconciler schema s") == ["service", "secret", "source"]
    assert offered(cli, "reconciler explain serv") == ["service"]
    assert offered(cli, "reconciler explain service.") == ["service.spec"] or "service.ports" in offered(
        cli, "reconciler explain service."
    )
    assert offered(cli, "reconciler explain service.spec.po") == ["service.spec.ports"]
    assert "service.spec.ports.hostPort" in offered(cli, "reconciler explain service.spec.ports.")
    assert offered(cli, "reconciler explain service.probes.readiness.httpGet.p") == [
        "service.probes.readiness.httpGet.port", "service.probes.readiness.httpGet.path",
    ]  # fmt: skip
    assert offered(cli, "reconciler explain nothing.at.all") == []


def test_R23_namespaces_come_from_what_was_applied_here(cli: Run, tmp_path: Path) -> None:
    for namespace in ("shop", "shed", "blog"):
        (tmp_path / "state/applied" / namespace).mkdir(parents=True)
    env = {"RECONCILER_HOME": str(tmp_path / "state")}
    assert offered(cli, "reconciler version -n sh", env) == ["shed", "shop"]
    assert offered(cli, f"reconciler --home {tmp_path}/state version -n b") == ["blog"]
    assert offered(cli, "reconciler version -n sh") == []


def test_R23_output_formats_are_those_of_the_verb(cli: Run) -> None:
    assert offered(cli, "reconciler version -o ") == ["json"]


def test_a_broken_config_file_does_not_disturb_who_is_typing(cli: Run, config_file: Path) -> None:
    config_file.write_text("nonsense: true\n")
    assert offered(cli, "reconciler version -n ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_R23_the_script_is_printed(cli: Run, shell: str) -> None:
    shown = cli("completion", shell)
    assert shown.returncode == 0
    assert "_RECONCILER_COMPLETE" in shown.stdout


def test_R23_install_is_idempotent_and_says_what_it_did(cli: Run, user_home: Path) -> None:
    (user_home / ".bashrc").write_text("export A=1\n")
    first, second = (cli("completion", "bash", "--install") for _ in range(2))
    script = user_home / ".config/reconciler/completion.bash"
    assert first.stdout.splitlines()[0] == f"wrote {script}"
    assert "from now on" in first.stdout
    assert "already" in second.stdout
    rc = (user_home / ".bashrc").read_text()
    assert rc.startswith("export A=1\n")
    assert rc.count(str(script)) == 2, "one line, which names it twice"
    assert script.read_text() == cli("completion", "bash").stdout
    assert "installed for bash" in cli("doctor", env={"SHELL": "/bin/bash"}).stdout


def test_R23_install_takes_another_start_up_file_even_with_a_space_in_its_name(cli: Run, tmp_path: Path) -> None:
    rc = tmp_path / "my rc"
    config = tmp_path / "con fig"
    env = {"XDG_CONFIG_HOME": str(config)}
    assert cli("completion", "bash", "--install", "--rc-file", str(rc), env=env).returncode == 0
    check = subprocess.run(
        ["bash", "--norc", "-c", f'. "{rc}"; complete -p reconciler'], capture_output=True, text=True, check=True
    )
    assert "_reconciler_completion" in check.stdout


def test_R23_a_start_up_file_that_is_a_link_stays_one(cli: Run, user_home: Path) -> None:
    (user_home / "dotfiles").write_text("")
    (user_home / ".zshrc").symlink_to(user_home / "dotfiles")
    assert cli("completion", "zsh", "--install").returncode == 0
    assert (user_home / ".zshrc").is_symlink()
    assert "completion.zsh" in (user_home / "dotfiles").read_text()


def test_R23_fish_finds_it_by_itself(cli: Run, user_home: Path) -> None:
    assert cli("completion", "fish", "--install").returncode == 0
    assert (user_home / ".config/fish/completions/reconciler.fish").exists()


def test_install_without_permission_says_what_to_do(cli: Run, user_home: Path) -> None:
    (user_home / ".config").write_text("a file in the way")
    wrong = cli("completion", "bash", "--install")
    assert wrong.returncode == 1
    assert "hint: print the script without --install" in wrong.stderr
    assert cli("completion", "bash", "--rc-file", "x").returncode == 2
