"""Payloads as the engine's JSON. Pure: what is sent can be looked at, and is in tests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.making import NAMELESS, device
from reconciler.model import labels
from reconciler.model.desired import ContainerPayload, Desired, Mount, PortBinding, Sealed, Stop

JSON = dict[str, Any]

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
    return {
        "Mounts": [_mount(mount) for mount in payload.mounts if not mount.files],
        "PortBindings": _port_bindings(payload.ports),
        "NetworkMode": payload.networks[0] if payload.networks else "default",
        "RestartPolicy": restart_policy(payload),
        "LogConfig": LOGGING,
        **limits(payload),
        "Init": payload.init,
        "Privileged": payload.privileged,
        "CapAdd": list(payload.cap_add),
        "CapDrop": list(payload.cap_drop),
        "ExtraHosts": list(payload.extra_hosts),
        "Devices": [_device(text) for text in payload.devices],
        "DeviceRequests": list(_gpus(payload.gpus)),
        **({"ShmSize": payload.shm_size} if payload.shm_size else {}),
    }


def limits(payload: ContainerPayload) -> JSON:
    """0 is none for who is made; for who lives it means "as it was", save that pids are free again."""
    memory = payload.limits.memory or 0
    return {
        "NanoCpus": int((payload.limits.cpus or 0) * 1e9),
        "Memory": memory,
        "MemorySwap": memory,  # as much as memory: no swap on top, so that the limit is the limit
        "PidsLimit": payload.limits.pids or 0,
    }


def restart_policy(payload: ContainerPayload) -> JSON:
    name, _, count = payload.engine_restart.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def further_networks(payload: ContainerPayload) -> Iterator[tuple[str, list[str]]]:
    """Beyond the one where it is created, each with the names by which it is found there."""
    for name in payload.networks[1:]:
        yield name, aliases(payload, name)


def aliases(payload: ContainerPayload, network: str) -> list[str]:
    return [] if network in NAMELESS else list(payload.aliases)


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


def _endpoints(payload: ContainerPayload) -> Mapping[str, JSON]:
    first = payload.networks[0] if payload.networks else ""
    return {} if first in NAMELESS else {first: {"Aliases": aliases(payload, first)}}


def _device(text: str) -> JSON:
    outside, inside, rights = device(text)
    return {"PathOnHost": outside, "PathInContainer": inside, "CgroupPermissions": rights}


def _gpus(text: str) -> Iterator[JSON]:
    request: JSON = {"Driver": "", "Capabilities": [["gpu"]]}
    if text == "all":
        yield {**request, "Count": -1}
    elif text.isdecimal():
        yield {**request, "Count": int(text)}
    elif text:
        yield {**request, "DeviceIDs": [part.strip() for part in text.split(",")]}
