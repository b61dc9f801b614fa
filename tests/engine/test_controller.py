"""What the verbs call, over worlds that are values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from reconciler.engine import edits
from reconciler.engine.controller import Controller, Unlinkable
from reconciler.engine.reconcile import reconcile
from reconciler.engine.report import Report
from reconciler.errors import Denied, ImageUnavailable, ReconcilerError, UsageError
from reconciler.kinds.service import EnvFrom, VolumeMount
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.key import Key
from reconciler.model.observed import Phase
from reconciler.model.resource import FORWARD, Resource
from reconciler.sources.applied import Applied
from tests.core.build import container, http, key, process, resource, stranger
from tests.engine.stage import NAMESPACE, Stage

WEB, API = key("web", None), key("api", None)


def test_apply_says_what_it_did(stage: Stage) -> None:
    report = stage.controller.apply([container("web"), process("api")])
    assert report.ok
    assert report.results == {WEB: "created", API: "created"}
    assert report.as_json()["settled"] is True
    assert {action["verb"] for action in report.as_json()["actions"]} == {"Create"}


def test_K2_R14_a_second_apply_does_nothing_however_often(stage: Stage) -> None:
    stage.controller.apply([container("web"), process("api")])
    for _ in range(3):
        report = stage.controller.apply([container("web"), process("api")])
        assert (report.ok, report.actions, set(report.results.values())) == (True, (), {"unchanged"})


def test_what_had_to_be_healed_was_configured(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    stage.change("shop-api-0", phase=Phase.EXITED, exit_code=1)
    report = stage.controller.apply([process("api")])
    assert (report.results, [a.verb for a in report.actions]) == ({API: "configured"}, ["Start"])


def test_a_new_revision_reaches_the_world(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    before = stage.thing("shop-api-0").fingerprint
    assert stage.controller.apply([process("api", env={"A": "1"})]).results == {API: "configured"}
    assert stage.thing("shop-api-0").fingerprint != before


def test_what_can_not_work_together_is_not_kept(stage: Stage) -> None:
    with pytest.raises(Unlinkable) as raised:
        stage.controller.apply([container("web", depends_on=("db",)), process("api")])
    assert "there is no service called 'db'" in str(raised.value)
    assert raised.value.exit_code == 2
    assert (stage.kept(), stage.objects()) == ([], [])


def test_a_file_that_can_not_be_read_is_said_before_anything_is_kept(stage: Stage) -> None:
    with pytest.raises(Unlinkable, match="can't be read"):
        stage.controller.apply([process("api", env_from=(EnvFrom(file="/nowhere/.env"),))])
    assert stage.kept() == []


def test_troubles_name_the_cause_and_the_next_step(stage: Stage) -> None:
    stage.host.taken = [8080]
    report = stage.controller.apply([container("web", ports=(http(8080),))])
    assert not report.ok
    [trouble] = report.troubles
    assert (trouble.key, trouble.reason) == (WEB, "PortInUse")
    assert "pid 77 (nc)" in trouble.message
    assert "hostPort" in trouble.hint


def test_an_update_that_can_not_begin_is_told_with_its_hint_though_the_old_one_serves(stage: Stage) -> None:
    stage.controller.apply([container("web", ports=(http(8080),))])
    stage.docker.failing["prepare web"] = ImageUnavailable("there is no image i", hint="build it")
    report = stage.controller.apply([container("web", ports=(http(8080),), env={"V": "2"})])
    (trouble,) = report.troubles
    assert (trouble.key, trouble.reason, trouble.hint) == (WEB, "ImageUnavailable", "build it")
    assert stage.thing("shop-web-0").phase is Phase.RUNNING


def test_a_runtimes_own_hint_is_passed_on(stage: Stage) -> None:
    stage.docker.failing["prepare web"] = ImageUnavailable("there is no image i", hint="build it")
    [trouble] = stage.controller.apply([container("web")]).troubles
    assert (trouble.reason, trouble.hint) == ("ImageUnavailable", "build it")


def test_a_person_who_asks_again_need_not_wait_for_the_pause(stage: Stage) -> None:
    stage.docker.failing["prepare web"] = ImageUnavailable("there is no image i")
    stage.controller.apply([container("web")])
    stage.docker.failing.clear()
    before = stage.clock.now()
    assert stage.controller.apply([container("web")]).ok
    assert stage.clock.now() - before < 1


def test_that_goes_for_the_network_that_nobody_wrote_down_and_for_what_is_deleted(stage: Stage) -> None:
    stage.docker.failing["create default"] = Denied("no more networks")
    assert not stage.controller.apply([container("web")]).ok
    stage.docker.failing.clear()
    assert stage.controller.apply([container("web")]).ok
    stage.docker.failing["stop web"] = Denied("not permitted")
    assert not stage.controller.delete([WEB]).settled
    stage.docker.failing.clear()
    assert stage.controller.delete([WEB]).settled
    assert stage.objects() == []


def test_prune_takes_what_was_not_given(stage: Stage) -> None:
    stage.controller.apply([container("web"), process("api")])
    report = stage.controller.apply([container("web")], prune=True)
    assert report.results == {WEB: "unchanged", API: "pruned"}
    assert (stage.objects(), stage.kept()) == (["shop-web-0"], ["service/web"])


def test_diff_writes_nothing(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    files = {path: path.read_bytes() for path in stage.home.path.rglob("*") if path.is_file()}
    objects, calls, journal = stage.process.view, list(stage.process.calls), stage.store.journal(NAMESPACE)
    [foreseen] = stage.controller.preview([process("api", env={"A": "1"}), container("web")])
    assert {str(action.verb) for action in foreseen.actions} == {"Stop", "Remove", "Create"}
    assert {path: path.read_bytes() for path in stage.home.path.rglob("*") if path.is_file()} == files
    assert (stage.process.view, stage.process.calls, stage.store.journal(NAMESPACE)) == (objects, calls, journal)


def test_diff_of_what_is_there_is_nothing(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    [foreseen] = stage.controller.preview([process("api")])
    assert foreseen.same


def test_drift_is_what_a_pass_would_do(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    assert stage.controller.drift(NAMESPACE).actions == ()
    stage.change("shop-api-0", phase=Phase.PAUSED)
    assert [a.cause for a in stage.controller.drift(NAMESPACE).actions] == ["it was paused"]


def test_H12_delete_goes_in_reverse_order_and_leaves_the_data(stage: Stage) -> None:
    data = resource("volume", "data", VolumeSpec())
    db = process("db", volumes=(VolumeMount(volume="data"),))
    stage.controller.apply([db, process("api", depends_on=("db",)), data])
    stage.process.calls.clear()
    report = stage.controller.delete([db.key, API, data.key])
    assert report.ok
    assert [call for call in stage.process.calls if call.startswith("remove")] == ["remove api", "remove db"]
    assert stage.objects() == ["shop-data"]
    assert report.notes == ("volume/data kept its data; delete it with --volumes",)
    assert stage.kept() == []


def test_a_port_forward_goes_with_its_service_whoever_takes_that_one_down(stage: Stage) -> None:
    api, forward = process("api"), replace(process("forward-api-80"), labels={FORWARD: "api.80"})
    stage.controller.apply([api, forward])
    assert set(stage.controller.delete([API]).results) == {API, forward.key}
    stage.controller.apply([api, forward])
    stage.source.keep([replace(api, deleting=True)])  # as one that its Source does not hold any more
    for _ in range(4):
        reconcile(stage.parts, NAMESPACE)
    assert (stage.objects(), stage.kept()) == ([], [])


def test_K22_delete_with_data_takes_the_volume(stage: Stage) -> None:
    data = resource("volume", "data", VolumeSpec())
    stage.controller.apply([data])
    assert stage.controller.delete([data.key], data=True).ok
    assert stage.objects() == []


def test_an_orphan_is_found_and_can_be_deleted(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    (stage.home.path / "applied" / NAMESPACE / "service-api.yaml").unlink()
    assert list(stage.controller.orphans(NAMESPACE)) == [API]
    assert stage.controller.delete([API]).ok
    assert stage.objects() == []


def test_B11_what_is_not_ours_is_neither_touched_nor_an_orphan(stage: Stage) -> None:
    theirs = stranger("shop-web-0", owner="somebody", key=key("web"))
    stage.docker.put(theirs)
    report = stage.controller.apply([container("web")])
    assert not report.ok
    assert "shop-web-0" in report.troubles[0].message
    assert stage.controller.orphans(NAMESPACE) == {}
    assert stage.controller.delete([WEB]).settled
    assert theirs in stage.docker.view.objects


def test_K3_K4_stop_and_start(stage: Stage) -> None:
    stage.controller.apply([process("api", replicas=2)])
    assert stage.controller.edit([API], edits.stop).ok
    assert stage.objects() == []
    assert stage.controller.edit([API], edits.start).results == {API: "configured"}
    assert stage.objects() == ["shop-api-0", "shop-api-1"]


def test_restart_makes_it_anew_once(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    before = stage.thing("shop-api-0").id
    stage.clock.time += 10
    stage.controller.edit([API], lambda r: edits.restart(r, "2026"))
    after = stage.thing("shop-api-0").id
    assert after != before
    assert stage.controller.apply([process("api")]).actions == ()
    assert stage.thing("shop-api-0").id == after


def test_to_edit_what_is_not_there_is_a_mistake(stage: Stage) -> None:
    with pytest.raises(UsageError, match="there is no service/api in namespace 'shop'"):
        stage.controller.edit([API], edits.stop)


def test_namespaces_are_settled_one_by_one(stage: Stage) -> None:
    other = replace(process("api"), key=Key("service", "other", "api"))
    report = stage.controller.apply([process("api"), other])
    assert report.ok
    assert stage.objects() == ["other-api-0", "shop-api-0"]
    assert set(report.results) == {API, other.key}


def test_without_a_home_looking_makes_none(stage: Stage) -> None:
    stage.controller.drift(NAMESPACE)
    stage.controller.preview([process("api")])
    assert not stage.home.path.exists()


def test_progress_is_told_of_every_action_and_pass(stage: Stage) -> None:
    told: list[str] = []

    class Listener:
        def started(self, action: object) -> None:
            told.append(str(action))

        def passed(self, current: object) -> None:  # noqa: ARG002
            told.append("pass")

    stage.controller.apply([process("api")], wait=False, progress=Listener())
    assert told == ["Create service/shop/api/0: it does not exist", "pass", "pass"]


def test_who_is_overtaken_by_a_delete_does_not_call_it_done(stage: Stage) -> None:
    class Overtaker:
        def started(self, action: object) -> None:
            """It comes after the action."""

        def passed(self, current: object) -> None:  # noqa: ARG002
            if stage.kept():
                Controller(replace(stage.parts, source=Applied(stage.home))).delete([API])

    report = stage.controller.apply([process("api")], progress=Overtaker())
    assert (report.ok, [trouble.message for trouble in report.troubles]) == (
        False,
        ["another command deleted it meanwhile"],
    )
    assert (stage.objects(), stage.kept()) == ([], [])


def test_who_is_overtaken_by_another_wish_does_not_call_his_own_fulfilled(stage: Stage) -> None:
    class Overtaker:
        def started(self, action: object) -> None:
            """It comes after the action."""

        def passed(self, current: object) -> None:  # noqa: ARG002
            if not told:
                told.append(other.apply([process("api", env={"MINE": "1"})]))

    told: list[Report] = []
    other = Controller(replace(stage.parts, source=Applied(stage.home)))
    report = stage.controller.apply([process("api")], progress=Overtaker())
    assert told[0].results == {API: "configured"}
    assert report.results == {API: "overtaken"}
    assert "service/api was changed by another command meanwhile" in report.notes[0]

    told.clear()
    scaled = stage.controller.edit([API], lambda resource: edits.scale(resource, 3), progress=Overtaker())
    assert scaled.results == {API: "overtaken"}


def test_two_commands_at_once_never_undo_each_others_word(stage: Stage) -> None:
    stage.controller.apply([process("api")])

    def note(word: str) -> Report:
        other = Controller(replace(stage.parts, source=Applied(stage.home)))
        return other.edit([API], lambda r: replace(r, annotations={**r.annotations, word: "noted"}), wait=False)

    words = [f"word-{i}" for i in range(16)]
    with ThreadPoolExecutor(len(words)) as pool:
        assert all(report.ok for report in pool.map(note, words))
    [kept] = Applied(stage.home).resources(NAMESPACE)
    assert sorted(kept.annotations) == sorted(words)


def test_nobody_buries_what_is_just_declared_again(stage: Stage) -> None:
    stage.controller.apply([process("api")])

    def in_turn(resource: Resource) -> Resource:
        with pytest.raises(ReconcilerError, match="another command is at work"), stage.home.lock(0):
            pytest.fail("a pass may begin between the reading and the keeping")
        return resource

    assert stage.controller.edit([API], in_turn).ok


def test_what_is_declared_anew_begins_without_its_predecessors_troubles(stage: Stage) -> None:
    stage.controller.apply([process("api")])
    stage.change("shop-api-0", phase=Phase.EXITED, exit_code=1)
    stage.controller.apply([process("api")])
    assert stage.store.journal(NAMESPACE)[key("api")].restarts == 1
    stage.controller.delete([API])
    assert stage.store.journal(NAMESPACE) == {}


def test_data_of_which_nobody_can_say_whether_it_is_there_is_not_called_deleted(stage: Stage) -> None:
    data = resource("volume", "data", VolumeSpec())
    stage.controller.apply([data])
    stage.docker.problem = "no container engine answers"
    report = stage.controller.delete([data.key], data=True)
    assert (report.ok, [trouble.reason for trouble in report.troubles]) == (False, ["Unreachable"])
    stage.docker.problem = ""
    assert stage.controller.delete([data.key], data=True).ok
    assert (stage.objects(), stage.kept()) == ([], [])


def test_data_of_a_process_is_gone_for_good_without_any_engine(stage: Stage) -> None:
    stage.docker.problem = "no container engine answers"
    data, api = resource("volume", "data", VolumeSpec()), process("api", volumes=(VolumeMount(volume="data"),))
    stage.controller.apply([data, api])
    assert stage.controller.delete([data.key, api.key], data=True).ok
    assert (stage.objects(), stage.kept()) == ([], [])
