"""Payloads as the engine's JSON. Pure: what is sent can be looked at, and is in tests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model import labels
from reconciler.model.desired import ContainerPayload, Desired, Mount, PortBinding, Sealed, Stop

JSON = dict[str, Any]

SHARED_NETWORKS = {"", "default", "bridge", "host", "none"}
"""The engine's own networks know no names for their members."""

LOGGING = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
"""The engine's own default keeps everything for ever and fills the disk."""


def container(desired: Desired, payload: ContainerPayload) -> JSON:
    """The body of a create. Nothing in it is left to the engine's taste that a second create might see otherwise."""
    optional = {
        "Entrypoint": _list(payload.entrypoint),
        "Cmd": _list(payload.command),
        "User": payload.user,
        "WorkingDir": payload.working_dir,
        "Hostname": payload.hostname,
    }
    return {
        "Image": payload.image,
        "Labels": {**payload.labels, **labels.write(desired)},
        "Env": [f"{name}={_open(payload.env[name])}" for name in sorted(payload.env)],
        "Tty": payload.tty,
        "ExposedPorts": {_inside(port): {} for port in payload.ports},
        "StopSignal": signal_name(payload.stop),
        "StopTimeout": grace(payload.stop),
        "HostConfig": host_config(payload),
        "NetworkingConfig": {"EndpointsConfig": _endpoints(payload)},
        **{name: value for name, value in optional.items() if value},
    }


def host_config(payload: ContainerPayload) -> JSON:
    limits = payload.limits
    memory = limits.memory or 0
    return {
        "Mounts": [_mount(mount) for mount in payload.mounts if not mount.files],
        "PortBindings": _port_bindings(payload.ports),
        "NetworkMode": payload.networks[0] if payload.networks else "default",
        "RestartPolicy": _restart_policy(payload.engine_restart),
        "LogConfig": LOGGING,
        "NanoCpus": int((limits.cpus or 0) * 1e9),
        "Memory": memory,
        "MemorySwap": memory,  # as much as memory: no swap on top, so that the limit is the limit
        "PidsLimit": limits.pids or 0,
        "Init": payload.init,
        "Privileged": payload.privileged,
        "CapAdd": list(payload.cap_add),
        "CapDrop": list(payload.cap_drop),
        "ExtraHosts": list(payload.extra_hosts),
        "Devices": [_device(text) for text in payload.devices],
        "DeviceRequests": list(_gpus(payload.gpus)),
        **({"ShmSize": payload.shm_size} if payload.shm_size else {}),
    }


def further_networks(payload: ContainerPayload) -> Iterator[tuple[str, list[str]]]:
    """Beyond the one where it is created, each with the names by which it is found there."""
    for name in payload.networks[1:]:
        yield name, _aliases(payload, name)


def signal_name(stop: Stop) -> str:
    return stop.signal if stop.signal.startswith("SIG") else f"SIG{stop.signal}"


def grace(stop: Stop) -> int:
    """Whole seconds; the engine knows no others, and 0 means at once."""
    return math.ceil(stop.grace_seconds)


def _open(value: str | Sealed) -> str:
    return value.text() if isinstance(value, Sealed) else value


def _list(argv: tuple[str, ...] | None) -> list[str] | None:
    return None if argv is None else list(argv)


def _inside(port: PortBinding) -> str:
    return f"{port.port}/{port.protocol}"


def _port_bindings(ports: tuple[PortBinding, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        bindings.setdefault(_inside(port), []).append({"HostIp": port.bind, "HostPort": str(port.host_port)})
    return bindings


def _mount(mount: Mount) -> JSON:
    """As a mount and not as a bind string: that one would make a missing host path, as root, without a word."""
    kind, source = ("volume", mount.volume) if mount.volume else ("bind", mount.host_path)
    return {"Type": kind, "Source": source, "Target": mount.target, "ReadOnly": mount.read_only}


def _restart_policy(text: str) -> JSON:
    name, _, count = text.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def _endpoints(payload: ContainerPayload) -> Mapping[str, JSON]:
    first = payload.networks[0] if payload.networks else ""
    return {} if first in SHARED_NETWORKS else {first: {"Aliases": _aliases(payload, first)}}


def _aliases(payload: ContainerPayload, network: str) -> list[str]:
    return [] if network in SHARED_NETWORKS else list(payload.aliases)


def _device(text: str) -> JSON:
    """/dev/a, /dev/a:/dev/b, /dev/a:rwm or /dev/a:/dev/b:rwm."""
    outside, *rest = text.split(":")
    rights = rest.pop() if rest and set(rest[-1]) <= set("rwm") else "rwm"
    return {"PathOnHost": outside, "PathInContainer": rest[0] if rest else outside, "CgroupPermissions": rights}


def _gpus(text: str) -> Iterator[JSON]:
    request: JSON = {"Driver": "", "Capabilities": [["gpu"]]}
    if text == "all":
        yield {**request, "Count": -1}
    elif text.isdecimal():
        yield {**request, "Count": int(text)}
    elif text:
        yield {**request, "DeviceIDs": [part.strip() for part in text.split(",")]}
