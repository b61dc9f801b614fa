"""Instances of jobs and of campaigns are instances like those of services, and share their names."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.planner import plan
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Process
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Observed, Phase, View
from reconciler.model.resource import Resource
from tests.core.build import EMPTY, NOW, container, graph, key

RUN = Key("campaign", "shop", "bench", 3)


def run(**more: object) -> Observed:
    said = {"owner": "me", "key": RUN, "phase": Phase.RUNNING, "runtime": "process", **more}
    return Observed(id="1", name=RUN.engine_name, kind=INSTANCE, **said)  # type: ignore[arg-type]


def test_runs_of_a_campaign_are_left_to_whoever_runs_it() -> None:
    snapshot = replace(EMPTY, views=(View("docker"), View("process", objects=(run(),))))
    found = plan(graph(), snapshot, {}, NOW)
    assert found.settled
    assert not found.notes
    assert [k for k, _ in World(graph(), snapshot, NOW).ours()] == [RUN]


def test_a_campaign_that_is_deleted_takes_its_runs_along() -> None:
    snapshot = replace(EMPTY, views=(View("docker"), View("process", objects=(run(),))))
    spec = ServiceSpec(process=Process(command=("gone",)))
    found = plan(graph(Resource(RUN.resource, spec, deleting=True)), snapshot, {}, NOW)
    assert [(str(a.verb), a.key, a.cause) for a in found.actions] == [
        ("Stop", RUN, "it was deleted"), ("Remove", RUN, "it was deleted"),
    ]  # fmt: skip


def test_the_run_of_a_campaign_has_the_name_that_a_service_would_have() -> None:
    taken = replace(run(key=Key("campaign", "shop", "web", 0), runtime="docker"), name="shop-web-0")
    snapshot = replace(EMPTY, views=(View("docker", objects=(taken,)), View("process")))
    (wait,) = [wait for wait in plan(graph(container("web")), snapshot, {}, NOW).waits if wait.key == key("web")]
    assert wait.reason == "NameConflict"
    assert "is campaign/shop/web/0" in wait.message
