"""What specs may ask for: profiles, and which of them holds for whom. The policy file, as data.

A profile that is written down starts from `restricted`: what it doesn't mention is denied. No spec can name, change
or widen one: which profile a resource is under is a mark that only the sync of a Source writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from reconciler.kinds.base import EDGE
from reconciler.kinds.limits import Ge, Le
from reconciler.model.resource import PROFILE, RESTRICTED_PROFILE, ROOT, SOURCE
from reconciler.values import dataclass

Permission = Literal["allow", "deny"]
Demand = Literal["required", "optional"]
Origin = Literal["local", "directory", "git"]

TRUSTED_NAME = "trusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Where container images may come from."""

    __pydantic_config__ = EDGE

    allow: tuple[str, ...] = ("*",)
    """Patterns of image names, without tag and digest, like registry.example/acme/*."""
    require_digest: bool = True
    """Whether an image must be named by its digest, name@sha256:..., which nobody can move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """What containers may have of the host."""

    __pydantic_config__ = EDGE

    privileged: Permission = "deny"
    """All the rights of the host's root."""
    cap_add: tuple[str, ...] = ("NET_BIND_SERVICE",)
    """Patterns of capabilities that may be added."""
    cap_drop: tuple[str, ...] = ()
    """Capabilities that have to be dropped; ALL covers each of them."""
    host_network: Permission = "deny"
    """The network of the host itself, or of another container."""
    devices: Permission = "deny"
    """Devices of the host."""
    gpus: Permission = "deny"
    """GPUs of the host."""
    extra_hosts: Permission = "deny"
    """Entries of their own in /etc/hosts, the gateway to the host among them."""
    tty: Permission = "allow"
    """A terminal."""
    labels: tuple[str, ...] = ("*",)
    """Patterns of labels that may be set on containers: some tools take orders from them."""
    engine_restart: Permission = "deny"
    """restart.by: engine, which goes on without us."""
    memory_limit: Demand = "required"
    """Whether resources.memory has to be given."""
    pids_limit: Annotated[int, Ge(1)] | None = 512
    """resources.pids has to be given, and be no more than this; null for no such demand."""
    images: Images = field(default_factory=Images)
    """Where images may come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounts:
    """Which paths of the host may be mounted, once all symbolic links are followed."""

    __pydantic_config__ = EDGE

    bind_roots: tuple[str, ...] = ()
    """Directories beneath which a hostPath may lie. Never /proc, /sys, /dev, /etc, /run, nor what the engine's socket,
    the engine's data or our own state lies in."""
    read_only: Demand = "required"
    """Whether a hostPath has to be mounted readOnly."""
    anywhere: Permission = "deny"
    """Any path at all, the engine's socket included: who may mount that is root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Whether native processes may run, and as whom."""

    __pydantic_config__ = EDGE

    run: Permission = "allow"
    """Native processes at all."""
    root: Permission = "deny"
    """As root, by whatever name; and environment variables by which a process could reach its launcher, which is."""
    run_as: tuple[str, ...] = ("svc-*",)
    """Patterns of users they may run as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where ports may be published."""

    __pydantic_config__ = EDGE

    bind: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses of the host, or networks like 10.0.0.0/8; * for any."""
    range: str = "1024-65535"
    """Of the numbers that a spec may insist on; automatic ones are always allowed. Empty for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Which networks may be made and joined."""

    __pydantic_config__ = EDGE

    drivers: tuple[str, ...] = ("bridge",)
    """Patterns of the engine's network drivers."""
    subnets: tuple[str, ...] = ()
    """Within which a subnet may be chosen: by one that lies elsewhere, what this machine says there is diverted."""
    external: Permission = "deny"
    """Networks that others made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """Which volumes may be made and used."""

    __pydantic_config__ = EDGE

    drivers: tuple[str, ...] = ("local",)
    """Patterns of the engine's volume drivers."""
    options: Permission = "deny"
    """Options of the driver: with them a volume is any directory, device or server that there is."""
    external: Permission = "deny"
    """Volumes that others made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Which files of the host specs may take content from: files of Configs and Secrets, and envFrom.file."""

    __pydantic_config__ = EDGE

    roots: tuple[str, ...] = ()
    """Directories beneath which they may lie, besides the source's own."""
    anywhere: Permission = "deny"
    """Any file that we can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """How much one change may remove before a person is asked."""

    __pydantic_config__ = EDGE

    max_delete: Annotated[int, Ge(0)] = 10
    """Objects."""
    max_delete_percent: Annotated[int, Ge(0), Le(100)] = 30
    """Of what the source brought, where that is three or more. All of it always needs a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What specs under it may ask for. What is not mentioned is as in `restricted`."""

    __pydantic_config__ = EDGE

    containers: Containers = field(default_factory=Containers)
    """What containers may have of the host."""
    mounts: Mounts = field(default_factory=Mounts)
    """Which paths of the host may be mounted."""
    processes: Processes = field(default_factory=Processes)
    """Whether native processes may run, and as whom."""
    ports: Ports = field(default_factory=Ports)
    """Where ports may be published."""
    networks: Networks = field(default_factory=Networks)
    """Which networks may be made and joined."""
    volumes: Volumes = field(default_factory=Volumes)
    """Which volumes may be made and used."""
    files: Files = field(default_factory=Files)
    """Which files of the host specs may take content from."""
    environment: tuple[str, ...] = ()
    """Patterns of our own environment variables that specs may read, by ${NAME} or as a Secret."""
    namespaces: tuple[str, ...] = ("*",)
    """Patterns of namespaces that may be written to. A namespace's services may read all of its secrets."""
    sources: Permission = "deny"
    """Further Sources, and kinds that no rule here speaks of."""
    prune: Prune = field(default_factory=Prune)
    """How much one change may remove before a person is asked."""


RESTRICTED = Profile()
TRUSTED = Profile(
    containers=Containers(
        privileged="allow", cap_add=("*",), host_network="allow", devices="allow", gpus="allow", extra_hosts="allow",
        engine_restart="allow", memory_limit="optional", pids_limit=None, images=Images(require_digest=False),
    ),
    mounts=Mounts(anywhere="allow", read_only="optional"),
    processes=Processes(root="allow", run_as=("*",)),
    ports=Ports(bind=("*",), range=""),
    networks=Networks(drivers=("*",), subnets=("0.0.0.0/0", "::/0"), external="allow"),
    volumes=Volumes(drivers=("*",), options="allow", external="allow"),
    files=Files(anywhere="allow"),
    environment=("*",),
    sources="allow",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Which profile holds where nothing else is said."""

    __pydantic_config__ = EDGE

    local: str = TRUSTED_NAME
    """For what a person applies here: whoever may do that has the engine's socket anyway."""
    directory: str = TRUSTED_NAME
    """For Sources that are directories."""
    git: str = RESTRICTED_PROFILE
    """For Sources that are Git repositories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """What the policy file may hold."""

    __pydantic_config__ = EDGE

    profiles: dict[str, Profile] = field(default_factory=dict)
    """Profiles by name. `restricted` may be written anew; `trusted` always allows everything."""
    defaults: Defaults = field(default_factory=Defaults)
    """Which profile holds where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is in force."""

    profiles: Mapping[str, Profile]
    defaults: Defaults = field(default_factory=Defaults)
    path: str = ""
    """The file that says so; empty for what is built in."""

    def named(self, name: str) -> Profile | None:
        return self.profiles.get(name or self.defaults.local)

    def name_for(self, origin: Origin, wanted: str = "") -> str:
        """Of the profile for what comes from there. A Source may ask for another one than the usual: whoever may
        declare a Source is not restricted himself.
        """
        return wanted or str(getattr(self.defaults, origin))


def policy_of(content: PolicyFile, path: str) -> Policy:
    return Policy({RESTRICTED_PROFILE: RESTRICTED, **content.profiles, TRUSTED_NAME: TRUSTED}, content.defaults, path)


BUILT_IN = policy_of(PolicyFile(), "")


def marks(source: str, profile: str, root: str = "") -> dict[str, str]:
    """The annotations that a sync writes, and nobody else may. `root` is where the source's own files lie."""
    return {SOURCE: source, PROFILE: profile, **({ROOT: root} if root else {})}
