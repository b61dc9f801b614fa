"""What the engine is told, as values."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.desired import ContainerPayload, Desired, File, Limits, Mount, PortBinding, Sealed, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Grant
from reconciler.runtimes.docker import files, write

KEY = Key("service", "shop", "web", 0)


def body(**payload: Any) -> dict[str, Any]:
    given = ContainerPayload(**{"image": "nginx:1.27", **payload})
    grants = {"http": Grant(8080, "auto")}
    desired = Desired(
        key=KEY, runtime="docker", payload=given, fingerprint="f1", owner="o", generation=3, grants=grants
    )
    return write.container(desired, given)


def test_the_least_that_can_be_asked_leaves_the_image_its_own_ways() -> None:
    made = body()
    assert made["Image"] == "nginx:1.27"
    assert not {"Entrypoint", "Cmd", "User", "WorkingDir", "Hostname"} & set(made)
    assert made["HostConfig"]["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}
    assert made["HostConfig"]["NetworkMode"] == "default"


def test_labels_say_whose_it_is_and_no_spec_can_say_otherwise() -> None:
    made = body(labels={"team": "a", "dev.reconciler.owner": "thief"})
    assert made["Labels"] == {
        "team": "a",
        "dev.reconciler.owner": "o",
        "dev.reconciler.namespace": "shop",
        "dev.reconciler.kind": "service",
        "dev.reconciler.name": "web",
        "dev.reconciler.index": "0",
        "dev.reconciler.fingerprint": "f1",
        "dev.reconciler.generation": "3",
        "dev.reconciler.image": "nginx:1.27",
        "dev.reconciler.ports": "http=8080/auto",
    }


def test_arguments_stay_lists() -> None:
    made = body(entrypoint=("sh", "-c"), command=("echo $HOME; rm x",))
    assert (made["Entrypoint"], made["Cmd"]) == (["sh", "-c"], ["echo $HOME; rm x"])


def test_the_environment_is_sorted_and_secrets_are_opened_only_here() -> None:
    assert body(env={"B": "2", "A": Sealed("digest", b"1")})["Env"] == ["A=1", "B=2"]


def test_ports_are_exposed_by_their_inside_number_and_bound_where_asked() -> None:
    ports = (
        PortBinding("http", 80, 8080),
        PortBinding("again", 80, 8081, bind="0.0.0.0"),
        PortBinding("dns", 53, 5353, "udp"),
    )
    made = body(ports=ports)
    assert set(made["ExposedPorts"]) == {"80/tcp", "53/udp"}
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {"HostIp": "0.0.0.0", "HostPort": "8081"}],
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}],
    }


def test_volumes_and_host_paths_are_mounts_and_files_are_not() -> None:
    mounts = (
        Mount("data", "/data", volume="shop-data"),
        Mount("src", "/app", host_path="/home/me/src", read_only=True),
        Mount("conf", "/etc/app", files=(File("a", b""),)),
    )
    assert body(mounts=mounts)["HostConfig"]["Mounts"] == [
        {"Type": "volume", "Source": "shop-data", "Target": "/data", "ReadOnly": False},
        {"Type": "bind", "Source": "/home/me/src", "Target": "/app", "ReadOnly": True},
    ]


def test_it_is_made_in_its_first_network_and_found_there_by_its_names() -> None:
    payload: dict[str, Any] = {"networks": ("shop-default", "back"), "aliases": ("web",)}
    made = body(**payload)
    assert made["HostConfig"]["NetworkMode"] == "shop-default"
    assert made["NetworkingConfig"]["EndpointsConfig"] == {"shop-default": {"Aliases": ["web"]}}
    assert list(write.further_networks(ContainerPayload(image="x", **payload))) == [("back", ["web"])]


@pytest.mark.parametrize("network", ["host", "none", "bridge"])
def test_the_engines_own_networks_know_no_names(network: str) -> None:
    made = body(networks=(network,), aliases=("web",))
    assert (made["HostConfig"]["NetworkMode"], made["NetworkingConfig"]["EndpointsConfig"]) == (network, {})


def test_limits_are_in_the_engines_units_and_memory_has_no_swap_on_top() -> None:
    made = body(limits=Limits(cpus=0.5, memory=256 * 2**20, pids=512))["HostConfig"]
    names = ("NanoCpus", "Memory", "MemorySwap", "PidsLimit")
    assert [made[name] for name in names] == [500_000_000, 2**28, 2**28, 512]


def test_logs_do_not_fill_the_disk() -> None:
    assert body()["HostConfig"]["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


@pytest.mark.parametrize(("signal", "grace", "told"), [("TERM", 10, ("SIGTERM", 10)), ("SIGINT", 0.5, ("SIGINT", 1))])
def test_how_it_is_stopped_stands_in_it(signal: str, grace: float, told: tuple[str, int]) -> None:
    made = body(stop=Stop(signal, grace))
    assert (made["StopSignal"], made["StopTimeout"]) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/dev/fuse", ("/dev/fuse", "/dev/fuse", "rwm")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:/dev/b:r", ("/dev/a", "/dev/b", "r")),
        ("/dev/a:rw", ("/dev/a", "/dev/a", "rw")),
    ],
)
def test_devices_are_written_as_the_docker_command_takes_them(text: str, told: tuple[str, str, str]) -> None:
    (device,) = body(devices=(text,))["HostConfig"]["Devices"]
    assert (device["PathOnHost"], device["PathInContainer"], device["CgroupPermissions"]) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [("all", {"Count": -1}), ("2", {"Count": 2}), ("GPU-1, GPU-2", {"DeviceIDs": ["GPU-1", "GPU-2"]})],
)
def test_gpus_are_requested(text: str, told: dict[str, Any]) -> None:
    assert body(gpus=text)["HostConfig"]["DeviceRequests"] == [{"Driver": "", "Capabilities": [["gpu"]], **told}]


def test_the_rest_is_passed_on() -> None:
    made = body(
        user="app:app",
        working_dir="/srv",
        hostname="web",
        tty=True,
        init=True,
        privileged=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        shm_size=2**30,
        extra_hosts=("db:10.0.0.1",),
        engine_restart="on-failure:3",
    )
    assert [made[name] for name in ("User", "WorkingDir", "Hostname", "Tty")] == ["app:app", "/srv", "web", True]
    names = ("Init", "Privileged", "CapAdd", "CapDrop", "ShmSize", "ExtraHosts")
    told = [made["HostConfig"][name] for name in names]
    assert told == [True, True, ["NET_ADMIN"], ["ALL"], 2**30, ["db:10.0.0.1"]]
    assert made["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_an_archive_of_files_is_the_same_each_time_and_holds_no_directories() -> None:
    import io
    import tarfile

    mounts = [Mount("c", "/etc/app/", files=(File("a.ini", b"x"), File("key", Sealed("d", b"y"), 0o400)))]
    packed = files.pack(mounts, 1000, 7)
    assert packed == files.pack(mounts, 1000, 7)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        told = [(m.name, m.mode, m.uid, m.gid, m.isfile()) for m in tar]
    assert told == [("etc/app/a.ini", 0o444, 1000, 7, True), ("etc/app/key", 0o400, 1000, 7, True)]
