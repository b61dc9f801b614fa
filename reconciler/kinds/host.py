"""Host: another machine, reached over SSH. Nothing is installed there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from reconciler.kinds.base import EDGE, Fault, Kind, PortNumber
from reconciler.model.place import LOCAL
from reconciler.values import dataclass

NO_ENGINE = "none"
MESH_NETWORK = "10.42.0.0/16"
WORD = re.compile(r"[A-Za-z0-9_.:%@+][A-Za-z0-9_.:%@+-]*")
"""What a host, a user or an address may be called; no option of a program begins like that."""
KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}")
SOCKET = re.compile(r"/[\w./@+-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """How ssh gets there. What is left out, your own ssh configuration says."""

    __pydantic_config__ = EDGE

    host: str
    """A name, an address, or an alias of your ssh configuration."""
    port: PortNumber | None = None
    """Where its sshd listens."""
    user: str = ""
    """Who to be there."""
    identity_file: str = ""
    """The private key to use, and no other; relative to the spec file."""
    host_key: str = ""
    """Type and key, as in known_hosts: the only one that will do. Else your known_hosts has to have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """Another machine. One called `local` says what is to be known of this one: its address."""

    __pydantic_config__ = EDGE

    ssh: SshAccess | None = None
    """How to get there."""
    address: str = ""
    """Where other machines of the LAN reach what it publishes; by default ssh.host."""
    mesh: Literal["auto", "never"] = "auto"
    """Whether it may become part of the mesh, where a pair of hosts has no other way."""
    mesh_network: str = ""
    """Of the host called local: the addresses of the mesh, whosever they are; by default 10.42.0.0/16."""
    engine: str = "/var/run/docker.sock"
    """The socket of its container engine; none, if it has no engine."""
    state: str = ""
    """The directory for the processes that run there; by default .local/state/reconciler-hosted in the user's home."""

    @property
    def reached_at(self) -> str:
        """What others are told; empty where nobody said."""
        return self.address or (self.ssh.host if self.ssh else "")


def host_id(namespace: str, name: str) -> str:
    """What the places of a host are called: the name, if it is everybody's; else with its namespace in front."""
    return name if namespace == "default" else f"{namespace}/{name}"


def known_in(host: str, namespace: str) -> bool:
    """Whether a namespace can have something on the host of that id."""
    return "/" not in host or host.startswith(f"{namespace}/")


def faults(spec: HostSpec) -> Iterator[Fault]:
    if spec.ssh is None and not spec.address:
        yield Fault((), "nothing says how to get there", "add ssh: {host: ADDRESS}")
    words = [(("address",), spec.address)]
    if spec.ssh:
        words += [(("ssh", "host"), spec.ssh.host or " "), (("ssh", "user"), spec.ssh.user)]  # type: ignore[list-item]
    for path, word in words:
        if word and not WORD.fullmatch(word):
            yield Fault(path, f"{word!r} is nothing that ssh could be told", "a name or an address")
    if spec.ssh and "@" in spec.ssh.host:
        user, _, host = spec.ssh.host.rpartition("@")
        yield Fault(("ssh", "host"), "the user stands in a field of its own", f"host: {host}, user: {user}")
    if spec.ssh and spec.ssh.host_key and not KEY.fullmatch(spec.ssh.host_key):
        hint = "as `ssh-keyscan` prints it, without the name in front"
        yield Fault(("ssh", "hostKey"), "a host key is a type and a key, such as 'ssh-ed25519 AAAA…'", hint)
    for name, path_there in (("engine", spec.engine), ("state", spec.state)):
        if path_there and path_there != NO_ENGINE and not SOCKET.fullmatch(path_there):
            yield Fault((name,), f"{path_there!r} is not a plain absolute path", "like /var/run/docker.sock, or none")
    yield from _network_faults(spec.mesh_network)


def _network_faults(text: str) -> Iterator[Fault]:
    if not text:
        return
    try:
        found = ipaddress.IPv4Network(text)
    except ValueError:
        yield Fault(("meshNetwork",), f"{text!r} is no network", "like 10.42.0.0/16")
        return
    if not 8 <= found.prefixlen <= 24:
        yield Fault(("meshNetwork",), f"{text} is not of a size to choose from", "between /8 and /24")


def named_faults(name: str, spec: HostSpec) -> Iterator[Fault]:
    """What only shows together with its name."""
    if name != LOCAL and spec.mesh_network:
        yield Fault(("meshNetwork",), "it is one for all hosts", "say it of the host called local")
    if name == LOCAL and spec.ssh:
        yield Fault(("ssh",), "the host called local is this machine", "give the other one another name")
    if name != LOCAL and spec.ssh is None:
        yield Fault((), f"nothing says how to get to {name}", "add ssh: {host: ADDRESS}")


def anchor(spec: HostSpec, absolute: Callable[[str], str]) -> HostSpec:
    if spec.ssh is None or not spec.ssh.identity_file:
        return spec
    return replace(spec, ssh=replace(spec.ssh, identity_file=absolute(spec.ssh.identity_file)))


KIND = Kind(
    name="Host",
    plural="hosts",
    spec=HostSpec,
    summary="Another machine, reached over SSH.",
    faults=faults,
    anchor=anchor,
    example="""\
apiVersion: reconciler/v1
kind: Host
metadata: {name: node1}
spec: {ssh: {host: 192.168.1.20, user: admin}}
""",
)
