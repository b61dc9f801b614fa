"""What was wanted of a service before can be looked back at, for a while, and goes with the service."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.sources.applied import Applied
from reconciler.sources.history import KEPT
from reconciler.sources.home import Home
from tests.sources.test_applied import example, two

ONE = Key("service", "default", "one")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"))


def generation(number: int) -> Resource:
    one = two()[0]
    return replace(one, generation=number, labels={"version": str(number)})


def keep(home: Home, *resources: Resource, cause: str = "") -> None:
    """As one command does: a reader of its own each time."""
    Applied(home, cause=cause).keep(list(resources))


def folder(home: Home) -> Path:
    return home.path / "history/default/service-one"


def test_each_generation_is_there_oldest_first_and_the_last_one_is_in_force(home: Home) -> None:
    before = time.time() - 1
    keep(home, generation(1), cause="reconciler apply -f one.yaml")
    keep(home, generation(2), cause="reconciler scale one --replicas 2")
    keep(home, generation(3))
    found = Applied(home).revisions(ONE)
    assert [item.resource for item in found] == [generation(1), generation(2), generation(3)]
    assert [item.generation for item in found] == [1, 2, 3]
    assert [item.cause for item in found] == ["reconciler apply -f one.yaml", "reconciler scale one --replicas 2", ""]
    assert all(before <= item.time <= time.time() for item in found)


def test_only_the_last_few_are_kept_and_for_nobody_else(home: Home) -> None:
    for number in range(1, 26):
        keep(home, generation(number))
    assert [item.generation for item in Applied(home).revisions(ONE)] == list(range(25 - KEPT, 26))
    files = sorted(folder(home).iterdir())
    assert len(files) == KEPT
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert {f.stat().st_mode & 0o777 for f in (folder(home), folder(home).parent, home.path / "history")} == {0o700}


def test_a_change_that_is_no_new_generation_leaves_no_revision(home: Home) -> None:
    keep(home, generation(1))
    keep(home, replace(generation(1), labels={"other": "label"}))
    assert not (home.path / "history").exists()
    assert [item.resource.labels for item in Applied(home).revisions(ONE)] == [{"other": "label"}]


def test_what_is_deleted_and_wanted_again_before_it_is_gone_has_its_past(home: Home) -> None:
    keep(home, generation(1))
    keep(home, replace(generation(1), deleting=True))
    assert [item.generation for item in Applied(home).revisions(ONE)] == [1], "what was in force can be gone back to"
    keep(home, generation(2))
    assert [item.resource for item in Applied(home).revisions(ONE)] == [generation(1), generation(2)]


def test_who_is_buried_takes_the_past_along(home: Home) -> None:
    keep(home, generation(1), two()[1])
    keep(home, generation(2))
    Applied(home).forget(ONE)
    assert not (home.path / "history/default").exists()
    assert Applied(home).revisions(ONE) == []
    assert [item.generation for item in Applied(home).revisions(two()[1].key)] == [1]


def test_of_secrets_and_configs_nothing_outlives_its_change(home: Home) -> None:
    given = example(Path("specs/config-and-secret.yaml"))
    keep(home, *given)
    keep(home, *(replace(one, generation=2) for one in given))
    kept = {file.parent.name for file in (home.path / "history").rglob("*.yaml")}
    assert kept
    assert all(name.startswith("service-") for name in kept)


def test_a_damaged_revision_costs_only_itself(home: Home) -> None:
    for number in (1, 2, 3):
        keep(home, generation(number))
    (folder(home) / "1.yaml").write_bytes(b"\0\xff")
    (folder(home) / "notes.txt").write_text("somebody's")
    assert [item.generation for item in Applied(home).revisions(ONE)] == [2, 3]


def test_where_the_past_can_not_be_kept_nothing_new_takes_force(home: Home) -> None:
    keep(home, generation(1))
    (home.path / "history").write_text("in the way")
    with pytest.raises(ReconcilerError, match=r"service/one: what is wanted of it can't be kept in .*"):
        keep(home, generation(2))
    assert Applied(home).resources("default") == [generation(1)]
    assert [file.name for file in (home.path / "applied/default").iterdir()] == ["service-one.yaml"]


@pytest.mark.parametrize("cause", ["reconciler apply -f 'a\nb'\x1b[31m", "é" * 300, "# kept x by: y"])
def test_no_command_line_spoils_a_document(home: Home, cause: str) -> None:
    keep(home, generation(1), cause=cause)
    [found] = Applied(home).revisions(ONE)
    assert found.resource == generation(1)
    assert found.cause.isprintable()
    assert found.cause.isascii()


def test_the_count_goes_on_where_a_damaged_document_left_it(home: Home) -> None:
    """A number that was given once is not given to another document."""
    for number in (1, 2, 3):
        keep(home, generation(number))
    (home.path / "applied/default/service-one.yaml").write_bytes(b"")
    keep(home, generation(1))
    assert [item.generation for item in Applied(home).revisions(ONE)] == [1, 2, 4]


def test_drafts_of_who_was_killed_over_them_are_taken_away_by_who_keeps_something_there(home: Home) -> None:
    keep(home, generation(1))
    keep(home, generation(2))
    (folder(home) / ".1.yaml.0123abcd").write_text("left by a killed command")
    keep(home, replace(generation(1), key=Key(ONE.kind, ONE.namespace, "other")))
    assert [path.name for path in folder(home).iterdir()] == ["1.yaml"]
