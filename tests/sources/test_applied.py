"""What `apply` was given is kept whole and durably, and read as it was given."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from reconciler.core.parse import Text, parse
from reconciler.errors import ReconcilerError
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from reconciler.sources.applied import Applied
from reconciler.sources.home import Home

SPECS = sorted(Path("specs").glob("*.yaml"))
ENVIRONMENT = {"HOME": "/root"}


def example(path: Path) -> list[Resource]:
    names = {**os.environ, **ENVIRONMENT, "DB_PASSWORD": "canary", "API_TOKEN": "canary"}
    return [d.resource for d in parse([Text(str(path), path.read_bytes(), "/specs")], environment=names)]


def two() -> list[Resource]:
    text = b"---\n".join(
        b"apiVersion: reconciler/v1\nkind: Service\nmetadata: {name: %s}\nspec: {process: {command: [a]}}\n" % name
        for name in (b"one", b"two")
    )
    return [document.resource for document in parse([Text("t", text, "/")], environment={})]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_who_reads_it_later_reads_what_was_kept(path: Path, tmp_path: Path) -> None:
    """Its own reader remembers what it wrote; another process has only the file. They agree."""
    given = example(path)
    given += [replace(given[0], key=given[0].key._replace(name="tombstone"), deleting=True, delete_data=True)]
    home = Home(str(tmp_path / "home"))
    writer = Applied(home)
    writer.keep(given)
    for namespace in writer.namespaces():
        assert Applied(home).resources(namespace) == writer.resources(namespace)
        mine = [one for one in given if one.key.namespace == namespace]
        mine.sort(key=lambda one: f"{one.key.kind}-{one.key.name}.yaml")  # as their files lie there
        assert Applied(home).resources(namespace) == mine


def test_files_are_for_nobody_else_and_leave_no_drafts(tmp_path: Path) -> None:
    applied = Applied(Home(str(tmp_path / "home")))
    applied.keep(two())
    folder = tmp_path / "home/applied/default"
    assert sorted(file.name for file in folder.iterdir()) == ["service-one.yaml", "service-two.yaml"]
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert {place.stat().st_mode & 0o777 for place in (folder, folder.parent, tmp_path / "home")} == {0o700}


def test_a_change_behind_its_back_is_read(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    mine, other = Applied(home), Applied(home)
    mine.keep(two())
    changed = replace(two()[0], generation=7)
    other.keep([changed])
    assert mine.resources("default")[0] == changed
    other.forget(Key("service", "default", "two"))
    assert [one.key.name for one in mine.resources("default")] == ["one"]


def test_of_several_either_all_can_be_written_or_none_is_begun(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    applied = Applied(home)
    first, second = two()
    too_long = replace(second, key=second.key._replace(name="n" * 300))
    with pytest.raises(ReconcilerError, match=r"kept in .*applied: .*too long"):
        applied.keep([first, too_long])
    assert applied.resources("default") == []
    assert list((tmp_path / "home/applied/default").iterdir()) == []
    applied.keep([])


def test_stamps_tell_of_the_last_reading(tmp_path: Path) -> None:
    applied = Applied(Home(str(tmp_path / "home")))
    assert applied.stamps("default") == {}
    applied.keep(two())
    applied.resources("default")
    before = applied.stamps("default")
    assert set(before) == {"service-one.yaml", "service-two.yaml"}
    applied.keep([replace(two()[0], generation=2)])
    applied.resources("default")
    after = applied.stamps("default")
    assert after["service-one.yaml"] != before["service-one.yaml"]
    assert after["service-two.yaml"] == before["service-two.yaml"]


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"another", b"both", None])
def test_what_is_not_the_one_document_of_its_name_is_damaged(tmp_path: Path, content: bytes | None) -> None:
    applied = Applied(Home(str(tmp_path / "home")))
    applied.keep(two())
    one, other = (tmp_path / f"home/applied/default/service-{name}.yaml" for name in ("one", "two"))
    texts = {b"another": other.read_bytes(), b"both": one.read_bytes() + b"---\n" + other.read_bytes()}
    one.unlink()
    os.mkfifo(one) if content is None else one.write_bytes(texts.get(content, content))
    key = Key("service", "default", "one")
    assert [one.key.name for one in applied.resources("default")] == ["two"]
    assert list(applied.damaged("default")) == [key]
    assert str(one) in applied.damaged("default")[key]
    graph = applied.graph("default", applied._home.identity(make=False))
    assert (set(graph.resources), set(graph.damaged)) == ({two()[1].key}, {key})
    applied.keep([two()[0]])
    assert applied.damaged("default") == {}


def test_what_is_forgotten_while_others_look_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(str(tmp_path / "home"))
    applied = Applied(home)
    applied.keep(two())
    listed = list((tmp_path / "home/applied/default").iterdir())
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(listed))
    applied.forget(Key("service", "default", "two"))
    assert [one.key.name for one in Applied(home).resources("default")] == ["one"]


def test_what_is_gone_is_kept_in_mind_no_longer(tmp_path: Path) -> None:
    """Whoever took it away: it itself, or another process."""
    home = Home(str(tmp_path / "home"))
    applied = Applied(home)
    applied.keep(two())
    applied.resources("default")
    one, other = (resource.key for resource in two())
    applied.forget(one)
    assert len(applied._parsed["default"]) == 1
    Applied(home).forget(other)
    assert applied.resources("default") == []
    assert not applied._parsed["default"]


def test_threads_that_share_it_do_not_disturb_one_another(tmp_path: Path) -> None:
    """As a daemon's do: some look at a namespace, others at a glance, and now and then something is forgotten."""
    applied, kept = Applied(Home(str(tmp_path / "home")), remembers=True), two()[0]
    identity = applied._home.identity(make=True)
    copies = [replace(kept, key=kept.key._replace(namespace=f"n{number}")) for number in range(60)]
    applied.keep(copies)
    numbers, raised, done, before = count(), [], threading.Event(), sys.getswitchinterval()

    def steadily(verb: Callable[[], object]) -> None:
        try:
            while not done.is_set():
                verb()
        except BaseException as error:  # noqa: BLE001 -- whatever it is, the test is told
            raised.append(error)

    verbs = [applied.glance, lambda: applied.graph(f"n{next(numbers)}", identity)] * 2
    threads = [threading.Thread(target=steadily, args=(verb,)) for verb in verbs]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for copy in copies:
            applied.forget(copy.key)
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert raised == []


def test_nobody_waits_for_the_other_end_of_a_pipe(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    pipe = tmp_path / "text"
    os.mkfifo(pipe)
    text = b"apiVersion: reconciler/v1\nkind: Config\nmetadata: {name: c}\nspec: {files: {key: ./text}}\n"
    given = [document.resource for document in parse([Text("t", text, str(tmp_path))], environment={})]
    graph = Applied(home).graph("default", home.identity(make=False), given)
    assert graph.unreadable == {Key("config", "default", "c"): f"{pipe} can't be read: it is no regular file"}


def test_a_part_of_a_document_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    """Cut in the right place, what is left is valid too, and says something else."""
    applied = Applied(Home(str(tmp_path / "home")), cause="reconciler apply -f one.yaml")
    text = b"apiVersion: reconciler/v1\nkind: Service\nmetadata: {name: one}\nspec: {process: {command: [a, b]}}\n"
    applied.keep([document.resource for document in parse([Text("t", text, "/")], environment={})])
    file = tmp_path / "home/applied/default/service-one.yaml"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        reader = Applied(Home(str(tmp_path / "home")))
        assert reader.resources("default") == [], length
        assert len(reader.damaged("default")) == 1
    file.write_bytes(whole)
    assert len(Applied(Home(str(tmp_path / "home"))).resources("default")) == 1


def test_what_a_damaged_secret_holds_is_not_told(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    text = b"apiVersion: reconciler/v1\nkind: Secret\nmetadata: {name: s}\nspec: {data: {key: canary}}\n"
    Applied(home).keep([document.resource for document in parse([Text("t", text, "/")], environment={})])
    file = tmp_path / "home/applied/default/secret-s.yaml"
    for bad in ("canary: [", "canary", "canary: canary", "key: {canary", "&canary", "!canary x"):
        file.write_text(file.read_text().replace("data:", f"{bad}\n  data:"))
        assert "canary" not in str(Applied(home).damaged("default"))
        assert len(Applied(home).damaged("default")) == 1


def test_who_keeps_something_takes_away_drafts_of_who_was_killed_over_them(tmp_path: Path) -> None:
    applied = Applied(Home(str(tmp_path / "home")))
    applied.keep(two())
    folder = tmp_path / "home/applied/default"
    (folder / ".secret-key.yaml.0123abcd").write_text("a secret")
    applied.keep(two())
    assert sorted(file.name for file in folder.iterdir()) == ["service-one.yaml", "service-two.yaml"]


def test_a_draft_that_cannot_be_taken_away_is_said_with_whom_it_stops(tmp_path: Path) -> None:
    applied = Applied(Home(str(tmp_path / "home")))
    applied.keep(two())
    (tmp_path / "home/applied/default/.service-one.yaml.0123abcd").mkdir()
    with pytest.raises(ReconcilerError, match="service/one: what is wanted of it can't be kept"):
        applied.keep([replace(two()[0], generation=2)])


def test_files_with_names_that_are_nobodys_are_left_alone(tmp_path: Path) -> None:
    applied = Applied(Home(str(tmp_path / "home")))
    applied.keep(two())
    for name in ("notes.yaml", "service-one.yaml.bak", ".service-one.yaml.1234", "-one.yaml", "service-.yaml"):
        (tmp_path / "home/applied/default" / name).write_text("somebody's")
    assert len(applied.resources("default")) == 2
    assert applied.damaged("default") == {}


def test_a_directory_that_is_not_one_is_said_with_its_path(tmp_path: Path) -> None:
    applied = Applied(Home(str(tmp_path / "home")))
    applied.keep(two())
    folder = tmp_path / "home/applied/default"
    folder.rename(tmp_path / "elsewhere")
    folder.write_text("in the way")
    with pytest.raises(ReconcilerError, match=f"namespace default can't be read: {folder}: Not a directory"):
        applied.resources("default")
