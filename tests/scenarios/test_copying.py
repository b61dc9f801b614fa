"""`cp`: the same for containers and processes, and the same as `docker cp`."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.podman_lacks import gives_a_link_as_such
from tests.scenarios.documents import box, native
from tests.scenarios.stage import Stage, eventually

pytestmark = pytest.mark.engine

TREE = {"", "/deep", "/deep/link", "/run"}


class Place:
    """One workload, and the directory in it that things are copied to."""

    def __init__(self, stage: Stage, name: str, base: str) -> None:
        self.stage = stage
        self.name = name
        self.base = base

    def cp(self, source: str, target: str, *more: str, expect: int = 0) -> str:
        """`@` is the directory inside."""
        ends = (end.replace("@", f"{self.name}:{self.base}") for end in (source, target))
        return self.stage.cli("cp", *ends, *more, expect=expect).err

    def run(self, *argv: str) -> str:
        return self.stage.cli("exec", self.name, "-w", self.base, "--", *argv).out

    def piped(self, *arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            self.stage.argv("cp", *arguments), env=self.stage.environment, cwd=self.stage.directory, input=given,
            capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout


@pytest.fixture
def here(stage: Stage) -> Path:
    tree = stage.directory / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "run").write_text("run\n")
    (tree / "run").chmod(0o751)
    (tree / "deep" / "link").symlink_to("../run")
    return stage.directory


@pytest.fixture
def places(stage: Stage, here: Path) -> list[Place]:
    work = here / "work"
    work.mkdir()
    worker = native("worker")
    worker["spec"]["process"]["workingDir"] = str(work)
    stage.apply(box("web"), worker)
    return [Place(stage, "web", "/tmp"), Place(stage, "worker", str(work))]


def test_files_go_in_and_come_out_by_the_rules_of_docker_cp(places: list[Place], here: Path) -> None:
    for at in places:
        at.cp("tree/run", "@/new")
        at.cp("tree", "@/named")
        at.cp("tree", "@/named")
        at.cp("tree/.", "@/named/deep")
        wanted = {f"./named{x}" for x in TREE} | {f"./named/tree{x}" for x in TREE}
        wanted |= {".", "./new", "./named/deep/run", "./named/deep/deep", "./named/deep/deep/link"}
        assert set(at.run("find", ".").split()) == wanted
        assert at.run("stat", "-c", "%a", "named/run") == "751\n"

        back = here / f"back-{at.name}"
        at.cp("@/named/tree", back.name)
        at.cp("@/named/tree", back.name)
        at.cp("@/named/tree/.", f"{back.name}/tree/deep")
        assert (back / "tree/deep/link").readlink() == Path("../run")
        assert (back / "run").stat().st_mode & 0o777 == 0o751
        assert (back / "tree/deep/run").exists()
        at.cp("-L", "@/named/deep/link", "followed")
        at.cp("@/named/deep/link", "kept")
        as_such = at.name == "worker" or gives_a_link_as_such(at.stage.engine)
        assert ((here / "followed").read_text(), (here / "kept").is_symlink()) == ("run\n", as_such)

        for source, target, words in (
            ("tree/run", "@/nowhere/", "no directory"), ("tree", "@/new", "can't become a directory"),
            ("tree/run", "@/a/b/c", "no directory"), ("@/nothing", ".", "there is no"), ("nothing", "@", "there is no"),
        ):  # fmt: skip
            assert words in at.cp(source, target, expect=1)
    assert "one of the two has to be inside" in places[0].cp("a", "b", expect=2)


def test_a_tar_stream_goes_both_ways_and_relative_paths_begin_where_they_should(places: list[Place]) -> None:
    """Those of a container at its root, those of a process in its directory."""
    for at in places:
        at.cp("tree", f"{at.name}:{'tmp' if at.name == 'web' else '.'}")
        stream = at.piped(f"{at.name}:{at.base}/tree", "-")
        with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
            assert set(tar.getnames()) == {f"tree{x}" for x in TREE}
        at.piped("-", f"{at.name}:{at.base}/tree/deep", given=stream)
        assert at.run("cat", "tree/deep/tree/run") == "run\n"


def test_what_has_ended_still_has_its_files_and_what_was_stopped_has_none(places: list[Place], here: Path) -> None:
    at, stage = places[0], places[0].stage
    at.cp("tree/run", "@/new")
    stage.signal(stage.name("web"), "stop", "?t=0")
    eventually(lambda: not stage.container("web")["State"]["Running"], "it has ended")
    at.cp("@/new", "of-the-dead")
    assert (here / "of-the-dead").read_text() == "run\n"
    at.cp("of-the-dead", "@/again")
    stage.cli("stop", "web")
    assert "service/web is stopped" in at.cp("@/new", ".", expect=1)
