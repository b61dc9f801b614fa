"""Networks and volumes on a real engine."""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from reconciler.errors import NameTaken, OutcomeUnknown, Refused
from reconciler.model.desired import Mount, Stop
from reconciler.model.observed import Phase
from tests.docker.conftest import OWNER, World
from tests.podman_lacks import TWO_OF_ONE_NAME, skip_on_podman


def test_a_network_is_seen_with_its_gateway_and_removed(world: World) -> None:
    desired = world.network("back")
    seen = world.made(desired)
    assert (seen.key, seen.owner, seen.kind, seen.name) == (desired.key, OWNER, "network", desired.name)
    assert ipaddress.ip_address(seen.gateway).is_private
    for _ in range(2):
        world.runtime.remove(seen)
    assert world.see(desired) is None


def test_a_network_has_the_subnet_that_it_was_given(world: World) -> None:
    seen = world.made(world.network("back", subnet="10.231.7.0/24", internal=True))
    inspected = world.engine.get(f"/networks/{seen.id}")
    assert (inspected["IPAM"]["Config"][0]["Subnet"], inspected["Internal"]) == ("10.231.7.0/24", True)


def test_a_network_made_by_many_at_once_is_one(world: World) -> None:
    desired = world.network("back")
    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(world.runtime.create, desired) for _ in range(16)]:
            done.result()
    assert len([thing for thing in world.view().objects if thing.name == desired.name]) == 1


def test_a_foreign_network_under_our_name_is_left_alone(world: World) -> None:
    desired = world.network("back")
    foreign = world.engine.post("/networks/create", {"Name": desired.name})["Id"]
    with pytest.raises(NameTaken, match=foreign[:12]):
        world.runtime.create(desired)
    assert world.named(desired.name).key is None


def test_a_network_with_members_stays(world: World) -> None:
    network = world.network("back")
    seen = world.made(network)
    member = world.made(world.service("web", networks=(network.name,)))
    assert member.networks == (network.name,)
    with pytest.raises(Refused, match="active endpoints"):
        world.runtime.remove(seen)


def test_services_find_each_other_by_name_on_every_network(world: World) -> None:
    back, front = world.network("back"), world.network("front")
    for network in (back, front):
        world.runtime.create(network)
    both = world.service("db", networks=(back.name, front.name), aliases=("db",))
    assert world.made(both).networks == (back.name, front.name)
    for network in (back, front):
        name = "from-" + network.key.name
        caller = world.made(world.service(name, networks=(network.name,), aliases=(name,)))
        assert world.runtime.run(caller, ["ping", "-c", "1", "-W", "3", "db"], deadline=8).exit_code == 0


def test_a_start_connects_what_a_crash_left_unconnected(world: World) -> None:
    back, front = world.network("back"), world.network("front")
    for network in (back, front):
        world.runtime.create(network)
    desired = world.service("db", networks=(back.name, front.name), aliases=("db",))
    seen = world.made(desired)
    world.runtime.stop(seen, Stop())
    world.engine.post(f"/networks/{front.name}/disconnect", {"Container": seen.id})
    world.runtime.start(seen, desired)
    again = world.see(desired)
    assert again is not None
    assert again.networks == (back.name, front.name)


def test_K17_a_volume_keeps_its_data_when_its_container_goes(world: World) -> None:
    volume = world.volume("data")
    world.runtime.create(volume)
    mounts = (Mount("data", "/data", volume=volume.name), Mount("tmp", "/anonymous", volume=""))[:1]
    desired = world.service("db", mounts=mounts)
    seen = world.made(desired)
    world.runtime.run(seen, ["sh", "-c", "echo canary > /data/file"], deadline=5)
    world.runtime.stop(seen, Stop())
    world.runtime.remove(seen)
    again = world.made(desired)
    assert world.runtime.run(again, ["cat", "/data/file"], deadline=5).stdout == b"canary\n"


def test_a_volume_is_removed_only_when_nobody_uses_it(world: World) -> None:
    volume = world.volume("data")
    seen = world.made(volume)
    assert (seen.key, seen.kind, seen.id) == (volume.key, "volume", volume.name)
    user = world.made(world.service("db", mounts=(Mount("data", "/data", volume=volume.name),)))
    with pytest.raises(Refused, match="in use"):
        world.runtime.remove(seen)
    world.runtime.stop(user, Stop())
    world.runtime.remove(user)
    for _ in range(2):
        world.runtime.remove(seen)
    assert world.see(volume) is None


def test_a_foreign_volume_under_our_name_is_left_alone(world: World) -> None:
    desired = world.volume("data")
    world.engine.post("/volumes/create", {"Name": desired.name})
    with pytest.raises(NameTaken, match=desired.name):
        world.runtime.create(desired)
    assert world.named(desired.name).key is None


def test_a_volume_that_another_replaced_is_not_removed(world: World) -> None:
    desired = world.volume("data")
    seen = world.made(desired)
    world.engine.delete(f"/volumes/{desired.name}")
    world.runtime.create(replace(desired, owner="somebody-else"))
    with pytest.raises(Refused, match="another volume"):
        world.runtime.remove(seen)


@pytest.mark.engine
def test_a_network_that_a_dead_one_asked_for_too_late_is_taken_away_when_it_is_in_the_way(world: World) -> None:
    """The engine goes on with what it was asked, and two of one name keep everybody from starting."""
    skip_on_podman(world.engine, TWO_OF_ONE_NAME)
    network = world.network("back")
    kept = world.made(network)
    service = world.service("web", networks=(network.name,))
    worn = world.engine.get(f"/networks/{kept.id}")["Labels"]
    world.engine.post("/networks/create", {"Name": network.name, "Labels": worn, "CheckDuplicate": False})
    with pytest.raises(OutcomeUnknown, match="ambiguous"):
        world.runtime.create(service)
    named = [one["Id"] for one in world.engine.get("/networks") if one["Name"] == network.name]
    assert named == [kept.id]
    world.runtime.create(service)
    seen = world.see(service)
    assert seen is not None
    if seen.phase is not Phase.RUNNING:
        world.runtime.start(seen, service)
    assert world.engine.inspect(service.name)["State"]["Running"]
