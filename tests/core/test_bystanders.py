"""Who is there, has its name and its ports, and runs, is not moved by anybody else: a settled plan stays settled."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.graph import Graph, graph_of
from reconciler.core.planner import plan
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import Container, Port, VolumeMount
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Listener, Observed, Phase, Snapshot, View
from reconciler.model.resource import Resource

NOW = 1_000_000.0
NAMESPACE = "shop"
PORTS = (8080, 20_000, 20_001)
"""A fixed one of ours, and some of the automatic range, whichever of them we got."""


def graph() -> Graph:
    web = ServiceSpec(
        container=Container(image="web:1"),
        replicas=1,
        ports=(Port(name="http", port=80, host_port=8080), Port(name="admin", port=81, host_port="auto")),
        volumes=(VolumeMount(volume="data", mount_path="/data"),),
    )
    db = ServiceSpec(container=Container(image="db:1"), replicas=2, env={"WEB": "${web.addr}"})
    kinds = {("service", "web"): web, ("service", "db"): db, ("volume", "data"): VolumeSpec()}
    resources = [Resource(Key(kind, NAMESPACE, name), spec) for (kind, name), spec in kinds.items()]
    return graph_of(NAMESPACE, resources, owner="me")


def settled(declared: Graph) -> Snapshot:
    """Built wave by wave, as the engine would come to it."""
    snapshot = Snapshot((View("docker"), View("process")))
    for _ in range(4):
        wanted = plan(declared, snapshot, {}, NOW).desired.values()
        snapshot = Snapshot((View("docker", objects=tuple(map(_made, wanted))), View("process")))
    assert plan(declared, snapshot, {}, NOW).settled
    return snapshot


def _made(item: Desired) -> Observed:
    bindings = tuple(Binding(p.host_port, p.protocol, p.bind) for p in getattr(item.payload, "ports", ()))
    return Observed(
        id=f"id-{item.name}", name=item.name, kind=item.key.kind, runtime=item.runtime, key=item.key, owner="me",
        fingerprint=item.fingerprint, grants=item.grants, bindings=bindings, started_at=NOW - 60,
        networks=getattr(item.payload, "networks", ()),
    )  # fmt: skip


GRAPH = graph()
WORLD = settled(GRAPH)
TAKEN = {binding.port for thing in WORLD.objects() for binding in thing.bindings}

ports = st.sampled_from([port for port in (*PORTS, 80, 8081, 25_000, 29_999) if port not in TAKEN])
bystanders = st.builds(
    Observed,
    id=st.uuids().map(str),
    name=st.sampled_from(["web", "shop", "other-web-0", "data", "default", "a-shop-web-0"]),
    kind=st.sampled_from(["service", "network", "volume"]),
    runtime=st.sampled_from(["docker", "process"]),
    owner=st.sampled_from(["", "somebody", "me"]),
    phase=st.sampled_from(list(Phase)),
    bindings=st.lists(st.builds(Binding, ports), max_size=3).map(tuple),
    networks=st.lists(st.sampled_from(["bridge", "other-default"]), max_size=2).map(tuple),
    key=st.none() | st.builds(Key, st.just("service"), st.just("other"), st.just("web"), st.integers(0, 2)),
)
listeners = st.lists(st.builds(Listener, st.builds(Binding, ports), st.none() | st.just(1)), max_size=5).map(tuple)


@given(st.lists(bystanders, max_size=6), listeners)
def test_what_others_have_and_do_unsettles_nobody(others: list[Observed], heard: tuple[Listener, ...]) -> None:
    views = tuple(
        replace(view, objects=(*view.objects, *(thing for thing in others if thing.runtime == view.runtime)))
        for view in WORLD.views
    )
    ours = tuple(Listener(Binding(port), 7, "docker-proxy") for port in sorted(TAKEN))
    found = plan(GRAPH, replace(WORLD, views=views, listeners={"local": (*ours, *heard)}), {}, NOW)
    assert found.settled, str(found)
    assert found.notes == ()
    assert found.desired == plan(GRAPH, WORLD, {}, NOW).desired
