"""A person sees which policy is in force. With one that can't be trusted nothing begins, but one may still look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

POLICY = "profiles: {restricted: {mounts: {bindRoots: [/srv/apps]}}}\n"


@pytest.fixture
def policy_file(user_home: Path) -> Path:
    path = user_home / ".config/reconciler/policy.yaml"
    path.parent.mkdir(parents=True)
    return path


def test_what_is_built_in_is_shown_when_there_is_no_file(cli: Run) -> None:
    told = cli("policy", "show")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("# no policy file; this is built in\ndefaults:\n  local: trusted\n")
    assert "privileged: deny" in told.stdout
    assert "trusted: everything is allowed" in told.stdout


def test_a_file_is_named_with_all_that_its_profiles_come_to(cli: Run, policy_file: Path) -> None:
    policy_file.write_text(POLICY)
    shown = json.loads(cli("policy", "show", "-o", "json").stdout)
    assert shown["file"] == str(policy_file)
    assert shown["profiles"]["restricted"]["mounts"]["bindRoots"] == ["/srv/apps"]
    assert shown["profiles"]["restricted"]["containers"]["images"]["requireDigest"] is True
    assert shown["defaults"]["git"] == "restricted"


def test_doctor_names_the_policy_and_what_is_wrong_with_it(cli: Run, policy_file: Path) -> None:
    policy_file.write_text("profiles:\n  web:\n    containers: {privileged: maybe}\n")
    found = json.loads(cli("doctor", "-o", "json").stdout)["checks"]
    (check,) = [one for one in found if one["name"] == "policy"]
    assert check["level"] == "failed"
    assert f"{policy_file}:3:" in check["message"]
    policy_file.write_text(POLICY)
    assert f"{policy_file}: specs of yours are trusted" in cli("doctor").stdout


def test_under_a_policy_that_others_may_write_nothing_begins_but_one_may_look(
    cli: Run, policy_file: Path, tmp_path: Path
) -> None:
    policy_file.write_text(POLICY)
    policy_file.chmod(0o666)
    spec = tmp_path / "web.yaml"
    spec.write_text("{apiVersion: reconciler/v1, kind: Config, metadata: {name: web}, spec: {}}")
    home = {"RECONCILER_HOME": str(tmp_path / "home")}
    refused = cli("apply", "-f", str(spec), env=home)
    assert refused.returncode == 2
    assert f"the policy file {policy_file} may be written by others" in refused.stderr
    assert f"chmod go-w {policy_file}" in refused.stderr
    assert not (tmp_path / "home/applied").exists()
    assert cli("get", "configs", env=home).returncode == 0
    policy_file.chmod(0o644)
    assert cli("apply", "-f", str(spec), env=home).returncode == 0


def test_marks_of_ours_are_refused_where_a_person_writes_them(cli: Run, tmp_path: Path) -> None:
    spec = tmp_path / "web.yaml"
    spec.write_text(
        "apiVersion: reconciler/v1\nkind: Config\nmetadata:\n  name: web\n"
        "  annotations: {reconciler/profile: trusted}\nspec: {}\n"
    )
    told = cli("validate", "-f", str(spec))
    assert told.returncode == 2
    assert f"{spec}:5:" in told.stdout + told.stderr
