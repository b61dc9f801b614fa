"""Killed at any point of a sync, it comes to the same end: the revision is in force whole, and nothing is left over."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.engine.repositories import CLEAN, Repository

KILLED = -9


class Site:
    """A home that follows a repository, in two revisions; copied for each kill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repo = Repository(path / "repo")
        self.home = path / "home"

    def run(self, *arguments: str, **env: str) -> int:
        environment = {**CLEAN, "HOME": str(self.path), "RECONCILER_HOME": str(self.home), "PYTHONUTF8": "1", **env}
        return warm.run(arguments, env=environment, cwd=self.path, stdin="", seconds=60).returncode

    def begin(self) -> None:
        source = f"{{git: {{url: {self.repo.path}}}, verify: none, namespace: shop}}"
        (self.path / "source.yaml").write_text(
            f"apiVersion: reconciler/v1\nkind: Source\nmetadata: {{name: s}}\nspec: {source}\n"
        )
        self.repo.commit("one", **{name: config(name, "old") for name in ("a", "b", "c", "d")})
        assert self.run("apply", "-f", "source.yaml") == 0
        assert self.run("sync", "s") == 0
        self.repo.commit("two", a=None, b=config("b", "new"), e=config("e", "new", "1"))
        shutil.copytree(self.home, self.path / "start")

    def again(self) -> None:
        shutil.rmtree(self.home)
        shutil.copytree(self.path / "start", self.home)

    def ended(self) -> tuple[Any, ...]:
        """What is kept, what is remembered, and files that are nobody's."""
        kept = {
            str(file.relative_to(self.home)): file.read_text().partition("\n")[2]
            for file in sorted(self.home.glob("applied/**/*.yaml"))
        }
        state = json.loads((self.home / "sources/default.s/state.json").read_text())
        drafts = [str(p) for p in self.home.glob("**/.*") if p.name != ".read.json"]
        times = {"begun_at": 0.0, "arrivals": [{**arrival, "time": 0} for arrival in state["arrivals"]]}
        return kept, state | times, drafts


def config(name: str, value: str, wave: str = "0") -> str:
    notes = f'annotations: {{reconciler/wave: "{wave}"}}'
    head = f"apiVersion: reconciler/v1\nkind: Config\nmetadata: {{name: {name}, {notes}}}\n"
    return f"{head}spec: {{data: {{a: {value}}}}}\n"


@pytest.mark.timeout(300)
def test_F45_killed_at_any_point_a_revision_is_in_force_whole_in_the_end(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.begin()
    trace = tmp_path / "trace"
    assert site.run("sync", "s", RECONCILER_FAILPOINTS_TRACE=str(trace)) == 0
    assert site.run("sync", "s") == 0
    reference = site.ended()
    assert reference[2] == []
    assert {Path(name).name for name in reference[0]} == {
        "source-s.yaml", "config-b.yaml", "config-c.yaml", "config-d.yaml", "config-e.yaml"
    }  # fmt: skip
    seen: Counter[str] = Counter()
    points = []
    for point in trace.read_text().split():
        seen[point] += 1
        if seen[point] == 1 or point == "source.keep.replaced":  # the diary's are all alike
            points.append((point, seen[point]))
    assert {"git.fetch.after", "sync.keep.before", "sync.keep.after", "sync.remember.before"} <= set(seen)
    for point, passing in points:
        site.again()
        terms = f"{point}={passing - 1}*off->1*kill" if passing > 1 else f"{point}=1*kill"
        assert site.run("sync", "s", RECONCILER_FAILPOINTS=terms) == KILLED, (point, passing)
        assert site.run("sync", "s") == 0, (point, passing)
        assert site.run("sync", "s") == 0, (point, passing)
        assert site.ended() == reference, (point, passing)
