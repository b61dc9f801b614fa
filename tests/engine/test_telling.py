"""What is told of what was done: nothing as done that is not, what changed by name, a lasting trouble once."""

from __future__ import annotations

import pytest

from reconciler.core.difference import MISSING, Difference
from reconciler.engine import edits
from reconciler.engine.causes import sentence
from reconciler.engine.looking import look
from reconciler.engine.reconcile import reconcile
from reconciler.errors import Denied
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.service import Update, VolumeMount
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.desired import Stop
from tests.core.build import container, http, key, process, resource
from tests.engine.stage import NAMESPACE, Stage

WEB, API, DATA = key("web", None), key("api", None), key("data", None, "volume")
AWAY = "no engine answers"


def test_what_an_engine_that_is_away_was_to_make_is_pending(stage: Stage) -> None:
    stage.docker.problem = AWAY
    report = stage.controller.apply([container("web"), process("api")], timeout=1)
    assert report.results == {WEB: "pending", API: "created"}
    assert {r["key"]: r["result"] for r in report.as_json()["resources"]} == {str(WEB): "pending", str(API): "created"}


def test_what_was_refused_is_pending_and_once_made_it_is_not(stage: Stage) -> None:
    stage.process.failing["create api"] = Denied("no")
    assert stage.controller.apply([process("api")], timeout=1).results == {API: "pending"}
    stage.process.failing.clear()
    assert stage.controller.apply([process("api")]).results == {API: "configured"}


def test_a_change_that_could_not_be_made_is_pending(stage: Stage) -> None:
    stage.controller.apply([container("web")])
    stage.docker.failing["prepare web"] = Denied("no")
    changed = container("web", env={"A": "1"})
    assert stage.controller.apply([changed], timeout=1).results == {WEB: "pending"}


def test_what_an_engine_that_is_away_still_holds_is_not_called_deleted(stage: Stage) -> None:
    data = resource("volume", "data", VolumeSpec())
    stage.controller.apply([container("web"), data])
    stage.docker.problem = AWAY
    assert stage.controller.delete([WEB], timeout=1).results == {WEB: "pending"}
    assert stage.controller.delete([DATA], data=True, timeout=1).results == {DATA: "pending"}
    stage.docker.problem = ""
    assert stage.controller.delete([WEB, DATA], data=True).results == {WEB: "deleted", DATA: "deleted"}


def test_of_a_volume_that_stays_only_the_declaration_is_said_to_go(stage: Stage) -> None:
    stage.controller.apply([resource("volume", "data", VolumeSpec())])
    told = stage.controller.delete([DATA])
    assert told.results == {DATA: "forgotten"}
    assert told.as_json()["resources"] == [{"key": str(DATA), "result": "deleted"}], "as scripts know it"


def test_what_could_not_be_stopped_is_pending(stage: Stage) -> None:
    stage.controller.apply([container("web")])
    stage.docker.failing["stop web"] = Denied("no")
    assert stage.controller.edit([WEB], edits.stop, timeout=1).results == {WEB: "pending"}


def test_a_restart_has_been_asked_for(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    report = stage.controller.edit([API], lambda old: edits.restart(old, "2026-01-01T00:00:00Z"))
    assert {action.cause for action in report.actions} == {"a restart was asked for"}


def test_what_changed_is_named_in_actions_foresight_and_events(stage: Stage) -> None:
    stage.controller.apply([process("api", env={"LOG": "debug"})])
    changed = process("api", command=("run", "fast"), env={"LOG": "info"})
    [foreseen] = stage.controller.preview([changed])
    [cause] = {action.cause for action in foreseen.actions}
    assert "command" in cause
    assert "LOG" in cause
    report = stage.controller.apply([changed])
    assert {action.cause for action in report.actions} == {cause}
    assert cause in {event.message for event in stage.store.events()}
    assert not look(stage.parts, NAMESPACE).plan.actions


def test_what_nobody_can_look_at_is_named_from_the_diary(stage: Stage) -> None:
    """A file's content stands in no engine's answer, but in the fingerprint."""
    mount = (VolumeMount(config="app", mount_path="/etc/app"),)
    before, after = (resource("config", "app", ConfigSpec(data={"a": text})) for text in "12")
    web = container("web", volumes=mount, update=Update(strategy="Recreate"))
    stage.controller.apply([web, before])
    report = stage.controller.apply([web, after])
    [cause] = {action.cause for action in report.actions}
    assert cause == "its mounts.app.files.a changed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("restarted_at", "a", "b")], "a restart was asked for"),
        ([("image", "a:1", "a:2"), ("restarted_at", "a", "b")], "its image changed from a:1 to a:2"),
        ([("user", MISSING, "nobody")], "its user changed to nobody"),
        ([("env.PASSWORD", "sealed:1", "sealed:2")], "its env.PASSWORD changed"),
        ([("env.A_B", "1", "2")], "its env.A_B changed"),
        ([("ports.http.host_port", 80, 81)], "its ports.http.hostPort changed from 80 to 81"),
        ([("network_stamps", ["a"], ["b"])], "its network changed"),
        ([(name, 1, 2) for name in ("a", "b", "c", "d", "e")], "its a, b, c and 2 more changed"),
    ],
)
def test_changes_are_a_sentence_without_anybodys_secrets(changes: list[tuple[str, object, object]], said: str) -> None:
    assert sentence([Difference(*change) for change in changes]) == said


def test_a_trouble_that_lasts_is_one_event_until_something_else_happens(stage: Stage) -> None:
    stage.host.taken = [8080]
    stage.controller.apply([container("web", ports=(http(8080),))], timeout=1)
    for _ in range(5):
        reconcile(stage.parts, NAMESPACE)
    assert [(e.reason, e.count) for e in stage.store.events(key=WEB)] == [("PortInUse", 1)]

    stage.host.taken = []
    stage.clock.sleep(1)
    reconcile(stage.parts, NAMESPACE)
    stage.docker.stop(stage.thing("shop-web-0"), Stop())
    stage.docker.remove(stage.thing("shop-web-0"))
    stage.host.taken = [8080]
    for _ in range(3):
        stage.clock.sleep(1)
        reconcile(stage.parts, NAMESPACE)
    assert sorted((e.reason, e.count) for e in stage.store.events(key=WEB)) == [("Created", 1), ("PortInUse", 2)]
