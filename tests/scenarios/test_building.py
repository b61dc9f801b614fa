"""Images that are built from a Dockerfile: what goes into them decides, and nobody else's image is touched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.engine_api import EngineError
from tests.podman_lacks import plain
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import document
from tests.scenarios.stage import IMAGE, Document, Stage, eventually

pytestmark = pytest.mark.engine

DOCKERFILE = f"FROM {IMAGE}\nARG COLOUR=red\nCOPY . /app\nRUN echo $COLOUR > /colour\n"


@pytest.fixture
def context(stage: Stage) -> Iterator[Path]:
    folder = stage.directory / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "word").write_text("one")
    yield folder
    stage.clear()
    for image in images(stage):
        with contextlib.suppress(EngineError):
            stage.engine.delete(f"/images/{image['Id']}?force=1")


def built(name: str = "web", **build: object) -> Document:
    return document(
        "Service", name, container={"build": {"context": "./app", **build}, "keepAlive": True, "init": True}
    )


def images(stage: Stage) -> list[dict[str, object]]:
    wanted = quote(f'{{"label": ["dev.reconciler.build.for={stage.namespace}/web"]}}')
    return list(stage.engine.get(f"/images/json?filters={wanted}"))


def test_K20_R22_what_a_dockerfile_says_is_built_once_and_anew_when_something_in_it_changed(
    stage: Stage, context: Path
) -> None:
    told = stage.apply(built())
    assert told.results == {"web": "created"}
    assert "  Step 3/" in told.err
    assert "  built\n" in told.err
    assert "LABEL" not in told.err, "what we add is nobody's business"
    first = stage.container("web")
    assert plain(first["Config"]["Image"]).startswith(f"reconciler-build/{stage.namespace}-web:")
    assert stage.run_inside("web", "cat", "/app/word", "/colour").split() == ["onered"]
    assert stage.apply(built()).actions == [], "all is as it was"
    assert stage.diff(built()).actions == []

    (context / "word").write_text("two")
    told = stage.diff(built(), expect=1)
    assert "its build context has changed" in told.causes
    assert stage.container("web")["Id"] == first["Id"]
    assert stage.apply(built()).actions == ["Stop web/0", "Remove web/0", "Create web/0"]
    assert stage.run_inside("web", "cat", "/app/word") == "two"
    assert len(images(stage)) == 1, "the old one is gone"

    told = stage.diff(built(args={"COLOUR": "blue"}), expect=1)
    assert "its build.args changed" in told.causes
    stage.apply(built(args={"COLOUR": "blue"}))
    assert stage.run_inside("web", "cat", "/colour").strip() == "blue"
    assert len(images(stage)) == 1
    stage.cli("stop", "web")
    assert len(images(stage)) == 1, "the next start needs it"
    stage.delete(built(args={"COLOUR": "blue"}))
    assert images(stage) == [], "nobody needs it any more"


def test_K20_what_counts_is_content_modes_links_and_what_dockerignore_leaves_in(stage: Stage, context: Path) -> None:
    (context / ".dockerignore").write_text("# notes\n*.log\nkept/*\n!kept/this\n")
    (context / ".git").mkdir()
    (context / "kept").mkdir()
    (context / "kept/this").write_text("this")
    (context / "link").symlink_to("/etc/shadow")
    stage.apply(built())
    inside = stage.run_inside("web", "sh", "-c", "cd /app; find . | sort; readlink link").split()
    assert inside == [
        ".",
        "./.dockerignore",
        "./Dockerfile",
        "./kept",
        "./kept/this",
        "./link",
        "./word",
        "/etc/shadow",
    ]

    (context / "noise.log").write_text("x" * 1000)
    (context / "kept/that").write_text("that")
    (context / ".git/index").write_text("anything")
    (context / "word").touch()
    assert stage.apply(built()).actions == [], "none of this is part of it"

    link, file, recipe = context / "link", context / "kept/this", context / "Dockerfile"
    for change, back in (
        (lambda: (context / "word").chmod(0o755), lambda: (context / "word").chmod(0o644)),
        (lambda: (link.unlink(), link.symlink_to("word")), lambda: (link.unlink(), link.symlink_to("/etc/shadow"))),
        (lambda: file.write_text("other"), lambda: file.write_text("this")),
        (lambda: recipe.write_text(DOCKERFILE + "USER app\n"), lambda: recipe.write_text(DOCKERFILE)),
    ):
        change()
        assert "its build context has changed" in stage.diff(built(), expect=1).causes
        back()
    assert stage.diff(built()).actions == []


def test_K20_a_build_that_fails_leaves_the_old_one_running_and_shows_the_last_words(
    stage: Stage, context: Path
) -> None:
    stage.apply(built())
    before = stage.id("web")
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo so far so good && nonesuch --really\n")
    told = stage.apply(built(), "--timeout", "5", expect=1)
    assert stage.id("web") == before
    assert stage.container("web")["State"]["Running"]
    assert "RUN echo so far so good" in told.err
    assert "so far so good" in told.err.partition("what it said last: ")[2]
    assert "  Step 2/5" in told.err
    assert "nonesuch: not found" in told.err
    assert "hint:" in told.err

    (context / "Dockerfile").unlink()
    told = stage.apply(built(), expect=2)
    assert "spec.yaml:1" in told.err
    assert "there is no Dockerfile in it" in told.err


def test_K20_apply_build_builds_anew_and_an_image_of_ones_own_name_is_the_tag(stage: Stage, context: Path) -> None:
    name = f"{stage.namespace}/own:dev"
    spec = document(
        "Service", "web", container={"image": name, "build": {"context": "./app"}, "keepAlive": True, "init": True}
    )
    killed = stage.apply(spec, expect=None, env={"RECONCILER_FAILPOINTS": "docker.image.built=kill"})
    assert killed.code not in {0, 1, 2}, "it was killed before what it had built was called anything"
    assert stage.apply(spec).actions[-1] == "Create web/0"
    first = stage.container("web")
    assert plain(first["Config"]["Image"]) == name
    assert len(images(stage)) == 1
    assert stage.apply(spec, "--build").actions == ["Stop web/0", "Remove web/0", "Create web/0"]
    second = stage.container("web")
    assert plain(second["Config"]["Image"]) == name
    assert second["Image"] != first["Image"]
    assert [list(map(plain, image["RepoTags"] or ())) for image in images(stage)] == [[name]]
    assert stage.apply(spec).actions == [], "once is enough"


def test_K20_the_daemon_builds_what_is_edited(stage: Stage, context: Path) -> None:
    """And `apply` beside it tells what it does."""
    Daemon(stage).start()
    try:
        stage.apply(built())
        (context / "word").write_text("two")
        eventually(lambda: stage.run_inside("web", "cat", "/app/word") == "two", "it is built anew by itself")
        assert len(images(stage)) == 1
    finally:
        stage.cli("daemon", "stop")
