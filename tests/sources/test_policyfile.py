"""The policy file: the machine's before the user's, read strictly, and trusted only when nobody else can write it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.policy import BUILT_IN, RESTRICTED, TRUSTED
from reconciler.errors import SpecError, Unusable
from reconciler.sources import policies, policyfile
from reconciler.usual_places import policy_files


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's file would be, on a machine that has none of its own."""
    monkeypatch.setattr(policyfile, "policy_files", lambda environ: (str(tmp_path / "etc/policy.yaml"), _own(environ)))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "reconciler/policy.yaml"
    path.parent.mkdir(mode=0o755)
    return path


def _own(environ: object) -> str:
    return policy_files(environ)[1]  # type: ignore[arg-type]


def load() -> object:
    return policyfile.load(os.environ)


def test_the_machines_own_file_is_in_etc_and_the_users_in_the_config_directory() -> None:
    machines, users = policy_files({"XDG_CONFIG_HOME": "/home/u/.config"})
    assert (machines, users) == ("/etc/reconciler/policy.yaml", "/home/u/.config/reconciler/policy.yaml")


def test_without_a_file_git_is_restricted_and_everybody_else_trusted(file: Path) -> None:
    policy = policyfile.load(os.environ)
    assert policy is BUILT_IN
    names = (policy.name_for("local"), policy.name_for("directory"), policy.name_for("git"))
    assert names == ("trusted", "trusted", "restricted")
    assert (policy.named("restricted"), policy.named("")) == (RESTRICTED, TRUSTED)


def test_the_machines_file_is_the_only_one_that_counts_where_there_is_one(file: Path, tmp_path: Path) -> None:
    file.write_text("defaults: {git: trusted}")
    assert policyfile.load(os.environ).name_for("git") == "trusted"
    (tmp_path / "etc").mkdir(mode=0o755)
    (tmp_path / "etc/policy.yaml").write_text("profiles: {web: {environment: [WEB_*]}}")
    policy = policyfile.load(os.environ)
    assert policy.path == str(tmp_path / "etc/policy.yaml")
    assert policy.name_for("git") == "restricted"
    assert sorted(policy.profiles) == ["restricted", "trusted", "web"]


def test_what_a_profile_does_not_mention_is_denied(file: Path) -> None:
    file.write_text("profiles: {web: {containers: {privileged: allow, images: {requireDigest: false}}}}")
    web = policyfile.load(os.environ).named("web")
    assert web is not None
    assert (web.containers.privileged, web.containers.devices, web.mounts.anywhere) == ("allow", "deny", "deny")


def test_an_empty_file_says_nothing_and_permits_no_more(file: Path) -> None:
    file.write_text("# nothing yet\n")
    policy = policyfile.load(os.environ)
    assert (policy.path, policy.named("restricted")) == (str(file), RESTRICTED)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("profiles:\n  web:\n    containers: {priviledged: allow}", 3, "privileged"),
        ("profiles:\n  web:\n    containers: {privileged: yes}", 3, "quote it"),
        ("profiles:\n  web:\n    containers: {privileged: maybe}", 3, "allow, deny"),
        ("profiles:\n  web:\n    mounts: {bindRoots: [srv/apps]}", 3, "no absolute path"),
        ("profiles:\n  web:\n    files: {roots: ['~']}", 3, "no absolute path"),
        ("profiles:\n  web:\n    ports: {range: all}", 3, "not a range of ports"),
        ("profiles:\n  web:\n    ports: {bind: [everywhere]}", 3, "no address"),
        ("profiles:\n  web:\n    networks: {subnets: ['*']}", 3, "no address"),
        ("profiles:\n  web:\n    prune: {maxDeletePercent: 101}", 3, "100"),
        ("profiles:\n  trusted: {}", 2, "trusted always allows everything"),
        ("defaults: {git: lenient}", 1, "no profile called 'lenient'"),
        ("defaults:\n  git: restricted\n  git: trusted", 3, "git"),
        ("- profiles", 1, "a mapping"),
        ("profiles: {}\n---\nprofiles: {}", 3, "a second document"),
        ("profile: {}", 1, "profile"),
        ("profiles: {", 1, ""),
    ],
)
def test_what_makes_no_sense_is_told_with_its_line(file: Path, text: str, line: int, message: str) -> None:
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        load()
    problem = caught.value.problems[0]
    assert (problem.file, problem.line) == (str(file), line)
    assert message in f"{problem.message} {problem.hint}"


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646, 0o1666])
def test_a_file_that_others_may_write_is_no_policy(file: Path, mode: int) -> None:
    file.write_text("")
    file.chmod(mode)
    with pytest.raises(Unusable, match=r"may be written by others\n.*chmod go-w"):
        load()


def test_nor_is_one_in_a_directory_where_others_could_replace_it(file: Path) -> None:
    file.write_text("")
    file.parent.chmod(0o777)
    with pytest.raises(Unusable, match=r"policy directory .* may be written by others"):
        load()


@pytest.mark.root
def test_nor_is_one_that_belongs_to_somebody_else(file: Path) -> None:
    file.write_text("")
    os.chown(file, 12345, -1)
    with pytest.raises(Unusable, match="belongs to user 12345"):
        load()


def test_one_that_can_not_be_read_is_not_none(file: Path) -> None:
    file.mkdir()
    with pytest.raises(Unusable, match="can't be read"):
        load()


def test_nor_is_a_link_that_leads_nowhere(file: Path) -> None:
    file.symlink_to("nowhere.yaml")
    with pytest.raises(Unusable, match="a link to nothing"):
        load()


def test_who_runs_for_long_goes_by_the_file_as_it_is_now(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "policy_files", policyfile.policy_files)
    current = policies.Policies(os.environ)
    assert current.silent()
    assert current.read().path == ""
    file.write_text("defaults: {git: trusted}")
    assert not current.silent()
    assert current.read().name_for("git") == "trusted"
    assert current.read() is current.read()
    file.chmod(0o666)
    with pytest.raises(Unusable, match="may be written by others"):
        current.read()
    file.unlink()
    assert current.silent()
    assert current.read().name_for("git") == "restricted"


def test_one_that_is_written_over_and_dated_back_is_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "policy_files", policyfile.policy_files)
    current = policies.Policies(os.environ)
    file.write_text("defaults: {git: trusted}")
    facts = file.stat()
    assert current.read().name_for("git") == "trusted"
    file.write_text("defaults: {git: restricted}")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert current.read().name_for("git") == "restricted"
