"""A daemon that follows Sources: commits and files come into force, and what is wrong with them harms nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.repositories import Repository, ssh_key
from tests.podman_lacks import plain
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, document, native
from tests.scenarios.stage import Document, Stage, eventually


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Daemon]:
    it = Daemon(stage)
    it.start()
    yield it
    it.kill()


@pytest.fixture
def repo(stage: Stage) -> Repository:
    return Repository(stage.directory / "repo")


def follow(stage: Stage, repo: Repository, **more: Any) -> None:
    """Every second, and trusted with native processes."""
    spec = {"git": {"url": str(repo.path)}, "verify": "none", "interval": 1, "profile": "trusted", **more}
    stage.apply(document("Source", "shop", **spec))


def text(*documents: Document) -> str:
    return "---\n".join(f"{json.dumps(one)}\n" for one in documents)


def reason(stage: Stage) -> str:
    told = stage.cli("get", "source", "shop", "-o", "json").json
    return str(told["status"]["conditions"][0]["reason"])


def message(stage: Stage) -> str:
    told = stage.cli("get", "source", "shop", "-o", "json").json
    return str(told["status"]["conditions"][0]["message"])


def names(stage: Stage) -> set[str]:
    return set(stage.cli("get", "services", "-o", "name").out.split())


def becomes(stage: Stage, wanted: str) -> None:
    eventually(lambda: reason(stage) == wanted, f"it is {wanted}")


@pytest.mark.timeout(300)
def test_B6_commits_come_into_force_and_bad_ones_do_not(stage: Stage, daemon: Daemon, repo: Repository) -> None:
    repo.commit("First", app=text(box("web")), more=text(native("job")))
    follow(stage, repo)
    eventually(lambda: names(stage) == {"service/web", "service/job"}, "the first commit is in force")
    stage.cli("wait", "service/web", "service/job", "--for=condition=Ready", "--timeout", "60s")
    web, job = stage.container("web")["Id"], stage.process("job").pid
    bad = repo.commit("Bad", app=text(box("web", "sleep", "1")), more="kind: Servi\n")
    becomes(stage, "InvalidSpec")
    assert "more.yaml:1:" in message(stage)
    assert (stage.container("web")["Id"], stage.process("job").pid) == (web, job)
    repo.commit("Good", app=text(box("web", container={"image": "reconciler-test:2"})), more=text(native("job")))
    becomes(stage, "Synced")
    eventually(lambda: plain(stage.container("web")["Config"]["Image"]) == "reconciler-test:2", "the next commit heals")
    assert stage.process("job").pid == job, "what did not change was not touched"
    assert bad not in stage.cli("get", "source", "shop", "-o", "json").out


@pytest.mark.timeout(300)
def test_F43_F44_F45_what_needs_a_person_waits_for_one(
    stage: Stage, daemon: Daemon, repo: Repository, tmp_path: Path
) -> None:
    repo.key, public = ssh_key(tmp_path / "key")
    notes = text(document("Config", "x", data={"a": "b"}), document("Config", "y", data={"a": "b"}))
    first = repo.commit("First", signed=True, a=text(native("a")), b=text(native("b")), notes=notes)
    follow(stage, repo, verify={"sshKeys": [public]})
    eventually(lambda: names(stage) == {"service/a", "service/b"}, "the first commit is in force")
    repo.commit("Unsigned", a=text(native("a", "sleep", "5")))
    becomes(stage, "Unverified")
    repo.git("reset", "-q", "--hard", first)
    becomes(stage, "Synced")
    repo.commit("Second", signed=True, c=text(native("c")))
    eventually(lambda: "service/c" in names(stage), "the signed commit is in force")
    repo.git("reset", "-q", "--hard", first)
    becomes(stage, "Rewound")
    assert "service/c" in names(stage)
    stage.cli("confirm", "shop")
    assert names(stage) == {"service/a", "service/b"}
    repo.commit("Empty", signed=True, a=None, b=None, notes=None)
    becomes(stage, "Braked")
    assert stage.process("a").alive
    assert stage.process("b").alive
    stage.cli("confirm", "shop")
    assert names(stage) == set()
    assert stage.processes() == []


@pytest.mark.timeout(300)
def test_B5_a_saved_file_is_applied_and_a_removed_one_taken_down(stage: Stage, daemon: Daemon) -> None:
    specs = stage.directory / "specs"
    specs.mkdir()
    for name in ("a", "b", "c"):
        (specs / f"{name}.yaml").write_text(text(native(name)))
    (specs / "notes.yaml").write_text(text(document("Config", "x", data={"a": "b"})))
    stage.apply(document("Source", "shop", directory=str(specs), interval=5))
    eventually(lambda: names(stage) == {"service/a", "service/b", "service/c"}, "all are in force")
    stage.cli("wait", "service/a", "service/b", "--for=condition=Ready", "--timeout", "60s")
    b = stage.process("b").pid
    (specs / "a.yaml").write_text(text(native("a", "sleep", "4711")))
    eventually(lambda: stage.processes("a") and "4711" in stage.process("a").command, "the saved file is applied")
    (specs / "c.yaml").unlink()
    eventually(lambda: names(stage) == {"service/a", "service/b"}, "the removed one is taken down")
    (specs / "b.yaml").write_text("kind: Ser")
    becomes(stage, "InvalidSpec")
    assert stage.process("b").pid == b


@pytest.mark.timeout(300)
def test_an_edit_by_hand_is_overruled_and_a_killed_daemon_goes_on(
    stage: Stage, daemon: Daemon, repo: Repository
) -> None:
    repo.commit("First", a=text(native("a")))
    follow(stage, repo)
    eventually(lambda: names(stage) == {"service/a"}, "it is in force")
    stage.cli("scale", "a", "--replicas", "2", "--no-wait")
    eventually(lambda: "Overruled" in stage.cli("events").out, "the edit is set back, and it is told")
    daemon.kill()
    repo.commit("Second", b=text(native("b")))
    daemon.start()
    eventually(lambda: names(stage) == {"service/a", "service/b"}, "it goes on where it was")
    eventually(lambda: len(stage.processes("a")) == 1, "one replica is left")
