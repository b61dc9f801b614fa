"""What ought to exist, rendered to the last detail: nothing here is left to be looked up when it is made.

The fingerprint is taken over a payload's `plain()` form, in which sealed values and file contents stand as
digests. So a payload can be printed, compared and kept without ever showing a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields, is_dataclass
from types import NoneType
from typing import Any

from reconciler.model.key import Key
from reconciler.model.observed import Grant
from reconciler.model.place import LOCAL, Place
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret value. It shows itself only to who calls `reveal`; everything else sees its keyed digest."""

    digest: str
    _value: bytes = field(repr=False, compare=False)

    def reveal(self) -> bytes:
        return self._value

    def text(self) -> str:
        return self._value.decode()

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class File:
    """One file to deliver into a workload: of a Config (0444) or a Secret (0400)."""

    name: str
    content: Sealed | bytes
    mode: int = 0o444

    def data(self) -> bytes:
        return self.content.reveal() if isinstance(self.content, Sealed) else self.content


@dataclass(frozen=True, slots=True)
class Mount:
    """Exactly one of `volume` (a name on the engine), `host_path` and `files` is what lies at `target`.

    For a process `target` is empty: it sees the host's own files, and is told where by a reference.
    """

    name: str
    target: str
    volume: str = ""
    host_path: str = ""
    files: tuple[File, ...] = ()
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class PortBinding:
    """A named port with its host port decided. A process listens on `host_port` itself."""

    name: str
    port: int
    host_port: int
    protocol: str = "tcp"
    bind: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Limits:
    cpus: float | None = None
    memory: int | None = None
    """Bytes."""
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    signal: str = "TERM"
    grace_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Context:
    """What a build or a package is given: a directory as it was when it was looked at, known by its digest."""

    digest: str
    """Of all that is to count."""
    dockerfile: str = field(default="Dockerfile", compare=False)
    """Where in it the Dockerfile lies."""
    archive: Callable[[], tuple[int, Iterator[bytes]]] = field(default=lambda: (0, iter(())), repr=False, compare=False)
    """The same as a tar archive: its size, and the pieces. Raises Refused when it is no longer as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How an image is made, if there is none of its name that was made from just this."""

    context: Context
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    rebuilt_at: str = ""
    """When it was last asked for without need: then nothing of an older build is taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Files that a process is delivered with, and how they are set up where it runs."""

    id: str
    """Of all of it: what it is called on each host."""
    content: Context
    setup: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


Environment = Mapping[str, str | Sealed]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPayload:
    image: str
    """The name of what is built, where there is a build: whatever that is called, it is the same."""
    build: Build | None = None
    pull_policy: str = "IfNotPresent"
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    env: Environment = field(default_factory=dict)
    ports: tuple[PortBinding, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: tuple[str, ...] = ()
    """Names on the engine; the first one is where the container is created."""
    aliases: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    hostname: str = ""
    tty: bool = False
    init: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    gpus: str = ""
    shm_size: int | None = None
    extra_hosts: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    engine_restart: str = "no"
    """The engine's own restart policy: "no" unless `restart.by: engine` asked for it."""
    stop: Stop = field(default_factory=Stop)
    restarted_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPayload:
    command: tuple[str, ...]
    inside: str = ""
    """The key of a workload, or of one instance, in which the command is run; empty for one on the host itself."""
    working_dir: str = ""
    """With a package relative to that."""
    user: str = ""
    package: Package | None = None
    env: Environment = field(default_factory=dict)
    ports: tuple[PortBinding, ...] = ()
    mounts: tuple[Mount, ...] = ()
    limits: Limits = field(default_factory=Limits)
    stop: Stop = field(default_factory=Stop)
    restarted_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedPayload:
    """What others run: there is nothing to be made, only where it is found."""

    target: str
    """As a person would name it."""
    ports: tuple[PortBinding, ...] = ()
    """A `host_port` of 0: it is published nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPayload:
    driver: str = "bridge"
    subnet: str = ""
    internal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumePayload:
    driver: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another host of the mesh that this one speaks with directly."""

    host: str
    key: str
    """Its public one."""
    reached: tuple[str, ...]
    """Addresses in the mesh that are found through it, its own first."""
    endpoint: str = ""
    """Where it is found outside of the mesh; empty where it has to come to us."""
    next_key: str = ""
    """The one that it is going to have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshPayload:
    """One host's part of a mesh."""

    device: str
    address: str
    port: int
    peers: tuple[Peer, ...] = ()
    relays: bool = False
    """Between others, who can't reach one another."""
    becomes: str = ""
    """Its next key, if that is to be its key from now on."""
    to_call: tuple[str, ...] = ()
    """Keys of peers who know no more what was agreed upon, and can't call it themselves."""


Payload = ContainerPayload | ProcessPayload | AttachedPayload | NetworkPayload | VolumePayload | MeshPayload


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """One thing that ought to exist: a runtime can make it from this and nothing else."""

    key: Key
    runtime: str
    host: str = LOCAL
    payload: Payload
    fingerprint: str
    owner: str
    generation: int = 1
    grants: Mapping[str, Grant] = field(default_factory=dict)
    profile: str = ""
    """Of the policy, for what a Source brought; empty for what a person applied here."""
    foreign: tuple[str, ...] = ()
    """Networks and volumes of the payload that others made, by their names on the engine."""
    implied: frozenset[str] = frozenset()
    """Variables that nobody wrote: our own marks, and the addresses of those whom it depends on."""

    @property
    def name(self) -> str:
        return self.key.engine_name

    @property
    def place(self) -> Place:
        return Place(self.runtime, self.host)


PLACE = "\0"
"""Fences the name of a mount in a process's strings. No string of a user can hold it."""


def place(name: str) -> str:
    """Stands for the path of a mount on the host, which only the process runtime can say."""
    return f"{PLACE}{name}{PLACE}"


def places(text: str, where: Mapping[str, str]) -> str:
    """The text with every such stand-in replaced by the path of that mount."""
    parts = text.split(PLACE)
    return "".join(part if i % 2 == 0 else where[part] for i, part in enumerate(parts))


_PLAIN = frozenset({str, int, bool, float, NoneType})


def plain(value: Any) -> Any:
    """A JSON tree of any payload or part of one: secrets and file contents as digests, defaults left out."""
    if value.__class__ in _PLAIN:  # most of it: it is gone through often, and a match would ask for each class in turn
        return value
    match value:
        case Sealed():
            return f"sealed:{value.digest}"
        case File(content=bytes() as content):
            return {"name": value.name, "mode": oct(value.mode), "content": _digest(content)}
        case File():
            return {"name": value.name, "mode": oct(value.mode), "content": plain(value.content)}
        case Context():
            return f"sha256:{value.digest[:16]}"
        case _ if is_dataclass(value) and not isinstance(value, type):
            set_ones = ((f.name, getattr(value, f.name)) for f in fields(value))
            told = {name: plain(item) for name, item in set_ones if item not in ("", None, (), {}, False)}
            if isinstance(value, ContainerPayload) and value.build:
                del told["image"]
            return told
        case Mapping():
            return {str(name): plain(value[name]) for name in sorted(value)}
        case tuple() | list():
            return [plain(item) for item in value]
        case _:
            return value


def _digest(content: bytes) -> str:
    import hashlib  # noqa: PLC0415 -- OpenSSL's start-up is only for those who carry files

    return "sha256:" + hashlib.sha256(content).hexdigest()[:16]
