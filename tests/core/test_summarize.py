"""What is told of a pass: statuses and events."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.graph import Graph
from reconciler.core.planner import plan
from reconciler.core.preview import advance
from reconciler.core.summarize import complaints, happened, statuses
from reconciler.core.world import World
from reconciler.kinds.probes import Probe, Probes, TcpSocket
from reconciler.kinds.service import Restart
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.observed import Health, Phase, Snapshot
from reconciler.model.plan import Journal, Outcome, Reason, Record, Result
from reconciler.model.status import Status
from tests.core.build import (
    EMPTY,
    NOW,
    changed,
    container,
    graph,
    http,
    key,
    listening,
    resource,
    settled,
    stranger,
    with_thing,
)

WEB = key("web", None)


def status(desired: Graph, snapshot: Snapshot, journal: Journal | None = None, before: Status | None = None) -> Status:
    planned = plan(desired, snapshot, journal or {}, NOW)
    known = {WEB: before} if before else {}
    return statuses(desired, World(desired, snapshot, NOW), planned, journal or {}, known)[WEB]


def told(found: Status, kind: str) -> tuple[str, str]:
    condition = found.condition(kind)
    return (condition.status, condition.reason)


def test_a_service_that_runs_is_ready_and_has_endpoints() -> None:
    services = graph(container("web", replicas=2, ports=(http("8080-8081"),)))
    found = status(services, settled(services))
    assert found.ready
    assert (found.replicas, found.ready_replicas, found.updated_replicas) == (2, 2, 2)
    assert [(e.name, e.host, e.port, e.index) for e in found.endpoints] == [
        ("http", "127.0.0.1", 8080, 0),
        ("http", "127.0.0.1", 8081, 1),
    ]
    assert [told(found, kind) for kind in ("Progressing", "Healthy", "Drifted")] == [
        ("False", "Settled"),
        ("True", "Ready"),
        ("False", "Settled"),
    ]


def test_an_extra_one_that_is_not_ready_is_nobodys_endpoint() -> None:
    old, new = (graph(container("web", ports=(http("auto"),), env={"V": version})) for version in "12")
    before = settled(old)
    (arrival,) = plan(new, before, {}, NOW).actions
    during = advance(before, arrival, NOW - 60)
    assert [endpoint.index for endpoint in status(new, during).endpoints] == [0, 1]
    dead = changed(during, key("web", 1), phase=Phase.EXITED, exit_code=1)
    assert [endpoint.index for endpoint in status(new, dead).endpoints] == [0]


def test_what_is_not_there_yet_is_not_ready() -> None:
    found = status(graph(container("web")), EMPTY)
    assert told(found, "Ready") == ("False", "NetworkNotReady")
    assert told(found, "Progressing")[0] == "True"


def test_a_change_behind_our_back_is_drift() -> None:
    services = graph(container("web"))
    found = status(services, changed(settled(services), key("web"), phase=Phase.PAUSED))
    assert told(found, "Drifted")[0] == "True"


def test_what_needs_a_person_is_the_reason() -> None:
    services = graph(container("web", ports=(http(8080),)))
    assert told(status(services, listening(EMPTY, 8080)), "Ready") == ("False", "PortInUse")
    taken = with_thing(EMPTY, stranger("shop-web-0"))
    assert told(status(graph(container("web")), taken), "Ready") == ("False", "NameConflict")


def test_a_crash_loop_is_called_one_after_three_restarts() -> None:
    services = graph(container("web"))
    down = changed(settled(services), key("web"), phase=Phase.EXITED, exit_code=1)
    fingerprint = plan(services, down, {}, NOW).desired[key("web")].fingerprint
    found = status(services, down, {key("web"): Record(3, NOW, fingerprint, restarts=3)})
    assert told(found, "Ready") == ("False", "CrashLoop")
    assert told(found, "Healthy") == ("False", "CrashLoop")
    assert [(i.phase, i.restarts, i.exit_code) for i in found.instances] == [("CrashLoop", 3, 1)]


def test_what_was_stopped_on_purpose_is_ready() -> None:
    assert told(status(graph(container("web", replicas=0)), EMPTY), "Ready") == ("True", "Stopped")


def test_a_job_that_ended_well_is_completed_and_one_that_did_not_has_failed() -> None:
    services = graph(container("web", restart=Restart(policy="Never")))
    there = settled(services)
    good = changed(there, key("web"), phase=Phase.EXITED, exit_code=0)
    bad = changed(there, key("web"), phase=Phase.EXITED, exit_code=1)
    assert told(status(services, good), "Ready") == ("True", "Completed")
    assert told(status(services, bad), "Ready") == ("False", "Failed")


def test_the_time_of_a_condition_moves_only_with_its_status() -> None:
    services = graph(container("web"))
    there = settled(services)
    first = status(services, there)
    earlier = replace(first, conditions=tuple(replace(c, last_transition_time=1.0) for c in first.conditions))
    assert {c.last_transition_time for c in status(services, there, before=earlier).conditions} == {1.0}
    paused = status(services, changed(there, key("web"), phase=Phase.PAUSED), before=earlier)
    assert paused.condition("Ready").last_transition_time == NOW


def test_a_volume_that_is_there_is_ready() -> None:
    volumes = graph(resource("volume", "data", VolumeSpec()))
    there = settled(volumes)
    planned = plan(volumes, there, {}, NOW)
    found = statuses(volumes, World(volumes, there, NOW), planned, {}, {})
    assert found[key("data", None, "volume")].ready


def test_a_status_knows_the_generation_that_it_is_of() -> None:
    services = graph(replace(container("web"), generation=4))
    found = status(services, settled(services))
    assert found.observed_generation == 4
    assert {condition.observed_generation for condition in found.conditions} == {4}


def test_events_tell_what_was_done_what_failed_and_what_needs_a_person() -> None:
    services = graph(container("web", ports=(http(8080),)))
    planned = plan(services, listening(EMPTY, 8080), {}, NOW)
    [create] = planned.actions
    done, refused, unknown = (
        Outcome(create, Result.DONE),
        Outcome(create, Result.REFUSED, "Denied", "not permitted"),
        Outcome(create, Result.UNKNOWN, message="the deadline passed"),
    )
    told = [*happened((done, refused, unknown), NOW), *complaints(planned, NOW)]
    found = [(e.type, e.reason, e.message) for e in told]
    assert found[:3] == [
        ("Normal", "Created", "it does not exist"),
        ("Warning", "Denied", "Create: not permitted"),
        ("Warning", "OutcomeUnknown", "Create: the deadline passed"),
    ]
    assert [(kind, reason) for kind, reason, _ in found[3:]] == [("Warning", "PortInUse")]


def test_what_passes_by_itself_is_no_event() -> None:
    planned = plan(graph(container("web")), EMPTY, {}, NOW)
    assert planned.waits[0].reason is Reason.NETWORK
    assert complaints(planned, NOW) == []


def test_between_two_restarts_the_last_one_is_told() -> None:
    services = graph(container("web", probes=Probes(liveness=Probe(tcp_socket=TcpSocket(port=80)))))
    snapshot = settled(services)
    (seen,) = [thing for thing in snapshot.objects() if thing.key == key("web")]
    ill = replace(snapshot, health={seen.id: Health(ready=False, message="liveness probe: no")})
    record = Record(failures=2, restarts=4, last_at=NOW - 1, fingerprint=seen.fingerprint, message="its probe failed")
    ready = status(services, ill, {key("web"): record}).condition("Ready")

    assert ready is not None
    assert (ready.status, ready.message) == ("False", "liveness probe: no; restarted 4 times, last: its probe failed")


def test_who_waits_for_a_port_behind_another_wait_is_told_what_a_person_has_to_know() -> None:
    """Its port is held by one of ours, which stays because the port that it is to move to is held by a stranger."""
    before = settled(graph(container("web", ports=(http(8080),)), container("other", ports=(http(8081),))))
    after = graph(container("web", ports=(http(8081),)), container("other", ports=(http(8082),)))
    found = status(after, listening(before, 8082)).condition("Ready")
    assert found
    assert found.reason == Reason.PORT_IN_USE
    assert "8081 is still held by container shop-other-0" in found.message
    assert "8082/tcp is held by pid 77 (nc)" in found.message
