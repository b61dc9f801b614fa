"""Updates on the real engine: who asks all the time is always answered, and what does not work takes nothing down."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.podman_lacks import names_are_always_answered
from tests.scenarios.documents import box, changed, native, native_server, server
from tests.scenarios.stage import Document, Stage, eventually

pytestmark = pytest.mark.engine

PROBE = {"readiness": {"tcpSocket": {"port": "http"}, "periodSeconds": 1, "timeoutSeconds": 20}}
ASK = r"""
addresses() { timeout {each} nslookup web 2>/dev/null | sed -n '/^Name/,$ s/^Address[^:]*: *\([0-9.]*\).*/\1/p'; }
answered() {
  for address in $(addresses); do
    timeout {each} wget -qO- http://$address/index.html 2>/dev/null && return 0
  done
  return 1
}
while :; do
  begun=$(date +%s)
  until answered; do
    [ $(($(date +%s) - begun)) -lt {patience} ] || { echo FAILED; break; }
  done
done
"""
"""As any client of a name does that has several addresses: the next one is tried where one does not answer."""


def asking(stage: Stage) -> Document:
    """Who gets no answer from any of them has failed at once, save where a name can't be asked for at any time."""
    each, patience = (5, 0) if names_are_always_answered(stage.engine) else (2, 15)
    script = ASK.replace("{each}", str(each)).replace("{patience}", str(patience))
    return box("client", "sh", "-c", script)


def image(document: Document, tag: str) -> Document:
    return changed(document, container={**document["spec"]["container"], "image": f"reconciler-test:{tag}"})


def test_a_client_that_asks_all_the_time_sees_no_failed_request_during_an_update(stage: Stage) -> None:
    web = server("web", replicas=2, probes=PROBE)
    client = asking(stage)
    stage.apply(web, client)
    eventually(lambda: stage.container_log("client").count("one") > 3, "the old ones answer")
    begun = stage.container_log("client").rfind("one")
    told = stage.apply(image(web, "2"), "--timeout", "120")
    assert told.actions[0] == "Create web/2"
    assert told.actions[-2:] == ["Stop web/2", "Remove web/2"]
    enough = stage.container_log("client").count("two") + 3
    eventually(lambda: stage.container_log("client").count("two") > enough, "the new ones answer")
    assert "FAILED" not in stage.container_log("client")[begun:]
    assert stage.containers() == [stage.name(name, index) for name, index in (("client", 0), ("web", 0), ("web", 1))]
    assert stage.apply(image(web, "2"), client).actions == []


def test_an_update_that_does_not_become_ready_keeps_the_old_ones_and_undo_ends_it(stage: Stage) -> None:
    web = server("web", replicas=2, probes=PROBE)
    stage.apply(web)
    before = [stage.id("web", index) for index in (0, 1)]
    bad = changed(web, probes={"readiness": {"exec": {"command": ["false"]}, "timeoutSeconds": 20}}, env={"V": "2"})
    told = stage.apply(bad, "--timeout", "15", expect=1)
    assert told.actions == ["Create web/2"]
    assert "web/2, which is new, is Ready" in told.err
    assert f"reconciler rollout undo web -n {stage.namespace}" in told.err
    assert [stage.id("web", index) for index in (0, 1)] == before

    halted = {c["type"]: c for c in stage.status_of("web")["conditions"]}["Progressing"]
    assert (halted["status"], halted["reason"]) == ("False", "RollingUpdate")
    followed = stage.cli("rollout", "status", "web", expect=1)
    assert "stands still" in followed.err

    undone = stage.cli("rollout", "undo", "web", "-o", "json")
    assert undone.actions == ["Stop web/2", "Remove web/2"]
    assert "env: {'V': '2'} -> (none)" in undone.err
    assert [stage.id("web", index) for index in (0, 1)] == before
    assert "up to date" in stage.cli("rollout", "status", "web").out


def test_an_image_that_cannot_be_had_ends_an_apply_at_once_and_touches_nothing(stage: Stage) -> None:
    web = server("web")
    stage.apply(web)
    before = stage.id("web")
    bad = changed(web, container={**web["spec"]["container"], "image": "reconciler-test:none", "pullPolicy": "Never"})
    told = stage.apply(bad, expect=1)
    assert "reconciler-test:none" in told.err
    assert "rollout undo web" in told.err
    assert (stage.id("web"), stage.containers()) == (before, [stage.name("web")])


def test_history_tells_what_was_wanted_and_undo_goes_back_to_any_of_it(stage: Stage) -> None:
    for version in ("1", "2", "3"):
        stage.apply(native("web", env={"V": version}))
    revisions = stage.cli("rollout", "history", "web", "-o", "json").json["revisions"]
    assert [(r["revision"], r["current"], r["spec"]["env"]["V"]) for r in revisions] == [
        (1, False, "1"), (2, False, "2"), (3, True, "3"),
    ]  # fmt: skip
    assert "3*" in stage.cli("rollout", "history", "service/web").out
    stage.cli("rollout", "undo", "web", "--to-revision", "1")
    assert stage.process("web").environment()["V"] == "1"
    stage.cli("scale", "web", "--replicas", "2")
    stage.cli("rollout", "undo", "web")
    assert [stage.process("web", index).environment()["V"] for index in (0, 1)] == ["3", "3"]
    missing = stage.cli("rollout", "undo", "web", "--to-revision", "77", expect=1)
    assert "no revision 77" in missing.err


def test_a_process_that_is_told_its_port_has_its_successor_beside_it(stage: Stage) -> None:
    web = native_server("web", probes=PROBE)
    stage.apply(web)
    port = stage.status_of("web")["endpoints"][0]["port"]
    told = stage.apply(changed(web, env={"V": "2"}))
    assert told.actions == [
        "Create web/1", "Stop web/0", "Remove web/0", "Create web/0", "Stop web/1", "Remove web/1",
    ]  # fmt: skip
    assert [end["port"] for end in stage.status_of("web")["endpoints"]] == [port], "dependents are told nothing new"
    assert len(stage.processes("web")) == 1


def test_a_fixed_port_has_an_old_one_go_first_and_describe_says_so(stage: Stage, free_port: Callable[[], int]) -> None:
    web = server("web", ports=[{"name": "http", "port": 80, "hostPort": free_port()}])
    stage.apply(web)
    assert stage.apply(changed(web, env={"V": "2"})).actions == ["Stop web/0", "Remove web/0", "Create web/0"]
    assert "an old one first, for host port" in stage.cli("describe", "web").out


def test_with_recreate_all_old_ones_leave_before_a_new_one_comes(stage: Stage) -> None:
    web = box("web", replicas=2, update={"strategy": "Recreate"})
    stage.apply(web)
    told = stage.apply(changed(web, env={"V": "2"}))
    assert told.actions == [f"{verb} web/{i}" for verb in ("Stop", "Remove", "Create") for i in (0, 1)]


def test_rollout_restart_rolls(stage: Stage) -> None:
    stage.apply(server("web"))
    before = stage.id("web")
    told = stage.cli("rollout", "restart", "web", "-o", "json")
    assert told.actions[0] == "Create web/1"
    assert stage.id("web") != before
