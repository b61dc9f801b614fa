"""Resources of one namespace, linked: what is wrong between them is said, with its place and a next step."""

from __future__ import annotations

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.graph import Graph, graph_of
from reconciler.core.linking import link_faults
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.service import Dependency, EnvFrom, VolumeMount
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from tests.core.build import container, graph, http, key, process, resource


def complaints(*resources: Resource) -> list[str]:
    return [f"{k.short}: {'.'.join(map(str, f.path))}: {f.message}" for k, f in link_faults(graph(*resources))]


def test_what_links_has_no_faults() -> None:
    assert (
        complaints(
            container("web", depends_on=("db",), networks=("back",), env={"DB": "${db.addr}"}, ports=(http(80),)),
            container(
                "db", networks=("back",), ports=(http(5432),), volumes=(VolumeMount(volume="data", mount_path="/d"),)
            ),
            resource("network", "back", NetworkSpec()),
            resource("volume", "data", VolumeSpec()),
        )
        == []
    )


def test_H12_F46_a_missing_dependency_is_named_with_its_place_and_a_suggestion() -> None:
    [(_, fault)] = link_faults(graph(container("web", depends_on=("dbb",)), container("db")))
    assert fault.path == ("dependsOn", 0)
    assert "there is no service called 'dbb' in namespace 'shop'" in fault.message
    assert fault.hint == "did you mean 'db'?"


def test_H12_F46_a_circle_is_shown_as_one() -> None:
    names = ("a", "b", "c")
    circle = [container(name, depends_on=(names[i - 1],)) for i, name in enumerate(names)]
    [said] = complaints(*circle)
    assert "a circle of dependencies: " in said
    assert said.count("->") == 3


def test_H12_F46_nobody_depends_on_himself() -> None:
    assert complaints(container("a", depends_on=("a",))) == ["service/a: dependsOn: a depends on itself"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdef"), max_size=3), min_size=1))
def test_F46_there_is_a_circle_where_the_standard_library_finds_one(wanted: dict[str, frozenset[str]]) -> None:
    services = [container(name, depends_on=tuple(sorted(wanted.get(name, ())))) for name in "abcdef"]
    try:
        TopologicalSorter(wanted).prepare()
        circular = False
    except CycleError:
        circular = True
    said = complaints(*services)
    assert bool(said) == circular
    for complaint in said:
        *_, path = complaint.partition("a circle of dependencies: ")
        steps = path.split("; ")[0].split(" -> ") if path else []
        assert all(later in wanted.get(earlier, ()) for earlier, later in pairwise(steps)), complaint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${nobody.addr}", "no service is called 'nobody'"),
        ("${db.colour}", "is not a reference"),
        ("${db.ports.admin}", "no port of db is called 'admin'"),
        ("${ports.admin}", "no port is called 'admin'"),
        ("${volumes.data}", "no volume of this service is called 'data'"),
        ("${silent.addr}", "service 'silent' declares no ports"),
    ],
)
def test_H19_a_reference_to_nothing_is_a_fault(text: str, said: str) -> None:
    [found] = complaints(container("web", env={"X": text}), container("db", ports=(http(5432),)), container("silent"))
    assert found.startswith("service/web: env.X: ")
    assert said in found


def test_H19_a_reference_in_a_config_is_checked_for_who_uses_it() -> None:
    config = resource("config", "app", ConfigSpec(data={"URL": "${nobody.url}"}))
    [found] = complaints(container("web", env_from=(EnvFrom(config="app"),)), config)
    assert "service/web: envFrom.0: ${nobody.url}" in found


def test_H11_containers_that_can_not_reach_each_other_are_told_so() -> None:
    networks = [resource("network", name, NetworkSpec()) for name in ("n1", "n2")]
    web = container("web", networks=("n1",), env={"DB": "${db.addr}"})
    [found] = complaints(web, container("db", networks=("n2",), ports=(http(1),)), *networks)
    assert "share no network" in found
    assert complaints(web, container("db", networks=("n2",), ports=(http(1, bind="0.0.0.0"),)), *networks) == []


def test_two_that_insist_on_one_port_are_told_before_anything_is_made() -> None:
    [found] = complaints(container("a", ports=(http(80),)), process("b", ports=(http(80),)))
    assert found == "service/b: ports.0.hostPort: host port 80 is asked for by service/a too"


@pytest.mark.parametrize(
    "other",
    [
        container("b", ports=(http(80, protocol="udp"),)),
        container("b", ports=(http(80, bind="10.0.0.1"),)),
        container("b", ports=(http(80, on_conflict="reassign"),)),
        container("b", ports=(http(80),), replicas=0),
    ],
)
def test_these_can_share_a_number(other: Resource) -> None:
    assert complaints(container("a", ports=(http(80),)), other) == []


def test_a_container_and_a_process_can_not_share_a_volume() -> None:
    mount = VolumeMount(volume="data")
    data = resource("volume", "data", VolumeSpec())
    found = complaints(container("a", volumes=(replace(mount, mount_path="/d"),)), process("b", volumes=(mount,)), data)
    assert found == ["volume/data: : a container and a native process share it: service/a and service/b"]


def test_a_processs_volume_is_a_plain_directory() -> None:
    data = resource("volume", "data", VolumeSpec(options={"type": "tmpfs"}))
    assert "plain directories" in complaints(process("a", volumes=(VolumeMount(volume="data"),)), data)[0]


def test_tombstones_are_kept_apart_and_do_not_count() -> None:
    gone = replace(container("web", depends_on=("db",)), deleting=True)
    found = graph(gone, container("db"))
    assert list(found.resources) == [key("db", None)]
    assert list(found.removed) == [key("web", None)]
    assert list(link_faults(found)) == []
    assert found.dependents("db") == [key("web", None)]


def test_other_namespaces_are_none_of_its_business() -> None:
    elsewhere = Resource(Key("service", "other", "db"), container("db").spec)
    assert graph_of("shop", [elsewhere]) == Graph("shop")


def test_faults_do_not_depend_on_the_order_of_documents() -> None:
    many = [container("a", depends_on=("x",)), container("b", env={"X": "${y.addr}"}), container("c", ports=(http(1),))]
    many.append(container("d", ports=(http(1),), depends_on=(Dependency(service="z"),)))
    assert complaints(*many) == complaints(*reversed(many))
