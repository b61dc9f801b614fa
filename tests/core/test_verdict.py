"""What is there, judged against what is wanted: the gentlest verb, and a cause that names the field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.fingerprint import fingerprint
from reconciler.core.making import as_made, making
from reconciler.core.preview import adjusted, made
from reconciler.core.verdict import Adjust, Matches, Replace, deviations, outdated, verdict
from reconciler.model.desired import (
    ContainerPayload,
    Desired,
    File,
    Limits,
    Mount,
    Payload,
    PortBinding,
    ProcessPayload,
    Sealed,
    Stop,
    place,
)
from reconciler.model.observed import Facts, Observed, Phase, View
from tests.core.build import key

CONTAINER = ContainerPayload(
    image="shop:1",
    entrypoint=("serve",),
    command=("--all",),
    env={"LOG": "info", "TOKEN": Sealed("digest", b"hunter2")},
    ports=(PortBinding("http", 80, 8080),),
    mounts=(Mount("data", "/data", volume="shop-data"), Mount("app", "/etc/app", files=(File("a", b"x"),))),
    networks=("shop-default", "shop-back"),
    aliases=("web",),
    user="1",
    working_dir="/srv",
    hostname="web",
    cap_add=("NET_ADMIN",),
    devices=("/dev/null",),
    shm_size=1 << 20,
    extra_hosts=("a:1.2.3.4",),
    labels={"team": "web"},
    limits=Limits(0.5, 64 << 20, 100),
)
PROCESS = ProcessPayload(
    command=("serve", place("data")), env={"LOG": "info", "WHERE": place("data")}, limits=Limits(memory=1 << 20)
)


def wanted(payload: Payload) -> Desired:
    runtime = "docker" if isinstance(payload, ContainerPayload) else "process"
    return Desired(key=key("web"), runtime=runtime, payload=payload, fingerprint=fingerprint(payload), owner="me")


def running(payload: Payload, **facts: Any) -> Observed:
    """As it was made of the payload, but for the facts that are given."""
    seen = replace(made(wanted(payload), 1.0), phase=Phase.RUNNING)
    assert seen.facts
    return replace(seen, facts=replace(seen.facts, fields={**seen.facts.fields, **facts}))


@pytest.mark.parametrize("payload", [CONTAINER, PROCESS, ContainerPayload(image="i"), ProcessPayload(command=("x",))])
def test_R7_what_was_made_of_a_payload_is_as_the_payload_wants_it(payload: Payload) -> None:
    assert verdict(wanted(payload), running(payload)) == Matches()


ANEW = {
    "image": ("shop:2", 'image is "shop:2", not "shop:1"'),
    "entrypoint": (("sh",), "entrypoint is [sh], not [serve]"),
    "command": ((), "command is not [--all]"),
    "env": ({"LOG": "debug", "TOKEN": "hunter2"}, "env LOG differs"),
    "ports": ((), "port 127.0.0.1:8080->80/tcp is not published"),
    "mounts": ({"/data": "volume other"}, "mount /data is volume other, not volume shop-data"),
    "user": ("0", 'user is "0", not "1"'),
    "working_dir": ("/", 'workingDir is "/", not "/srv"'),
    "hostname": ("db", 'hostname is "db", not "web"'),
    "tty": (True, "tty is on, not off"),
    "init": (True, "init is on, not off"),
    "privileged": (True, "privileged is on, not off"),
    "cap_add": ((), "capAdd is not [NET_ADMIN]"),
    "cap_drop": (("ALL",), "capDrop is [ALL], but not declared"),
    "devices": ((), "devices is not [/dev/null:/dev/null:rwm]"),
    "gpus": ("all", 'gpus is "all", but not declared'),
    "shm_size": (1, "shmSize is 1, not 1048576"),
    "extra_hosts": ((), "extraHosts is not [a:1.2.3.4]"),
    "labels": ({"team": "db"}, 'label team is "db", not "web"'),
}
IN_PLACE = {
    "limits": ({"cpus": 0.5, "memory": 128 << 20, "pids": 100}, "limits", "memory is 128 MiB, not 64 MiB"),
    "engine_restart": ("always", "restartPolicy", "the engine's restart policy is always, not no"),
    "networks": (
        {"shop-default": (), "shop-back": ("web",)},
        "networks",
        "in network shop-default it is known as nothing, not web",
    ),
}


def test_every_field_of_a_container_is_looked_at() -> None:
    assert {*ANEW, *IN_PLACE} == making(CONTAINER).keys()


@pytest.mark.parametrize("field", ANEW)
def test_R7_a_field_that_can_not_be_changed_has_it_made_anew(field: str) -> None:
    found, cause = ANEW[field]
    assert verdict(wanted(CONTAINER), running(CONTAINER, **{field: found})) == Replace(cause)


@pytest.mark.parametrize("field", IN_PLACE)
def test_R7_a_field_that_can_be_changed_is_changed_in_place(field: str) -> None:
    found, change, cause = IN_PLACE[field]
    item, seen = wanted(replace(CONTAINER, hostname="")), running(replace(CONTAINER, hostname=""), **{field: found})
    assert verdict(item, seen) == Adjust((change,), cause)
    mended = adjusted(View("docker", objects=(seen,)), seen, item, (change,)).objects[0]
    assert verdict(item, mended) == Matches()


def test_a_change_of_what_can_be_changed_in_place_has_nothing_made_anew() -> None:
    gentle = replace(
        CONTAINER,
        limits=Limits(1, 1 << 30, None),
        engine_restart="always",
        networks=("shop-default",),
        stop=Stop("INT", 1),
    )
    assert fingerprint(gentle) == fingerprint(CONTAINER)
    judged = verdict(wanted(gentle), running(CONTAINER))
    assert isinstance(judged, Adjust)
    assert judged.changes == ("limits", "restartPolicy", "networks")
    assert verdict(wanted(replace(CONTAINER, stop=Stop("INT", 1))), running(CONTAINER)) == Matches()


@pytest.mark.parametrize("lifted", ["cpus", "memory"])
def test_what_an_engine_can_not_lift_has_it_made_anew_and_a_process_is_freed_in_place(lifted: str) -> None:
    free = {"limits": replace(CONTAINER.limits, **{lifted: None})}
    assert isinstance(verdict(wanted(replace(CONTAINER, **free)), running(CONTAINER)), Replace)
    bound = replace(PROCESS, limits=CONTAINER.limits)
    assert isinstance(verdict(wanted(replace(PROCESS, **free)), running(bound)), Adjust)


def test_H16_a_secret_that_differs_is_named_and_never_shown() -> None:
    other = replace(CONTAINER, env={"LOG": "info", "TOKEN": Sealed("other", b"swordfish")})
    judged = verdict(wanted(other), running(CONTAINER))
    assert judged == Replace("env TOKEN differs")
    assert "hunter2" not in repr(running(CONTAINER))


def test_what_the_image_gives_is_expected_where_nothing_else_is_asked_for() -> None:
    bare = ContainerPayload(image="i", env={"LOG": "info"})
    image = {
        "user": "app", "working_dir": "/app", "entrypoint": ("e",), "command": ("c",), "env": {"PATH": "/bin"},
        "labels": {"maintainer": "x"},
    }  # fmt: skip
    fields = {**image, "env": {"PATH": "/bin", "LOG": "info"}, "hostname": "0123456789ab", "shm_size": 1 << 26}
    seen = running(bare)
    found = replace(seen, facts=Facts({**seen.facts.fields, **fields}, image))  # type: ignore[union-attr]
    assert verdict(wanted(bare), found) == Matches()
    assert outdated(wanted(bare), _with(found, user="root")) == 'user is "root", not "app"'
    assert outdated(wanted(bare), _with(found, env={"PATH": "/bin"})) == "env LOG is missing"
    assert outdated(wanted(bare), _with(found, env={**fields["env"], "X": "1"})) == "env X is set, but not declared"
    own = replace(bare, entrypoint=("mine",))
    assert outdated(wanted(own), _with(found, entrypoint=("mine",))) == "command is [c], but not declared"
    kept = replace(_with(found, entrypoint=("mine",), command=()), fingerprint=fingerprint(own))
    assert verdict(wanted(own), kept) == Matches(), "the image's arguments belong to the image's entrypoint"


def _with(seen: Observed, **fields: Any) -> Observed:
    assert seen.facts
    return replace(seen, facts=replace(seen.facts, fields={**seen.facts.fields, **fields}))


def test_what_nobody_looked_at_is_no_difference() -> None:
    plain = replace(running(CONTAINER), facts=None)
    assert verdict(wanted(CONTAINER), plain) == Matches()
    assert verdict(wanted(replace(CONTAINER, limits=Limits())), plain) == Matches()
    left = replace(plain, networks=("shop-default",))
    assert verdict(wanted(CONTAINER), left) == Adjust(("networks",), "it is not in network shop-back")
    assert verdict(wanted(CONTAINER), replace(left, phase=Phase.CREATED)) == Matches(), "it joins when it is started"


def test_nobody_can_be_moved_into_or_out_of_the_hosts_own_network() -> None:
    host = replace(CONTAINER, networks=("host",))
    assert verdict(wanted(host), running(CONTAINER)) == Replace(
        "it is not in network host and it is in network shop-back, which is not declared for it"
        " and it is in network shop-default, which is not declared for it"
    )


def test_the_host_name_is_known_in_a_network_without_having_been_asked_for() -> None:
    known = dict.fromkeys(CONTAINER.networks, ("web", "box"))
    named = replace(CONTAINER, hostname="box")
    assert verdict(wanted(named), running(named, networks=known)) == Matches()
    same = replace(CONTAINER, hostname="web")
    assert verdict(wanted(same), running(same, networks=dict.fromkeys(CONTAINER.networks, ("web",)))) == Matches()


def test_what_no_field_tells_is_told_by_who_found_it() -> None:
    seen = running(PROCESS)
    stale = replace(seen, facts=replace(seen.facts, stale="its program /bin/x was replaced on disk"))  # type: ignore[type-var]
    assert verdict(wanted(PROCESS), stale) == Replace("its program /bin/x was replaced on disk")


def test_a_content_that_nobody_can_look_at_is_told_by_the_fingerprint() -> None:
    other = replace(CONTAINER, mounts=(CONTAINER.mounts[0], Mount("app", "/etc/app", files=(File("a", b"y"),))))
    assert verdict(wanted(other), running(CONTAINER)) == Replace("what it is made of has changed")


def test_a_sentence_does_not_go_on_for_ever() -> None:
    judged = outdated(
        wanted(replace(CONTAINER, image="x", user="2", tty=True, init=True, hostname="y")), running(CONTAINER)
    )
    assert judged.endswith("and 2 more")
    elsewhere = replace(CONTAINER, env=dict.fromkeys("ABCD", "there"))
    assert outdated(wanted(elsewhere), running(replace(CONTAINER, env=dict.fromkeys("ABCD", "here")))) == (
        "env A, B and 2 more differ"
    )
    assert len(list(deviations(wanted(CONTAINER), running(CONTAINER)))) == 0


def test_networks_and_volumes_have_no_such_facts() -> None:
    from reconciler.model.desired import NetworkPayload

    assert as_made(NetworkPayload()) is None
