"""What the engine says, as observations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.errors import Denied, Gone, ImageUnavailable, PortInUse, Refused
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Grant, Phase
from reconciler.runtimes.docker import read, uptime
from reconciler.runtimes.docker.errors import refusal
from reconciler.runtimes.docker.images import unavailable

NOW = 1_800_000_000.0
LABELS = {
    "dev.reconciler.owner": "o",
    "dev.reconciler.namespace": "shop",
    "dev.reconciler.kind": "service",
    "dev.reconciler.name": "web",
    "dev.reconciler.index": "0",
    "dev.reconciler.fingerprint": "f1",
    "dev.reconciler.generation": "3",
    "dev.reconciler.ports": "http=8081/8080+",
}


def item(**changes: Any) -> dict[str, Any]:
    base = {
        "Id": "a" * 64,
        "Names": ["/shop-web-0"],
        "Image": "nginx:1.27",
        "State": "running",
        "Status": "Up 3 seconds",
        "Labels": LABELS,
        "Ports": [{"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"}],
        "NetworkSettings": {"Networks": {"shop-default": {}}},
    }
    return {**base, **changes}


def container(**changes: Any) -> Any:
    return read.container(item(**changes), "o", uptime.Moments(), NOW)


def test_ours_is_read_wholly() -> None:
    seen = container()
    assert (seen.key, seen.owner, seen.fingerprint, seen.generation) == (Key("service", "shop", "web", 0), "o", "f1", 3)
    assert (seen.name, seen.kind, seen.runtime, seen.phase) == ("shop-web-0", "service", "docker", Phase.RUNNING)
    assert seen.bindings == (Binding(8081, "tcp", "127.0.0.1"),)
    assert seen.grants == {"http": Grant(8081, "8080+")}
    assert (seen.networks, seen.image, seen.started_at) == (("shop-default",), "nginx:1.27", NOW - 3)


@pytest.mark.parametrize("missing", ["namespace", "kind", "name", "index", "fingerprint", "owner"])
def test_labels_that_are_not_whole_make_it_foreign(missing: str) -> None:
    worn = {name: value for name, value in LABELS.items() if name != f"dev.reconciler.{missing}"}
    seen = container(Labels=worn)
    assert (seen.key, seen.fingerprint, seen.grants) == (None, "", {})


def test_another_owner_makes_it_foreign_and_is_told() -> None:
    seen = container(Labels={**LABELS, "dev.reconciler.owner": "other"})
    assert (seen.key, seen.owner) == (None, "other")


@pytest.mark.parametrize(
    ("state", "status", "phase", "code"),
    [
        ("created", "Created", Phase.CREATED, None),
        ("running", "Up 2 hours (healthy)", Phase.RUNNING, None),
        ("paused", "Up 5 minutes (Paused)", Phase.PAUSED, None),
        ("restarting", "Restarting (1) 5 seconds ago", Phase.RUNNING, 1),
        ("exited", "Exited (137) 5 seconds ago", Phase.EXITED, 137),
        ("dead", "Dead", Phase.EXITED, None),
        ("removing", "Removal In Progress", Phase.REMOVING, None),
        ("levitating", "Who knows", Phase.UNKNOWN, None),
    ],
)
def test_states_are_phases(state: str, status: str, phase: Phase, code: int | None) -> None:
    seen = container(State=state, Status=status)
    assert (seen.phase, seen.exit_code) == (phase, code)
    assert seen.restarting is (state == "restarting")
    assert bool(seen.detail) == (state in {"restarting", "dead", "levitating"})


def test_names_of_links_are_not_the_name() -> None:
    assert container(Names=["/other/alias", "/shop-web-0"]).name == "shop-web-0"
    assert container(Names=None).name == "a" * 12


@pytest.mark.parametrize(
    ("status", "ago"),
    [
        ("Up Less than a second", 0),
        ("Up 1 second", 1),
        ("Up 59 seconds", 59),
        ("Up About a minute", 60),
        ("Up 4 minutes", 240),
        ("Up About an hour", 1800),
        ("Exited (0) 3 hours ago", 9000),
        ("Up 2 days", 2 * 86400 - 1800),
        ("Up 3 weeks", 21 * 86400 - 1800),
        ("Up 2 months", 60 * 86400 - 1800),
        ("Up 2 years", 730 * 86400 - 1800),
    ],
)
def test_words_about_time_bound_it(status: str, ago: float) -> None:
    bounds = uptime.window(status, NOW)
    assert bounds is not None
    assert bounds[1] == NOW - ago
    assert bounds[0] < bounds[1]


def test_a_moment_does_not_tremble_and_a_restart_moves_it() -> None:
    moments = uptime.Moments()
    said = moments.tell("a", "start", "Up Less than a second", NOW)
    for later, words in ((1.4, "Up 1 second"), (30, "Up 30 seconds"), (61, "Up About a minute"), (190, "Up 3 minutes")):
        assert moments.tell("a", "start", words, NOW + later) == said
    assert moments.tell("a", "start", "Up 2 seconds", NOW + 300) == NOW + 298
    moments.learn("a", "start", NOW + 297.5)
    assert moments.tell("a", "start", "Up 4 seconds", NOW + 302) == NOW + 297.5


def test_networks_tell_their_gateway() -> None:
    base = {"Id": "n", "Name": "shop-back", "Labels": {}}
    addressed = {**base, "IPAM": {"Config": [{"Subnet": "10.1.0.0/16"}, {"Gateway": "10.1.0.1/16"}]}}
    assert read.network(addressed, "o").gateway == "10.1.0.1"
    assert read.network({**base, "IPAM": {"Config": None}}, "o").gateway == ""


def test_of_a_subnet_that_somebody_chose_the_gateway_is_its_first_address() -> None:
    base = {"Id": "n" * 64, "Name": "shop-default", "Labels": {}}
    chosen = {**base, "IPAM": {"Config": [{"Subnet": "10.1.2.0/24"}]}}
    assert read.network(chosen, "o").gateway == "10.1.2.1"


def test_an_index_on_a_network_or_its_lack_on_a_container_is_not_ours() -> None:
    assert read.network({"Id": "n", "Name": "x", "Labels": LABELS}, "o").key is None


def test_no_volumes_are_none() -> None:
    assert read.volumes({"Volumes": None, "Warnings": None}, "o") == ()


@pytest.mark.parametrize("junk", [None, {}, "text", 5, [None], [{}], [{"Id": 1}], [[]]])
def test_what_is_no_list_of_containers_is_not_an_empty_one(junk: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        read.containers(junk, "o", uptime.Moments(), NOW)


@pytest.mark.parametrize(
    "lie",
    [
        lambda: container(Id=5),
        lambda: container(Id=["a"]),
        lambda: container(Labels={**LABELS, "dev.reconciler.kind": ["service"]}),
        lambda: container(Labels={**LABELS, "dev.reconciler.name": 7}),
        lambda: read.network({"Id": "n", "Name": {}}, "o"),
        lambda: read.volume({"Name": 7}, "o"),
        lambda: read.deepened(container(), inspected(State={"Pid": "none"})),
        lambda: read.deepened(container(), inspected(NetworkSettings={"Networks": {"shop-default": {"Aliases": [7]}}})),
    ],
)
def test_H15_by_what_things_are_told_apart_is_of_its_kind_or_nothing_is_read(lie: Callable[[], Any]) -> None:
    """An engine elsewhere may say anything: what is read is compared and sorted with what others say."""
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        lie()


@pytest.mark.parametrize("status", [f"Up {'9' * 400} days", f"Exited ({'9' * 5000}) 3 days ago"])
def test_H15_no_number_is_too_long_to_be_read(status: str) -> None:
    seen = container(Status=status, State="exited")
    assert (seen.exit_code, seen.started_at) == (None, None)


def inspected(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"Id": "a", "State": {}, "Config": {}, "HostConfig": {}, "NetworkSettings": {}}
    return {**base, **changes}


def test_a_closer_look_adds_what_the_list_leaves_out() -> None:
    state = {
        "Pid": 42,
        "StartedAt": "2026-11-20T10:00:00.123456789Z",
        "FinishedAt": "2026-11-20T10:00:01Z",
        "ExitCode": 137,
        "OOMKilled": True,
        "Error": "",
    }
    rest = {"Id": "a" * 64, "Config": {}, "HostConfig": {}, "NetworkSettings": {}}
    running = read.deepened(container(), {"State": state, **rest})
    assert (running.pid, running.exit_code, running.finished_at) == (42, None, None)
    inspected = {"State": {**state, "Pid": 0}, **rest}
    ended = read.deepened(container(State="exited", Status="Exited (137) 1 second ago"), inspected)
    assert (ended.pid, ended.exit_code, ended.detail) == (None, 137, "OOM killed")
    assert ended.started_at == 1795168800.123456
    assert ended.finished_at == 1795168801.0


def test_the_year_one_is_never() -> None:
    assert read.moment("0001-01-01T00:00:00Z") is None


@pytest.mark.parametrize(
    ("status", "message", "kind", "words"),
    [
        (
            500,
            (
                "driver failed programming external connectivity on endpoint x (ab): Bind for 127.0.0.1:8080 failed: "
                "port is already allocated"
            ),
            PortInUse,
            "port 8080 is taken",
        ),
        (
            500,
            (
                "driver failed programming external connectivity on endpoint x (ab): Error starting userland proxy: "
                "listen tcp4 0.0.0.0:8080: bind: address already in use"
            ),
            PortInUse,
            "port 8080 is taken",
        ),
        (
            500,
            (
                "failed to set up container networking: driver failed programming external connectivity on endpoint x: "
                "failed to bind host port for [::1]:8080:172.17.0.2:80/tcp: address already in use"
            ),
            PortInUse,
            "port 8080 is taken",
        ),
        (
            400,
            (
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
                'process: exec: "nope": executable file not found in $PATH: unknown'
            ),
            Refused,
            '"nope": executable file not found in $PATH',
        ),
        (
            400,
            'invalid mount config for type "bind": bind source path does not exist: /nowhere',
            Refused,
            "host path /nowhere does not exist",
        ),
        (404, "No such container: abc", Gone, "No such container"),
        (404, "No such image: abc:latest", ImageUnavailable, "No such image"),
        (
            500,
            "driver failed: failed to bind host port 0.0.0.0:8080/tcp: address already in use",
            PortInUse,
            "port 8080 is taken",
        ),
        (401, "unauthorized", Denied, "unauthorized"),
        (500, "", Refused, "said no"),
    ],
)
def test_the_engines_words_become_decisions(status: int, message: str, kind: type, words: str) -> None:
    error = refusal(status, message, "starting container x")
    assert type(error) is kind
    assert words in error.message
    assert error.message.startswith("starting container x: ")
    assert getattr(error, "port", 8080) == 8080


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("manifest for nginx:99 not found: manifest unknown", "no such image"),
        ("pull access denied for x, repository does not exist or may require 'docker login'", "no such image"),
        ("unauthorized: authentication required", "registry refuses"),
        (
            "Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io: no such host",
            "can't be reached",
        ),
        ("toomanyrequests: You have reached your pull rate limit", "limits how often"),
        ("no space left on device", "could not be pulled"),
    ],
)
def test_failed_pulls_are_told_apart(words: str, cause: str) -> None:
    error = unavailable("nginx:99", words)
    assert cause in error.message
    assert words in error.message
    assert error.hint
