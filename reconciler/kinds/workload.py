"""A workload: a container or a native process, and what both have. A Service is one that is kept running."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Literal, Protocol

from reconciler.kinds.base import EDGE, VARIABLE_REST, VARIABLE_START, Argv, Fault, Need, PortNumber, camel
from reconciler.kinds.build import Build, image_faults
from reconciler.kinds.limits import Ge, Le
from reconciler.kinds.package import Package, package_faults
from reconciler.kinds.quantity import bytes_of
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Run as a container, always detached."""

    __pydantic_config__ = EDGE

    image: str = ""
    """Image reference, as `docker run` takes it. With `build`, the name of what is built."""
    build: Build | None = None
    """Build the image from a Dockerfile. What the build is given is part of the fingerprint."""
    workspace: str = ""
    """A directory of the host to work in; relative to the spec file. It lies at /workspaces/NAME, where the command
    starts too, unless workingDir says otherwise."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When to pull: on every apply, when the image is missing, or never."""
    entrypoint: Argv | None = None
    """Replaces the image's entrypoint. A list of arguments; no shell is involved."""
    command: Argv | None = None
    """Replaces the image's command (the arguments of the entrypoint). A list of arguments."""
    keep_alive: bool = False
    """No command of its own: it stays up to be attached to with `exec` or an editor."""
    user: str = ""
    """User (and group) inside: name or id, `user[:group]`."""
    working_dir: str = ""
    """Directory in which the command starts."""
    hostname: str = ""
    """Host name inside; by default the container's id."""
    tty: bool = False
    """Give it a terminal."""
    init: bool = False
    """Run a tiny init as PID 1, which reaps zombies and passes signals on."""
    networks: tuple[str, ...] = ()
    """Networks to join, by name. By default the namespace's own, where services find each other by name."""
    aliases: tuple[str, ...] = ()
    """Further names by which it is found on its networks, beside its own."""
    privileged: bool = False
    """All the rights of the host's root. Rarely needed; ask twice."""
    cap_add: tuple[str, ...] = ()
    """Linux capabilities to add, like NET_ADMIN."""
    cap_drop: tuple[str, ...] = ()
    """Linux capabilities to take away; ALL for all."""
    devices: tuple[str, ...] = ()
    """Devices of the host: `/dev/x`, `/dev/x:/dev/y` or `/dev/x:/dev/y:rwm`."""
    gpus: str = ""
    """`all`, a number, or ids separated by commas."""
    shm_size: str = ""
    """Size of /dev/shm, like 1Gi."""
    extra_hosts: tuple[str, ...] = ()
    """More entries for /etc/hosts: `name:address`; the address may be `host-gateway`."""
    labels: dict[str, str] = field(default_factory=dict)
    """More labels on the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Run as a native process of the host, detached, in a session (and where permitted a cgroup) of its own."""

    __pydantic_config__ = EDGE

    command: Argv
    """Program and arguments. A list; no shell is involved."""
    working_dir: str = ""
    """Directory in which it starts; relative to the spec file. By default the spec file's own. On another host relative
    to the home of the user there, and by default that."""
    user: str = ""
    """User to run as; needs root."""
    package: Package | None = None
    """Files to bring along. Then workingDir is relative to these, and by default the directory that they lie in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFrom:
    """Variables from a file, a Config or a Secret: exactly one of them. Later entries win; `env` wins over all."""

    __pydantic_config__ = EDGE

    file: str = ""
    """A file of NAME=value lines; relative to the spec file."""
    config: str = ""
    """Name of a Config; its keys become variables."""
    secret: str = ""
    """Name of a Secret; its keys become variables, visible to who may inspect the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port on which the workload listens, and where the host shows it."""

    __pydantic_config__ = EDGE

    name: str = ""
    """Name by which others refer to it; may be left out when there is only one."""
    port: PortNumber | None = None
    """Port inside the container. A native process listens on the host port itself: `${ports.NAME}`."""
    host_port: PortNumber | str = "auto"
    """A number, a range like "8080-8099", or auto (20000-29999)."""
    on_conflict: Literal["fail", "reassign"] | None = None
    """What to do when the number is taken: fail (the default for a number), or reassign to a free one near it."""
    protocol: Literal["tcp", "udp"] = "tcp"
    """tcp or udp."""
    bind: str = "127.0.0.1"
    """Address of the host on which it is published; 0.0.0.0 opens it to the network."""

    @property
    def label(self) -> str:
        return self.name or "default"

    @property
    def request(self) -> str:
        """What was asked for, as one word; part of the label, so that a new wish is told from an old one."""
        return f"{self.host_port}{'+' if self.on_conflict == 'reassign' else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """Something that lies in the workload's file system: exactly one of volume, hostPath, config and secret."""

    __pydantic_config__ = EDGE

    volume: str = ""
    """Name of a Volume; its data outlives the service."""
    host_path: str = ""
    """A directory or file of the host; relative to the spec file."""
    config: str = ""
    """Name of a Config; its keys become files."""
    secret: str = ""
    """Name of a Secret; its keys become files with mode 0400."""
    mount_path: str = ""
    """Where it lies in the container. A process is told by `${volumes.NAME}` where it lies on the host."""
    read_only: bool = False
    """Whether writes are refused."""

    @property
    def source(self) -> str:
        return self.volume or self.config or self.secret or self.host_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """How it is asked to end."""

    __pydantic_config__ = EDGE

    signal: str = "TERM"
    """First signal, like TERM, INT or QUIT."""
    grace_seconds: Annotated[float, Ge(0), Le(3600)] = 10.0
    """Time to end by itself before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits. By default there are none."""

    __pydantic_config__ = EDGE

    cpus: Annotated[float, Ge(0.001)] | None = None
    """Processor time, in cores: 0.5 is half of one."""
    memory: str = ""
    """Memory, like 256Mi or 2Gi; more than that and it is killed."""
    pids: Annotated[int, Ge(1)] | None = None
    """How many processes and threads it may have."""


class Workload(Protocol):
    """What the spec of every kind that runs something has. The fields stand in each kind, with their words."""

    @property
    def container(self) -> Container | None: ...

    @property
    def process(self) -> Process | None: ...

    @property
    def env(self) -> dict[str, str]: ...

    @property
    def env_from(self) -> tuple[EnvFrom, ...]: ...

    @property
    def ports(self) -> tuple[Port, ...]: ...

    @property
    def volumes(self) -> tuple[VolumeMount, ...]: ...

    @property
    def stop(self) -> Stopping: ...

    @property
    def resources(self) -> Resources: ...


SIGNALS = frozenset("TERM INT QUIT KILL HUP USR1 USR2 WINCH CONT STOP".split())


def workload_faults(spec: Workload) -> Iterator[Fault]:
    yield from _runtime_faults(spec)
    yield from _environment_faults(spec)
    yield from port_faults(spec)
    yield from _volume_faults(spec)
    yield from _quantity_faults(spec)


def _runtime_faults(spec: Workload) -> Iterator[Fault]:
    if spec.container and spec.process:
        yield Fault(("process",), "a workload is either a container or a process, not both", "remove one of them")
    if not spec.container and not spec.process:
        yield Fault(
            (), "neither container nor process is given", "add container: {image: ...} or process: {command: [...]}"
        )
    if spec.container:
        yield from _container_faults(spec.container)
    if spec.process and not spec.process.command[0]:
        yield Fault(("process", "command", 0), "the program's name is empty", "like [./run, --fast]")
    if spec.process:
        yield from package_faults(spec.process)
    if spec.stop.signal.removeprefix("SIG") not in SIGNALS:
        yield Fault(
            ("stop", "signal"), f"no signal is called {spec.stop.signal!r}", "one of " + ", ".join(sorted(SIGNALS))
        )


def _container_faults(container: Container) -> Iterator[Fault]:
    yield from image_faults(container)
    if container.keep_alive and (container.command or container.entrypoint):
        yield Fault(
            ("container", "keepAlive"),
            "keepAlive means no command of its own, but a command is given",
            "remove keepAlive, or the command; an explicit command is never replaced",
        )
    if len(set(container.networks)) != len(container.networks):
        yield Fault(("container", "networks"), "a network is named twice", "remove one of the two")
    for i, alias in enumerate(container.aliases):
        if not _is_host_name(alias):
            yield Fault(("container", "aliases", i), f"{alias!r} can't be the name of a host", "like db or db_main")
    for i, entry in enumerate(container.extra_hosts):
        if ":" not in entry.strip(":"):
            yield Fault(("container", "extraHosts", i), f"{entry!r} is not name:address", "like db:10.0.0.5")
    for i, device in enumerate(container.devices):
        if not device.startswith("/") or device.count(":") > 2:
            yield Fault(
                ("container", "devices", i), f"{device!r} is not a device", "like /dev/fuse or /dev/a:/dev/b:rwm"
            )


def _environment_faults(spec: Workload) -> Iterator[Fault]:
    for name in spec.env:
        if not name or name[0] not in VARIABLE_START or not set(name) <= VARIABLE_REST:
            yield Fault(
                ("env", name), f"{name!r} is not a variable's name", "letters, digits and _, not starting with a digit"
            )
        elif "\0" in spec.env[name]:
            yield Fault(("env", name), "a value can't hold a NUL byte", "remove it")
    for i, source in enumerate(spec.env_from):
        given = [name for name in ("file", "config", "secret") if getattr(source, name)]
        if len(given) != 1:
            message = f"exactly one of file, config and secret is needed, not {' and '.join(given) or 'none'}"
            yield Fault(("envFrom", i), message, "make an item of each" if given else "like file: ./.env")


def port_faults(spec: Workload) -> Iterator[Fault]:
    seen: set[str] = set()
    for i, port in enumerate(spec.ports):
        if not port.name and len(spec.ports) > 1:
            yield Fault(("ports", i), "with several ports each one needs a name", "add name: http, or the like")
        elif port.label in seen:
            yield Fault(("ports", i, "name"), f"two ports are called {port.label!r}", "rename one of them")
        seen.add(port.label)
        if port.name and not _is_label(port.name):
            yield Fault(
                ("ports", i, "name"), f"{port.name!r} is not a port's name", "lower-case letters, digits and dashes"
            )
        if port.port is None and spec.container:
            yield Fault(("ports", i), "a container's port needs its number inside", "add port: 80")
        if isinstance(port.host_port, str):
            yield from _range_faults(port.host_port, ("ports", i, "hostPort"))


def _range_faults(text: str, path: tuple[str | int, ...]) -> Iterator[Fault]:
    if text != "auto" and port_range(text) is None:
        hint = "write it without quotes" if text.isdecimal() else 'a number, a range like "8080-8099", or auto'
        yield Fault(path, f"{text!r} is not a host port", hint)


def port_range(text: str) -> tuple[int, int] | None:
    """The bounds of a range like 8080-8099; None if it is no such thing."""
    low, dash, high = text.partition("-")
    if not (dash and low.isdecimal() and high.isdecimal() and len(text) <= 11):
        return None
    bounds = (int(low), int(high))
    return bounds if 1 <= bounds[0] <= bounds[1] <= 65535 else None


def _volume_faults(spec: Workload) -> Iterator[Fault]:
    targets: set[str] = set()
    for i, mount in enumerate(spec.volumes):
        given = [camel(name) for name in ("volume", "host_path", "config", "secret") if getattr(mount, name)]
        if len(given) != 1:
            message = (
                f"exactly one of volume, hostPath, config and secret is needed, not {' and '.join(given) or 'none'}"
            )
            yield Fault(("volumes", i), message, "make an item of each" if given else "like volume: data")
        if spec.process and mount.host_path:
            yield Fault(
                ("volumes", i, "hostPath"), "a native process sees the host's files anyway", "use the path itself"
            )
        elif spec.process and mount.mount_path:
            yield Fault(
                ("volumes", i, "mountPath"),
                "a native process has no file system of its own to mount into",
                f"leave mountPath out; ${{volumes.{mount.source}}} says where it lies",
            )
        if spec.container and not mount.mount_path.startswith("/"):
            yield Fault(
                ("volumes", i), "a container needs an absolute mountPath", f"mountPath: /{mount.source or 'data'}"
            )
        elif spec.container and mount.mount_path in targets:
            yield Fault(
                ("volumes", i, "mountPath"), f"two volumes are mounted at {mount.mount_path}", "change one of the paths"
            )
        targets.add(mount.mount_path)


def _quantity_faults(spec: Workload) -> Iterator[Fault]:
    if spec.resources.memory and bytes_of(spec.resources.memory) is None:
        yield Fault(
            ("resources", "memory"), f"{spec.resources.memory!r} is not an amount of memory", "like 256Mi or 2Gi"
        )
    if spec.container and spec.container.shm_size and bytes_of(spec.container.shm_size) is None:
        yield Fault(("container", "shmSize"), f"{spec.container.shm_size!r} is not a size", "like 1Gi")


def workload_needs(spec: Workload) -> Iterator[Need]:
    for i, source in enumerate(spec.env_from):
        for kind, name in (("config", source.config), ("secret", source.secret)):
            if name:
                yield Need(kind, name, ("envFrom", i, kind))
    for i, mount in enumerate(spec.volumes):
        for kind, name in (("volume", mount.volume), ("config", mount.config), ("secret", mount.secret)):
            if name:
                yield Need(kind, name, ("volumes", i, kind))
    for i, network in enumerate(spec.container.networks if spec.container else ()):
        if network != "default":
            yield Need("network", network, ("container", "networks", i))


def _is_label(text: str) -> bool:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    return 0 < len(text) <= 63 and set(text) <= allowed and not text.startswith("-") and not text.endswith("-")


def _is_host_name(text: str) -> bool:
    """Underscores too: no standard allows them, and every resolver does."""
    allowed = VARIABLE_START | VARIABLE_REST
    return 0 < len(text) <= 253 and set(text) <= allowed and text[0] not in "-." and text[-1] not in "-."
