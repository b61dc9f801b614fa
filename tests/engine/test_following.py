"""What the loop follows, as the passes have it learn: which Sources, which files, and who uses them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from reconciler.engine.loop.following import Following
from reconciler.engine.loop.loop import Turn
from reconciler.engine.reconcile import Pass, reconcile
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.source import SourceSpec, Webhook
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.sources import applied
from tests.engine.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def source(namespace: str, directory: Path) -> Resource:
    return Resource(Key("source", namespace, "specs"), SourceSpec(directory=str(directory)))


def passed(stage: Stage, *resources: Resource) -> list[Pass]:
    """A pass of each of their namespaces."""
    stage.source.keep(resources)
    return [reconcile(stage.parts, namespace) for namespace in stage.source.namespaces()]


def test_passes_that_end_at_once_all_teach_it(stage: Stage, tmp_path: Path) -> None:
    """Each as a worker of the loop does, while the one who watches asks again and again."""
    passes = passed(stage, *(source(f"n{number}", tmp_path / str(number)) for number in range(40)))
    following, woken = Following(stage.parts), []
    following.wake = woken.append
    emptied = [replace(one, graph=replace(one.graph, resources={}, contents={})) for one in passes]
    turns = cycle([*passes, *emptied])
    with steadily(following.paths, *(lambda: following.learn(next(turns)),) * 3) as raised:
        for _ in range(20):
            for one in [*emptied, *passes]:
                following.learn(one)
    assert raised == []
    for one in passes:
        following.learn(one)
    assert len(following.paths()) == len(passes)
    assert Turn("sync", "source/n0/specs") in woken


def test_a_file_that_several_use_wakes_them_all(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "shared.env"
    file.write_text("A=1\n")
    configs = [Resource(Key("config", name, "env"), ConfigSpec(files={"env": str(file)})) for name in ("one", "two")]
    following = Following(stage.parts)
    for one in passed(stage, *configs, source("three", tmp_path)):
        following.learn(one)
    assert following.paths() == {str(file): {"one", "two"}, str(tmp_path): {"source/three/specs"}}


def test_F44_who_knocks_has_the_one_secret_read_and_nothing_else(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    content = applied._content
    monkeypatch.setattr(applied, "_content", lambda path: read.append(path) or content(path))
    for name in ("key", "other", "config"):
        (tmp_path / name).write_text(name)
    spec = SourceSpec(directory=str(tmp_path), webhook=Webhook(secret="hook"))
    specs = Key("source", "shop", "specs")
    stage.source.keep([
        Resource(specs, spec),
        Resource(Key("secret", "shop", "hook"), SecretSpec(data={"old": "a"}, files={"b": str(tmp_path / "key")})),
        Resource(Key("secret", "shop", "more"), SecretSpec(files={"c": str(tmp_path / "other")})),
        Resource(Key("config", "shop", "more"), ConfigSpec(files={"c": str(tmp_path / "config")})),
    ])  # fmt: skip
    stage.home.identity(make=True)
    following = Following(stage.parts)
    assert following.secrets(specs) == [b"a", b"key"]
    assert read == [str(tmp_path / "key")]
    assert following.secrets(Key("source", "shop", "another")) == []
    stage.source.keep([Resource(specs, replace(spec, suspend=True), generation=2)])
    assert following.secrets(specs) == []


@contextmanager
def steadily(*verbs: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Each in a thread of its own, with as many changes between them as can be; what they raised."""
    raised: list[BaseException] = []
    done, before = threading.Event(), sys.getswitchinterval()

    def work(verb: Callable[[], object]) -> None:
        try:
            while not done.is_set():
                verb()
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the test is told
            raised.append(error)

    threads = [threading.Thread(target=work, args=(verb,)) for verb in verbs]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        yield raised
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
