"""Places to develop in: a directory, or a branch of a repository beside the others, brought up with one line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from reconciler.sources.worktrees import Repository, Worktree, Worktrees
from tests.podman_lacks import plain
from tests.scenarios.documents import document
from tests.scenarios.stage import IMAGE, Stage
from tests.scenarios.terminal import terminal

pytestmark = pytest.mark.engine


@pytest.fixture
def remote(stage: Stage) -> Path:
    """A bare repository as others would have it, with two branches."""
    work, bare = stage.directory / "work", stage.directory / "remotes/acme/web.git"
    git(stage, "init", "-q", "-b", "main", str(work))
    (work / "word").write_text("main")
    (work / "link").symlink_to("word")
    (work / "api").mkdir()
    (work / "api/Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo tools > /tools\n")
    committed(stage, work, "first")
    git(stage, "clone", "-q", "--bare", str(work), str(bare))
    git(stage, "-C", str(work), "remote", "add", "origin", str(bare))
    git(stage, "-C", str(work), "checkout", "-q", "-b", "feature/login")
    (work / "word").write_text("login")
    committed(stage, work, "login")
    git(stage, "-C", str(work), "push", "-q", "origin", "feature/login")
    return bare


def git(stage: Stage, *arguments: str) -> str:
    who = {f"GIT_{who}_{what}": f"a@{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**stage.environment, **who, "GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.run(
        ["git", *arguments], env=environment, check=True, capture_output=True, text=True, timeout=30
    ).stdout.strip()


def committed(stage: Stage, work: Path, message: str) -> None:
    git(stage, "-C", str(work), "add", "-A")
    git(stage, "-C", str(work), "commit", "-q", "-m", message)


def up(stage: Stage, *arguments: str, expect: int = 0) -> str:
    told = stage.cli("env", "up", "--url", str(stage.directory / "remotes"), *arguments, expect=expect)
    return told.out + told.err


def listed(stage: Stage) -> dict[str, dict[str, object]]:
    return {item["name"]: item for item in stage.cli("env", "list", "-o", "json").json["items"]}


@pytest.fixture
def swept(stage: Stage) -> Iterator[None]:
    yield
    for image in stage.engine.get("/images/json"):
        if any(name.startswith(f"reconciler-build/{stage.namespace}-") for name in image["RepoTags"] or ()):
            stage.clear()
            stage.engine.delete(f"/images/{image['Id']}?force=1")


@pytest.mark.usefixtures("swept")
def test_R24_branches_of_a_repository_stand_side_by_side_and_no_work_in_them_is_lost(
    stage: Stage, remote: Path
) -> None:
    up(stage, "acme/web", "--image", IMAGE)
    up(stage, "acme/web@feature/login#api")
    assert stage.containers() == [stage.name("web-feature-login"), stage.name("web-main")]
    for name, word in (("web-main", "main"), ("web-feature-login", "login")):
        assert stage.run_inside(name, "cat", f"/workspaces/acme-{name}/link") == word
    seen = stage.container("web-feature-login")["Config"]
    assert seen["WorkingDir"] == "/workspaces/acme-web-feature-login/api"
    assert plain(seen["Image"]).startswith(f"reconciler-build/{stage.namespace}-web-feature-login:")
    assert stage.run_inside("web-feature-login", "cat", "/tools").strip() == "tools"

    directory = Path(stage.cli("env", "path", "web-feature-login").out.strip())
    assert git(stage, "-C", str(directory), "status", "--porcelain", "--branch") == (
        "## feature/login...origin/feature/login"
    )
    work = stage.directory / "work"
    (work / "word").write_text("later")
    committed(stage, work, "later")
    git(stage, "-C", str(work), "push", "-q", "origin", "feature/login")
    before = stage.id("web-feature-login")
    up(stage, "acme/web@feature/login#api")
    assert (directory / "word").read_text() == "later", "it is brought forward"
    assert stage.id("web-feature-login") == before, "and what runs there is none the worse for it"

    (directory / "word").write_text("mine")
    (work / "word").write_text("theirs")
    committed(stage, work, "theirs")
    git(stage, "-C", str(work), "push", "-q", "origin", "feature/login")
    assert "has uncommitted work, and is left as it is" in up(stage, "acme/web@feature/login#api")
    assert (directory / "word").read_text() == "mine"

    told = stage.cli("env", "down", "web-feature-login", "--delete-files", expect=1)
    assert "1 changed or new files that are not committed" in told.err
    assert stage.id("web-feature-login") == before
    committed(stage, directory, "mine")
    assert (
        "1 commits that are not pushed" in stage.cli("env", "down", "web-feature-login", "--delete-files", expect=1).err
    )
    stage.cli("env", "down", "web-feature-login")
    assert stage.containers() == [stage.name("web-main")]
    assert listed(stage)["web-feature-login"]["status"] == "Files"

    main = Path(stage.cli("env", "path", "web-main").out.strip())
    assert "web-main" in stage.cli("env", "down", "web-main", "--delete-files").out
    assert stage.containers() == []
    assert not main.exists()
    assert directory.exists()


def test_R24_what_is_no_branch_no_repository_or_offline_is_told_with_a_next_step(stage: Stage, remote: Path) -> None:
    assert "has no branch nonesuch" in (told := up(stage, "acme/web@nonesuch", expect=2))
    assert "there are: feature/login, main" in told
    assert "can't be fetched" in up(stage, "acme/none", expect=1)
    assert "neither reconciler.yaml nor a Dockerfile" in (told := up(stage, "acme/web", expect=2))
    assert "--image" in told
    assert "can't be the name of a branch" in up(stage, "acme/web@--upload-pack=x", expect=2)
    assert "no directory inside the repository" in up(stage, "acme/web#../../etc", expect=2)
    assert "there is no environment called 'none'" in stage.cli("env", "path", "none", expect=1).err
    assert "is no URL" in stage.cli("env", "up", "ext::sh -c x", expect=2).err
    git(stage, "-C", str(remote), "branch", "feature-login", "main")
    up(stage, "acme/web@feature/login", "--image", IMAGE)
    told = up(stage, "acme/web@feature-login", "--image", IMAGE, expect=2)
    assert "is the directory of acme/web@feature/login" in told, "two names, and one directory"
    directory = stage.cli("env", "path", "web-feature-login").out.strip()
    git(stage, "-C", directory, "switch", "-q", "-c", "mine", "HEAD~1")
    before = git(stage, "-C", directory, "rev-parse", "mine")
    assert "is at mine by now" in up(stage, "acme/web@feature/login", "--image", IMAGE)
    assert git(stage, "-C", directory, "rev-parse", "mine") == before, "it is not what is brought forward"
    up(stage, "acme/web", "--image", IMAGE)
    remote.rename(remote.with_name("away.git"))
    assert "can't be fetched now" in up(stage, "acme/web", "--image", IMAGE)


INSIDE = {
    "config": "printf '[core]\\nfsmonitor = %s\\n' $PROGRAM >> $BARE/config",
    "another config": "cp $BARE/config $BARE/c && mv -f $BARE/c $BARE/config",
    "a link for it": "ln -sf $PROGRAM $BARE/config",
    "no config": "rm -f $BARE/config",
    "config away": "mv $BARE/config $BARE/c",
    "a hook": "cp $PROGRAM $BARE/hooks/reference-transaction",
    "other hooks": "mv $BARE/hooks $BARE/h",
    "commondir": "echo /tmp > $ENTRY/commondir",
    "another commondir": "mv $ENTRY/commondir $ENTRY/c",
    "another entry": "mv $ENTRY $BARE/worktrees/e",
    "other entries": "mv $BARE/worktrees $BARE/w",
    "a new entry": "mkdir $BARE/worktrees/evil",
    ".git": "echo gitdir: /tmp > $HERE/.git",
    "another .git": "rm -f $HERE/.git",
    ".git away": "mv $HERE/.git $HERE/g",
}
"""What a container tries that Git on the host would take orders from."""


def test_R24_what_git_takes_orders_from_cannot_be_written_inside_and_the_rest_is_not_believed(
    stage: Stage, remote: Path
) -> None:
    up(stage, "acme/web", "--image", IMAGE)
    directory = Path(stage.cli("env", "path", "web-main").out.strip())
    pwned = stage.directory / "pwned"
    program = directory / "program"
    program.write_text(f"#!/bin/sh\ntouch {pwned}\n")
    program.chmod(0o755)
    bare = stage.home / "repos/acme/web.git"
    places = (
        f"BARE={bare} ENTRY={bare}/worktrees/{directory.name} HERE=/workspaces/{directory.name} PROGRAM={program}; "
    )
    before = {path: path.read_bytes() for path in (bare / "config", directory / ".git")}
    tried = (
        "; ".join(f"( {script} ) 2>/dev/null && echo '{name}'" for name, script in INSIDE.items()) + "; echo -n tried"
    )
    assert stage.run_inside("web-main", "sh", "-c", f"{places} {tried}") == "tried", "and none of it succeeds"
    assert {path: path.read_bytes() for path in before} == before
    work = "$ENTRY/index.lock $ENTRY/COMMIT_EDITMSG $BARE/objects/new $BARE/refs/heads/new.lock"
    assert stage.run_inside("web-main", "sh", "-c", f"{places} touch {work} && rm {work} && echo -n works") == "works"
    up(stage, "acme/web", "--image", IMAGE)

    with (bare / "config").open("a") as config:
        config.write(f'[core]\n\tfsmonitor = {program}\n[filter "evil"]\n\tclean = {program}\n')
    told = up(stage, "acme/web", "--image", IMAGE, expect=1)
    assert "'core.fsmonitor', 'filter.evil.clean'" in told
    assert "nothing of it was run" in told
    assert "'core.fsmonitor'" in stage.cli("env", "down", "web-main", "--delete-files", expect=1).err
    assert stage.containers() == [stage.name("web-main")], "and nothing was taken down"
    (bare / "config").write_bytes(before[bare / "config"])
    (bare / "hooks/post-checkout").symlink_to(program)
    assert "hooks/post-checkout" in up(stage, "acme/web@feature/login", "--image", IMAGE, expect=1)
    assert not pwned.exists()


def test_R16_R17_a_directory_is_an_environment_named_by_its_spec_or_by_itself(stage: Stage) -> None:
    folder = stage.directory / "My Project"
    folder.mkdir()
    (folder / "word").write_text("here")
    config = Path(stage.environment["HOME"]) / ".config/reconciler/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"env:\n  image: {IMAGE}\n")
    assert "service/my-project created" in stage.cli("env", "up", str(folder)).out
    seen = stage.container("my-project")
    assert seen["Config"]["WorkingDir"] == "/workspaces/My Project"
    assert stage.run_inside("my-project", "cat", "word") == "here"
    assert f"{config}:2" in stage.cli("doctor", expect=None).out, "it says who says so"

    with terminal(stage.argv("env", "up", str(folder)), stage.environment, stage.directory) as screen:
        assert screen.shows("/workspaces/My Project"), screen.seen
        screen.type("cat word; echo -$((40 + 2))-; exit 3\n")
        assert screen.ends() == 3, screen.seen
        assert "-42-" in screen.text, "a shell in it is opened, and its exit code is passed on"
    assert stage.container("my-project")["Id"] == seen["Id"], "and what it was opened in stays"

    spec = document("Service", "tools", container={"image": IMAGE, "workspace": ".", "keepAlive": True, "init": True})
    spec["spec"]["volumes"] = [{"hostPath": ".", "mountPath": "/src"}]
    (folder / "reconciler.yaml").write_text(json.dumps(spec))
    stage.cli("env", "up", str(folder), "--", "sleep", "4711")
    tools = stage.container("tools")
    assert [(mount["Source"], mount["Destination"]) for mount in tools["Mounts"]] == [(str(folder), "/src")]
    assert tools["Config"]["WorkingDir"] == "/src"
    assert tools["Config"]["Cmd"] == ["sleep", "4711"], "an explicit command is never overridden"

    shop = stage.directory / "shop"
    shop.mkdir()
    service = f"image: {IMAGE}\n    command: [sleep, '100000']\n    init: true"
    (shop / "compose.yaml").write_text(f"services:\n  web:\n    {service}\n  db:\n    {service}\n")
    stage.cli("env", "up", str(shop))
    assert {stage.name("web"), stage.name("db")} <= set(stage.containers())
    assert stage.cli("env", "path", "shop").out.strip() == str(shop)
    assert "no environment is up from this directory" in stage.cli("env", "down", expect=2).err
    assert "service/db deleted" in stage.cli("env", "down", cwd=shop).out

    twin = stage.directory / "twin/My Project"
    twin.mkdir(parents=True)
    assert "is there already, from" in stage.cli("env", "up", str(twin), expect=2).err
    assert "is a directory of your own" in stage.cli("env", "down", "tools", "--delete-files", expect=2).err
    stage.cli("env", "down", "tools")
    assert set(listed(stage)) == {"my-project"}
    assert folder.exists()


def test_a_branch_that_two_bring_up_at_once_is_made_by_one_and_found_by_the_other(stage: Stage, remote: Path) -> None:
    named = Repository("acme", "web", str(remote))
    found: list[Worktree] = []
    threads = [
        Thread(target=lambda: found.append(Worktrees(str(stage.home)).up(named, "feature/login"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.path / "word").read_text() for one in found] == ["login"] * 4
