"""A container writes to a branch's directory and to its clone: nothing that it writes there is run by the host."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.sources.bare import unexpected
from reconciler.sources.worktrees import Repository, Worktree, Worktrees

HARMLESS = [
    "core.repositoryformatversion=0",
    "core.bare=true",
    "remote.origin.url=x",
    "branch.a.b.merge=refs/heads/a.b",
]
HARMFUL = [
    "core.sshcommand=x", "core.fsmonitor=x", "core.hookspath=x", "core.worktree=/", "core.alternaterefscommand=x",
    "core.gitproxy=x", "core.pager=x", "core.editor=x", "core.askpass=x", "core.attributesfile=x",
    "core.repositoryformatversion=1", "extensions.worktreeconfig=true", "filter.f.clean=x", "filter.f.smudge=x",
    "filter.f.process=x", "diff.f.textconv=x", "diff.external=x", "merge.f.driver=x", "credential.helper=x",
    "credential.https://a.helper=x", "remote.origin.uploadpack=x", "remote.origin.receivepack=x", "remote.origin.vcs=x",
    "remote./srv/a.uploadpack=x", "include.path=x", "includeif.gitdir:/.path=x", "gpg.program=x", "gpg.ssh.program=x",
    "url.ext::x.insteadof=/", "protocol.ext.allow=always", "alias.status=!x", "uploadpack.packobjectshook=x",
    "submodule.s.update=!x", "http.sslverify=false", "http.proxy=x", "trailer.t.command=x", "sequence.editor=x",
]  # fmt: skip


def test_R24_of_a_clones_settings_only_those_that_name_no_program_pass() -> None:
    def listed(*settings: str) -> bytes:
        return b"".join(setting.replace("=", "\n", 1).encode() + b"\0" for setting in settings)

    assert unexpected(listed(*HARMLESS)) == []
    for setting in HARMFUL:
        name = setting.rpartition("=")[0]
        assert unexpected(listed(*HARMLESS, setting)) == [name], setting


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    work, bare = tmp_path / "work", tmp_path / "web.git"
    git("init", "-q", "-b", "main", str(work))
    (work / "word").write_text("main")
    (work / ".gitattributes").write_text("word filter=evil\n")
    git("-C", str(work), "add", "-A")
    git("-C", str(work), "commit", "-q", "-m", "first")
    git("clone", "-q", "--bare", str(work), str(bare))
    return Repository("acme", "web", str(bare))


def git(*arguments: str) -> str:
    who = {f"GIT_{who}_{what}": f"a@{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", **who}
    done = subprocess.run(["git", *arguments], env=environment, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()


Attack = Callable[[Worktree, Path], None]


def _setting(text: str) -> Attack:
    def write(one: Worktree, program: Path) -> None:
        with (one.repository / "config").open("a") as config:
            config.write(text.format(program=program))

    return write


def _included(one: Worktree, program: Path) -> None:
    (one.path / "more").write_text(f"[core]\nfsmonitor = {program}\n")
    _setting(f"[include]\npath = {one.path}/more\n")(one, program)


def _hook(one: Worktree, program: Path) -> None:
    (one.repository / "hooks" / "reference-transaction").write_text(program.read_text())
    (one.repository / "hooks" / "reference-transaction").chmod(0o755)


def _hooks_elsewhere(one: Worktree, program: Path) -> None:
    (one.repository / "hooks").rmdir()
    (one.repository / "hooks").symlink_to(program.parent)


def _config_elsewhere(one: Worktree, program: Path) -> None:
    (one.path / "config").write_text((one.repository / "config").read_text() + f"[core]\nfsmonitor = {program}\n")
    (one.repository / "config").unlink()
    (one.repository / "config").symlink_to(one.path / "config")


def _own_clone(one: Worktree, program: Path) -> None:
    _evil(one.path / "evil", program)
    (one.path / ".git").write_text(f"gitdir: {one.path}/evil\n")


def _own_git(one: Worktree, program: Path) -> None:
    (one.path / ".git").unlink()
    _evil(one.path / ".git", program)


def _piped(one: Worktree, _program: Path) -> None:
    (one.path / ".git").unlink()
    os.mkfifo(one.path / ".git")


def _evil(place: Path, program: Path) -> None:
    git("init", "-q", "--bare", str(place))
    git("-C", str(place), "config", "core.fsmonitor", str(program))
    git("-C", str(place), "config", "filter.evil.clean", str(program))


def _another_branch(one: Worktree, _program: Path) -> None:
    (one.repository / "worktrees/other").mkdir()
    (one.path / ".git").write_text(f"gitdir: {one.repository}/worktrees/other\n")


def _references_elsewhere(one: Worktree, _program: Path) -> None:
    (one.repository / "refs/evil").symlink_to(one.path)


def _objects_elsewhere(one: Worktree, _program: Path) -> None:
    (one.repository / "objects/info").mkdir(exist_ok=True)
    (one.repository / "objects/info/alternates").write_text("/\n")


def _common(one: Worktree, program: Path) -> None:
    _evil(one.path.parent / "evil", program)
    (one.entry / "commondir").write_text(str(one.path.parent / "evil"))


REFUSED: dict[str, Attack] = {
    "filter": _setting('[filter "evil"]\nclean = {program}\nsmudge = {program}\n'),
    "sshCommand": _setting("[core]\nsshCommand = {program}\n"),
    "fsmonitor": _setting("[core]\nfsmonitor = {program}\n"),
    "hooksPath": _setting("[core]\nhooksPath = /tmp\n"),
    "credential": _setting("[credential]\nhelper = !{program}\n"),
    "uploadpack": _setting('[remote "origin"]\nuploadpack = {program}\n'),
    "worktreeConfig": _setting("[extensions]\nworktreeConfig = true\n"),
    "broken": _setting("[core\n"),
    "large": _setting("#" * (1 << 20) + "\n[core]\nfsmonitor = {program}\n"),
    "include": _included,
    "hook": _hook,
    "hooks elsewhere": _hooks_elsewhere,
    "config elsewhere": _config_elsewhere,
    "another clone": _own_clone,
    "a clone in its place": _own_git,
    "another branch": _another_branch,
    "a pipe": _piped,
    "references elsewhere": _references_elsewhere,
    "everything elsewhere": _common,
    "objects elsewhere": _objects_elsewhere,
}


@pytest.mark.parametrize("name", REFUSED)
def test_R24_what_would_have_the_host_run_a_program_is_refused_and_not_run(
    tmp_path: Path, remote: Repository, name: str
) -> None:
    worktrees, program, pwned = Worktrees(str(tmp_path / "home")), *_program(tmp_path)
    one = worktrees.up(remote, "main")
    (one.path / "word").write_text("main")  # younger than the index, so Git has to look into it
    REFUSED[name](one, program)
    with pytest.raises(Refused) as refused:
        worktrees.up(remote, "main")
    assert str(tmp_path / "home") in str(refused.value)
    for known in worktrees.known():
        with pytest.raises(Refused):
            worktrees.remove(known)
    assert one.path.exists()
    assert not pwned.exists()


def _settings_of_one(one: Worktree, program: Path) -> None:
    (one.entry / "config.worktree").write_text(f"[core]\nfsmonitor = {program}\n")


def _led_elsewhere(one: Worktree, _program: Path) -> None:
    (one.entry / "gitdir").write_text(f"{one.path.parent.parent}/precious/.git")


@pytest.mark.parametrize("attack", [_settings_of_one, _led_elsewhere])
def test_R24_what_leads_git_elsewhere_is_not_followed(tmp_path: Path, remote: Repository, attack: Attack) -> None:
    worktrees, program, pwned = Worktrees(str(tmp_path / "home")), *_program(tmp_path)
    precious = tmp_path / "home/precious"
    one = worktrees.up(remote, "main")
    precious.mkdir()
    (one.path / "word").write_text("main")
    attack(one, program)
    again = worktrees.up(remote, "main")
    assert again.notes == ()
    worktrees.remove(again)
    assert not one.path.exists()
    assert precious.exists()
    assert not pwned.exists()
    assert worktrees.up(remote, "main").notes == (), "and is made anew"


def test_R24_what_git_inside_notes_of_a_place_there_has_nobody_pruned(tmp_path: Path, remote: Repository) -> None:
    worktrees = Worktrees(str(tmp_path / "home"))
    one = worktrees.up(remote, "main")
    (one.entry / "gitdir").write_text("/workspaces/acme-web-main/.git")
    git("-C", remote.url, "branch", "other", "main")
    worktrees.up(remote, "other")
    assert {known.branch for known in worktrees.known()} == {"main", "other"}
    assert git("-C", str(one.path), "status", "--porcelain") == ""


def test_R24_git_is_not_run_in_a_submodule_and_its_files_are_kept(tmp_path: Path, remote: Repository) -> None:
    worktrees, program, pwned = Worktrees(str(tmp_path / "home")), *_program(tmp_path)
    one = worktrees.up(remote, "main")
    sub = one.path / "sub"
    git("init", "-q", str(sub))
    git("-C", str(sub), "commit", "-q", "--allow-empty", "-m", "sub")
    (sub / ".gitattributes").write_text("* filter=evil\n")
    (sub / "word").write_text("word")
    git("-C", str(sub), "add", "-A")
    git("-C", str(sub), "config", "filter.evil.clean", str(program))
    git("-C", str(sub), "config", "core.fsmonitor", str(program))
    git("-C", str(one.path), "add", "sub")
    git("-C", str(one.path), "commit", "-q", "-m", "sub")
    pwned.unlink(missing_ok=True)
    (sub / "word").write_text("another")
    worktrees.up(remote, "main")
    with pytest.raises(Refused):
        worktrees.remove(one)
    assert (sub / "word").exists()
    assert not pwned.exists()


def _program(tmp_path: Path) -> tuple[Path, Path]:
    program, pwned = tmp_path / "programs/reference-transaction", tmp_path / "pwned"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {pwned}\n")
    program.chmod(0o755)
    return program, pwned
