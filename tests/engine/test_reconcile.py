"""One pass: read, look, decide, act, tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.engine.reconcile import reconcile
from reconciler.errors import Denied, Gone, ReconcilerError
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.service import EnvFrom
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.observed import Phase
from reconciler.model.plan import Reason, Result
from reconciler.model.resource import Resource
from tests.core.build import container, http, key, process, resource
from tests.engine.stage import NAMESPACE, Stage


def passes(stage: Stage, *resources: Resource, times: int = 1) -> None:
    stage.source.keep(list(resources))
    for _ in range(times):
        reconcile(stage.parts, NAMESPACE)
        stage.clock.time += 1


def test_what_is_kept_comes_to_be(stage: Stage) -> None:
    passes(stage, container("web"), process("api"), times=2)
    assert stage.objects() == ["shop-api-0", "shop-web-0"]


def test_a_settled_namespace_is_told_once_and_left_alone(stage: Stage) -> None:
    passes(stage, container("web"), times=3)
    calls, events = list(stage.docker.calls), stage.store.events()
    found = reconcile(stage.parts, NAMESPACE)
    assert found.plan.settled
    assert found.outcomes == ()
    assert (stage.docker.calls, stage.store.events()) == (calls, events)


def test_nothing_is_touched_while_what_is_wanted_can_not_be_read(stage: Stage) -> None:
    """P6: neither an empty directory nor a broken document is a wish to have nothing."""
    passes(stage, container("web"), container("db"), times=2)
    before, calls = stage.objects(), list(stage.docker.calls)
    file = stage.home.path / "applied" / NAMESPACE / "service-db.yaml"
    good = file.read_bytes()
    file.write_text("apiVersion: reconciler/v1\nkind: Serv")
    current = reconcile(stage.parts, NAMESPACE)
    assert [(wait.key, wait.reason) for wait in current.plan.waits] == [(key("db").resource, Reason.UNREADABLE)]
    assert current.plan.actions == current.plan.notes == ()
    assert (stage.objects(), stage.docker.calls) == (before, calls)
    file.write_bytes(good)
    assert reconcile(stage.parts, NAMESPACE).plan.settled


def test_a_document_that_vanished_deletes_nothing(stage: Stage) -> None:
    passes(stage, container("web"), container("db"), times=2)
    (stage.home.path / "applied" / NAMESPACE / "service-db.yaml").unlink()
    found = reconcile(stage.parts, NAMESPACE)
    assert found.plan.settled
    assert [note.key for note in found.plan.notes] == [key("db")]
    assert stage.objects() == ["shop-db-0", "shop-web-0"]


def test_an_engine_that_does_not_answer_costs_nobody_anything(stage: Stage) -> None:
    passes(stage, container("web"), process("api"), times=2)
    stage.docker.problem = "the engine does not answer"
    stage.change("shop-api-0", phase=Phase.EXITED, exit_code=1)
    calls = list(stage.docker.calls)
    found = reconcile(stage.parts, NAMESPACE)
    assert [str(action) for action in found.plan.actions] == ["Start service/shop/api/0: it exited with code 1"]
    assert stage.docker.calls == calls
    assert found.statuses[key("web", None)].condition("Ready").reason == "Unreachable"


def test_a_tombstone_is_kept_until_nothing_of_it_is_left(stage: Stage) -> None:
    passes(stage, container("web"), times=2)
    passes(stage, replace(container("web"), deleting=True))
    assert stage.kept() == ["service/web"]
    reconcile(stage.parts, NAMESPACE)
    assert (stage.kept(), stage.objects()) == ([], [])
    assert key("web", None) not in stage.store.statuses(NAMESPACE)


def test_a_tombstone_outlives_an_engine_that_does_not_answer(stage: Stage) -> None:
    passes(stage, container("web"), times=2)
    stage.docker.problem = "the engine does not answer"
    passes(stage, replace(container("web"), deleting=True), times=3)
    assert stage.kept() == ["service/web"]
    stage.docker.problem = ""
    passes(stage, times=2)
    assert (stage.kept(), stage.objects()) == ([], [])


def test_a_tombstone_without_things_is_buried_at_once(stage: Stage) -> None:
    config = resource("config", "app", ConfigSpec(data={"A": "1"}))
    passes(stage, config)
    passes(stage, replace(config, deleting=True))
    assert stage.kept() == []


def test_K22_a_volume_goes_only_when_its_data_may(stage: Stage) -> None:
    data = resource("volume", "data", VolumeSpec())
    passes(stage, data)
    passes(stage, replace(data, deleting=True), times=3)
    assert (stage.kept(), stage.objects()) == ([], ["shop-data"])
    passes(stage, replace(data, deleting=True, delete_data=True), times=2)
    assert (stage.kept(), stage.objects()) == ([], [])


def test_failures_are_remembered_and_pauses_kept(stage: Stage) -> None:
    stage.process.failing["create"] = Denied("not permitted")
    passes(stage, process("api"))
    assert stage.store.journal(NAMESPACE)[key("api")].reason == "Denied"
    found = reconcile(stage.parts, NAMESPACE)
    assert found.outcomes[0].result is Result.REFUSED
    held = reconcile(stage.parts, NAMESPACE)
    assert not held.plan.actions
    assert "not permitted; tried twice" in str(held.plan) or "tried 2 times" in str(held.plan)


def test_what_had_gone_already_is_not_held_against_it(stage: Stage) -> None:
    passes(stage, process("api"), times=2)
    stage.process.failing["stop"] = Gone("it is not there any more")
    passes(stage, process("api", env={"NEW": "1"}))
    assert key("api") not in stage.store.journal(NAMESPACE)


def test_what_was_done_is_told_and_what_was_made_is_kept_to_compare(stage: Stage) -> None:
    passes(stage, process("api"), times=2)
    assert [(event.reason, str(event.key)) for event in stage.store.events()] == [("Created", "service/shop/api/0")]
    assert '"command":["run"]' in (stage.store.payload(stage.thing("shop-api-0").fingerprint) or "")


def test_a_secrets_value_is_kept_nowhere_but_in_its_document(stage: Stage) -> None:
    secret = resource("secret", "db", SecretSpec(data={"PASSWORD": "hunter2-canary"}))
    passes(stage, secret, process("api", env_from=(EnvFrom(secret="db"),)), times=2)
    thing = stage.thing("shop-api-0")
    told = [
        str(stage.store.events()),
        str(stage.store.statuses(NAMESPACE)),
        str(stage.store.payload(thing.fingerprint)),
    ]
    assert not [text for text in told if "hunter2-canary" in text]
    files = [path for path in Path(stage.home.path).rglob("*") if path.is_file()]
    assert [path.name for path in files if b"hunter2-canary" in path.read_bytes()] == ["secret-db.yaml"]


def test_statuses_are_written_when_they_change_and_only_then(stage: Stage) -> None:
    passes(stage, process("api"), times=3)
    first = stage.store.statuses(NAMESPACE)
    reconcile(stage.parts, NAMESPACE)
    assert stage.store.statuses(NAMESPACE) == first
    assert first[key("api", None)].ready


def test_a_lost_diary_causes_no_action(stage: Stage) -> None:
    passes(stage, container("web", ports=(http("8080-8081"),)), times=3)
    fresh = replace(stage.parts, store=type(stage.store)())
    assert reconcile(fresh, NAMESPACE).plan.settled


def test_an_installations_id_that_is_damaged_stops_everything(stage: Stage) -> None:
    """Else all that runs would look foreign, and be made twice."""
    passes(stage, process("api"), times=2)
    (stage.home.path / "owner").write_text("")
    with pytest.raises(ReconcilerError, match="damaged"):
        reconcile(stage.parts, NAMESPACE)
