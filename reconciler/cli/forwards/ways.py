"""Which port of this machine leads to which port of a service: read from words, and looked up in the world."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.cli.reach import inside
from reconciler.errors import Denied, PortInUse, ReconcilerError, UsageError
from reconciler.model.observed import Binding, Phase
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.engine.forwarding import Server
    from reconciler.engine.reconcile import Parts
    from reconciler.kinds.workload import Port
    from reconciler.model.key import Key
    from reconciler.model.observed import Observed

LOOPBACK = "127.0.0.1"
AUTO = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """`[LOCAL:]PORT|NAME`. `local` is None where nothing is said of it: the same number, or else any."""

    local: int | None
    remote: str

    @classmethod
    def read(cls, word: str) -> Wish:
        local, colon, remote = word.rpartition(":")
        if remote.endswith("/udp"):
            raise _udp(word)
        remote = remote.removesuffix("/tcp")
        if remote.isdecimal():
            remote = str(_number(word, remote))
        elif not remote:
            raise UsageError(f"{word!r}: [LOCAL:]PORT is expected", hint="like 8080:80, :80 or http")
        return cls(_local(word, local) if colon else None, remote)


def _local(word: str, text: str) -> int:
    return AUTO if text in ("", "0") else _number(word, text)


def _number(word: str, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise UsageError(f"{word}: [LOCAL:]PORT is expected, from 1 to 65535", hint="like 8080:80, :80 or http")
    return int(text)


def _udp(word: str) -> UsageError:
    return UsageError(f"{word}: UDP is not forwarded, only TCP", hint="publish it: spec.ports with protocol: udp")


@dataclass(frozen=True, slots=True)
class Way:
    """A port of a service as it is declared. `name` is its port's there; empty where only the number is known."""

    number: int | None
    name: str = ""

    @property
    def title(self) -> str:
        return str(self.number) if self.number else self.name


def way(spec: Any, key: Key, wish: Wish) -> Way:
    """What the words mean; a container's port has its own number, a process's is whichever it was given."""
    ports: Sequence[Port] = spec.ports if spec else ()
    chosen = [p for p in ports if wish.remote in (p.label, str(p.port or ""))]
    if chosen and all(port.protocol == "udp" for port in chosen):
        raise _udp(wish.remote)
    port = next((port for port in chosen if port.protocol != "udp"), None)
    if port:
        return Way(port.port, port.label)
    if not wish.remote.isdecimal():
        known = ", ".join(port.label for port in ports) or "none"
        raise UsageError(f"{key.short} has no port {wish.remote!r}", hint=f"name its number; its ports are: {known}")
    return Way(int(wish.remote))


def finder(parts: Parts, key: Key, index: int | None, to: Way) -> Callable[[], list[Server]]:
    """Everybody who runs, by index; who is on its way out may be among them, and then does not answer."""

    def find() -> list[Server]:
        things = inside.of_index(key, inside.instances(parts, key), index)
        return list(_servers(parts, [thing for thing in things if thing.phase is Phase.RUNNING], to))

    return find


def _servers(parts: Parts, things: Sequence[Observed], to: Way) -> Iterator[Server]:
    from reconciler.engine.forwarding import Server

    for thing in things:
        grant = thing.grants.get(to.name)
        number = grant.port if thing.runtime == "process" and grant else to.number
        if number:
            yield Server(thing.id, thing.name, parts.reach[thing.place].address(thing, number))


# -- the near end


def listen(address: str, wish: Wish, ports: tuple[int, int]) -> socket.socket:
    """On the port that was asked for; where none was, on one of the same number, or any of ours that is free."""
    if wish.local:
        return _bound(address, wish.local)
    tried = [int(wish.remote)] if wish.local is None and wish.remote.isdecimal() else []
    for port in (*tried, *range(ports[0], ports[1] + 1)):
        try:
            return _bound(address, port)
        except (PortInUse, Denied):
            continue
    raise ReconcilerError(f"no port of {address} is free from {ports[0]} to {ports[1]}", hint="name one: LOCAL:PORT")


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=128)
    except PermissionError as error:
        hint = f"leave the choice to us: :{port}, or name one from 1024 on"
        raise Denied(f"this user may not listen on port {port}", hint=hint) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            words = error.strerror or str(error)
            raise ReconcilerError(f"{address}:{port} can't be listened on: {words}") from error
        holder = _holder(address, port)
        raise PortInUse(
            f"port {port} of {address} is taken by {holder}", port=port, holder=holder,
            hint=f"name another one, or leave the choice to us: :{port}",
        ) from error  # fmt: skip


def _holder(address: str, port: int) -> str:
    from reconciler.hosts.local import LocalHost

    wanted = Binding(port, address=address)
    held = [one for one in LocalHost().listeners([port]) if one.binding.clashes(wanted)]
    return held[0].holder if held else "somebody"
