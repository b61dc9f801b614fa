"""H10, H11, H19: where a service is found depends on who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from reconciler.core.addresses import Address, Callee, Unknown, addresses, variables
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.service import Port
from reconciler.model.desired import PortBinding
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.plan import Reason
from reconciler.model.resource import Resource
from tests.core.build import EMPTY, container, graph, http, process, resource, with_thing

BINDING = PortBinding("http", 80, 20001)
NETWORK = Observed("n", "shop-default", "network", "docker", gateway="172.17.0.1")


def found(
    caller: Resource,
    callee: Resource,
    snapshot: Snapshot = EMPTY,
    *more: Resource,
    bindings: Sequence[PortBinding] = (BINDING,),
) -> Address:
    services = graph(caller, callee, *more)
    [(_, address)] = addresses(services, snapshot, caller.spec, Callee(callee.key.name, callee.spec, bindings))
    return address


def test_H11_container_to_container_is_its_name_and_the_port_inside() -> None:
    assert found(container("a"), container("db")).addr == "db:80"


def test_H11_process_to_container_is_loopback_and_the_port_published() -> None:
    assert found(process("a"), container("db")).addr == "127.0.0.1:20001"


def test_H11_process_to_process_is_loopback_and_its_own_port() -> None:
    assert found(process("a"), process("db")).addr == "127.0.0.1:20001"


def test_H11_container_to_process_is_the_host_as_seen_in_its_network() -> None:
    assert found(container("a"), process("db"), with_thing(EMPTY, NETWORK)).addr == "172.17.0.1:20001"


def test_H11_containers_that_share_no_network_meet_at_the_host() -> None:
    back = resource("network", "back", NetworkSpec())
    there = with_thing(EMPTY, NETWORK)
    assert found(container("a"), container("db", networks=("back",)), there, back).addr == "172.17.0.1:20001"


def test_H11_a_published_address_is_the_one_that_it_is_bound_to() -> None:
    wide = replace(BINDING, bind="0.0.0.0")
    narrow = replace(BINDING, bind="192.168.1.5")
    assert found(process("a"), container("db"), bindings=(wide,)).host == "127.0.0.1"
    assert found(process("a"), container("db"), bindings=(narrow,)).host == "192.168.1.5"


def test_H11_the_host_is_not_known_before_the_network_is() -> None:
    with pytest.raises(Unknown, match="network shop-default has to be there") as raised:
        found(container("a"), process("db"))
    assert raised.value.reason is Reason.NETWORK


def test_H11_an_external_network_that_is_missing_needs_a_person() -> None:
    corp = resource("network", "corp", NetworkSpec(external=True))
    with pytest.raises(Unknown) as raised:
        found(container("a", networks=("corp",)), process("db"), EMPTY, corp)
    assert raised.value.reason is Reason.EXTERNAL_MISSING


def test_an_address_of_the_sixth_version_stands_in_brackets() -> None:
    assert Address("fd00::1", 80, "http").url == "http://[fd00::1]:80"


@pytest.mark.parametrize(
    ("port", "url"),
    [
        (Port(name="http", port=80), "http://db:80"),
        (Port(name="postgres", port=80), "postgres://db:80"),
        (Port(name="admin", port=80), "tcp://db:80"),
        (Port(name="dns", port=80, protocol="udp"), "udp://db:80"),
        (Port(port=80), "http://db:80"),
    ],
)
def test_H19_the_scheme_is_the_ports_name_where_it_is_one(port: Port, url: str) -> None:
    binding = PortBinding(port.label, 80, 20001, port.protocol)
    assert found(container("a"), container("db"), bindings=(binding,)).url == url


def test_H19_a_service_without_ports_has_a_host() -> None:
    assert found(container("a"), container("db"), bindings=()) == Address("db", None)


def test_H10_a_dependent_is_told_by_its_environment() -> None:
    told = dict(variables("my-db", [("http", Address("db", 80, "http"))]))
    assert told == {"MY_DB_HOST": "db", "MY_DB_PORT": "80", "MY_DB_ADDR": "db:80", "MY_DB_URL": "http://db:80"}


def test_H10_of_several_ports_each_is_told_by_its_name() -> None:
    several = [("http", Address("db", 80, "http")), ("admin-ui", Address("db", 81))]
    told = dict(variables("db", several))
    assert told["DB_PORT"] == told["DB_HTTP_PORT"] == "80"
    assert told["DB_ADMIN_UI_ADDR"] == "db:81"


def test_H10_without_ports_only_the_host_is_told() -> None:
    assert dict(variables("db", [("", Address("db", None))])) == {"DB_HOST": "db"}


def test_a_port_may_be_asked_for_in_parts() -> None:
    address = Address("db", 80, "http")
    assert [address.part(name) for name in ("host", "ip", "port", "addr", "url")] == [
        "db",
        "db",
        "80",
        "db:80",
        "http://db:80",
    ]
    assert http().label == "http"
