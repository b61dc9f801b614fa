"""How a container is made, read from what the engine says when it is inspected. Pure.

What is told is what was asked for when it was made, not what the engine made of it: its own defaults are nobody's
wish, and must never look like a change that somebody made. What the image gives is told apart from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.making import NAMELESS, capabilities, clean
from reconciler.model.desired import Stop
from reconciler.model.observed import Facts
from reconciler.runtimes.docker.dialect import signal_name

JSON = Mapping[str, Any]


def facts(inspected: JSON, image: JSON | None, stale: str = "") -> Facts:
    """`image` is the one that it was made from; None when the engine has it no longer."""
    config, host = inspected["Config"], inspected["HostConfig"]
    return Facts(
        fields={
            "image": config.get("Image") or "",
            "entrypoint": tuple(config.get("Entrypoint") or ()),
            "command": tuple(config.get("Cmd") or ()),
            "env": _variables(config),
            "ports": tuple(sorted(_ports(host.get("PortBindings") or {}))),
            "mounts": dict(_mounts(host)),
            "user": config.get("User") or "",
            "working_dir": clean(config.get("WorkingDir") or ""),
            "hostname": str(config.get("Hostname") or ""),
            "tty": bool(config.get("Tty")),
            "init": bool(host.get("Init")),
            "privileged": bool(host.get("Privileged")),
            "cap_add": capabilities(host.get("CapAdd") or []),
            "cap_drop": capabilities(host.get("CapDrop") or []),
            "devices": tuple(map(_device, host.get("Devices") or [])),
            "gpus": _gpus(host.get("DeviceRequests") or []),
            "shm_size": host.get("ShmSize") or None,
            "extra_hosts": tuple(sorted(host.get("ExtraHosts") or [])),
            "labels": dict(config.get("Labels") or {}),
            "limits": _limits(host),
            "engine_restart": _restart_policy(host.get("RestartPolicy") or {}),
            "networks": dict(networks(inspected)),
        },
        given={} if image is None else _given(image.get("Config") or {}),
        stale=stale,
        stopping=stopping(config),
    )


def stopping(config: JSON) -> tuple[str, float]:
    """As it was made to be, which stays so for its life."""
    return signal_name(config.get("StopSignal") or "SIGTERM"), config.get("StopTimeout") or Stop().grace_seconds


def _given(image: JSON) -> Mapping[str, Any]:
    return {
        "entrypoint": tuple(image.get("Entrypoint") or ()),
        "command": tuple(image.get("Cmd") or ()),
        "env": _variables(image),
        "user": image.get("User") or "",
        "working_dir": clean(image.get("WorkingDir") or ""),
        "labels": dict(image.get("Labels") or {}),
    }


def _variables(config: JSON) -> dict[str, str]:
    pairs = (text.partition("=") for text in config.get("Env") or [])
    return {name: value for name, _, value in pairs}


def _ports(bindings: Mapping[str, Any]) -> Iterator[str]:
    for inside, places in bindings.items():
        for place in places or []:
            yield f"{place.get('HostIp') or '0.0.0.0'}:{place.get('HostPort') or 'auto'}->{inside}"  # noqa: S104


def _mounts(host: JSON) -> Iterator[tuple[str, str]]:
    """In either of the two forms in which one can ask for them."""
    for text in host.get("Binds") or []:
        source, target, *options = text.split(":")
        yield (
            clean(target),
            _mounted("bind" if source.startswith("/") else "volume", source, "ro" in ",".join(options).split(",")),
        )
    for mount in host.get("Mounts") or []:
        source = mount.get("Source") or "without a name"
        yield clean(mount["Target"]), _mounted(mount["Type"], source, bool(mount.get("ReadOnly")))


def _mounted(kind: str, source: str, read_only: bool) -> str:
    said = f"host path {clean(source)}" if kind == "bind" else f"{kind} {source}"
    return f"{said}, read-only" if read_only else said


def _device(device: JSON) -> str:
    return f"{device['PathOnHost']}:{device['PathInContainer']}:{device['CgroupPermissions']}"


def _gpus(requests: list[JSON]) -> str:
    """Of others' requests nothing is known."""
    for request in requests:
        if ["gpu"] in (request.get("Capabilities") or []):
            ids, count = request.get("DeviceIDs") or [], request.get("Count") or 0
            return ",".join(ids) if ids else "all" if count == -1 else str(count)
    return ""


def _limits(host: JSON) -> Mapping[str, float | int | None]:
    """0 and -1 are none. Who gave a quota by hand gave it in shares of a period."""
    nano, quota = host.get("NanoCpus") or 0, host.get("CpuQuota") or 0
    cpus = nano / 1e9 if nano > 0 else quota / (host.get("CpuPeriod") or 100_000) if quota > 0 else None
    memory, pids = host.get("Memory") or 0, host.get("PidsLimit") or 0
    return {"cpus": cpus, "memory": memory if memory > 0 else None, "pids": pids if pids > 0 else None}


def _restart_policy(policy: JSON) -> str:
    name, count = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{count}" if count else name


def networks(inspected: JSON) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The engine adds the container's id to the names that were asked for, and its host name."""
    for name, joined in (inspected["NetworkSettings"].get("Networks") or {}).items():
        aliases = set((joined or {}).get("Aliases") or []) - {inspected["Id"][:12]}
        if not all(isinstance(alias, str) for alias in aliases):
            raise TypeError("an alias is no text")
        yield name, () if name in NAMELESS else tuple(sorted(aliases))
