"""Where new ones come beside the old ones for the time of an update, and where none can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.planner import plan
from reconciler.core.surge import surge
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.service import Restart, Update, faults
from reconciler.kinds.workload import EnvFrom, Port, VolumeMount
from reconciler.model.plan import Reason
from reconciler.model.resource import Resource
from tests.core.build import (
    NOW,
    container,
    graph,
    http,
    key,
    listening,
    process,
    resource,
    settled,
    stranger,
    with_thing,
)
from tests.core.updating import (
    Build,
    Play,
    made_of,
    never_fewer_than,
    web,
)

SHARED = (VolumeMount(volume="data", mount_path="/data"),)
READ = (
    VolumeMount(volume="data", mount_path="/data", read_only=True),
    VolumeMount(config="c", mount_path="/c"),
    VolumeMount(secret="s", mount_path="/s"),
)
HOSTS = (VolumeMount(host_path="/srv", mount_path="/srv"),)
SURGES: list[tuple[str, Resource, int, str]] = [
    ("nothing in the way", container("web", ports=(http(),)), 1, ""),
    ("three replicas", container("web", replicas=3, ports=(http(),)), 1, ""),
    ("neither ports nor probes", container("web", replicas=3), 0, "nobody would notice"),
    ("neither, but asked for", container("web", update=Update(max_surge=1)), 1, ""),
    ("as many as asked for", container("web", update=Update(max_surge=4)), 4, ""),
    ("none asked for", container("web", update=Update(max_surge=0, max_unavailable=1)), 0, ""),
    ("all at once", container("web", update=Update(strategy="Recreate")), 0, ""),
    ("automatic port", container("web", ports=(http(),)), 1, ""),
    ("fixed port", container("web", ports=(http(8080),)), 0, "8080 is there only once"),
    ("fixed, whatever is asked for", container("web", ports=(http(8080),), update=Update(max_surge=2)), 0, "8080"),
    ("a port that may move", container("web", ports=(http(8080, on_conflict="reassign"),)), 1, ""),
    ("range with room", container("web", ports=(http("80-82"),), update=Update(max_surge=9)), 2, ""),
    ("range without", container("web", replicas=3, ports=(http("80-82"),)), 0, "just enough"),
    ("volume", container("web", ports=(http(),), volumes=SHARED), 0, "both write to data"),
    ("host path", container("web", ports=(http(),), volumes=HOSTS), 0, "write to /srv"),
    ("volume, but asked for", container("web", volumes=SHARED, update=Update(max_surge=1)), 1, ""),
    ("what is only read", container("web", ports=(http(),), volumes=READ), 1, ""),
    ("a task", container("web", ports=(http(),), restart=Restart(policy="OnFailure")), 0, "would run twice"),
    ("process told its port", process("web", command=("run", "${ports.http}"), ports=(http(),)), 1, ""),
    ("process told by a variable", process("web", env={"P": "${ports.http}"}, ports=(http(),)), 1, ""),
    ("process told by a config", process("web", env_from=(EnvFrom(config="c"),), ports=(http(),)), 1, ""),
    ("process not told", process("web", ports=(http(),)), 0, "is not told"),
    ("process told half of it", process("web", env={"P": "${ports.http}"}, ports=(http(), Port(name="x"))), 0, "told"),
    ("process without ports", process("web"), 0, "neither ports nor probes"),
    ("process without, but asked for", process("web", update=Update(max_surge=1)), 1, ""),
]


@pytest.mark.parametrize(("which", "count", "why"), [s[1:] for s in SURGES], ids=[s[0] for s in SURGES])
def test_extra_ones_come_where_they_can_and_do_no_harm(which: Resource, count: int, why: str) -> None:
    config = resource("config", "c", ConfigSpec(data={"PORT": "${ports.http}"}))
    found = surge(graph(which, config), which.spec)
    assert found.count == count
    assert why in found.why_none
    assert bool(why) == bool(found.why_none)


@pytest.mark.parametrize("build", [container, process])
def test_without_an_extra_one_an_old_one_goes_first(build: Build, crashing: bool) -> None:
    ports = {"ports": (http("8000-8002"),)}
    play = Play(web("2", build, **ports), settled(web("1", build, **ports)), crashing=crashing)
    play.check = lambda play: never_fewer_than(play, 2)
    assert play.all()[-1].settled
    assert not any(map(made_of("1", build=build, **ports), play.things()))


def test_a_stranger_at_the_place_of_the_extra_one_does_not_hold_the_update_up() -> None:
    before = with_thing(settled(web("1")), stranger("shop-web-3"))
    play = Play(web("2"), before)
    assert {action.key for action in play.one().actions} == {key("web", 0)}


def test_ports_that_others_hold_do_not_hold_the_update_up() -> None:
    ports = {"ports": (http("8000-8003"),)}
    before = listening(settled(web("1", **ports)), 8003)
    found = plan(web("2", **ports), before, {}, NOW)
    assert {action.key for action in found.actions} == {key("web", 0)}
    assert all(wait.reason is not Reason.PORTS_EXHAUSTED for wait in found.waits)


def test_the_extra_one_takes_nobodys_port_and_tells_of_no_move() -> None:
    ports = {"ports": (http(8080, on_conflict="reassign"),), "replicas": 1}
    found = plan(web("2", **ports), settled(web("1", **ports)), {}, NOW)
    assert found.desired[key("web", 1)].grants["http"].port == 8081
    assert found.desired[key("web", 0)].grants["http"].port == 8080
    assert not found.notes


def test_with_no_room_and_none_away_nothing_could_move_so_it_is_refused() -> None:
    spec = replace(container("web").spec, update=Update(max_surge=0))
    assert [fault.path for fault in faults(spec)] == [("update", "maxSurge")]
    assert not list(faults(replace(spec, update=Update(max_surge=0, strategy="Recreate"))))
