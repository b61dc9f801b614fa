"""Who listens on this machine, as the kernel tells it. Cheap without holders, dear with them."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from reconciler.hosts import sockdiag
from reconciler.model.labels import number
from reconciler.model.observed import Binding, Listener
from reconciler.values import dataclass

TABLES = {
    "tcp": (socket.AF_INET, socket.IPPROTO_TCP, 10),
    "tcp6": (socket.AF_INET6, socket.IPPROTO_TCP, 10),
    "udp": (socket.AF_INET, socket.IPPROTO_UDP, 7),
    "udp6": (socket.AF_INET6, socket.IPPROTO_UDP, 7),
}
"""With the state that counts as listening: LISTEN, and for UDP not being connected."""
ADDRESS, PORT = re.compile(rb"[0-9A-F]{8}([0-9A-F]{24})?"), re.compile(rb"[0-9A-F]{4}")
MOST_INODE = 2**64 - 1
COMMAND_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Socket:
    binding: Binding
    inode: int


@dataclass(frozen=True, slots=True)
class Holder:
    pid: int
    command: str


def listeners(ports: frozenset[int]) -> tuple[Listener, ...]:
    """In the order of ports. Holders are looked up for the given ports only."""
    if sys.platform != "linux":
        return tuple(_elsewhere(ports))
    sockets = list(_sockets())
    wanted = {socket.inode for socket in sockets if socket.binding.port in ports}
    return told(sockets, _holders(wanted) if wanted else {})


def _sockets() -> Iterator[Socket]:
    for name, (family, protocol, state) in TABLES.items():
        try:
            yield from _asked(name[:3], sockdiag.dump(family, protocol, state))
        except OSError:  # not every kernel, and not every sandbox, answers such questions
            with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6 has no such table
                yield from parse(Path(f"/proc/net/{name}").read_bytes(), name[:3])


def _asked(protocol: str, entries: Iterable[sockdiag.Entry]) -> Iterator[Socket]:
    for port, remote, packed, inode in entries:
        if remote == 0:
            yield Socket(Binding(port, protocol, _address(packed)), inode)


def parse(table: bytes, protocol: str) -> Iterator[Socket]:
    """The lines of /proc/net/tcp and its like: place, local address, remote address, state, …, inode. They may be
    another machine's, which may say anything: what makes no sense is none.
    """
    state = b"%02X" % TABLES[protocol][2]
    for line in table.splitlines()[1:]:
        fields = line.split(None, 10)
        if len(fields) < 10 or fields[3] != state or not fields[2].endswith(b":0000"):
            continue
        address, _, port = fields[1].partition(b":")
        inode = number(fields[9].decode(errors="replace"), MOST_INODE)
        if inode is not None and ADDRESS.fullmatch(address) and PORT.fullmatch(port):
            yield Socket(Binding(int(port, 16), protocol, _address(_packed(address))), inode)


def _packed(text: bytes) -> bytes:
    """Words of four bytes, each one written in the machine's own order."""
    words = (text[i : i + 8] for i in range(0, len(text), 8))
    return b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)


def _address(packed: bytes) -> str:
    """An IPv4 address inside IPv6 is told as what it is."""
    if len(packed) == 16 and packed.startswith(bytes(10) + b"\xff\xff"):
        packed = packed[12:]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _holders(inodes: set[int]) -> dict[int, Holder]:
    """The lowest pid that has it open, which is the parent of those that inherited it."""
    found: dict[int, Holder] = {}
    missing = {f"socket:[{inode}]": inode for inode in inodes if inode}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):  # noqa: PTH208 -- names only
        if not missing:
            break
        for target in _open_sockets(pid) & missing.keys():
            found[missing.pop(target)] = Holder(pid, _command(pid))
    return found


def _open_sockets(pid: int) -> set[str]:
    """Empty for who is gone by now, or may not be looked at."""
    targets = set()
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                targets.add(os.readlink(entry.path))  # noqa: PTH115 -- a thousand times a second
    return targets


def _command(pid: int) -> str:
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes() or Path(f"/proc/{pid}/comm").read_bytes()
    except OSError:
        return ""
    return plain(argv.replace(b"\0", b" ").decode(errors="replace"))


def plain(command: str) -> str:
    """Whoever starts a process chooses this text: nothing in it may move a cursor or turn the direction."""
    return "".join(char if char.isprintable() else " " for char in command).strip()[:COMMAND_LENGTH]


def told(sockets: Iterable[Socket], holders: Mapping[int, Holder]) -> tuple[Listener, ...]:
    """Once for each binding, however many sockets share it, and rather with a holder than without."""
    told: dict[Binding, Listener] = {}
    for one in sockets:
        holder = holders.get(one.inode)
        if holder or one.binding not in told:
            told[one.binding] = Listener(one.binding, holder.pid, holder.command) if holder else Listener(one.binding)
    return tuple(told[binding] for binding in sorted(told, key=lambda b: (b.port, b.protocol, b.address)))


def _elsewhere(ports: frozenset[int]) -> Iterator[Listener]:
    """Where there is no /proc. What may not be looked at is left out: then the port's taker finds out by trying."""
    import psutil  # noqa: PLC0415

    with contextlib.suppress(psutil.Error):
        for one in psutil.net_connections("inet"):
            protocol = "tcp" if one.type == socket.SOCK_STREAM else "udp"
            if not one.laddr or one.raddr or (protocol == "tcp" and one.status != psutil.CONN_LISTEN):
                continue
            pid = one.pid if one.laddr.port in ports else None
            command = plain(" ".join(psutil.Process(pid).cmdline())) if pid else ""
            yield Listener(Binding(one.laddr.port, protocol, one.laddr.ip), pid, command)
