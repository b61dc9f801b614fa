"""What is Ready is known from a look at the world, and not from what was written down about it once."""

from __future__ import annotations

from pathlib import Path

from reconciler.engine.reconcile import reconcile
from reconciler.kinds.source import Git
from reconciler.model.observed import Phase
from tests.engine.following import KEY, Following, service
from tests.engine.repositories import Repository


def test_a_wave_does_not_begin_because_of_what_was_written_down_before_a_reboot(tmp_path: Path) -> None:
    stage = Following(tmp_path)
    stage.write(db=service("db", wave="-1"), web=service("web"))
    assert stage.follow() == "Synced"
    stage.docker.failing["start db"] = RuntimeError("no")
    stage.change("shop-db-0", phase=Phase.EXITED)
    stage.begin_anew()
    stage.write(web=service("web", "web:2"))
    stage.follow(seconds=20)
    assert stage.reason() == "WaveNotReady"
    assert stage.thing("shop-web-0").made_from == "web:1"
    stage.docker.failing.clear()
    assert stage.follow(seconds=600) == "Synced"
    assert stage.thing("shop-web-0").made_from == "web:2"


def test_a_revision_is_not_good_because_of_what_was_written_down_before_a_reboot(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo")
    stage = Following(tmp_path, directory="", git=Git(url=str(repo.path)), verify="none", rollback=True)
    head = repo.commit(web=service("web"))
    stage.follow()
    stage.begin_anew()
    stage.sync()
    assert stage.feeds.known(KEY).good == "", "nobody has looked"
    reconcile(stage.parts, "shop")
    stage.sync()
    assert stage.feeds.known(KEY).good == head
