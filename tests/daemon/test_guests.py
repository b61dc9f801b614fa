"""Sources that `watch` brings along: nobody's place is taken by one, and none is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.watch import _source
from reconciler.daemon.guests import Taken, farewell, welcome
from reconciler.engine.gitops.brought import all_kept
from reconciler.model.key import Key
from reconciler.model.resource import GUEST, Resource
from tests.daemon.test_alone import SECONDS, SPEC, Place
from tests.engine.following import Following, service
from tests.waiting import until


@pytest.fixture
def stage(tmp_path: Path) -> Following:
    stage = Following(tmp_path)
    stage.folder.mkdir()
    return stage


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    it = Place(tmp_path)
    yield it
    it.cli("daemon", "stop")
    it.cli("delete", "all", "--all")


def guest(path: Path) -> Resource:
    return _source("shop", str(path), "main", ".", None)


def sources(stage: Following) -> list[Key]:
    return sorted(key for key in all_kept(stage.source) if key.kind == "source")


def test_a_guest_leaves_a_declared_source_of_its_name_and_all_it_brought_alone(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    other = stage.folder.parent / "other" / "specs"
    other.mkdir(parents=True)
    (before,) = sources(stage)
    welcome(stage.parts, [guest(other)])
    assert len(sources(stage)) == 2
    stage.follow(guest(other).key)
    stage.follow()
    assert stage.declared() == ["web"]
    farewell(stage.parts, [guest(other)])
    assert sources(stage) == [before]


def test_two_places_of_one_name_are_two_guests(stage: Following) -> None:
    places = [stage.folder.parent / name / "deploy" for name in ("one", "two")]
    for one in places:
        one.mkdir(parents=True)
    names = {guest(one).key.name for one in places}
    assert len(names) == 2
    assert all(name.startswith("deploy-") for name in names)


def test_who_declared_just_that_name_keeps_it(stage: Following) -> None:
    mine = guest(stage.folder)
    stage.source.keep([mine])
    with pytest.raises(Taken, match="is declared already"):
        welcome(stage.parts, [mine])
    farewell(stage.parts, [mine])
    assert mine.key in sources(stage)


def test_a_guest_that_was_left_behind_is_forgotten_without_a_tombstone(stage: Following) -> None:
    stage.write(web=service("web"))
    mine = guest(stage.folder)
    stage.source.forget(sources(stage)[0])
    welcome(stage.parts, [mine])
    stage.follow(mine.key)
    assert GUEST in all_kept(stage.source)[mine.key].annotations
    welcome(stage.parts, [])
    assert sources(stage) == []
    assert stage.declared() == ["web"]


def test_a_guest_that_comes_again_goes_on_where_it_was(stage: Following) -> None:
    mine = guest(stage.folder)
    for _ in range(2):
        welcome(stage.parts, [mine])
        assert all_kept(stage.source)[mine.key].generation == 1


def test_two_places_of_one_name_are_watched_and_a_kill_leaves_no_guest(place: Place) -> None:
    for name, text in (("a", SPEC), ("b", SPEC.replace('"web"', '"more"'))):
        (place.path / name / "specs").mkdir(parents=True)
        (place.path / name / "specs" / "one.yaml").write_text(text)
    watching = place.begin("watch", "a/specs", "b/specs", "--resync", "1s")
    try:
        until(lambda: place.running() and {"service-more.yaml", "service-web.yaml"} <= {*place.kept()}, SECONDS)
        os.kill(watching.pid, signal.SIGKILL)
        watching.communicate(timeout=SECONDS)
    finally:
        watching.kill()
    assert len([name for name in place.kept() if name.startswith("source-specs-")]) == 2
    place.cli("daemon", "start", "--resync", "1s")
    until(lambda: place.kept() == ["service-more.yaml", "service-web.yaml"], SECONDS)
    assert place.running()
