"""What a profile forbids, rule by rule. A rule is given what specs and payloads have alike, so that it is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

from reconciler.core.making import clean
from reconciler.core.policy import Profile
from reconciler.kinds.base import Fault
from reconciler.kinds.package import Package as PackageSpec
from reconciler.kinds.workload import Container, Process, VolumeMount, port_range
from reconciler.model.desired import ContainerPayload, Limits, Mount, Package, ProcessPayload
from reconciler.model.labels import PREFIX
from reconciler.model.place import LOCAL
from reconciler.values import dataclass

FORBIDDEN = (
    "/proc", "/sys", "/dev", "/etc", "/boot", "/run", "/var/run",
    "/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/kubelet",
)  # fmt: skip
"""Who may write there is root; who may read there knows too much."""
SEE = "see: reconciler policy show"
"""After each hint of what is forbidden."""
DIGEST = 64
"""Digits of one."""
UIDS = 1 << 32
"""There are so many: who counts on begins with root again, and the last one means "as we are"."""


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a path leads once every symbolic link is followed."""

    path: str
    special: bool = False
    """Neither a file nor a directory: a socket, a pipe, a device."""


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int | None
    """None when this machine knows no such user."""


class Machine(Protocol):
    """What the rules have to know of the machine, as it is at the moment in which they are asked."""

    def landing(self, path: str) -> Landing: ...

    def account(self, user: str) -> Account:
        """The user of that name or number; ourselves for an empty text."""

    def guarded(self) -> Sequence[str]:
        """Paths of which nobody may have a part: our own state, the policy file, the engine's socket."""


def container(given: Container | ContainerPayload, limits: Limits, profile: Profile) -> Iterator[Fault]:
    allowed = profile.containers
    yield from _built(profile) if given.build else _image(given.image, profile)
    for name, wanted, permission, message in (
        ("privileged", given.privileged, allowed.privileged, "a privileged container is not permitted"),
        ("devices", given.devices, allowed.devices, "devices of the host are not permitted"),
        ("gpus", given.gpus, allowed.gpus, "GPUs of the host are not permitted"),
        ("extraHosts", given.extra_hosts, allowed.extra_hosts, "host names of its own are not permitted"),
        ("tty", given.tty, allowed.tty, "a terminal is not permitted"),
    ):
        if wanted and permission == "deny":
            yield Fault(("container", name), message, "leave it out")
    yield from _capabilities(given, profile)
    for label in given.labels:
        if label.startswith(f"{PREFIX}.") or not matches(label, allowed.labels):
            yield Fault(
                ("container", "labels", label), f"the label {label} is not permitted", permitted(allowed.labels)
            )
    yield from _limits(limits, profile)


def _capabilities(given: Container | ContainerPayload, profile: Profile) -> Iterator[Fault]:
    allowed = profile.containers
    for i, name in enumerate(given.cap_add):
        if not matches(_capability(name), map(_capability, allowed.cap_add)):
            message = f"the capability {_capability(name)} may not be added"
            yield Fault(("container", "capAdd", i), message, permitted(allowed.cap_add))
    dropped = set(map(_capability, given.cap_drop))
    for name in map(_capability, allowed.cap_drop):
        if not dropped & {"ALL", name}:
            yield Fault(("container", "capDrop"), f"the capability {name} has to be dropped", f"capDrop: [{name}]")


def _image(image: str, profile: Profile) -> Iterator[Fault]:
    allowed = profile.containers.images
    named, _, digest = image.partition("@")
    head, slash, last = named.rpartition("/")
    name = f"{head}{slash}{last.partition(':')[0]}"
    algorithm, _, number = digest.partition(":")
    fixed = bool(name) and algorithm == "sha256" and len(number) == DIGEST and set(number) <= set("0123456789abcdef")
    if allowed.require_digest and not fixed:
        message = f"{image} is not named by its digest, so it may be another one tomorrow"
        yield Fault(
            ("container", "image"), message, f"like {name or 'name'}@sha256:..., as `docker images --digests` says"
        )
    spellings = {name, _full_name(name), _full_name(name).removeprefix("docker.io/").removeprefix("library/")}
    if not any(matches(spelling, allowed.allow) for spelling in spellings):
        yield Fault(("container", "image"), f"images of {_full_name(name)} are not permitted", permitted(allowed.allow))


def _built(profile: Profile) -> Iterator[Fault]:
    """What it starts from stands in a file that anybody may change, and what it runs is held to no limits."""
    allowed = profile.containers.images
    if allowed.require_digest or "*" not in allowed.allow:
        message = "an image may not be built here: nobody can judge what it starts from"
        yield Fault(("container", "build"), message, "name an image by its digest, or images: {requireDigest: false}")


def _full_name(name: str) -> str:
    """As the engine understands it: nginx is docker.io/library/nginx."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return f"docker.io/{rest}" if first == "index.docker.io" else name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def _limits(limits: Limits, profile: Profile) -> Iterator[Fault]:
    allowed = profile.containers
    if allowed.memory_limit == "required" and not limits.memory:
        yield Fault(("resources", "memory"), "a container has to have a limit of memory", "like memory: 256Mi")
    if allowed.pids_limit is not None and not 0 < (limits.pids or 0) <= allowed.pids_limit:
        yield Fault(("resources", "pids"), "a container has to have a limit of pids", f"at most {allowed.pids_limit}")


def joined(networks: Sequence[str], foreign: Sequence[str], profile: Profile) -> Iterator[Fault]:
    for i, name in enumerate(networks):
        if is_host(name) and profile.containers.host_network == "deny":
            yield Fault(("container", "networks", i), "the host's network may not be used", "use a network of your own")
        elif name in foreign and profile.networks.external == "deny":
            message = f"{name} is a network that others made, and may not be used"
            yield Fault(("container", "networks", i), message, "declare one of your own")


def is_host(network: str) -> bool:
    return network == "host" or network.startswith(("container:", "ns:"))


def foreign_volumes(volumes: Sequence[str], foreign: Sequence[str], profile: Profile) -> Iterator[Fault]:
    for i, name in enumerate(volumes):
        if name and name in foreign and profile.volumes.external == "deny":
            message = f"{name} is a volume that others made, and may not be used"
            yield Fault(("volumes", i, "volume"), message, "declare one of your own")


def restart(by_engine: bool, profile: Profile) -> Iterator[Fault]:
    if by_engine and profile.containers.engine_restart == "deny":
        yield Fault(("restart", "by"), "restarts by the engine are not permitted", "use by: reconciler")


def mounts(given: Sequence[VolumeMount | Mount], profile: Profile, machine: Machine) -> Iterator[Fault]:
    for i, mount in enumerate(given):
        if mount.host_path and profile.mounts.anywhere == "deny":
            yield from _host_path(("volumes", i, "hostPath"), mount.host_path, profile, machine)
        if mount.host_path and not mount.read_only and profile.mounts.read_only == "required":
            message = "a path of the host may only be mounted for reading"
            yield Fault(("volumes", i, "readOnly"), message, "add readOnly: true")


def written_to(at: tuple[str | int, ...], path: str, profile: Profile, machine: Machine) -> Iterator[Fault]:
    """A directory of the host into which we write by ourselves."""
    if profile.mounts.anywhere == "deny":
        yield from _host_path(at, path, profile, machine)


def _host_path(at: tuple[str | int, ...], path: str, profile: Profile, machine: Machine) -> Iterator[Fault]:
    landing = machine.landing(path)
    told = shown(path, landing)
    held = (*FORBIDDEN, *(machine.landing(place).path for place in machine.guarded()))
    roots = [machine.landing(root).path for root in profile.mounts.bind_roots]
    for place in (clean(path), landing.path):
        near = next((one for one in held if beneath(place, one) or beneath(one, place)), None)
        if near is not None:
            yield Fault(at, f"{told} may not be mounted: {_where(place, near)}", permitted(profile.mounts.bind_roots))
            return
    if landing.special:
        yield Fault(at, f"{told} is neither a file nor a directory", permitted(profile.mounts.bind_roots))
    elif not any(beneath(landing.path, root) for root in roots):
        yield Fault(at, f"{told} may not be mounted", permitted(profile.mounts.bind_roots, "nothing of the host"))


def _where(place: str, near: str) -> str:
    if place == near:
        return f"{near} is out of bounds"
    return f"it lies in {near}" if beneath(place, near) else f"{near} lies in it"


def process(
    given: Process | ProcessPayload, env: Mapping[str, object], profile: Profile, machine: Machine
) -> Iterator[Fault]:
    allowed = profile.processes
    if allowed.run == "deny":
        yield Fault(("process",), "native processes are not permitted", "use a container")
        return
    if given.package and allowed.root == "deny":
        yield from _package(given.package)
    account = machine.account(given.user)
    who = account.name or str(account.uid)
    if allowed.root == "deny":
        if who == "root" or (account.uid is not None and account.uid % UIDS in {0, UIDS - 1}):
            message = "a process may not run as root: processes.root is deny"
            yield Fault(("process", "user"), message, permitted(allowed.run_as))
            return
        for name in env:
            if _reaches_launcher(name):
                message = f"{name} would reach the launcher, which may be root"
                yield Fault(("env", name), message, "let the program itself set it")
    elif who == "root":
        return  # said by name already; an account of another name with root's number is for runAs too
    if not matches(who, allowed.run_as):
        message = f"a process may not run as {who}, which is not in the profile's processes.runAs"
        yield Fault(("process", "user"), message, permitted(allowed.run_as))


def _package(given: PackageSpec | Package) -> Iterator[Fault]:
    if given.setup:
        message = "setup runs as whoever applies it, which may be root: processes.root is deny"
        yield Fault(("process", "package", "setup"), message, "deliver what needs no setup")
    for name in given.env:
        if _reaches_launcher(name):
            message = f"{name} would reach the launcher, which may be root"
            yield Fault(("process", "package", "env", name), message, "let the program itself set it")


def place(host: str) -> Iterator[Fault]:
    """What the rules know of this machine says nothing of another one."""
    if host != LOCAL:
        yield Fault(("runOn",), f"it may not run on {host}, but only on this machine", "leave runOn out")


def attached(target: str) -> Iterator[Fault]:
    """Whoever is attached to something can probe it, and so run what it likes inside of what others run."""
    if target:
        message = f"a service may not be attached to {target}, which others run"
        yield Fault(("attachTo",), message, "a person can apply it")


def within(inside: str) -> Iterator[Fault]:
    """What is inside of another workload has all the rights of that, whoever declared it, and whatever it may."""
    if inside:
        yield Fault(
            ("in",), "a command may not be run inside of a service", "declare a job with a container of its own"
        )


def _reaches_launcher(name: str) -> bool:
    """What the loader, the C library or a shell obeys before the user is changed."""
    return name.startswith(("LD_", "BASH_", "MALLOC_", "GCONV_")) or name in {
        "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "IFS", "GLIBC_TUNABLES", "LOCPATH", "NLSPATH", "POSIXLY_CORRECT",
    }  # fmt: skip


def port(i: int, bind: str, numbers: Iterable[int], profile: Profile) -> Iterator[Fault]:
    if not any(_binds(bind, allowed) for allowed in profile.ports.bind):
        message = f"a port may not be published on {bind or 'every address'}"
        yield Fault(("ports", i, "bind"), message, permitted(profile.ports.bind))
    bounds = port_range(profile.ports.range)
    for number in numbers:
        if bounds and not bounds[0] <= number <= bounds[1]:
            message = f"host port {number} may not be used"
            yield Fault(("ports", i, "hostPort"), message, f"{profile.ports.range}, or auto")
            return


def _binds(bind: str, allowed: str) -> bool:
    if allowed == "*":
        return True
    try:
        address: IPv4Address | IPv6Address = ip_address(bind.strip("[]"))
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return address in ip_network(allowed, strict=False)
    except ValueError:  # what is no address is everybody's guess
        return False


def driver(driver: str, allowed: Sequence[str]) -> Iterator[Fault]:
    if not matches(driver, allowed):
        yield Fault(("driver",), f"the driver {driver or 'of no name'} is not permitted", permitted(allowed))


def subnet(chosen: str, profile: Profile) -> Iterator[Fault]:
    allowed = profile.networks.subnets
    if chosen and not any(_within(chosen, one) for one in allowed):
        yield Fault(
            ("subnet",), f"the subnet {chosen} may not be chosen", permitted(allowed, "what the engine chooses")
        )


def _within(chosen: str, allowed: str) -> bool:
    inner, outer = ip_network(chosen, strict=False), ip_network(allowed, strict=False)
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def options(options: Mapping[str, str], profile: Profile) -> Iterator[Fault]:
    if profile.volumes.options == "deny":
        for name in options:
            yield Fault(("options", name), "options of a volume's driver are not permitted", "leave them out")


def _capability(name: str) -> str:
    return name.strip().upper().removeprefix("CAP_")


def matches(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def beneath(path: str, root: str) -> bool:
    return path == root or path.startswith(root if root.endswith("/") else f"{root}/")


def shown(path: str, landing: Landing) -> str:
    return path if landing.path == clean(path) else f"{path} (really {landing.path})"


def permitted(patterns: Sequence[str], otherwise: str = "nothing") -> str:
    return f"permitted: {', '.join(patterns) or otherwise}"
