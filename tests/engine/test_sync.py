"""A directory is followed: whole revisions come into force, and the last good one stays in force until they do."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.parse import Text, parse
from reconciler.engine import edits
from reconciler.model.key import Key
from reconciler.model.resource import SOURCE
from tests.engine.following import KEY, Following, service


@pytest.fixture
def stage(tmp_path: Path) -> Following:
    return Following(tmp_path)


def web(name: str = "web") -> Key:
    return Key("service", "shop", name)


def test_what_a_directory_says_comes_to_be(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db", "db:1"))
    assert stage.follow() == "Synced"
    assert stage.objects() == ["shop-db-0", "shop-web-0"]
    status = stage.store.statuses("shop")[KEY]
    assert status.ready
    assert [arrival.revision for arrival in status.revisions] == [stage.feeds.known(KEY).applied]


def test_what_has_not_changed_is_left_alone(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db", "db:1"))
    stage.follow()
    before, calls = stage.source.stamps("shop"), list(stage.docker.calls)
    for _ in range(3):
        stage.clock.sleep(30)
        ended = stage.sync()
        assert (ended.namespaces, ended.due) == ((), 30.0)
    stage.write(web=service("web", "web:2"))
    stage.follow()
    stage.source.resources("shop")
    after = stage.source.stamps("shop")
    assert {name for name in after if after[name] != before.get(name)} == {"service-web.yaml"}
    assert not [call for call in stage.docker.calls[len(calls) :] if "db" in call]


def test_F40_a_broken_file_costs_the_whole_revision_and_nothing_that_runs(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db"))
    stage.follow()
    stage.write(web=service("web", "web:2"), db="kind: Servi")
    assert stage.follow() == "InvalidSpec"
    assert f"{stage.folder}/db.yaml:1:1" in stage.message()
    assert "stays in force" in stage.message()
    assert stage.thing("shop-web-0").made_from == "web:1"
    stage.write(db=service("db"))
    assert stage.follow() == "Synced"
    assert stage.thing("shop-web-0").made_from == "web:2"


def test_F40_a_file_that_is_written_byte_by_byte_changes_nothing_until_it_is_whole(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    text = service("web", "web:2")
    for length in [*range(0, len(text) - 1, 9), len(text) - 3]:
        stage.write(web=text[:length])
        stage.sync()
        assert stage.source.resources("shop")[0].spec.container.image == "web:1", text[:length]
    stage.write(web=text)
    stage.follow()
    assert stage.thing("shop-web-0").made_from == "web:2"


def test_F40_a_file_that_is_away_for_a_moment_deletes_nothing(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db"), api=service("api"))
    stage.follow()
    stage.write(db=None)
    first = stage.sync()
    assert (stage.reason(), first.settled) == ("Vanished", False)
    stage.clock.sleep(2)
    stage.sync()
    assert stage.declared() == ["api", "db", "web"]
    stage.write(db=service("db"))
    assert stage.follow() == "Synced"
    stage.write(db=None)
    stage.sync()
    assert stage.declared() == ["api", "db", "web"], "the earlier absence does not count"


def test_what_is_gone_for_good_is_taken_down(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db"))
    stage.follow()
    stage.write(db=None)
    assert stage.follow() == "Synced"
    assert stage.objects() == ["shop-web-0"]


def test_F43_two_of_three_go_only_with_a_word_for_it(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db"), api=service("api"))
    stage.follow()
    stage.write(db=None, api=None)
    assert stage.follow() == "Braked"
    assert stage.declared() == ["api", "db", "web"]


def test_a_spec_that_moves_to_another_file_is_not_touched(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    calls = list(stage.docker.calls)
    (stage.folder / "web.yaml").rename(stage.folder / "other.yaml")
    assert stage.follow() == "Synced"
    assert stage.docker.calls == calls


@pytest.mark.parametrize("how", ["missing", "unreadable", "file"])
def test_F43_a_directory_that_can_not_be_read_is_not_an_empty_one(
    stage: Following, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.write(web=service("web"))
    stage.follow()
    aside = stage.folder.rename(stage.folder.with_name("aside"))
    if how == "file":
        stage.folder.write_text("")
    if how == "unreadable":
        stage.folder.symlink_to(stage.folder)
    for _ in range(3):
        stage.clock.sleep(60)
        assert stage.follow() == "Unreadable"
    assert stage.declared() == ["web"]
    stage.folder.unlink(missing_ok=True)
    aside.rename(stage.folder)
    assert stage.follow() == "Synced"


def test_F43_an_emptied_directory_waits_for_a_person(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db"))
    stage.follow()
    stage.write(web=None, db=None)
    assert stage.follow() == "Braked"
    assert "2 of 2 objects" in stage.message()
    assert "reconciler confirm source/specs -n shop" in stage.message()
    for _ in range(5):
        stage.clock.sleep(600)
        assert stage.follow() == "Braked"
    assert stage.objects() == ["shop-db-0", "shop-web-0"]
    stage.confirm()
    assert stage.follow() == "Synced"
    assert stage.objects() == []


def test_F43_what_is_held_is_shown_as_a_confirmation_would_put_it_into_force(stage: Following) -> None:
    """Field by field, what goes included; and to look at it changes nothing, nor says yes."""
    stage.write(web=service("web"), db=service("db"), api=service("api"))
    stage.follow()
    stage.write(web=service("web", "web:2"), db=None, api=None)
    assert stage.follow() == "Braked"
    before = stage.feeds.known(KEY), stage.source.stamps("shop"), list(stage.docker.calls)
    (source,) = (r for r in stage.source.resources("shop") if r.key == KEY)
    (foresight,) = stage.controller.foreseen(source)
    assert (stage.feeds.known(KEY), stage.source.stamps("shop"), stage.docker.calls) == before
    assert {key.name: word for key, word in foresight.results.items()} == {
        "web": "configured", "db": "pruned", "api": "pruned",
    }  # fmt: skip
    assert foresight.changes[web()].after.spec.container.image == "web:2"
    assert {a.key.name for a in foresight.actions if str(a.verb) == "Remove"} == {"web", "db", "api"}
    assert stage.follow() == "Braked"
    stage.confirm()
    assert stage.follow() == "Synced"
    (source,) = (r for r in stage.source.resources("shop") if r.key == KEY)
    assert [again.same for again in stage.controller.foreseen(source)] == [True]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_F43_a_directory_that_is_unmounted_is_held_and_comes_back(stage: Following, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    for name in ("web", "db", "api"):
        (real / f"{name}.yaml").write_text(service(name))
    stage.folder.mkdir()
    subprocess.run(["mount", "--bind", str(real), str(stage.folder)], check=True)
    try:
        assert stage.follow() == "Synced"
        calls = list(stage.docker.calls)
        subprocess.run(["umount", str(stage.folder)], check=True)
        assert stage.follow() == "Braked"
        subprocess.run(["mount", "--bind", str(real), str(stage.folder)], check=True)
        assert stage.follow() == "Synced"
        assert stage.docker.calls == calls
    finally:
        subprocess.run(["umount", str(stage.folder)], check=True)


def test_F43_a_confirmation_is_of_one_plan_and_of_no_other(stage: Following) -> None:
    names = [f"s{number}" for number in range(8)]
    stage.write(**{name: service(name) for name in names})
    stage.follow()
    stage.write(s0=None, s1=None, s2=None)
    assert stage.follow() == "Braked"
    stage.confirm()
    stage.write(s3=None)
    assert stage.follow() == "Braked"
    assert len(stage.declared()) == 8
    stage.write(s3=service("s3"))
    assert stage.follow() == "Synced"
    assert len(stage.declared()) == 5
    assert stage.feeds.confirmed(KEY) == frozenset(), "it is used up"


def test_without_prune_nothing_is_ever_taken_down(stage: Following) -> None:
    stage.declare(directory=str(stage.folder), prune=False)
    stage.write(web=service("web"), db=service("db"))
    stage.follow()
    stage.write(web=None, db=None)
    assert stage.follow() == "Synced"
    assert stage.objects() == ["shop-db-0", "shop-web-0"]


def test_who_edits_what_a_source_brings_is_overruled_and_told(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    stage.controller.edit([web()], lambda r: edits.scale(r, 3))
    assert len(stage.objects()) == 3
    stage.follow()
    assert stage.objects() == ["shop-web-0"]
    assert [e.key for e in stage.store.events() if e.reason == "Overruled"] == [web()]
    stage.controller.delete([web()])
    assert stage.objects() == []
    stage.follow()
    assert stage.objects() == ["shop-web-0"]


def test_a_restart_by_hand_is_no_edit(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    stage.controller.edit([web()], lambda r: edits.restart(r, "now"))
    generation = stage.source.resources("shop")[0].generation
    stage.follow()
    assert stage.source.resources("shop")[0].generation == generation


def test_two_sources_do_not_bring_the_same(stage: Following) -> None:
    other = stage.folder.with_name("other")
    other.mkdir()
    (other / "web.yaml").write_text(service("web", "web:2"))
    stage.write(web=service("web"))
    stage.follow()
    second = stage.declare("second", directory=str(other)).key
    assert stage.follow(second) == "Conflict"
    assert "source/specs in namespace shop brings" in stage.message(second)
    assert stage.thing("shop-web-0").made_from == "web:1"
    stage.controller.delete([KEY])
    assert stage.follow(second) == "Synced"
    assert stage.thing("shop-web-0").made_from == "web:2"


def test_a_source_that_is_deleted_takes_along_what_it_brought(stage: Following) -> None:
    stage.write(web=service("web"), far=service("far", namespace="elsewhere"))
    stage.follow()
    assert stage.objects() == ["elsewhere-far-0", "shop-web-0"]
    report = stage.controller.delete([KEY])
    assert report.ok
    assert {key.name for key in report.results} == {"specs", "web", "far"}
    assert stage.objects() == []
    assert stage.source.namespaces() == []
    assert not stage.feeds.folder(KEY).exists()


def test_a_source_without_prune_leaves_it_behind(stage: Following) -> None:
    stage.declare(directory=str(stage.folder), prune=False)
    stage.write(web=service("web"))
    stage.follow()
    stage.controller.delete([KEY])
    assert stage.objects() == ["shop-web-0"]
    assert stage.declared() == ["web"]


def test_a_namespace_that_is_pinned_is_kept_to(stage: Following) -> None:
    stage.declare(directory=str(stage.folder), namespace="till")
    stage.write(web=service("web"), far=service("far", namespace="elsewhere"))
    assert stage.follow() == "InvalidSpec"
    assert "may only bring what is in till" in stage.message()
    stage.write(far=None)
    stage.follow()
    assert stage.objects() == ["till-web-0"]


def test_waves_wait_for_one_another(stage: Following) -> None:
    stage.write(db=service("db", wave="-1"), web=service("web"), late=service("late", wave="5"))
    first = stage.sync()
    assert (stage.declared(), stage.reason(), first.settled) == (["db"], "WaveNotReady", False)
    stage.docker.problem = "gone"
    stage.sync()
    assert stage.declared() == ["db"]
    stage.docker.problem = ""
    assert stage.follow() == "Synced"
    created = [call for call in stage.docker.calls if call.startswith("create") and "default" not in call]
    assert created == ["create db", "create web", "create late"]


def test_a_wave_that_is_no_number_is_an_error(stage: Following) -> None:
    stage.write(db=service("db", wave="first"))
    assert stage.follow() == "InvalidSpec"
    assert "should be a whole number" in stage.message()


def test_a_failure_is_tried_again_ever_more_seldom(stage: Following) -> None:
    dues = [stage.sync().due for _ in range(9)]
    assert dues == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    stage.write(web=service("web"))
    assert stage.sync().due == 30


def test_a_suspended_source_is_left_alone(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    stage.declare(directory=str(stage.folder), suspend=True)
    stage.write(web=service("web", "web:2"))
    ended = stage.sync()
    assert (ended.due, stage.reason()) == (None, "Suspended")
    assert stage.store.statuses("shop")[KEY].revision
    assert stage.thing("shop-web-0").made_from == "web:1"


def test_a_lost_diary_forgets_nothing_of_it(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db"), api=service("api"))
    stage.follow()
    revisions = stage.store.statuses("shop")[KEY].revisions
    stage.parts.store.write_statuses(dict.fromkeys(stage.store.statuses()))
    calls = list(stage.docker.calls)
    assert stage.follow() == "Synced"
    assert stage.store.statuses("shop")[KEY].revisions == revisions
    assert stage.docker.calls == calls


def test_the_last_five_revisions_are_told(stage: Following) -> None:
    for number in range(7):
        stage.write(web=service("web", f"web:{number}"))
        stage.clock.sleep(30)
        stage.follow()
    revisions = stage.store.statuses("shop")[KEY].revisions
    assert len({arrival.revision for arrival in revisions}) == 5
    assert [a.time for a in revisions] == sorted((a.time for a in revisions), reverse=True)


def test_apply_with_prune_leaves_alone_what_a_source_brought(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    mine = replace(stage.source.resources("shop")[0], key=web("mine"), annotations={})
    stage.controller.apply([mine], prune=True)
    assert "web" in stage.declared()


def test_what_links_to_nothing_is_told_with_its_line(stage: Following) -> None:
    stage.write(web=service("web", more=", dependsOn: [db]"))
    assert stage.follow() == "InvalidSpec"
    assert "web.yaml:4:" in stage.message()
    assert "no service called 'db'" in stage.message()


def test_F42_a_source_that_is_changed_while_it_is_read_is_read_again(
    stage: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.write(web=service("web"))
    fetch = stage.feeds.fetch

    def meddle(*args: object, **more: object) -> object:
        found = fetch(*args, **more)  # type: ignore[arg-type]
        stage.declare(directory=str(stage.folder), suspend=True)
        return found

    monkeypatch.setattr(stage.feeds, "fetch", meddle)
    assert stage.sync().due == 0
    assert stage.declared() == []


def test_a_pipe_in_the_directory_holds_nobody_up(stage: Following) -> None:
    stage.write(web=service("web"))
    os.mkfifo(stage.folder / "pipe.yaml")
    assert stage.follow() == "Unreadable"
    assert "no regular file" in stage.message()


def test_what_it_brings_wears_its_mark(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    assert {r.annotations.get(SOURCE) for r in stage.source.resources("shop") if r.key.kind == "service"} == {
        "shop/specs"
    }


def test_what_is_remembered_of_it_is_for_nobody_else(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    folder = stage.feeds.folder(KEY)
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in (folder, folder.parent)} == {0o700}


def test_a_state_that_is_damaged_is_said_and_not_guessed(stage: Following) -> None:
    stage.write(web=service("web"))
    stage.follow()
    state = stage.feeds.folder(KEY) / "state.json"
    state.write_text("{")
    stage.write(web=service("web", "web:2"))
    assert stage.follow() == "Failed"
    assert f"can't be read: {state}" in stage.message()
    assert stage.thing("shop-web-0").made_from == "web:1"
    assert state.read_text() == "{"
    state.unlink()
    assert stage.follow() == "Synced"


def test_a_source_that_brings_others_is_braked_for_all_that_goes_with_them(stage: Following) -> None:
    inner = stage.folder.with_name("inner")
    inner.mkdir()
    for number in range(12):
        (inner / f"s{number}.yaml").write_text(service(f"s{number}"))
    nested = f"apiVersion: reconciler/v1\nkind: Source\nmetadata: {{name: inner}}\nspec: {{directory: {inner}}}\n"
    stage.write(inner=nested, web=service("web"), db=service("db"))
    stage.follow()
    stage.follow(KEY._replace(name="inner"))
    assert len(stage.objects()) == 14
    stage.write(inner=None)
    assert stage.follow() == "Braked"
    assert "it would remove 13 of 15 objects" in stage.message()
    stage.confirm()
    stage.follow()
    stage.follow()
    assert stage.objects() == ["shop-db-0", "shop-web-0"]


def test_the_brake_sees_what_sources_of_sources_brought(stage: Following) -> None:
    for name in ("middle", "inner"):
        stage.folder.with_name(name).mkdir()
    nested = "apiVersion: reconciler/v1\nkind: Source\nmetadata: {{name: {0}}}\nspec: {{directory: {1}}}\n"
    for number in range(12):
        (stage.folder.with_name("inner") / f"s{number}.yaml").write_text(service(f"s{number}"))
    (stage.folder.with_name("middle") / "inner.yaml").write_text(
        nested.format("inner", stage.folder.with_name("inner"))
    )
    stage.write(middle=nested.format("middle", stage.folder.with_name("middle")), web=service("web"), db=service("db"))
    stage.follow()
    for name in ("middle", "inner"):
        stage.follow(KEY._replace(name=name))
    stage.write(middle=None)
    assert stage.follow() == "Braked"
    assert "it would remove 14 of 16 objects" in stage.message()
    stage.confirm()
    stage.follow()
    stage.follow()
    assert stage.objects() == ["shop-db-0", "shop-web-0"]


def test_who_follows_another_directory_begins_anew(stage: Following) -> None:
    stage.write(web=service("web"), db=service("db"))
    stage.follow()
    other = stage.folder.with_name("other")
    other.mkdir()
    (other / "all.yaml").write_text("---\n".join([service("web", "web:2"), service("db")]))
    stage.declare(directory=str(other))
    assert stage.follow() == "Synced"
    assert stage.thing("shop-web-0").made_from == "web:2"
    assert len(stage.store.statuses("shop")[KEY].revisions) == 2


def test_a_source_that_is_deleted_while_it_is_read_leaves_nothing_behind(
    stage: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.write(web=service("web"))
    fetch = stage.feeds.fetch

    def meddle(*args: object, **more: object) -> object:
        found = fetch(*args, **more)  # type: ignore[arg-type]
        stage.controller.delete([KEY])
        return found

    monkeypatch.setattr(stage.feeds, "fetch", meddle)
    stage.sync()
    assert stage.source.namespaces() == []
    assert not stage.feeds.folder(KEY).exists()
    assert KEY not in stage.store.statuses("shop")


def test_what_a_person_applied_is_taken_over_unasked_only_where_it_is_the_same(stage: Following) -> None:
    for name, image in (("db", "mine:1"), ("web", "web:1")):
        (document,) = parse([Text("t", service(name, image).encode(), "/")], environment={}, namespace="shop")
        stage.source.keep([document.resource])
    stage.write(db=service("db", "theirs:1"), web=service("web"))
    assert stage.follow() == "Conflict"
    assert "take over what a person applied here: service/shop/db" in stage.message()
    stage.confirm()
    assert stage.follow() == "Synced"
    (db, _) = (r for r in stage.source.resources("shop") if r.key.kind == "service")
    assert db.spec.container.image == "theirs:1"


def test_K15_what_waits_for_a_start_is_left_by_each_revision_as_people_did(stage: Following) -> None:
    """Also in the second wave: one that is stopped is as it should be, and holds up nobody."""
    waits = ", autoStart: false"
    stage.write(web=service("web", more=waits), db=service("db", wave="1"))
    assert stage.follow() == "Synced"
    assert stage.objects() == ["shop-db-0"]
    stage.controller.edit([web()], edits.start)
    stage.write(web=service("web", "web:2", more=waits))
    assert stage.follow() == "Synced"
    assert stage.thing("shop-web-0").made_from == "web:2"
    stage.controller.edit([web()], edits.stop)
    stage.write(web=service("web", "web:3", more=waits))
    assert stage.follow() == "Synced"
    assert stage.objects() == ["shop-db-0"]
    stage.write(web=service("web", "web:3"))
    stage.follow()
    assert stage.objects() == ["shop-db-0", "shop-web-0"]
