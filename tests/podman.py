"""Podman behind a socket that speaks as Docker's does, for the rig: where all of it lives, and what it is told."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PACKAGES = {
    "podman": "podman",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
    "/usr/bin/catatonit": "catatonit",
    "runc": "runc",
}

OF_THE_SYSTEM = ("/run/netns", "/run/libpod", "/run/containers", "/run/runc", "/dev/shm")
"""Where it keeps things whatever it is told. In the rig's mount namespace something of ours lies over each."""

PARENT = "libpod_parent"

SETTINGS: dict[str, dict[str, object]] = {
    "containers": {"default_ulimits": [], "log_driver": "k8s-file", "init_path": "/usr/bin/catatonit"},
    "engine": {
        "cgroup_manager": "cgroupfs",  # no systemd here
        "events_logger": "file",  # nor a journal
        "lock_type": "file",
        "num_locks": 8192,
        "runtime": "runc",  # Debian's crun refuses machines whose cgroups are half v1, half v2
    },
    "network": {"network_backend": "netavark"},  # the plugins that it would take instead know no names of containers
}


REGISTRIES = """
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "127.0.0.1"
insecure = true
"""
"""The second is Docker's own opinion of loopback, and what tests of pulling need."""


def service(directory: Path) -> tuple[str, list[str], dict[str, str]]:
    """Where it will answer, its command, and the environment of that, which nobody else is given."""
    _lay_over(directory)
    engine = {**SETTINGS["engine"], "tmp_dir": f"{directory}/tmp"}
    network = {**SETTINGS["network"], "network_config_dir": f"{directory}/networks"}
    storage = {"driver": "overlay", "graphroot": f"{directory}/data", "runroot": f"{directory}/run"}
    (directory / "containers.conf").write_text(_toml({**SETTINGS, "engine": engine, "network": network}))
    (directory / "storage.conf").write_text(_toml({"storage": storage}))
    (directory / "registries.conf").write_text(REGISTRIES)
    environment = os.environ | {
        "CONTAINERS_CONF": f"{directory}/containers.conf",
        "CONTAINERS_STORAGE_CONF": f"{directory}/storage.conf",
        "CONTAINERS_REGISTRIES_CONF": f"{directory}/registries.conf",
    }
    address = f"unix://{directory}/podman.sock"
    return address, ["podman", "system", "service", "--time=0", address], environment


def cgroups(directory: Path) -> list[str]:
    """Of containers that it knew when it was killed; then what all Podmans share, which only the last can take."""
    known = [path.name for path in (directory / "data" / "overlay-containers").glob("?" * 64)]
    shared = [f"{PARENT}/conmon", PARENT] if (directory / "containers.conf").exists() else []
    return [*(f"{PARENT}/libpod-{identity}" for identity in known), *shared]


def _lay_over(directory: Path) -> None:
    """They go with the mount namespace, and what was written there with the directory."""
    for place in OF_THE_SYSTEM:
        ours = directory / "system" / place.strip("/")
        ours.mkdir(parents=True)
        Path(place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", ours, place], check=True)


def _toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """JSON's scalars and lists are TOML's too."""
    lines = []
    for name, values in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([*lines, ""])
