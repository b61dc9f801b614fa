"""What an image is built from: looked through without following a link, known by what it holds."""

from __future__ import annotations

import io
import os
import shutil
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Refused
from reconciler.kinds.base import Tree
from reconciler.kinds.build import Build
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Container
from reconciler.model.desired import Context
from reconciler.model.key import Key
from reconciler.model.resource import PROFILE, Resource
from reconciler.sources import contexts
from reconciler.sources.contexts import Contexts
from reconciler.sources.dockerignore import Ignored

WEB = Key("service", "shop", "web")


def declared(root: Path, *, profile: str = "", **build: str) -> Resource:
    spec = ServiceSpec(container=Container(build=Build(context=str(root), **build)))  # type: ignore[arg-type]
    return Resource(WEB, spec, annotations={PROFILE: profile} if profile else {})


def looked(root: Path, **build: str) -> Context:
    found, unreadable = Contexts().read([declared(root, **build)], lambda *_: "")
    assert not unreadable
    return next(iter(found.values()))


def complaint(root: Path, refusal: Callable[[Resource, str], str] = lambda *_: "", **build: str) -> str:
    return Contexts().read([declared(root, **build)], refusal)[1][WEB]


def archive(context: Context) -> dict[str, tarfile.TarInfo]:
    size, pieces = context.archive()
    content = b"".join(pieces)
    assert len(content) == size
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


@pytest.mark.parametrize(
    ("rules", "out", "left_in"),
    [
        ("*.log", ["a.log"], ["d/a.log", "a.logs"]),
        ("**/*.log", ["a.log", "d/a.log", "d/e/a.log"], ["a.txt"]),
        ("node_modules", ["node_modules", "node_modules/x/y"], ["d/node_modules"]),
        ("/build/\n./dist", ["build/x", "dist"], ["d/build"]),
        ("*\n!src\nsrc/*.pyc", ["x", "src/a.pyc"], ["src", "src/a.py", "src/d/a.pyc"]),
        ("d/**", ["d/a", "d/e/f"], ["d", "e"]),
        ("d/**/z", ["d/z", "d/e/f/z"], ["d/e/f"]),
        ("?.[ch]", ["a.c", "b.h"], ["ab.c", "a.o"]),
        ("[!a].c", ["b.c"], ["a.c"]),
        (r"\#x" + "\n# note\n\n", ["#x"], ["x"]),
        ("", [".git", ".git/index"], [".gitignore", "d/.git"]),
        ("!.git", [], [".git/index"]),
        ("[", ["["], ["x"]),
    ],
)
def test_K20_dockerignore_is_read_as_the_engine_s_own_client_reads_it(
    rules: str, out: list[str], left_in: list[str]
) -> None:
    ignored = Ignored(rules)
    assert [path for path in [*out, *left_in] if ignored(path)] == out


def test_K20_the_same_content_is_the_same_context_wherever_it_lies_and_whenever_it_was_written(root: Path) -> None:
    (root / "d").mkdir()
    (root / "d/word").write_text("one")
    twin = shutil.copytree(root, root.with_name("twin"))
    os.utime(twin / "d/word", (1, 1))
    assert looked(root).digest == looked(twin).digest
    (twin / "d/word").chmod(0o700)
    assert looked(root).digest != looked(twin).digest


def test_K20_a_link_is_sent_as_the_link_that_it_is(root: Path) -> None:
    (root / "out").symlink_to("/etc")
    (root / "gone").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "sock"))
    found = archive(looked(root))
    assert {name: member.linkname for name, member in found.items()} == {
        "Dockerfile": "",
        "gone": "nowhere",
        "out": "/etc",
    }
    assert (found["Dockerfile"].uid, found["Dockerfile"].mode) == (0, (root / "Dockerfile").stat().st_mode & 0o777)


def test_K20_where_the_dockerfile_alone_counts_the_rest_is_sent_all_the_same(root: Path) -> None:
    before = looked(root, rebuild_on="Dockerfile")
    (root / "word").write_text("one")
    after = looked(root, rebuild_on="Dockerfile")
    assert before.digest == after.digest
    assert set(archive(after)) == {"Dockerfile", "word"}
    (root / "Dockerfile").write_text("FROM other\n")
    assert looked(root, rebuild_on="Dockerfile").digest != before.digest
    with pytest.raises(Refused, match="changed"):
        before.archive()


def test_K20_what_changes_while_it_is_sent_is_not_built(root: Path) -> None:
    (root / "word").write_text("one")
    context = looked(root)
    _, pieces = context.archive()
    (root / "word").write_text("two")
    with pytest.raises(Refused, match="while it changed"):
        list(pieces)
    with pytest.raises(Refused, match="while it changed"):
        context.archive()


def test_K20_what_is_too_much_or_not_there_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no build/Dockerfile in it" in complaint(root, dockerfile="build/Dockerfile")
    assert "No such file" in complaint(root / "nowhere")
    assert "Not a directory" in complaint(root / "Dockerfile")
    for i in range(5):
        (root / f"file{i}").write_bytes(b"x" * 100)
    monkeypatch.setattr(contexts, "MOST_ENTRIES", 3)
    assert "more than 3 files; name what is not needed in its .dockerignore" in complaint(root)
    monkeypatch.setattr(contexts, "MOST_ENTRIES", 50)
    monkeypatch.setattr(contexts, "MOST_BYTES", 300)
    assert "it has more than 0 MiB" in complaint(root)
    monkeypatch.setattr(contexts, "SECONDS", -1)
    assert "could not be read in -1 s" in complaint(root)


def test_K20_a_restricted_source_is_judged_by_where_the_directory_really_lies(root: Path) -> None:
    led = root.with_name("led")
    led.symlink_to(root)
    asked: list[str] = []

    def refusal(_resource: Resource, real: str) -> str:
        asked.append(real)
        return "it does not belong to the source"

    _, unreadable = Contexts().read([declared(led, profile="restricted")], refusal)
    assert asked == [str(root)]
    assert "may not be read" in unreadable[WEB]


def test_K20_a_glance_sees_each_change_and_nothing_else(root: Path) -> None:
    known, tree = Contexts(), Tree(str(root))
    before = known.glance([tree])
    assert known.glance([tree]) == before
    (root / "Dockerfile").chmod(0o600)
    assert known.glance([tree]) != before
