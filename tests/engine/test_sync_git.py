"""A repository is followed: commits come into force whole, verified, in order; what is wrong with one is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from reconciler.core.parse import Text, parse
from reconciler.engine.gitops import documents
from reconciler.errors import Unreachable
from reconciler.kinds.source import Git, Keys, faults
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.sources import repository
from reconciler.sources.git import Caps, Mirror
from reconciler.sources.verify import verify
from tests.engine.following import KEY, Following, service
from tests.engine.repositories import Repository, gpg_key, ssh_key


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def stage(tmp_path: Path, repo: Repository) -> Following:
    return Following(tmp_path, directory="", git=Git(url=str(repo.path)), verify="none")


def again(stage: Following) -> str:
    """One interval later."""
    stage.clock.sleep(600)
    return stage.follow()


def image(stage: Following, name: str = "web") -> str:
    return stage.thing(f"shop-{name}-0").made_from


def test_a_commit_comes_into_force(stage: Following, repo: Repository) -> None:
    head = repo.commit("Begin", web=service("web"), deep__db=service("db"))
    assert stage.follow() == "Synced"
    assert stage.objects() == ["shop-db-0", "shop-web-0"]
    arrival = stage.store.statuses("shop")[KEY].revisions[0]
    assert (arrival.revision, arrival.author, arrival.subject) == (head, "Ada", "Begin")
    repo.commit("Update", web=service("web", "web:2"))
    assert again(stage) == "Synced"
    assert (image(stage), image(stage, "db")) == ("web:2", "web:1")
    assert [a.subject for a in stage.store.statuses("shop")[KEY].revisions] == ["Update", "Begin"]


def test_nothing_new_is_nothing_done(stage: Following, repo: Repository) -> None:
    repo.commit(web=service("web"))
    stage.follow()
    calls = list(stage.docker.calls)
    for _ in range(3):
        stage.clock.sleep(60)
        assert stage.sync().namespaces == ()
    assert stage.docker.calls == calls


def test_F45_one_broken_file_of_fifty_costs_the_whole_revision(stage: Following, repo: Repository) -> None:
    repo.commit(**{f"s{number}": service(f"s{number}") for number in range(50)})
    stage.follow()
    updated = {f"s{number}": service(f"s{number}", "web:2") for number in range(50)}
    broken = {
        "yaml": "a: [", "kind": "kind: Nothing", "field": service("s7", more=", imag: x"), "duplicate": "a: 1\na: 2",
        "tag": "!!python/object:os.system {}", "tab": "a:\n\tb: c", "type": service("s7", more=", replicas: many"),
        "twice": service("s8"), "link": service("s7", more=", dependsOn: [nobody]"), "nul": "a: \0",
        "variable": service("s7", "${HOME}"), "name": service("S7"), "utf16": "\ufffe", "bomb": "&a [*a]",
        "self": service("s7", more=", dependsOn: [s7]"), "address": service("s7", more=", env: {A: '${nobody.addr}'}"),
        "probe": service("s7", more=", probes: {readiness: {tcpSocket: {port: http}}}"),
        "version": service("s7").replace("v1", "v9"), "mark": service("s7", wave="x"),
        "ours": service("s7").replace("name: s7", "name: s7, annotations: {reconciler/source: a/b}"),
    }  # fmt: skip
    for what, text in broken.items():
        repo.commit(what, **updated | {"s7": text})
        assert again(stage) == "InvalidSpec", what
        assert "s7.yaml:" in stage.message() or "s8.yaml:" in stage.message(), what
        assert "stays in force" in stage.message()
        assert {image(stage, f"s{number}") for number in range(50)} == {"web:1"}, what
    repo.commit("Repair", **updated)
    assert again(stage) == "Synced"
    assert {image(stage, f"s{number}") for number in range(50)} == {"web:2"}


def test_F44_a_branch_that_was_rewound_is_held_until_a_person_says_yes(stage: Following, repo: Repository) -> None:
    first = repo.commit("one", web=service("web", "web:1"))
    stage.follow()
    repo.commit("two", web=service("web", "web:2"))
    again(stage)
    repo.git("reset", "-q", "--hard", first)
    assert again(stage) == "Rewound"
    assert again(stage) == "Rewound"
    assert image(stage) == "web:2"
    stage.confirm()
    assert again(stage) == "Synced"
    assert image(stage) == "web:1"


def test_F44_a_rewritten_branch_is_held_and_a_confirmation_of_it_is_of_that_head(
    stage: Following, repo: Repository
) -> None:
    repo.commit("one", web=service("web"))
    stage.follow()
    repo.git("checkout", "-q", "--orphan", "other")
    repo.commit("forged", web=service("web", "evil:1"))
    repo.git("branch", "-q", "-M", "other", "main")
    assert again(stage) == "Rewound"
    stage.confirm()
    repo.commit("worse", web=service("web", "evil:2"))
    assert again(stage) == "Rewound"
    assert image(stage) == "web:1"


def test_F44_a_rewound_branch_that_also_removes_too_much_needs_two_words_and_takes_them(
    stage: Following, repo: Repository
) -> None:
    first = repo.commit("one", web=service("web"))
    stage.follow()
    repo.commit("two", **{f"s{number}": service(f"s{number}") for number in range(11)})
    again(stage)
    repo.git("reset", "-q", "--hard", first)
    assert again(stage) == "Rewound"
    stage.confirm()
    assert again(stage) == "Braked"
    stage.confirm()
    assert again(stage) == "Synced"
    assert stage.declared() == ["web"]
    assert stage.feeds.confirmed(KEY) == frozenset()


def test_who_follows_another_branch_begins_anew(stage: Following, repo: Repository) -> None:
    repo.commit("one", web=service("web", "web:1"))
    repo.git("branch", "old")
    repo.commit("two", web=service("web", "web:2"))
    stage.follow()
    stage.declare(git=Git(url=str(repo.path), ref="old"), verify="none")
    assert again(stage) == "Synced", "a person said so"
    assert image(stage) == "web:1"


def test_F44_a_lost_mirror_and_a_lost_diary_forget_no_revision(stage: Following, repo: Repository) -> None:
    first = repo.commit("one", web=service("web", "web:1"))
    repo.commit("two", web=service("web", "web:2"))
    stage.follow()
    shutil.rmtree(stage.feeds.folder(KEY) / "mirror.git")
    repo.git("reset", "-q", "--hard", first)
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    assert again(stage) == "Rewound"
    assert image(stage) == "web:2"


def test_F44_a_branch_or_repository_that_is_gone_leaves_everything_as_it_is(stage: Following, repo: Repository) -> None:
    repo.commit(web=service("web"))
    stage.follow()
    repo.git("branch", "-q", "-m", "main", "trunk")
    assert again(stage) == "Unreachable"
    assert "has no main" in stage.message()
    aside = repo.path.rename(repo.path.with_name("aside"))
    assert again(stage) == "Unreachable"
    assert stage.objects() == ["shop-web-0"]
    aside.rename(repo.path)
    repo.git("branch", "-q", "-m", "trunk", "main")
    assert again(stage) == "Synced"


def test_F44_a_directory_that_is_gone_from_the_repository_is_not_an_empty_one(
    stage: Following, repo: Repository
) -> None:
    stage.declare(git=Git(url=str(repo.path), path="deploy"), verify="none")
    repo.commit(deploy__web=service("web"), other=service("other"))
    stage.follow()
    assert stage.objects() == ["shop-web-0"]
    repo.git("mv", "deploy", "moved")
    repo.commit("Move")
    assert again(stage) == "Unreachable"
    assert stage.objects() == ["shop-web-0"]


def test_F44_a_pointer_into_lfs_is_told_as_one(stage: Following, repo: Repository) -> None:
    repo.commit(web="version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert stage.follow() == "Refused"
    assert "web.yaml is a pointer into Git LFS" in stage.message()


def test_F44_a_shallow_repository_is_told_as_one(stage: Following, repo: Repository, tmp_path: Path) -> None:
    repo.commit("one", web=service("web"))
    repo.commit("two", web=service("web"))
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow")], check=True)
    stage.declare(git=Git(url=str(tmp_path / "shallow")), verify="none")
    assert stage.follow() == "Refused"
    assert "shallow clone" in stage.message()
    stage.declare(git=Git(url=str(repo.path)), verify="none")
    assert again(stage) == "Synced"
    stage.declare(git=Git(url=str(tmp_path / "shallow")), verify="none")
    assert again(stage) in {"Refused", "Synced"}, "by now all of it is known"


def test_F51_a_file_with_an_odd_name_is_told_in_plain_letters(stage: Following, repo: Repository) -> None:
    (repo.path / os.fsdecode(b"\xff\x1b[31m\n.yaml")).write_text("kind: Nothing")
    repo.commit(web=service("web"))
    assert stage.follow() == "InvalidSpec"
    assert "??[31m?.yaml:1:" in stage.message()
    stage.message().encode()


def test_F44_a_damaged_object_is_refused(stage: Following, repo: Repository) -> None:
    repo.commit(web=service("web"))
    stage.follow()
    bad = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=b"100644 ../up\0" + b"\1" * 20)
    commit = repo.git("commit-tree", bad, "-p", "HEAD", "-m", "bad")
    repo.git("update-ref", "refs/heads/main", commit)
    assert again(stage) in {"Refused", "Unreachable"}
    assert image(stage) == "web:1"


def test_F43_an_emptied_repository_is_braked(stage: Following, repo: Repository) -> None:
    repo.commit(web=service("web"), db=service("db"))
    stage.follow()
    repo.commit("Clean up", web=None, db=None)
    assert again(stage) == "Braked"
    assert stage.objects() == ["shop-db-0", "shop-web-0"]
    stage.confirm()
    assert again(stage) == "Synced"
    assert stage.objects() == []


def test_one_removed_of_few_needs_no_word_and_no_second_look(stage: Following, repo: Repository) -> None:
    repo.commit(web=service("web"), db=service("db"))
    stage.follow()
    repo.commit(db=None)
    stage.sync()
    assert stage.reason() == "Synced"
    assert stage.declared() == ["web"]


def test_what_a_person_applied_is_not_taken_over_without_a_word(stage: Following, repo: Repository) -> None:
    stage.source.keep(_parsed(service("db", "mine:1")))
    repo.commit(db=service("db", "theirs:1"), web=service("web"))
    assert stage.follow() == "Conflict"
    assert "take over what a person applied here: service/shop/db" in stage.message()
    assert stage.declared() == ["db"]
    stage.confirm()
    assert again(stage) == "Synced"
    assert image(stage, "db") == "theirs:1"


def _parsed(text: str) -> list[Resource]:
    return [d.resource for d in parse([Text("t", text.encode(), "/")], environment={}, namespace="shop")]


def test_files_of_the_repository_become_content(stage: Following, repo: Repository) -> None:
    (repo.path / "app.ini").write_text("price = 5$ ${HOME}\n")
    config = "apiVersion: reconciler/v1\nkind: Config\nmetadata: {name: app}\nspec: {files: {app.ini: app.ini}}\n"
    repo.commit(app=config, web=service("web", more=", volumes: [{config: app, mountPath: /etc/app}]"))
    assert stage.follow() == "Synced", stage.message()
    graph = stage.source.graph("shop", stage.home.identity(make=False))
    assert graph.resources[Key("config", "shop", "app")].spec.data == {"app.ini": "price = 5$$ $${HOME}\n"}
    repo.commit(app=config.replace("app.ini: app.ini", "app.ini: ../../../etc/passwd"))
    again(stage)
    assert not [r for r in stage.source.resources("shop") if "root:" in str(r.spec)]
    repo.commit(app=config.replace("app.ini: app.ini", "app.ini: missing"))
    assert again(stage) == "InvalidSpec"
    assert "there is no file missing in the repository" in stage.message()


@pytest.mark.parametrize(
    "more", [", volumes: [{hostPath: ./src, mountPath: /app}]", ", envFrom: [{file: ./.env}]"], ids=["mount", "env"]
)
def test_paths_into_a_repository_are_refused_with_a_hint(stage: Following, repo: Repository, more: str) -> None:
    repo.commit(web=service("web", more=more))
    assert stage.follow() == "InvalidSpec"
    assert "use a Config or a Secret with files" in stage.message()


def test_our_environment_is_not_for_authors(
    stage: Following, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "canary")
    repo.commit(web=service("web", more=", env: {A: '${TOKEN}'}"))
    assert stage.follow() == "InvalidSpec"
    repo.commit(web="apiVersion: reconciler/v1\nkind: Secret\nmetadata: {name: s}\nspec: {env: {A: TOKEN}}\n")
    assert again(stage) == "InvalidSpec"
    assert "canary" not in stage.message()


# -- who signed


def signed(stage: Following, repo: Repository, **keys: tuple[str, ...]) -> None:
    stage.declare(git=Git(url=str(repo.path)), verify=Keys(**keys))


def test_F45_an_unsigned_commit_is_refused_wherever_it_stands(
    stage: Following, repo: Repository, tmp_path: Path
) -> None:
    repo.key, public = ssh_key(tmp_path / "ada")
    signed(stage, repo, ssh_keys=(public,))
    repo.commit("before", web=service("web"))
    assert stage.follow() == "Unverified"
    repo.commit("first", signed=True, web=service("web"))
    assert again(stage) == "Synced", stage.message()
    bad = repo.commit("between", web=service("web", "evil:1"))
    repo.commit("after", signed=True, web=service("web", "web:2"))
    assert again(stage) == "Unverified"
    assert f"commit {bad[:10]} by Ada (between)" in stage.message()
    assert image(stage) == "web:1"


def test_F45_a_merged_branch_is_verified_too(stage: Following, repo: Repository, tmp_path: Path) -> None:
    repo.key, public = ssh_key(tmp_path / "ada")
    signed(stage, repo, ssh_keys=(public,))
    repo.commit("first", signed=True, web=service("web"))
    stage.follow()
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("side", other=service("other"))
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "-S", "-m", "merge", "side")
    assert again(stage) == "Unverified"


def test_F45_another_persons_signature_and_a_signed_tag_are_none(
    stage: Following, repo: Repository, tmp_path: Path
) -> None:
    repo.key, _ = ssh_key(tmp_path / "eve")
    _, public = ssh_key(tmp_path / "ada")
    signed(stage, repo, ssh_keys=(public,))
    repo.commit("eve's", signed=True, web=service("web"))
    assert stage.follow() == "Unverified"
    repo.key = str(tmp_path / "ada")
    repo.commit("unsigned", web=service("web"))
    repo.git("tag", "-s", "-m", "release", "v1")
    stage.declare(git=Git(url=str(repo.path), ref="v1"), verify=Keys(ssh_keys=(public,)))
    assert again(stage) == "Unverified"
    assert stage.objects() == []


def test_F45_a_gpg_signature_counts_while_its_key_is_good(stage: Following, repo: Repository, tmp_path: Path) -> None:
    repo.gnupg = tmp_path / "gnupg"
    repo.key, public = gpg_key(repo.gnupg, "Ada <ada@example>")
    try:
        signed(stage, repo, gpg_keys=(public,))
        repo.commit("first", signed=True, web=service("web"))
        assert stage.follow() == "Synced", stage.message()
        eve = tmp_path / "eve"
        key, _ = gpg_key(eve, "Ada <ada@example>")
        other = Repository(repo.path, key, eve)
        other.commit("forged", signed=True, web=service("web", "evil:1"))
        assert again(stage) == "Unverified"
        assert image(stage) == "web:1"
    finally:
        for home in (tmp_path / "gnupg", tmp_path / "eve"):
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def test_F45_a_signature_by_a_key_that_has_expired_is_none(stage: Following, repo: Repository, tmp_path: Path) -> None:
    repo.gnupg = tmp_path / "gnupg"
    repo.key, public = gpg_key(repo.gnupg, "Ada <ada@example>", "7d", "20200101T000000")
    old = tmp_path / "old-gpg"
    old.write_text('#!/bin/sh\nexec gpg --faked-system-time 20200102T000000 "$@"\n')
    old.chmod(0o755)
    repo.gpg = str(old)
    try:
        repo.commit("first", signed=True, web=service("web"))
        signed(stage, repo, gpg_keys=(public,))
        assert stage.follow() == "Unverified"
    finally:
        subprocess.run(["gpgconf", "--homedir", str(repo.gnupg), "--kill", "all"], check=False)


# -- who is at the other end


def test_a_hook_of_the_repository_is_never_run(stage: Following, repo: Repository, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for hook in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc", "post-index-change"):
        file = repo.path / ".git/hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\ntouch {canary}\n")
        file.chmod(0o755)
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "x")
    canary.unlink(missing_ok=True)
    (repo.path / "web.yaml").write_text(service("web"))
    repo.git("-c", "core.hooksPath=/dev/null", "add", "-A")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "y")
    canary.unlink(missing_ok=True)
    assert stage.follow() == "Synced"
    assert not canary.exists()
    assert not list((stage.feeds.folder(KEY) / "mirror.git").glob("hooks/*"))


def test_a_url_that_runs_a_program_gets_as_far_as_nowhere(stage: Following, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for url in (f"ext::sh -c touch% {canary}", f"--upload-pack=touch {canary}", "git://127.0.0.1/x", "fd::7"):
        spec = stage.declare(git=Git(url=url), verify="none").spec
        assert list(faults(spec)), url
        assert stage.follow() in {"Unreachable", "Refused"}, "and Git would not follow it either"
    assert not canary.exists()


def test_our_own_settings_of_git_have_no_say(
    stage: Following, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit(web=service("web"))
    (tmp_path / ".gitconfig").write_text(f'[url "ext::sh -c touch% {tmp_path}/canary "]\n insteadOf = /\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {tmp_path}/canary")
    assert stage.follow() == "Synced"
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside.yaml", ".."])
def test_a_link_out_of_the_repository_is_refused(stage: Following, repo: Repository, target: str) -> None:
    (repo.path / "link.yaml").symlink_to(target)
    repo.commit(web=service("web"))
    assert stage.follow() == "Refused"
    assert "link.yaml is a symbolic link that leads out" in stage.message()
    assert stage.declared() == []


def test_a_link_inside_the_repository_is_followed(stage: Following, repo: Repository) -> None:
    (repo.path / "deep").mkdir()
    (repo.path / "shared.txt").write_text(service("web"))
    (repo.path / "deep/link.yaml").symlink_to("../shared.txt")
    repo.commit()
    assert stage.follow() == "Synced"
    assert stage.objects() == ["shop-web-0"]


def test_a_submodule_is_somebody_elses(stage: Following, repo: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit(evil=service("evil"))
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "sub.yaml")
    repo.commit(web=service("web"))
    assert stage.follow() == "Synced"
    assert stage.objects() == ["shop-web-0"]


def test_F47_what_is_too_large_is_refused(stage: Following, repo: Repository) -> None:
    repo.commit(web=service("web") + "#" * (1 << 20))
    assert stage.follow() == "Refused"
    assert "1,048,576 is the most" in stage.message()
    repo.commit(web=None, **{f"f{number}": "# nothing\n" for number in range(2001)})
    assert again(stage) == "Refused"
    assert "more than 2,000 spec files" in stage.message()
    repo.git("rm", "-q", "-r", ".")
    repo.commit(**{f"f{number}": "#" * (1 << 20) for number in range(17)})
    assert again(stage) == "Refused"
    assert "more than 16,777,216 bytes together" in stage.message()


def test_F47_what_configs_and_secrets_name_together_is_counted_for_each_that_names_it(
    stage: Following, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MOST_CONTENT", 1 << 20)  # what is let through is written down, letter by letter
    (repo.path / "big.txt").write_text("#" * (1 << 16))
    head = "apiVersion: reconciler/v1\nkind: {}\nmetadata: {{name: c{}}}\nspec: {{files: {{{}}}}}\n"
    names = ", ".join(f"k{number}: big.txt" for number in range(4))
    kinds = ["Config", "Secret", "Config", "Secret", "Config", "Secret"]
    repo.commit(**{f"c{n}": head.format(kind, n, names) for n, kind in enumerate(kinds)})
    assert stage.follow() == "InvalidSpec"
    assert "c4.yaml:4" in stage.message()
    assert "more than 1,048,576 bytes together" in stage.message()
    assert stage.declared() == []
    repo.commit(c4=None, c5=None)
    assert again(stage) == "Synced"


def test_F47_a_transfer_that_is_too_much_or_too_slow_is_cut_off(
    stage: Following, repo: Repository, tmp_path: Path
) -> None:
    (repo.path / "noise").write_bytes(os.urandom(8 << 20))
    repo.commit(web=service("web"))
    folder, spec = stage.feeds.folder(KEY), stage.source.resources("shop")[0].spec
    folder.mkdir(parents=True)
    with pytest.raises(Exception, match=r"sends more than 65,536 bytes|did not come"):
        repository.read(folder, spec, stage.feeds.known(KEY), caps=Caps(seconds=20, bytes=1 << 16))
    assert not list(folder.glob("mirror.git/objects/pack/tmp_*"))
    with pytest.raises(Exception, match="did not come in 0 s"):
        repository.read(folder, spec, stage.feeds.known(KEY), caps=Caps(seconds=0))
    assert stage.follow() == "Synced"


def test_a_mirror_does_not_grow_without_end(stage: Following, repo: Repository, tmp_path: Path) -> None:
    spec = stage.source.resources("shop")[0].spec
    (tmp_path / "folder").mkdir()
    for number in range(8):
        head = repo.commit(web=service("web", f"web:{number}"))
        known = stage.feeds.known(KEY)
        found = repository.read(tmp_path / "folder", spec, known, caps=Caps(packs=3))
        assert (found.revision, f"web:{number}" in found.texts[0].content.decode()) == (head, True)
    assert len(list(tmp_path.glob("folder/mirror.git/objects/pack/*.pack"))) <= 4


def test_a_mirror_of_what_was_pushed_and_taken_back_is_fetched_anew(
    stage: Following, repo: Repository, tmp_path: Path
) -> None:
    spec, folder = stage.source.resources("shop")[0].spec, tmp_path / "folder"
    folder.mkdir()
    first = repo.commit(web=service("web"))
    for _ in range(8):
        (repo.path / "noise").write_bytes(os.urandom(1 << 20))
        repo.commit()
        found = repository.read(folder, spec, stage.feeds.known(KEY), caps=Caps(bytes=3 << 20))
        assert found.revision == repo.head
        repo.git("reset", "-q", "--hard", first)
        assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 7 << 20
    assert found.texts


SLOW_REPACK = """#!/bin/sh
case "$*" in *" repack -a "*) sleep 1000 & wait ;; esac
exec {git} "$@"
"""


def test_a_repack_that_does_not_end_holds_nobody_up(
    stage: Following, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, folder = stage.source.resources("shop")[0].spec, tmp_path / "folder"
    folder.mkdir()
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(SLOW_REPACK.format(git=shutil.which("git")))
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    repo.commit(web=service("web"))
    began = time.monotonic()
    found = repository.read(folder, spec, stage.feeds.known(KEY), caps=Caps(packs=0, seconds=4))
    assert (found.revision, time.monotonic() - began < 30) == (repo.head, True)


def test_F47_to_verify_ends_in_time_whatever_there_is(stage: Following, repo: Repository, tmp_path: Path) -> None:
    repo.key, public = ssh_key(tmp_path / "key")
    folder = tmp_path / "folder"
    folder.mkdir()
    commits = [repo.commit(signed=True) for _ in range(3)]
    mirror = Mirror(folder / "mirror.git")
    head = mirror.fetch(Git(url=str(repo.path)))
    verify(mirror, head, commits[0], Keys(ssh_keys=(public,)), folder)
    with pytest.raises(Unreachable, match="0 of 2 commits were verified in 0 s"):
        verify(mirror, head, commits[0], Keys(ssh_keys=(public,)), folder, seconds=0)


def test_F47_a_tree_of_a_billion_names_is_refused_soon(stage: Following, repo: Repository) -> None:
    """Ten names for one tree that has ten names for one tree, and so on."""
    name = repo.git("hash-object", "-w", "--stdin", stdin=b"# nothing\n")
    mode = "100644 blob"
    for _ in range(9):
        listing = "".join(f"{mode} {name}\td{number}\n" for number in range(10))
        name, mode = repo.git("mktree", stdin=listing.encode()), "040000 tree"
    repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", name, "-m", "bomb"))
    assert stage.follow() == "Refused"
    assert "more than 50,000 files" in stage.message()


# -- the way back


def test_a_revision_that_does_not_become_ready_is_left_again(stage: Following, repo: Repository) -> None:
    stage.declare(git=Git(url=str(repo.path)), verify="none", rollback=True, timeout_seconds=30)
    good = repo.commit("good", web=service("web"))
    stage.follow()
    stage.clock.sleep(2)
    stage.sync()
    assert stage.feeds.known(KEY).good == good
    stage.docker.failing["create extra"] = RuntimeError("no")
    bad = repo.commit("bad", web=service("web", "web:2"), extra=service("extra"))
    stage.follow()
    stage.clock.sleep(10)
    assert stage.follow() == "Synced", "it still has time"
    stage.clock.sleep(30)
    assert stage.follow() == "RolledBack"
    assert f"{bad[:10]} did not become Ready in 30 s" in stage.message()
    assert stage.declared() == ["web"]
    assert image(stage) == "web:1"
    for _ in range(3):
        assert again(stage) == "RolledBack", "it is not taken again by itself"
    stage.docker.failing.clear()
    repo.commit("better", extra=service("extra", "web:3"))
    assert again(stage) == "Synced"
    assert stage.declared() == ["extra", "web"]


@pytest.mark.parametrize("by", [-3600.0, 365 * 86400.0])
def test_a_clock_that_is_set_rolls_nothing_back(stage: Following, repo: Repository, by: float) -> None:
    begin_badly(stage, repo)
    stage.set_clock(by)
    assert stage.follow() == "Synced"
    stage.clock.sleep(40)
    assert stage.follow() == "RolledBack", "nor does it keep it for ever"


def test_a_revision_is_not_late_because_nobody_was_there(stage: Following, repo: Repository) -> None:
    begin_badly(stage, repo)
    stage.clock.sleep(3600)
    stage.begin_anew()
    assert stage.follow() == "Synced", "it has its time once more"
    stage.clock.sleep(40)
    assert stage.follow() == "RolledBack"


def test_F45_what_is_gone_back_to_has_to_be_signed_by_a_key_of_today(
    stage: Following, repo: Repository, tmp_path: Path
) -> None:
    old, of_old = ssh_key(tmp_path / "old")
    new, of_new = ssh_key(tmp_path / "new")
    follows = {"git": Git(url=str(repo.path)), "rollback": True, "timeout_seconds": 30}
    stage.declare(**follows, verify=Keys(ssh_keys=(of_old,)))
    repo.key = old
    repo.commit("good", signed=True, web=service("web"))
    stage.follow()
    stage.sync()
    stage.declare(**follows, verify=Keys(ssh_keys=(of_new,)))
    stage.docker.failing["create extra"] = RuntimeError("no")
    repo.key = new
    repo.commit("bad", signed=True, extra=service("extra"))
    assert stage.follow() == "Synced"
    stage.clock.sleep(40)
    assert stage.follow() == "Unverified"
    assert stage.declared() == ["extra", "web"]


def begin_badly(stage: Following, repo: Repository) -> None:
    """A good revision, and one after it of which something can't be made."""
    stage.declare(git=Git(url=str(repo.path)), verify="none", rollback=True, timeout_seconds=30)
    repo.commit("good", web=service("web"))
    stage.follow()
    stage.sync()
    stage.docker.failing["create extra"] = RuntimeError("no")
    repo.commit("bad", extra=service("extra"))
    assert stage.follow() == "Synced"


def test_a_revision_that_was_left_is_tried_again_at_a_persons_word(stage: Following, repo: Repository) -> None:
    stage.declare(git=Git(url=str(repo.path)), verify="none", rollback=True, timeout_seconds=30)
    repo.commit("good", web=service("web"))
    stage.follow()
    stage.sync()
    stage.docker.failing["create extra"] = RuntimeError("no")
    repo.commit("bad", extra=service("extra"))
    stage.follow()
    stage.clock.sleep(40)
    stage.follow()
    assert again(stage) == "RolledBack"
    stage.docker.failing.clear()
    stage.confirm()
    assert again(stage) == "Synced"
    assert stage.declared() == ["extra", "web"]
