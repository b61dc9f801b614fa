"""How a thing is made, in words that can be compared: the one vocabulary of payloads and of closer looks.

Fields are called as in the payload. Texts stand for what has several parts (`127.0.0.1:8080->80/tcp`), so that
what an engine says in its own way and what was asked for come out the same, and a person can read both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.desired import (
    ContainerPayload,
    Limits,
    MeshPayload,
    Mount,
    Payload,
    PortBinding,
    ProcessPayload,
    Sealed,
)
from reconciler.model.observed import Facts

NAMELESS = frozenset({"", "default", "bridge", "host", "none"})
"""The engine's own networks know no names for their members."""


def making(payload: Payload) -> dict[str, Any]:
    """What is asked for. Secret values are still sealed; nothing that can't be looked at afterwards is in here."""
    match payload:
        case ContainerPayload():
            return _container(payload)
        case ProcessPayload():
            return _process(payload)
        case _:
            return {}


def as_made(payload: Payload) -> Facts | None:
    """What a closer look finds of what was just made. An image that says nothing gives nothing."""
    if isinstance(payload, MeshPayload):
        return Facts(fields=as_joined(payload))
    fields = making(payload)
    if not fields:
        return None
    env = {name: value.text() if isinstance(value, Sealed) else value for name, value in fields["env"].items()}
    return Facts(fields={**fields, "env": env}, given={"env": {}, "labels": {}})


def as_joined(payload: MeshPayload, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is found of a host's part of a mesh, in the words of `core.mesh`. A key that it has not had `before` nobody
    knows.
    """
    had: Mapping[str, Any] = before or {}
    public = payload.becomes or had.get("public") or f"key-of-{payload.address}"
    reached = [address for peer in payload.peers for address in peer.reached]
    return {
        "up": True,
        "next": "" if payload.becomes else had.get("next", ""),
        "public": public,
        "live_public": public,
        "port": payload.port,
        "wanted_address": payload.address,
        "wanted_port": payload.port,
        "addresses": (payload.address,),
        "routes": tuple(reached),
        "peers": {
            **{peer.next_key: {"reached": (), "endpoint": peer.endpoint} for peer in payload.peers if peer.next_key},
            **{peer.key: {"reached": peer.reached, "endpoint": peer.endpoint} for peer in payload.peers},
        },
        "hosts": {peer.host: peer.reached[0] for peer in payload.peers},
        "endpoints": {peer.host: peer.endpoint for peer in payload.peers},
        "keys": {peer.host: peer.key for peer in payload.peers},
    }


def _container(payload: ContainerPayload) -> dict[str, Any]:
    return {
        "image": None if payload.build else payload.image,
        "entrypoint": payload.entrypoint,
        "command": payload.command,
        "env": dict(payload.env),
        "ports": tuple(sorted(map(port, payload.ports))),
        "mounts": {clean(mount.target): mounted(mount) for mount in payload.mounts if not mount.files},
        "user": payload.user,
        "working_dir": clean(payload.working_dir),
        "hostname": payload.hostname,
        "tty": payload.tty,
        "init": payload.init,
        "privileged": payload.privileged,
        "cap_add": capabilities(payload.cap_add),
        "cap_drop": capabilities(payload.cap_drop),
        "devices": tuple(":".join(device(text)) for text in payload.devices),
        "gpus": payload.gpus,
        "shm_size": payload.shm_size,
        "extra_hosts": tuple(sorted(payload.extra_hosts)),
        "labels": dict(payload.labels),
        "limits": limits(payload.limits),
        "engine_restart": payload.engine_restart,
        "networks": {name: aliases(payload, name) for name in payload.networks},
    }


def _process(payload: ProcessPayload) -> dict[str, Any]:
    return {
        "command": payload.command,
        "working_dir": clean(payload.working_dir),
        "user": payload.user,
        "env": dict(payload.env),
        "limits": limits(payload.limits),
    }


def port(binding: PortBinding) -> str:
    return f"{binding.bind}:{binding.host_port}->{binding.port}/{binding.protocol}"


def mounted(mount: Mount) -> str:
    source = f"volume {mount.volume}" if mount.volume else f"host path {clean(mount.host_path)}"
    return f"{source}, read-only" if mount.read_only else source


def limits(given: Limits) -> Mapping[str, float | int | None]:
    """Processor time to a billionth, as engines keep it."""
    cpus = None if given.cpus is None else int(given.cpus * 1e9) / 1e9
    return {"cpus": cpus, "memory": given.memory, "pids": given.pids}


def aliases(payload: ContainerPayload, network: str) -> tuple[str, ...]:
    return () if network in NAMELESS else tuple(sorted(payload.aliases))


def capabilities(names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(sorted(name.upper().removeprefix("CAP_") for name in names))


def device(text: str) -> tuple[str, str, str]:
    """/dev/a, /dev/a:/dev/b, /dev/a:rwm or /dev/a:/dev/b:rwm, as its place outside, inside, and the rights."""
    outside, *rest = text.split(":")
    rights = rest.pop() if rest and set(rest[-1]) <= set("rwm") else "rwm"
    return outside, rest[0] if rest else outside, rights


def clean(path: str) -> str:
    """As the engine tidies a path up: /app/ and /app/./x/.. are /app."""
    if not path.startswith("/"):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
