"""Plans as wholes: those that the golden files can't show."""

from __future__ import annotations

import time
from dataclasses import replace

from reconciler.core.planner import plan
from reconciler.core.teardown import buried
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.service import VolumeMount
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase, Snapshot, View
from reconciler.model.plan import Outcome, Reason, Result, Verb
from tests.core.build import (
    EMPTY,
    NOW,
    changed,
    container,
    graph,
    http,
    key,
    process,
    resource,
    seen,
    settled,
    stranger,
    with_thing,
)  # fmt: skip


def test_K2_a_second_look_at_a_settled_world_finds_nothing_to_do() -> None:
    services = graph(container("web", replicas=3, ports=(http(),)), process("api", ports=(http(8080),)))
    assert plan(services, settled(services), {}, NOW).settled


def test_K4_a_stopped_service_leaves_its_volume() -> None:
    data = resource("volume", "data", VolumeSpec())
    db = container("db", volumes=(VolumeMount(volume="data", mount_path="/d"),))
    before = settled(graph(db, data))
    stopped = graph(replace(db, spec=replace(db.spec, replicas=0)), data)
    assert [(a.verb, a.key.kind) for a in plan(stopped, before, {}, NOW).actions] == [
        (Verb.STOP, "service"),
        (Verb.REMOVE, "service"),
    ]


def test_each_action_addresses_the_object_that_was_seen() -> None:
    before = settled(graph(container("web", ports=(http(8080),))))
    new = plan(graph(container("web", ports=(http(8080),), env={"NEW": "1"})), before, {}, NOW)
    assert {a.seen.id for a in new.actions if a.seen} == {seen(before, key("web")).id}


def test_a_view_that_shows_a_part_is_a_view_that_could_not_be_read() -> None:
    before = settled(graph(container("web"), container("old")))
    docker, processes = before.views
    partial = replace(
        before, views=(replace(docker, problem="the answer broke off", objects=docker.objects[:1]), processes)
    )
    gone = replace(container("old"), deleting=True)
    planned = plan(graph(container("web"), gone), partial, {}, NOW)
    assert not planned.actions
    assert {wait.reason for wait in planned.waits} == {Reason.UNREACHABLE}


def test_labels_that_are_not_whole_are_not_ours() -> None:
    headless = stranger("odd", owner="me", key=Key("service", "shop", "web"))
    gone = replace(container("web"), deleting=True)
    assert not plan(graph(gone), with_thing(EMPTY, headless), {}, NOW).actions


def test_without_an_owner_of_our_own_nothing_is_ours() -> None:
    before = settled(graph(container("web")))
    nobody = replace(graph(replace(container("web"), deleting=True)), owner="")
    ownerless = changed(before, key("web"), owner="")
    assert not plan(nobody, ownerless, {}, NOW).actions


def test_two_moved_apart_are_brought_together() -> None:
    """It was moved while the engine did not answer; now both are there."""
    old = settled(graph(container("web")))
    new = settled(graph(process("web")))
    both = with_thing(old, seen(new, key("web")))
    assert [
        (a.verb, a.seen.runtime) for a in plan(graph(process("web")), both, {}, NOW).actions if a.key == key("web")
    ] == [
        (Verb.STOP, "docker"),
        (Verb.REMOVE, "docker"),
    ]


def test_hands_off_what_moved_and_is_just_being_started_there() -> None:
    before = changed(settled(graph(container("web"))), key("web"), phase=Phase.STARTING)
    planned = plan(graph(process("web")), before, {}, NOW)
    assert [wait.reason for wait in planned.waits] == [Reason.STARTING]


def test_a_stranger_in_a_network_to_be_made_anew_sends_nobody_away() -> None:
    """It wears the key of one of ours; ours is not even in that network."""
    web, back = container("web"), resource("network", "back", NetworkSpec())
    before = settled(graph(web, back))
    copy = stranger("copy", owner="somebody", key=key("web"), networks=("shop-back",))
    changed_network = resource("network", "back", NetworkSpec(internal=True))
    planned = plan(graph(web, changed_network), with_thing(before, copy), {}, NOW)
    assert not planned.actions
    assert [(wait.key.name, wait.reason) for wait in planned.waits] == [("back", Reason.IN_USE)]


def test_a_network_with_our_labels_and_another_name_is_not_our_network() -> None:
    copy = Observed("copy", "copied", "network", "docker", owner="me", key=key("default", None, "network"))
    planned = plan(graph(container("web")), with_thing(EMPTY, copy), {}, NOW)
    assert [str(action) for action in planned.actions] == ["Create network/shop/default: it does not exist"]


def test_a_refused_network_is_not_asked_for_again_at_once() -> None:
    from reconciler.model.plan import Record

    services = graph(container("web"))
    network = key("default", None, "network")
    fingerprint = plan(services, EMPTY, {}, NOW).desired[network].fingerprint
    journal = {network: Record(1, NOW, fingerprint, "Refused", "the subnet overlaps")}
    planned = plan(services, EMPTY, journal, NOW)
    assert not planned.actions
    assert planned.waits[0].reason is Reason.BACK_OFF
    assert plan(services, EMPTY, journal, NOW + 2).actions


def test_a_refused_removal_is_not_asked_for_again_at_once() -> None:
    from reconciler.model.plan import Record

    gone = graph(replace(container("web"), deleting=True))
    before = settled(graph(container("web")))
    planned = plan(gone, before, {key("web"): Record(1, NOW, "", "Denied", "not permitted")}, NOW)
    assert [wait.reason for wait in planned.waits if wait.key == key("web")] == [Reason.BACK_OFF]


def test_a_tombstone_is_buried_once_a_complete_look_shows_nothing() -> None:
    gone = graph(replace(container("web"), deleting=True))
    before = settled(graph(container("web")))
    blind = replace(EMPTY, views=(replace(EMPTY.views[0], problem="no answer"), EMPTY.views[1]))
    assert list(buried(gone, before)) == []
    assert list(buried(gone, blind)) == []
    assert list(buried(gone, EMPTY)) == [key("web", None)]


def test_a_volumes_tombstone_waits_for_every_view() -> None:
    """It lies with whoever used it, and nobody may be left who could say who that was."""
    gone = graph(replace(resource("volume", "data", VolumeSpec()), deleting=True, delete_data=True))
    blind = replace(EMPTY, views=(EMPTY.views[0], replace(EMPTY.views[1], problem="no answer")))
    assert list(buried(gone, blind)) == []
    assert list(buried(gone, EMPTY)) == [key("data", None, "volume")]


def test_a_volume_that_stays_is_forgotten_with_the_last_who_was_deleted_with_it_and_used_it() -> None:
    """Before, it would be called an orphan by the very command that was told to delete it."""
    data = resource("volume", "data", VolumeSpec())
    web = container("web", volumes=(VolumeMount(volume="data", mount_path="/d"),))
    gone = graph(replace(web, deleting=True), replace(data, deleting=True))
    there = settled(graph(web, data))
    assert list(buried(gone, there)) == []
    web_id = seen(there, key("web")).id
    left = replace(there, views=tuple(_without(view, web_id) for view in there.views))
    assert set(buried(gone, left)) == {web.key, data.key}
    assert list(buried(graph(replace(data, deleting=True)), there)) == [data.key], "others never knew of it"


def test_a_volume_that_lies_in_two_runtimes_is_buried_once_both_are_gone() -> None:
    """Its service was moved from the one to the other, so there is data in each."""
    data = resource("volume", "data", VolumeSpec())
    gone = graph(replace(data, deleting=True, delete_data=True))
    there = settled(graph(data))
    both = with_thing(there, replace(seen(there, data.key), id="other", runtime="process"))
    removals = plan(gone, both, {}, NOW).actions
    assert [action.verb for action in removals] == [Verb.REMOVE, Verb.REMOVE]
    done, failed = (Outcome(action, Result.DONE) for action in removals)
    assert list(buried(gone, both, [done, failed])) == [data.key]
    assert list(buried(gone, both, [done, replace(failed, result=Result.UNKNOWN)])) == []


def test_a_copy_of_a_volume_keeps_no_tombstone() -> None:
    """What wears our labels under another name is not our volume: it is never removed, so nobody waits for it."""
    gone = graph(replace(resource("volume", "data", VolumeSpec()), deleting=True, delete_data=True))
    labels = {"owner": "me", "key": key("data", None, "volume")}
    copy = Observed("copy", "copied", "volume", "docker", **labels)
    ours = Observed("ours", "shop-data", "volume", "docker", **labels)
    assert list(buried(gone, with_thing(EMPTY, copy))) == [key("data", None, "volume")]
    assert list(buried(gone, with_thing(with_thing(EMPTY, copy), ours))) == []


def test_a_plan_of_a_thousand_services_takes_less_than_a_second_and_none_costs_more_than_another() -> None:
    small, large = (_seconds(size) for size in (100, 1000))
    print(f"plan of 100: {small * 1e3:.0f} ms, of 1,000: {large * 1e3:.0f} ms")
    assert large < 5
    assert large / 10 < small * 4


def _seconds(size: int) -> float:
    services = graph(*(container(f"s{i}", ports=(http(),), env={"I": str(i)}) for i in range(size)))
    before: Snapshot = settled(services)
    took = []
    for _ in range(3):
        started = time.perf_counter()
        assert plan(services, before, {}, NOW).settled
        took.append(time.perf_counter() - started)
    return min(took)


def test_what_was_run_from_an_image_of_ours_is_never_taken_for_ours() -> None:
    """An image that was committed from a container of ours hands its labels on."""
    services = graph(container("web"))
    world = settled(services)
    copy = replace(seen(world, key("web")), id="copied", name="debug", image="debug")
    alone = with_thing(changed(world, key("web"), phase=Phase.EXITED), copy)
    alone = replace(alone, views=tuple(_without(view, seen(world, key("web")).id) for view in alone.views))

    assert [(a.verb, a.key) for a in plan(services, alone, {}, NOW).actions] == [(Verb.CREATE, key("web"))]

    deleted = graph(replace(container("web"), deleting=True))
    assert [a for a in plan(deleted, alone, {}, NOW).actions if a.key.kind == "service"] == []


def _without(view: View, object_id: str) -> View:
    return replace(view, objects=tuple(thing for thing in view.objects if thing.id != object_id))
