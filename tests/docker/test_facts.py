"""What a closer look finds is what was asked for, whatever the engine and the image add; and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.verdict import Adjust, Matches, Replace, verdict
from reconciler.model.desired import ContainerPayload, Desired, File, Limits, Mount, PortBinding, Sealed, Stop
from reconciler.model.observed import Observed
from reconciler.runtimes.docker import write
from tests.docker.conftest import World
from tests.engine_api import Engine
from tests.podman_lacks import TELL_EVERY_FIELD, skip_on_podman

pytestmark = pytest.mark.engine

JSON = dict[str, Any]
FIRST = 27480 + 10 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Of the host ports of this worker."""


@pytest.fixture
def docker_only(engine: Engine) -> None:
    skip_on_podman(engine, TELL_EVERY_FIELD)


def everything(world: World) -> ContainerPayload:
    """Every field that a payload has."""
    namespace = world.namespace
    for name in ("front", "back"):
        world.runtime.create(world.network(name))
    world.runtime.create(world.volume("data"))
    return ContainerPayload(
        image="reconciler-test:latest",
        entrypoint=("sleep",),
        command=("1000",),
        env={"LOG": "a=b", "EMPTY": "", "PATH": "/bin:/sbin", "TOKEN": Sealed("digest", b"hunter2-canary")},
        ports=(
            PortBinding("http", 80, FIRST),
            PortBinding("open", 80, FIRST + 1, bind="0.0.0.0"),
            PortBinding("dns", 53, FIRST + 2, "udp"),
        ),
        mounts=(
            Mount("data", "/data/", volume=f"{namespace}-data"),
            Mount("/tmp", "/host/../app", host_path="/tmp/./", read_only=True),
            Mount("app", "/etc/app", files=(File("a", b"text"),)),
        ),
        networks=(f"{namespace}-front", f"{namespace}-back"),
        aliases=("web",),
        user="0:0",
        working_dir="/srv//./x/..",
        hostname="web",
        tty=True,
        init=True,
        cap_add=("NET_ADMIN", "cap_sys_time"),
        cap_drop=("ALL",),
        devices=("/dev/null:/dev/n:rw", "/dev/zero"),
        shm_size=1 << 21,
        extra_hosts=("b:1.2.3.4", "a:host-gateway"),
        labels={"com.example.team": "web"},
        limits=Limits(cpus=0.333333, memory=64 << 20, pids=50),
        engine_restart="on-failure",
        stop=Stop("INT", 0.5),
    )


def test_R7_what_was_just_made_of_every_field_is_as_wanted(world: World) -> None:
    desired = world.desired("service", "web", everything(world), 0)
    seen = world.made(desired, deep=True)
    assert verdict(desired, seen) == Matches()
    assert seen.facts
    unset = [name for name, value in seen.facts.fields.items() if not value]
    assert {*unset} <= {"privileged", "gpus"}, "nothing else was left out"
    assert "hunter2" not in repr(seen), "variables are never printed"


@pytest.mark.parametrize("more", [{}, {"gpus": "2"}, {"privileged": True}, {"networks": ("host",)}, {"tty": True}])
def test_R7_what_was_just_made_of_hardly_anything_is_as_wanted(world: World, more: JSON) -> None:
    desired = world.desired("service", "web", ContainerPayload(image="reconciler-test", **more), 0)
    if more.keys() & {"gpus", "privileged"}:  # not every machine can start these
        world.engine.post(f"/containers/create?name={desired.name}", write.container(desired, desired.payload))
    else:
        world.runtime.create(desired)
    seen = world.see(desired, deep=True)
    assert seen
    assert verdict(desired, seen) == Matches()


DIFFERENT: list[tuple[str, JSON, JSON, str]] = [
    ("image", {"Image": "reconciler-test:2"}, {}, 'image is "reconciler-test:2", not "reconciler-test:latest"'),
    ("entrypoint", {"Entrypoint": ["sh", "-c", "sleep 1000"]}, {}, "entrypoint is [sh, -c, sleep 1000], not [sleep]"),
    ("command", {"Cmd": ["2000"]}, {}, "command is [2000], not [1000]"),
    ("env", {"Env": ["LOG=b", "EMPTY=", "PATH=/bin:/sbin", "TOKEN=hunter2-canary"]}, {}, "env LOG differs"),
    ("secret", {"Env": ["LOG=a=b", "EMPTY=", "PATH=/bin:/sbin", "TOKEN=x"]}, {}, "env TOKEN differs"),
    ("less env", {"Env": ["LOG=a=b", "PATH=/bin:/sbin", "TOKEN=hunter2-canary"]}, {}, "env EMPTY is missing"),
    (
        "more env",
        {"Env": ["LOG=a=b", "EMPTY=", "PATH=/bin:/sbin", "TOKEN=hunter2-canary", "X=1"]},
        {},
        "env X is set",
    ),
    ("user", {"User": "1"}, {}, 'user is "1", not "0:0"'),
    ("working_dir", {"WorkingDir": "/tmp"}, {}, 'workingDir is "/tmp", not "/srv"'),
    ("hostname", {"Hostname": "other"}, {}, 'hostname is "other", not "web"'),
    ("tty", {"Tty": False}, {}, "tty is off, not on"),
    ("labels", {}, {}, 'label com.example.team is "db", not "web"'),
    ("ports", {}, {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "1"}]}}, "is not published"),
    ("no mount", {}, {"Mounts": []}, "is not mounted at /data"),
    ("writable", {}, {"Binds": ["/tmp:/app"]}, "mount /app is host path /tmp, not host path /tmp, read-only"),
    ("init", {}, {"Init": False}, "init is off, not on"),
    ("privileged", {}, {"Privileged": True}, "privileged is on, not off"),
    ("cap_add", {}, {"CapAdd": ["SYS_TIME"]}, "capAdd is [SYS_TIME], not [NET_ADMIN, SYS_TIME]"),
    ("cap_drop", {}, {"CapDrop": []}, "capDrop is not [ALL]"),
    ("devices", {}, {"Devices": []}, "devices is not ["),
    ("shm_size", {}, {"ShmSize": 1 << 22}, "shmSize is 4194304, not 2097152"),
    ("extra_hosts", {}, {"ExtraHosts": ["b:1.2.3.4"]}, "extraHosts is [b:1.2.3.4], not ["),
    ("no memory", {}, {"Memory": 0, "MemorySwap": 0}, ""),
]


@pytest.mark.usefixtures("docker_only")
def test_R7_one_field_that_differs_is_named(world: World) -> None:
    desired = world.desired("service", "web", everything(world), 0)
    for which, config, host, cause in DIFFERENT:
        differs(world, desired, which, config, host, cause)
        world.engine.remove(desired.name)


def differs(world: World, desired: Desired, which: str, config: JSON, host: JSON, cause: str) -> None:
    """Made by hand, with our labels and our fingerprint, and one thing otherwise."""
    assert isinstance(desired.payload, ContainerPayload)
    asked = write.container(desired, desired.payload)
    if which == "writable":
        asked["HostConfig"]["Mounts"] = asked["HostConfig"]["Mounts"][:1]
    if which == "labels":
        config = {"Labels": {**asked["Labels"], "com.example.team": "db"}}
    made = {**asked, **config, "HostConfig": {**asked["HostConfig"], **host}}
    world.engine.post(f"/containers/create?name={desired.name}", made)

    seen = world.see(desired, deep=True)
    assert seen, which
    judged = verdict(desired, seen)
    if which == "no memory":
        assert judged == Adjust(("limits",), "memory is unlimited, not 64 MiB")
        return
    assert isinstance(judged, Replace), which
    assert cause in judged.cause, which
    assert "hunter2" not in judged.cause + repr(seen)


Meddle = Callable[[World, Observed], None]


def update(**settings: Any) -> Meddle:
    return lambda world, seen: world.engine.post(f"/containers/{seen.id}/update", settings)


def leave(world: World, seen: Observed) -> None:
    world.engine.post(f"/networks/{world.namespace}-front/disconnect", {"Container": seen.id})


def leave_all(world: World, seen: Observed) -> None:
    leave(world, seen)
    world.engine.post(f"/networks/{world.namespace}-back/disconnect", {"Container": seen.id})


def join(world: World, seen: Observed) -> None:
    world.runtime.create(world.network("third"))
    world.engine.post(f"/networks/{world.namespace}-third/connect", {"Container": seen.id})


def renamed_in_network(world: World, seen: Observed) -> None:
    leave(world, seen)
    body = {"Container": seen.id, "EndpointConfig": {"Aliases": ["other"]}}
    world.engine.post(f"/networks/{world.namespace}-front/connect", body)


ADJUSTED: list[tuple[Meddle, str, str]] = [
    (update(Memory=128 << 20, MemorySwap=128 << 20), "limits", "memory is 128 MiB, not 64 MiB"),
    (update(NanoCpus=500_000_000), "limits", "cpus is 0.5, not 0.333333"),
    (update(PidsLimit=0), "limits", "pids is unlimited, not 50"),
    (update(RestartPolicy={"Name": "always"}), "restartPolicy", "restart policy is always, not on-failure"),
    (leave, "networks", "-front"),
    (leave_all, "networks", "it is not in network"),
    (join, "networks", "-third, which is not declared for it"),
    (renamed_in_network, "networks", "-front it is known as other, web, not shop"),
]


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
@pytest.mark.parametrize(
    ("meddle", "change", "cause"),
    ADJUSTED,
    ids=["memory", "cpus", "pids", "policy", "left", "left all", "joined", "renamed"],
)
@pytest.mark.usefixtures("docker_only")
def test_R7_what_can_be_mended_in_place_is(
    world: World, meddle: Meddle, change: str, cause: str, *, stopped: bool
) -> None:
    payload = replace(everything(world), aliases=("shop",))
    desired = world.desired("service", "web", payload, 0)
    seen = world.made(desired, deep=True)
    if stopped:
        world.runtime.stop(seen, Stop("KILL", 0))
    meddle(world, seen)

    found = world.see(desired, deep=True)
    assert found
    judged = verdict(desired, found)
    assert isinstance(judged, Adjust)
    assert judged.changes == (change,)
    assert cause in judged.cause

    world.runtime.adjust(found, desired, judged.changes)
    mended = world.see(desired, deep=True)
    assert mended
    assert verdict(desired, mended) == Matches()
    assert mended.id == seen.id
    if stopped:
        world.runtime.start(mended, desired)
        started = world.see(desired, deep=True)
        assert started
        assert verdict(desired, started) == Matches()


@pytest.mark.parametrize("lifted", ["memory", "cpus"])
@pytest.mark.usefixtures("docker_only")
def test_a_limit_that_the_engine_can_not_lift_has_it_made_anew(world: World, lifted: str) -> None:
    desired = world.service("web", limits=Limits(cpus=0.5, memory=64 << 20, pids=50))
    seen = world.made(desired, deep=True)
    free = _with(desired, limits=replace(Limits(cpus=0.5, memory=64 << 20, pids=50), **{lifted: None}))
    judged = verdict(free, seen)
    assert isinstance(judged, Replace)
    assert judged.cause.startswith(f"{lifted} is ")
    assert isinstance(verdict(_with(desired, limits=Limits(0.5, 64 << 20)), seen), Adjust), "pids can be lifted"


@pytest.mark.usefixtures("docker_only")
def test_a_network_that_was_made_anew_under_one_that_is_stopped_is_joined_anew(world: World) -> None:
    world.runtime.create(world.network("back"))
    desired = world.service("web", networks=(f"{world.namespace}-back",), aliases=("web",))
    seen = world.made(desired)
    world.runtime.stop(seen, Stop("KILL", 0))
    world.engine.delete(f"/networks/{world.namespace}-back")
    world.runtime.create(world.network("back"))
    stale = world.see(desired, deep=True)
    assert stale
    judged = verdict(desired, stale)
    assert isinstance(judged, Adjust)
    world.runtime.adjust(stale, desired, judged.changes)
    world.runtime.start(stale, desired)
    joined = world.see(desired, deep=True)
    assert joined
    assert verdict(desired, joined) == Matches()


def test_an_image_that_is_gone_leaves_nothing_to_compare_with(world: World) -> None:
    """Fields that are not set may well have come from it."""
    config = world.engine.get("/images/reconciler-test:2/json")["Config"]
    assert config["Env"], "it gives something"
    desired = world.service("web", image="reconciler-test:2")
    seen = world.made(desired, deep=True)
    assert seen.facts
    assert verdict(desired, replace(seen, facts=replace(seen.facts, given={}))) == Matches()


def _with(desired: Desired, **fields: Any) -> Desired:
    assert isinstance(desired.payload, ContainerPayload)
    return replace(desired, payload=replace(desired.payload, **fields))
