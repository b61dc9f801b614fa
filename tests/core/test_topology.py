"""Who reaches whom, and how: decided by what can be seen of both. Nobody is in the mesh whom no pair needs."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.mesh import mesh
from reconciler.core.planner import plan
from reconciler.core.preview import advance
from reconciler.core.topology import Means, way
from reconciler.kinds.host import HostSpec, SshAccess, faults, named_faults
from reconciler.kinds.service import Dependency
from reconciler.model.desired import MeshPayload
from reconciler.model.observed import Footing, Leg, Snapshot, View
from reconciler.model.place import Place
from reconciler.model.plan import Reason, Verb
from reconciler.model.resource import Resource
from tests.core.build import NOW, container, graph, http, key, process, resource, settled

HERE = Leg("eth0", "10.0.0.1/24")


def machine(name: str, at: str, **spec: Any) -> Resource:
    return resource("host", name, HostSpec(ssh=SshAccess(host=at), **spec))


LOCAL = resource("host", "local", HostSpec(address="10.0.0.1"))
NEAR, FAR = machine("near", "10.0.0.2"), machine("far", "203.0.113.7")
HOSTS = (LOCAL, NEAR, FAR)
LEGS = {"local": (HERE,), "shop/near": (Leg("eth0", "10.0.0.2/24"),), "shop/far": (Leg("eth0", "192.168.7.5/24"),)}
"""`far` is behind a router, whose address is the one that leads to it."""


def world(legs: dict[str, tuple[Leg, ...]] | None = None, **footing: Any) -> Snapshot:
    found = LEGS if legs is None else legs
    views = [View(runtime, host) for host in found for runtime in ("docker", "process")]
    return Snapshot((*views, *(View("mesh", host, footing=Footing(legs=known)) for host, known in found.items())))


def seen(snapshot: Snapshot, host: str, **how: Any) -> Snapshot:
    """With another look at a host's networks."""
    place = Place("mesh", host)
    return replace(snapshot, views=tuple(replace(v, **how) if v.place == place else v for v in snapshot.views))


def away(snapshot: Snapshot, host: str) -> Snapshot:
    views = (replace(v, objects=(), footing=None, problem="gone") if v.host == host else v for v in snapshot.views)
    return replace(snapshot, views=tuple(views))


def calling(name: str, whom: str, **spec: Any) -> Resource:
    return process(name, depends_on=(Dependency(service=whom, condition="Started"),), **spec)


def stack(*hosts: Resource, **spec: Any) -> Any:
    return graph(container("web", run_on="far", ports=(http(),)), calling("ask", "web", **spec), *(hosts or HOSTS))


@pytest.mark.parametrize(
    ("caller", "callee", "means"),
    [
        ("local", "shop/near", Means.LAN),
        ("shop/near", "local", Means.LAN),
        ("local", "shop/far", Means.MESH),
        ("shop/far", "local", Means.MESH),
        ("shop/near", "shop/far", Means.MESH),
        ("shop/far", "shop/far", Means.SAME),
    ],
)
def test_H8_a_lan_is_enough_for_those_who_really_are_in_it(caller: str, callee: str, means: Means) -> None:
    assert way(stack(), world(), caller, callee).means is means


def test_equal_numbers_at_another_site_are_no_lan() -> None:
    alike = {**LEGS, "local": (Leg("eth0", "192.168.7.9/24"),)}
    assert way(stack(), world(alike), "local", "shop/far").means is Means.MESH


def test_an_interface_that_leads_nowhere_is_no_lan() -> None:
    inside = {**LEGS, "local": (Leg("docker0", "10.0.0.1/24"),)}
    assert way(stack(), world(inside), "local", "shop/near").means is Means.MESH


@pytest.mark.parametrize("hosts", [(LOCAL, NEAR, machine("far", "203.0.113.7", mesh="never"))])
def test_who_says_never_is_taken_at_his_word(hosts: tuple[Resource, ...]) -> None:
    found = way(stack(*hosts), world(), "local", "shop/far")
    assert (found.means, found.address) == (Means.LAN, "203.0.113.7")
    assert mesh(stack(*hosts), world()).parts == {}


def test_where_nobody_looked_or_nothing_can_be_read_what_is_declared_counts() -> None:
    assert way(stack(), Snapshot(), "local", "shop/far").means is Means.LAN
    assert way(stack(), world({**LEGS, "shop/far": ()}), "local", "shop/far").means is Means.LAN


def test_who_is_away_is_where_it_was() -> None:
    """The other one's part says that both were in the mesh. Who was never seen is nowhere."""
    there = settled(stack(), world())
    before = way(stack(), there, "local", "shop/far")
    gone = away(there, "shop/far")
    assert (way(stack(), gone, "local", "shop/far").address, before.means) == (before.address, Means.MESH)
    assert [a for a in plan(stack(), gone, {}, NOW).actions if a.key.kind == "mesh"] == []
    assert way(stack(), away(world(), "shop/far"), "local", "shop/far").means is Means.UNKNOWN
    unseen = plan(stack(), away(world(), "shop/far"), {}, NOW)
    assert {wait.key for wait in unseen.waits} >= {key("ask"), key("web")}
    assert unseen.actions == ()


def test_H9_who_is_called_is_published_in_the_mesh_and_goes_there_only_when_it_is_up() -> None:
    first = plan(stack(), world(), {}, NOW)
    assert {a.key.name for a in first.actions if a.key.kind == "mesh"} == {"local", "far"}
    assert Reason.NETWORK in {w.reason for w in first.waits if w.key == key("web")}
    there = settled(stack(), world())
    address = way(stack(), there, "local", "shop/far").address
    (web,) = (thing for thing in there.objects() if thing.key == key("web"))
    assert [one.address for one in web.bindings] == [address]
    assert plan(stack(), there, {}, NOW).actions == ()


def test_who_is_called_from_a_lan_too_is_published_in_both() -> None:
    spec = graph(
        container("web", run_on="near", ports=(http(),)), calling("ask", "web"),
        calling("bask", "web", run_on="far"), *HOSTS,
    )  # fmt: skip
    there = settled(spec, world())
    (web,) = (thing for thing in there.objects() if thing.key == key("web"))
    assert {one.address for one in web.bindings} == {"10.0.0.2", way(spec, there, "shop/far", "shop/near").address}
    assert set(mesh(spec, there).parts) == {"shop/near", "shop/far"}


def test_what_was_taken_out_of_it_is_put_back() -> None:
    there = settled(stack(), world())
    (part,) = (t for t in there.objects() if t.kind == "mesh" and t.host == "local")
    for change in ({"up": False}, {"addresses": ()}, {"peers": {}}, {"routes": ()}, {"port": 7}):
        assert part.facts is not None
        broken = replace(part, facts=replace(part.facts, fields={**part.facts.fields, **change}))
        actions = plan(stack(), seen(there, "local", objects=(broken,)), {}, NOW).actions
        assert [(a.verb, a.key.name) for a in actions] == [(Verb.ADJUST, "local")], change


def with_facts(snapshot: Snapshot, host: str, **facts: Any) -> Snapshot:
    """With something else found in a host's part."""
    (part,) = (t for t in snapshot.objects() if t.kind == "mesh" and t.host == host)
    assert part.facts is not None
    return seen(
        snapshot, host, objects=(replace(part, facts=replace(part.facts, fields={**part.facts.fields, **facts})),)
    )


def shaken(snapshot: Snapshot, host: str, shook: int, *, settled: bool = True) -> Snapshot:
    (part,) = (t for t in snapshot.objects() if t.kind == "mesh" and t.host == host)
    assert part.facts is not None
    peers = {key: {**one, "shook": shook, "settled": settled} for key, one in part.facts.fields["peers"].items()}
    return with_facts(snapshot, host, peers=peers)


@pytest.mark.parametrize(
    ("own", "agreed", "theirs", "called"),
    [
        ({"shook": 7}, True, {"shook": 7}, False),
        ({"shook": 7}, True, {"shook": 0}, True),
        ({"shook": 7}, False, {"shook": 0}, False),
        ({"shook": 0}, False, {"shook": 0}, False),
        ({"shook": 7}, False, {"up": False}, True),
        ({"shook": 7}, False, {"peers": {}}, True),
        ({"shook": 0}, False, {"up": False}, False),
    ],
)
def test_who_can_not_be_called_calls_who_forgot_him_and_only_once(
    own: dict[str, int], agreed: bool, theirs: dict[str, Any], called: bool
) -> None:
    """`far` is behind a router, so that `local`, whose device was made anew, has no way to call it."""
    there = shaken(settled(stack(), world()), "shop/far", own["shook"], settled=agreed)
    there = shaken(there, "local", theirs["shook"]) if "shook" in theirs else with_facts(there, "local", **theirs)
    actions = plan(stack(), there, {}, NOW).actions
    assert ("far" in {action.key.name for action in actions}) is called
    for action in actions:
        there = advance(there, action, NOW)
    assert plan(stack(), there, {}, NOW).actions == ()


def test_a_port_that_somebody_has_is_left_to_him_and_the_next_one_kept() -> None:
    def ports(snapshot: Snapshot) -> tuple[int, str]:
        """Of `local`, and where `far` finds it."""
        parts = mesh(stack(), snapshot).parts
        return parts["local"].payload.port, parts["shop/far"].payload.peers[0].endpoint  # type: ignore[union-attr]

    first, _ = ports(settled(stack(), world()))
    taken = Footing(LEGS["local"], datagrams=frozenset({first}))
    there = settled(stack(), seen(world(), "local", footing=taken))
    assert ports(there) == (first + 1, f"10.0.0.1:{first + 1}")
    own = replace(taken, datagrams=frozenset({first + 1}))
    there = seen(there, "local", footing=own)
    assert plan(stack(), there, {}, NOW).actions == (), "it stays where it is, and its own port is nobody else's"
    assert ports(with_facts(there, "local", up=False, port=0))[0] == first + 2, "another one has it meanwhile"


def test_it_is_refused_where_its_addresses_are_somebody_elses_or_nobody_may_make_it() -> None:
    taken = {**LEGS, "shop/far": (*LEGS["shop/far"], Leg("cni0", "10.42.0.1/24"))}
    (wait,) = (w for w in plan(stack(), world(taken), {}, NOW).waits if w.key.kind == "mesh")
    assert (wait.reason, "cni0 of far" in wait.message) == (Reason.DENIED, True)
    other = replace(LOCAL, spec=replace(LOCAL.spec, mesh_network="10.99.0.0/16"))
    told = way(stack(other, NEAR, FAR), settled(stack(other, NEAR, FAR), world(taken)), "local", "shop/far")
    assert ip_address(told.address) in ip_network("10.99.0.0/16")

    unable = seen(world(), "shop/far", footing=Footing(LEGS["shop/far"], lacking="anna may make no devices"))
    native = graph(process("web", run_on="far", ports=(http(),)), calling("ask", "web"), *HOSTS)
    waits = {str(w.key): w.message for w in plan(native, unable, {}, NOW).waits}
    assert waits["mesh/shop/far"] == "anna may make no devices"
    assert waits["service/shop/web/0"] == "it needs the mesh: anna may make no devices"


def test_two_behind_routers_need_a_third_who_is_not() -> None:
    cave = machine("cave", "203.0.113.9")
    legs = {**LEGS, "shop/cave": (Leg("eth0", "192.168.7.6/24"),)}
    spec = graph(container("web", run_on="far", ports=(http(),)), calling("ask", "web", run_on="cave"), *HOSTS, cave)
    there = settled(spec, world(legs))
    parts = mesh(spec, there).parts
    relay = parts["local"].payload
    assert isinstance(relay, MeshPayload)
    assert relay.relays
    assert {peer.host for peer in relay.peers} == {"shop/far", "shop/cave"}
    assert [len(peer.reached) for peer in parts["shop/cave"].payload.peers] == [2]  # type: ignore[union-attr]

    hidden = resource("host", "local", HostSpec(address="198.51.100.1")), machine("near", "203.0.113.8")
    alone = graph(*(r for r in spec.resources.values() if r not in HOSTS[:2]), *hidden)
    waits = [w.message for w in plan(alone, world(legs), {}, NOW).waits if w.key.kind == "mesh"]
    assert len([text for text in waits if "at which the other could call it" in text]) == 2


def test_the_network_of_the_mesh_is_said_once_and_is_one() -> None:
    assert [f.path for f in faults(HostSpec(address="a", mesh_network="10.42.0.1/16"))] == [("meshNetwork",)]
    assert [f.path for f in faults(HostSpec(address="a", mesh_network="10.42.0.0/30"))] == [("meshNetwork",)]
    far = HostSpec(ssh=SshAccess(host="b"), mesh_network="10.42.0.0/16")
    assert [f.path for f in named_faults("far", far)] == [("meshNetwork",)]


NAMES = ("local", "a", "b", "c", "d")
SITES = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=4, max_size=4)
CALLS = st.sets(st.sampled_from(list(permutations(range(5), 2))), max_size=6)


@settings(max_examples=15, deadline=None)
@given(SITES, CALLS)
def test_H8_H9_every_pair_that_needs_it_has_it_both_ways_and_nobody_else(
    sites: list[tuple[int, bool]], calls: set[tuple[int, int]]
) -> None:
    """Hosts anywhere, some behind routers; services that call one another in any way."""
    ids = ["local", *(f"shop/{name}" for name in NAMES[1:])]
    legs = {"local": (HERE,)}
    hosts = [LOCAL]
    for i, (site, hidden) in enumerate(sites, 1):
        own = f"10.0.{site}.{i + 1}"
        legs[ids[i]] = (Leg("eth0", f"{own}/24"),)
        hosts.append(machine(NAMES[i], f"203.0.113.{i}" if hidden else own))
    wanted = [container(f"s{i}", run_on=NAMES[i], ports=(http(),)) for i in range(5)]
    callers = [calling(f"c{i}-{j}", f"s{j}", run_on=NAMES[i]) for i, j in sorted(calls)]
    spec = graph(*wanted, *callers, *hosts)
    there = settled(spec, world(legs))
    parts = mesh(spec, there).parts
    assert plan(spec, there, {}, NOW).actions == ()

    through = {(ids[i], ids[j]) for i, j in calls if way(spec, there, ids[i], ids[j]).means is Means.MESH}
    addresses = {host: part.payload.address for host, part in parts.items()}  # type: ignore[union-attr]
    assert len(set(addresses.values())) == len(addresses)
    relays = {host for host, part in parts.items() if part.payload.relays}  # type: ignore[union-attr]
    assert set(parts) == {host for pair in through for host in pair} | relays
    for one, other in through | {(b, a) for a, b in through}:
        reached = {address for peer in parts[one].payload.peers for address in peer.reached}  # type: ignore[union-attr]
        assert addresses[other] in reached

    nobody = graph(*wanted, *hosts)
    assert [t for t in settled(nobody, there).objects() if t.kind == "mesh"] == []


def test_a_new_key_is_taken_once_all_neighbours_know_it() -> None:
    """Make before break: first it is told, then it is taken, then the old one is forgotten."""
    there = settled(stack(), world())
    (part,) = (t for t in there.objects() if t.kind == "mesh" and t.host == "shop/far")
    assert part.facts is not None
    turning = replace(part, facts=replace(part.facts, fields={**part.facts.fields, "next": "new"}))
    snapshot, waves = seen(there, "shop/far", objects=(turning,)), []
    while actions := plan(stack(), snapshot, {}, NOW).actions:
        waves.append([action.key.name for action in actions])
        for action in actions:
            snapshot = advance(snapshot, action, NOW)
    assert waves == [["local"], ["far"], ["local"]]
    (other,) = (t for t in snapshot.objects() if t.kind == "mesh" and t.host == "local")
    assert other.facts is not None
    assert list(other.facts.fields["peers"]) == ["new"]
