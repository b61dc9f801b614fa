"""What Podman says, and how it is understood. Its words here are those that 4.3 really answered with."""

from __future__ import annotations

import json

import pytest

from reconciler.model.observed import Facts, Phase
from reconciler.runtimes.docker.dialect import (
    all_networks,
    as_docker,
    build_line,
    described,
    engine_name,
    familiar,
    ignores_limits,
    is_noise,
    signal_name,
    understandable,
    understood,
)
from reconciler.runtimes.docker.facts import facts
from reconciler.runtimes.docker.read import container
from reconciler.runtimes.docker.uptime import Moments

TAKEN = (
    'container create: creating container storage: the container name "shop-web-0" is already in use by 81f6b681c836. '
    "You have to remove that container to be able to reuse that name: that name is already in use"
)


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (TAKEN, 409, "in use by container 81f6b681c836"),
        ("network name shop-default already used: network already exists", 409, "network shop-default already exists"),
        ("can only kill running containers. 8c00 is in state exited: container state improper", 409, "is not running"),
        ("8c00 is running or paused, refusing to clean up: container state improper", 409, "is paused"),
        ('"n1" has associated containers with it. Use -f to forcibly delete them', 403, "active endpoints"),
        (
            "volume v is being used by the following container(s): 4f51: volume is being used",
            409,
            "v is in use by 4f51",
        ),
        ('determining run uid: user: unknown user error looking up user "ghost"', 400, "no user 'ghost'"),
        ("something that nobody foresaw", 500, "something that nobody foresaw"),
    ],
)
def test_a_refusal_becomes_the_one_that_docker_gives(said: str, status: int, words: str) -> None:
    meant, body = as_docker(500, json.dumps({"message": said}).encode())
    assert meant == status
    assert words in json.loads(body)["message"]


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"cause": "x"}', b"[" * 100_000])
def test_what_is_no_message_is_left_as_it_is(body: bytes) -> None:
    assert as_docker(500, body) == (500, body)


def test_the_hosts_own_network_is_there_though_podman_does_not_list_it() -> None:
    own = {"Id": "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9", "Name": "bridge"}
    assert [network["Name"] for network in all_networks([own])] == ["bridge", "host"]
    for as_it_is in ([], [{"Id": "1", "Name": "bridge"}], [own, {"Id": "2", "Name": "host"}]):
        assert all_networks(as_it_is) == as_it_is


def test_who_opens_a_port_to_everybody_means_no_address_at_all() -> None:
    """Podman lets in only what is sent to the very address 0.0.0.0, and nobody sends anything there."""
    asked = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "1"}, {"HostIp": "127.0.0.1", "HostPort": "2"}]}
    told = understandable({"Image": "app", "HostConfig": {"Init": True, "PortBindings": asked}})
    asked["80/tcp"][0]["HostIp"] = ""
    assert told == {"Image": "app", "HostConfig": {"Init": True, "PortBindings": asked}}


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ('STEP 5/7: LABEL "dev.x"="1"', 'Step 5/7 : LABEL dev.x="1"'),
        ("STEP 2/3: RUN echo STEP 1/1: x", "Step 2/3 : RUN echo STEP 1/1: x"),
        ("Step 2/3 : LABEL dev.x=1", "Step 2/3 : LABEL dev.x=1"),
        ("LABEL of nothing", "LABEL of nothing"),
    ],
)
def test_a_step_of_a_build_is_told_as_docker_does(told: str, meant: str) -> None:
    assert build_line(told) == meant


def test_the_engine_is_told_by_its_parts() -> None:
    assert engine_name({"Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]}) == "podman"
    assert engine_name({"Components": [{"Name": "Engine"}]}) == engine_name({"Components": None}) == "docker"


def test_limits_are_ignored_by_a_rootless_podman_that_has_only_the_old_cgroups() -> None:
    podman = {"Components": [{"Name": "Podman Engine"}], "Rootless": True, "CgroupVersion": "1"}
    assert ignores_limits(podman)
    assert not ignores_limits({**podman, "CgroupVersion": "2"})
    assert not ignores_limits({**podman, "Rootless": False})
    assert not ignores_limits({**podman, "Components": [{"Name": "Engine"}]})


def test_a_stop_signal_may_be_a_number() -> None:
    assert (signal_name("15"), signal_name("10"), signal_name("SIGTERM")) == ("SIGTERM", "SIGUSR1", "SIGTERM")


def test_its_own_complaints_are_no_output_of_a_command() -> None:
    assert is_noise(b"Error: write unixpacket @->/proc/self/fd/15/attach: write: connection reset by peer\n")
    assert not is_noise(b"Error: no such table\n")


def test_ports_are_of_who_runs_and_networks_may_be_known_by_name_alone() -> None:
    listed = {
        "Id": "81f6",
        "Names": ["/shop-web-0"],
        "State": "exited",
        "Status": "Exited (0) 3 seconds ago",
        "Ports": [{"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
        "NetworkSettings": {"Networks": {"shop-default": {"NetworkID": "shop-default"}}},
    }
    ended = container(listed, "me", Moments(), 0.0, {"730d3e27"})
    assert (ended.phase, ended.bindings, ended.networks) == (Phase.EXITED, (), ("shop-default",))
    running = container({**listed, "State": "running", "Status": "Up 3 seconds"}, "me", Moments(), 0.0, {"730d3e27"})
    assert [binding.port for binding in running.bindings] == [8080]


@pytest.mark.parametrize(
    ("told", "asked", "image"),
    [
        ("docker.io/library/nginx:latest", "nginx", "nginx"),
        ("docker.io/library/nginx:1.27", "nginx:1.27", "nginx:1.27"),
        ("docker.io/grafana/loki:3", "grafana/loki:3", "grafana/loki:3"),
        ("localhost/mine:latest", "mine", "mine"),
        ("docker.io/library/nginx:1.28", "nginx:1.27", "docker.io/library/nginx:1.28"),
        ("nginx", "nginx", "nginx"),
        ("docker.io/library/nginx:latest", "", "docker.io/library/nginx:latest"),
    ],
)
def test_an_image_is_called_as_it_was_asked_for(told: str, asked: str, image: str) -> None:
    assert familiar(told, asked) == image


def test_what_podman_fills_in_counts_as_given_by_the_image() -> None:
    env = ["PATH=/bin", "TERM=xterm", "container=podman", "A=1", "HOSTNAME=hh", "HOME=/root"]
    worn = {"dev.reconciler.image": "reconciler-test"}
    config = {"Env": env, "Image": "docker.io/library/reconciler-test:latest", "Labels": worn, "WorkingDir": "/"}
    inspected = {"Config": config, "HostConfig": {"Privileged": True, "CapDrop": ["SYS_RESOURCE"]}}
    told, image = described(inspected, {"Config": {"Env": ["PATH=/bin"], "WorkingDir": ""}})
    assert (told["Config"]["Image"], told["HostConfig"]["CapDrop"]) == ("reconciler-test", [])
    assert image is not None
    assert image["Config"] == {
        "Env": ["PATH=/bin", "TERM=xterm", "container=podman", "HOSTNAME=hh", "HOME=/root"],
        "WorkingDir": "/",
    }
    found = understood(Facts(fields={"devices": (), "limits": {}}), told)
    assert (found.fields, found.fixed) == ({"limits": {}}, {"limits", "engine_restart"})


def test_what_docker_tells_is_left_as_it_is() -> None:
    inspected = {"Config": {"Env": ["PATH=/bin"]}, "HostConfig": {}}
    found = Facts(fields={"devices": ()})
    assert described(inspected, None) == (inspected, None)
    assert understood(found, inspected) is found


def test_a_bind_is_read_only_whatever_else_is_said_of_it() -> None:
    told = {"Binds": ["/src:/a:ro,rprivate,rbind", "vv:/v:rw,rprivate,nosuid,nodev,rbind"]}
    inspected = {"Id": "9a42aab57b21", "Config": {}, "HostConfig": told, "NetworkSettings": {}}
    mounts = facts(inspected, None).fields["mounts"]
    assert mounts == {"/a": "host path /src, read-only", "/v": "volume vv"}
