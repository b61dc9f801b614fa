"""Sources by hand: sync, confirm, suspend, resume, and how they are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.engine.repositories import Repository

SOURCE = """\
apiVersion: reconciler/v1
kind: Source
metadata: {{name: shop}}
spec: {spec}
"""


def config(name: str, value: str = "b") -> str:
    return f"apiVersion: reconciler/v1\nkind: Config\nmetadata: {{name: {name}}}\nspec: {{data: {{a: '{value}'}}}}\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def declared(cli: Run, repo: Repository, tmp_path: Path) -> Callable[..., None]:
    def declare(more: str = "") -> None:
        file = tmp_path / "source.yaml"
        file.write_text(SOURCE.format(spec=f"{{git: {{url: {repo.path}}}, verify: none{more}}}"))
        done = cli("apply", "-f", str(file))
        assert done.returncode == 0, done.stderr

    return declare


def shown(cli: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("get", "source", "shop", "-o", "json").stdout)
    return found


def reason(cli: Run) -> str:
    return str(shown(cli)["status"]["conditions"][0]["reason"])


def test_B6_a_source_is_declared_synced_and_shown(cli: Run, repo: Repository, declared: Callable[..., None]) -> None:
    head = repo.commit("First", app=config("app"))
    declared()
    assert "NotSynced" in cli("status").stdout
    assert "next: reconciler sync source/shop" in cli("status").stdout
    done = cli("sync", "shop")
    assert (done.returncode, done.stdout) == (0, "config/app created\nsource/shop synced\n")
    assert cli("sync", "source/shop", "-o", "name").stdout == "config/app\nsource/shop\n"
    status = shown(cli)["status"]
    assert (status["revision"], status["revisions"][0]["subject"]) == (head, "First")
    table = cli("get", "sources").stdout
    assert head[:10] in table
    assert f"{repo.path} at main" in table
    assert "First" in cli("describe", "source/shop").stdout
    assert f"revision {head[:10]} is in force" in cli("why", "source/shop").stdout
    assert cli("wait", "source/shop", "--for=condition=Ready", "--timeout", "60").returncode == 0


def test_B6_what_is_held_is_confirmed_by_name_and_only_that(
    cli: Run, repo: Repository, declared: Callable[..., None]
) -> None:
    repo.commit("First", app=config("app"))
    declared()
    cli("sync", "shop")
    assert cli("confirm", "shop").returncode == 1
    repo.commit("Empty", app=None)
    braked = cli("sync", "shop")
    assert braked.returncode == 1
    assert "source/shop: Braked: " in braked.stderr
    look = "look at it: reconciler diff source/shop"
    assert f"hint: {look}; then: reconciler confirm source/shop --plan " in braked.stderr
    assert reason(cli) == "Braked"
    assert "next: reconciler confirm source/shop --plan " in cli("status").stdout
    assert "it waits for your word: " in cli("why", "source/shop").stdout
    assert "reconciler describe" not in cli("describe", "source/shop").stdout
    assert "reconciler confirm source/shop" in cli("describe", "source/shop").stdout
    seen = cli("diff", "source/shop")
    assert (seen.returncode, seen.stdout) == (1, "spec config/app: removed\n")
    assert "source/shop holds this back: Braked: " in seen.stderr
    assert cli("diff", "source/nobody").returncode == 2
    assert "reconciler diff -f FILE" in cli("diff", "app.yaml").stderr
    other = cli("confirm", "shop", "--plan", "0123456789abcdef")
    assert other.returncode == 1
    assert "what waits now is" in other.stderr
    done = cli("confirm", "shop")
    assert (done.returncode, done.stdout) == (0, "config/app pruned\nsource/shop synced\n")


def test_B9_a_suspended_source_stays_where_it_is(cli: Run, repo: Repository, declared: Callable[..., None]) -> None:
    repo.commit("First", app=config("app"))
    declared()
    cli("sync", "shop")
    assert cli("suspend", "shop").stdout == "source/shop suspended\n"
    assert reason(cli) == "Suspended"
    repo.commit("Second", app=config("app", "c"), more=config("more"))
    cli("sync", "shop")
    assert cli("get", "configs", "-o", "name").stdout == "config/app\n"
    done = cli("resume", "shop")
    assert (done.returncode, done.stdout) == (0, "config/app configured\nconfig/more created\nsource/shop synced\n")


def test_a_broken_commit_is_told_with_its_line(cli: Run, repo: Repository, declared: Callable[..., None]) -> None:
    good = repo.commit("First", app=config("app"))
    declared()
    cli("sync", "shop")
    repo.commit("Broken", app="kind: Confg\n")
    done = cli("sync", "shop")
    assert done.returncode == 1
    assert f"{good[:10]} stays in force; app.yaml:1:" in done.stderr
    assert "\n" not in shown(cli)["status"]["conditions"][0]["message"]
    assert "next: edit app.yaml:1\n" in cli("status").stdout
    why = cli("why", "source/shop").stdout
    assert f"It is InvalidSpec, and revision {good[:10]} is in force: {good[:10]} stays in force; app.yaml:1:" in why
    assert "Nothing differs" not in why


def test_what_restricted_authors_may_not_ask_for_is_denied(
    cli: Run, repo: Repository, declared: Callable[..., None]
) -> None:
    """Through the policy in force, whose default for repositories is `restricted`."""
    text = "apiVersion: reconciler/v1\nkind: Service\nmetadata: {name: web}\n"
    repo.commit(web=f"{text}spec: {{container: {{image: a, privileged: true}}}}\n")
    declared()
    done = cli("sync", "shop")
    assert "source/shop: Denied: web.yaml:4:" in done.stderr
    assert cli("get", "services", "-o", "name").stdout == ""


def test_deleting_a_source_deletes_what_it_brought(cli: Run, repo: Repository, declared: Callable[..., None]) -> None:
    repo.commit(app=config("app"))
    declared()
    cli("sync", "shop")
    assert cli("delete", "source", "shop").stdout == "config/app deleted\nsource/shop deleted\n"
    assert cli("get", "all", "-o", "name").stdout == ""


@pytest.mark.parametrize("verb", ["sync", "suspend", "resume"])
def test_who_names_no_source_is_asked_for_one(cli: Run, verb: str) -> None:
    assert cli(verb).returncode == 2
    assert cli(verb, "service/web").returncode == 2
    assert "not found" in cli(verb, "nobody").stderr


def test_who_edits_what_a_source_brought_is_told_that_it_will_not_last(
    cli: Run, repo: Repository, declared: Callable[..., None], tmp_path: Path
) -> None:
    repo.commit("First", app=config("app"))
    declared()
    cli("sync", "shop")
    assert "it comes from source/shop" in cli("why", "config/app").stdout
    assert "source/shop in namespace default; change it there" in cli("describe", "config/app").stdout
    file = tmp_path / "app.yaml"
    file.write_text(config("app", "mine"))
    note = "note: config/app comes from source/shop, which sets this back at its next look; change it there, or: "
    assert f"{note}reconciler suspend source/shop\n" in cli("apply", "-f", str(file)).stderr
    cli("sync", "shop")
    assert note in cli("delete", "config", "app").stderr
    cli("sync", "shop")
    cli("suspend", "shop")
    assert "note:" not in cli("delete", "config", "app").stderr
    assert "note:" not in cli("delete", "source", "shop").stderr
