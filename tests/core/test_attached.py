"""H5, as values: how what others run is found, what is told of it, and that no plan ever touches it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.attached import Running, claimed
from reconciler.core.graph import Graph
from reconciler.core.linking import link_faults
from reconciler.core.permitted import violations
from reconciler.core.planner import plan
from reconciler.core.policy import RESTRICTED
from reconciler.core.summarize import statuses
from reconciler.core.world import World
from reconciler.kinds.attach import AttachTo, RunningProcess
from reconciler.kinds.host import HostSpec, SshAccess
from reconciler.kinds.job import JobSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Port
from reconciler.model.observed import INSTANCE, Binding, Observed, Phase, Snapshot, View
from reconciler.model.plan import Reason, Verb
from reconciler.model.resource import Resource
from tests.core.build import NOW, container, graph, http, key, process, rendered, resource, settled
from tests.core.machine import MACHINE

THEIRS = Observed("f" * 64, "theirs", INSTANCE, "docker", bindings=(Binding(32001, address="0.0.0.0", inside=80),))
OTHER = Observed("e" * 64, "other", INSTANCE, "docker")


def attached(name: str = "db", **to: Any) -> Resource:
    spec = ServiceSpec(attach_to=AttachTo(**to), ports=(Port(name="http", port=80),))
    return Resource(key(name, None), spec)


DB = attached(container="theirs")


def world(desired: Graph, *things: Observed, processes: tuple[Running, ...] = ()) -> Snapshot:
    """A look at these."""
    targets = {k.instance(0): spec for k, spec in desired.services() if spec.attach_to}
    views = (View("docker", objects=things), View("process"))
    found, missing = claimed(desired.owner, targets, views, dict.fromkeys(targets, processes))
    return Snapshot(found, unattached=missing)


@pytest.mark.parametrize("name", ["theirs", "f" * 64, "f" * 12])
def test_a_container_is_found_by_its_name_or_its_id(name: str) -> None:
    desired = graph(attached(container=name))
    (seen,) = [thing for thing in world(desired, OTHER, THEIRS).objects() if thing.attached]
    assert (seen.id, seen.key, seen.owner) == (THEIRS.id, key("db"), "me")


def test_of_several_processes_the_one_counts_that_has_begun_the_others() -> None:
    desired = graph(attached(process=RunningProcess(name="nginx")))
    workers = [Running(20 + i, 10, "5", "nginx", NOW - 50) for i in range(3)]
    seen = world(desired, processes=(*workers, Running(10, 1, "4", "nginx", NOW - 60)))
    assert [thing.pid for thing in seen.objects()] == [10]

    unclear = world(desired, processes=(Running(10, 1, "4", "nginx", NOW), Running(11, 1, "4", "nginx", NOW)))
    assert "there are 2 of them" in unclear.unattached[key("db")]


@pytest.mark.parametrize("phase", list(Phase))
def test_whatever_becomes_of_it_no_plan_touches_it(phase: Phase) -> None:
    desired = graph(DB, process("api", depends_on=("db",)))
    for things in ((), (replace(THEIRS, phase=phase, bindings=()),), (replace(THEIRS, phase=phase),)):
        actions = plan(desired, world(desired, *things), {}, NOW).actions
        assert [action for action in actions if action.key.name == "db"] == []
        gone = graph(replace(DB, deleting=True))
        assert plan(gone, world(gone, *things), {}, NOW).actions == ()


def test_what_is_gone_is_told_and_its_callers_stay_as_they_are() -> None:
    desired = graph(DB, process("api", depends_on=("db",)))
    there = settled(desired, world(desired, replace(THEIRS, started_at=NOW - 60)))
    ran = [thing for thing in there.objects() if thing.key == key("api")]
    after = world(desired)
    after = replace(after, views=tuple(replace(v, objects=(*v.objects, *(t for t in ran if t.place == v.place)))
                                       for v in after.views))  # fmt: skip
    found = plan(desired, after, {}, NOW)
    assert found.actions == ()
    waits = {wait.key: (wait.reason, wait.message) for wait in found.waits}
    assert waits[key("db")] == (Reason.NOT_THERE, "there is no container theirs on this machine")


BACK = resource("network", "back", NetworkSpec(external=True))
ON_LOOPBACK = replace(THEIRS, bindings=(Binding(32001, address="127.0.0.1", inside=80),))
UNPUBLISHED = replace(THEIRS, bindings=(), networks=("back",))
GATEWAY = Observed("n", "shop-default", "network", "docker", gateway="172.18.0.1")


@pytest.mark.parametrize(
    ("thing", "caller", "told"),
    [
        (THEIRS, process("api", depends_on=("db",)), "127.0.0.1:32001"),
        (THEIRS, container("api", depends_on=("db",)), "172.18.0.1:32001"),
        (ON_LOOPBACK, process("api", depends_on=("db",)), "127.0.0.1:32001"),
        (ON_LOOPBACK, container("api", depends_on=("db",)), "is published on 127.0.0.1 only"),
        (UNPUBLISHED, process("api", depends_on=("db",)), "is published nowhere"),
        (UNPUBLISHED, container("api", depends_on=("db",), networks=("back",)), "theirs:80"),
    ],
)
def test_where_it_is_found_depends_on_who_asks(thing: Observed, caller: Resource, told: str) -> None:
    desired = graph(DB, caller, BACK)
    seen = rendered(desired, world(desired, thing, GATEWAY))
    if ":" in told:
        assert seen.desired[key("api")].payload.env["DB_ADDR"] == told
    else:
        assert seen.waits[key("api")].reason is Reason.NOT_THERE
        assert told in seen.waits[key("api")].message


@pytest.mark.parametrize(("thing", "ports"), [(THEIRS, [32001]), (UNPUBLISHED, [])])
def test_what_is_published_nowhere_is_no_endpoint(thing: Observed, ports: list[int]) -> None:
    desired = graph(DB, BACK)
    look = world(desired, thing)
    found = statuses(desired, World(desired, look, NOW), plan(desired, look, {}, NOW), {}, {})
    assert [endpoint.port for endpoint in found[key("db", None)].endpoints] == ports


def test_nobody_else_gets_its_port() -> None:
    desired = graph(DB, process("api", ports=(http(32001),)))
    (wait,) = [wait for wait in plan(desired, world(desired, THEIRS), {}, NOW).waits if wait.key == key("api")]
    assert wait.reason is Reason.PORT_IN_USE
    assert "container theirs" in wait.message


def test_what_is_ours_is_no_stranger() -> None:
    web = container("web")
    there = settled(graph(web))
    (own,) = [thing for thing in there.objects() if thing.key == key("web")]
    desired = graph(web, attached(container=own.name))
    assert "service/web, which is run here" in world(desired, own).unattached[key("db")]


def test_what_was_run_here_goes_once_the_service_is_attached_to_something() -> None:
    before = settled(graph(container("db")))
    (own,) = [thing for thing in before.objects() if thing.key == key("db")]
    desired = graph(DB)
    seen = world(desired, own, THEIRS)
    found = plan(desired, seen, {}, NOW)
    assert [(action.verb, action.seen.id) for action in found.actions] == [(Verb.STOP, own.id), (Verb.REMOVE, own.id)]
    assert found.wake is not None, "a loop looks at it by itself, for nobody tells of what is not ours"


def test_a_source_that_is_limited_attaches_to_nothing() -> None:
    (fault,) = [f for f in violations(DB, RESTRICTED, MACHINE) if f.path == ("attachTo",)]
    assert "which others run" in fault.message


@pytest.mark.parametrize(("make", "may"), [(container, True), (process, False)])
def test_H6_a_job_may_run_inside_of_a_container_on_another_host(make: Any, may: bool) -> None:
    node = resource("host", "node", HostSpec(ssh=SshAccess(host="10.0.0.2")))
    job = resource("job", "tidy", JobSpec(in_="service/outer", command=("true",)))
    found = [fault.path for _, fault in link_faults(graph(make("outer", run_on="node"), job, node))]
    assert found == ([] if may else [("in",)])
