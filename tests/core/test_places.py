"""Things are kept apart by their place: a runtime on a host. What is a rule on one machine is one on each."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.linking import link_faults
from reconciler.core.parse import Text, parse
from reconciler.core.planner import plan
from reconciler.core.sheet import show_path
from reconciler.kinds.host import HostSpec, SshAccess
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.service import Dependency
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import VolumeMount
from reconciler.model.key import Key
from reconciler.model.observed import Footing, Leg, Snapshot, View
from reconciler.model.place import Place
from reconciler.model.plan import Reason, Verb
from reconciler.model.resource import Resource
from tests.core.build import NOW, assigned, container, graph, http, key, numbers, process, rendered, resource, settled

A = "shop/a"
VIEWS = tuple(View(runtime, host) for host in ("local", A, "b") for runtime in ("docker", "process"))
WORLD = Snapshot(VIEWS)
HERE = resource("host", "local", HostSpec(address="10.0.0.1"))
OWN = resource("host", "a", HostSpec(ssh=SshAccess(host="10.0.0.2")))
EVERYBODYS = Resource(Key("host", "default", "b"), HostSpec(ssh=SshAccess(host="10.0.0.3"), address="10.9.0.3"))
HOSTS = (HERE, OWN, EVERYBODYS)


@pytest.mark.parametrize("place", [Place("docker"), Place("process", "b"), Place("docker", A)])
def test_a_place_reads_as_it_is_printed(place: Place) -> None:
    assert Place.of(str(place)) == place == pickle.loads(pickle.dumps(place))
    assert Place(place.runtime, place.host) == place


def test_here_a_place_is_called_as_its_runtime() -> None:
    assert Place("docker") == "docker"
    assert Place("docker", A) == "docker@shop/a"
    assert Place("process", "b").engine == "docker@b"


def test_a_namespaces_own_host_goes_before_everybodys() -> None:
    mine = resource("host", "b", HostSpec(ssh=SshAccess(host="10.0.0.9")))
    one = graph(process("api", run_on="b"), *HOSTS)
    assert [spec.place for _, spec in one.workloads()] == ["process@b"]
    other = graph(process("api", run_on="b"), *HOSTS, mine)
    assert [spec.place for _, spec in other.workloads()] == ["process@shop/b"]


def test_a_host_that_nobody_declared_is_a_fault_where_it_is_named() -> None:
    (found,) = link_faults(graph(process("api", run_on="bb"), *HOSTS))
    assert found[1].path == ("runOn",)
    assert found[1].hint == "did you mean 'b'?"


SPEC = """\
apiVersion: reconciler/v1
kind: Service
metadata: {name: api, namespace: shop}
spec:
  runOn: a
  container: {image: i, workspace: .}
  volumes: [{hostPath: ./src, mountPath: /src}, {hostPath: ~/x, mountPath: /x}, {hostPath: /etc, mountPath: /y}]
"""


def test_a_path_beside_the_spec_file_is_on_no_other_host() -> None:
    (document,) = parse([Text("spec.yaml", SPEC.encode(), "/home/me")], environment={"HOME": "/home/me"})
    found = {show_path(fault.path): fault for _, fault in link_faults(graph(document.resource, *HOSTS))}
    assert sorted(found) == ["container.workspace", "volumes[0].hostPath", "volumes[1].hostPath"]
    assert found["volumes[0].hostPath"].message == "'./src' is relative to the spec file, which is not on shop/a"


def test_a_host_whose_document_cannot_be_read_is_no_other_and_who_runs_there_is_left_alone() -> None:
    api, everybodys = process("api", run_on="a"), Resource(Key("host", "default", "a"), OWN.spec)
    there = settled(graph(api, *HOSTS, everybodys), WORLD)
    damaged = {Key("host", "shop", "a"): "its file is cut off"}

    desired = graph(process("api", run_on="a", env={"NEW": "1"}), HERE, everybodys, damaged=damaged)

    assert list(link_faults(desired)) == []
    found = plan(desired, there, {}, NOW)
    assert found.actions == ()
    assert ("api", "it needs host/a, and its file is cut off") in {(w.key.name, w.message) for w in found.waits}


def test_a_number_can_be_had_on_each_host_and_once_on_each() -> None:
    given = [process(name, run_on=host, ports=(http(8080),)) for name, host in (("x", "local"), ("y", "a"), ("z", "b"))]
    desired = graph(*given, *HOSTS)
    assert list(link_faults(desired)) == []
    assert set(numbers(assigned(desired, WORLD)).values()) == {8080}

    crowded = graph(*given, process("w", run_on="a", ports=(http(8080),)), *HOSTS)
    assert [fault.message for _, fault in link_faults(crowded)] == ["host port 8080 is asked for by service/y too"] or [
        fault.message for _, fault in link_faults(crowded)
    ] == ["host port 8080 is asked for by service/w too"]


def test_a_network_is_on_each_host_on_which_its_containers_run() -> None:
    desired = graph(container("x"), container("y", run_on="a"), process("z", run_on="b"), *HOSTS)
    made = {(a.key.name, a.desired.place) for a in plan(desired, WORLD, {}, NOW).actions if a.key.kind == "network"}
    assert made == {("default", "docker"), ("default", "docker@shop/a")}

    moved = graph(container("x"), container("y"), *HOSTS)
    there = settled(desired, WORLD)
    after = settled(moved, there)
    assert [thing.place for thing in after.objects() if thing.kind == "network"] == ["docker"]


def test_a_volume_lies_with_each_who_uses_it_and_stays_where_it_was() -> None:
    mount = (VolumeMount(volume="data", mount_path="/data"),)
    data = resource("volume", "data", VolumeSpec())
    first = settled(graph(container("x", volumes=mount), data, *HOSTS), WORLD)
    moved = settled(graph(container("x", volumes=mount, run_on="a"), data, *HOSTS), first)
    assert sorted(thing.place for thing in moved.objects() if thing.kind == "volume") == ["docker", "docker@shop/a"]


def test_who_is_moved_is_made_there_and_taken_down_here_and_keeps_its_port() -> None:
    before = settled(graph(process("api", ports=(http(),)), *HOSTS), WORLD)
    desired = graph(process("api", ports=(http(),), run_on="a"), *HOSTS)
    after = settled(desired, before)
    (thing,) = [thing for thing in after.objects() if thing.key and thing.key.name == "api"]
    assert thing.place == "process@shop/a"
    assert plan(desired, after, {}, NOW).settled


def test_of_a_host_that_does_not_answer_nothing_is_concluded_and_the_others_go_on() -> None:
    desired = graph(process("x", run_on="a"), process("y", run_on="b"), *HOSTS)
    there = settled(desired, WORLD)
    views = tuple(replace(v, objects=(), problem="no answer") if v.host == A else v for v in there.views)
    changed = graph(process("x", run_on="a"), process("y", run_on="b", env={"NEW": "1"}), *HOSTS)

    found = plan(changed, replace(there, views=views), {}, NOW)

    assert {(w.key.name, w.reason) for w in found.waits if w.key.name == "x"} == {("x", Reason.UNREACHABLE)}
    assert {action.key.name for action in found.actions} == {"y"}


def test_what_is_deleted_on_a_silent_host_waits_and_so_does_the_host() -> None:
    desired = graph(process("x", run_on="a"), *HOSTS)
    there = settled(desired, WORLD)
    gone = graph(replace(process("x", run_on="a"), deleting=True), HERE, replace(OWN, deleting=True), EVERYBODYS)
    silent = replace(
        there, views=tuple(replace(v, objects=(), problem="no") if v.host == A else v for v in there.views)
    )
    assert {w.reason for w in plan(gone, silent, {}, NOW).waits} == {Reason.UNREACHABLE}
    assert {a.verb for a in plan(gone, there, {}, NOW).actions} == {Verb.STOP, Verb.REMOVE}


@pytest.mark.parametrize(
    ("caller", "host"),
    [("local", "10.9.0.3"), ("a", "10.9.0.3"), ("b", "127.0.0.1")],
)
def test_a_process_is_told_the_address_that_it_needs_where_it_is(caller: str, host: str) -> None:
    api = process("api", run_on=caller, depends_on=(Dependency(service="db"),))
    desired = rendered(graph(process("db", run_on="b", ports=(http(5432),)), api, *HOSTS), WORLD).desired
    assert desired[key("api")].payload.env["DB_ADDR"] == f"{host}:5432"


def test_a_container_is_published_on_its_hosts_address_only_when_somebody_elsewhere_calls_it() -> None:
    db = container("db", run_on="b", ports=(http(5432),))
    near = process("near", run_on="b", depends_on=("db",))
    alone = rendered(graph(db, near, *HOSTS), WORLD).desired
    assert alone[key("db")].payload.ports[0].bind == "127.0.0.1"

    called = rendered(graph(db, near, process("far", depends_on=("db",)), *HOSTS), WORLD).desired
    assert called[key("db")].payload.ports[0].bind == "10.9.0.3"
    assert called[key("near")].payload.env["DB_ADDR"] == "10.9.0.3:5432"
    assert called[key("far")].payload.env["DB_ADDR"] == "10.9.0.3:5432"


def test_who_is_elsewhere_waits_for_an_address_that_nobody_said() -> None:
    desired = graph(process("db", ports=(http(),)), process("api", run_on="b", depends_on=("db",)), OWN, EVERYBODYS)
    wait = rendered(desired, WORLD).waits[key("api")]
    assert "declare a Host called local with its address" in wait.message


@pytest.mark.parametrize("home", ["a", "b", "local"])
def test_a_machine_that_goes_by_several_names_is_not_taken_for_several(home: str) -> None:
    """Its engine shows everything under each: nothing moved, nothing is left over."""
    desired = graph(container("web", run_on=home), *HOSTS)
    there = settled(desired, WORLD)

    everything = there.objects()
    views = tuple(
        replace(view, objects=tuple(replace(thing, host=view.host) for thing in everything if view.runtime == "docker"))
        for view in there.views
    )
    shown = replace(there, views=views)

    assert plan(desired, shown, {}, NOW).settled
    gone = graph(replace(container("web", run_on=home), deleting=True), *HOSTS)
    taken = plan(gone, shown, {}, NOW).actions
    assert [(action.key, action.verb) for action in taken if action.key.is_workload] == [
        (key("web"), Verb.STOP), (key("web"), Verb.REMOVE)
    ]  # fmt: skip
    for other in {"a", "b", "local"} - {home}:
        renamed = graph(container("web", run_on=other), *HOSTS)
        assert [a for a in plan(renamed, shown, {}, NOW).actions if a.key.is_workload] == [], other


def met(host: str, address: str, **view: Any) -> View:
    """It was reached at that address, which is on one of its interfaces."""
    return View("mesh", host, **{"footing": Footing((Leg("eth0", f"{address}/24"),), address), **view})


@pytest.mark.parametrize(("address", "told"), [("", "10.0.0.7"), ("nas.example", "nas.example")])
def test_H11_a_name_that_is_there_for_ssh_is_not_told_to_others_and_nobody_is_published_at_one(
    address: str, told: str
) -> None:
    """It may be an alias in our own configuration; an address that is declared is said as it is."""
    nas = resource("host", "nas", HostSpec(ssh=SshAccess(host="nas"), address=address))
    db = container("db", run_on="nas", ports=(http(5432),))
    far, near = process("far", depends_on=("db",)), process("near", run_on="nas", depends_on=("db",))
    aside = container("aside", run_on="nas", depends_on=("db",), networks=("own",))
    desired = graph(db, far, near, aside, resource("network", "own", NetworkSpec()), nas, HERE)
    views = (View("docker"), View("process"), View("docker", "shop/nas"), View("process", "shop/nas"))
    seen = rendered(desired, Snapshot((*views, met("local", "10.0.0.1"), met("shop/nas", "10.0.0.7")))).desired

    assert [port.bind for port in seen[key("db")].payload.ports] == ["10.0.0.7"]
    assert seen[key("far")].payload.env["DB_ADDR"] == f"{told}:5432"
    assert {seen[key(name)].payload.env["DB_ADDR"] for name in ("near", "aside")} == {"10.0.0.7:5432"}

    silent = met("shop/nas", "10.0.0.7", footing=None, problem="no answer")
    waits = rendered(desired, Snapshot((*views, met("local", "10.0.0.1"), silent))).waits
    assert address or waits[key("far")].reason is Reason.UNREACHABLE, "nobody is told another address meanwhile"
