"""On which ports processes listen, by the kernel's tables: for a service whose own word on it was lost."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Iterator

from reconciler.model.observed import Binding
from reconciler.runtimes.process.identity import slurp

LISTENING = {"tcp": b"0A", "tcp6": b"0A", "udp": b"07", "udp6": b"07"}
"""The state that means it, by table; of UDP, which does not listen, that of who is not connected."""


def bindings(pids: Iterable[int]) -> tuple[Binding, ...]:
    found = {binding for pid in pids if (inodes := _sockets(pid)) for binding in _listening(pid, inodes)}
    return tuple(sorted(found, key=lambda binding: (binding.port, binding.protocol, binding.address)))


def _sockets(pid: int) -> set[bytes]:
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    except OSError:  # it has ended, or it is not ours to look at
        return set()
    return {link[8:-1].encode() for link in links if link.startswith("socket:[")}


def _listening(pid: int, inodes: set[bytes]) -> Iterator[Binding]:
    for name, state in LISTENING.items():
        for line in slurp(f"/proc/{pid}/net/{name}").splitlines()[1:]:
            words = line.split(None, 10)
            if words[3] == state and words[9] in inodes and words[2].endswith(b":0000"):
                address, _, port = words[1].partition(b":")
                yield Binding(int(port, 16), name[:3], _address(address))


def _address(text: bytes) -> str:
    """Words of four bytes, each in the machine's own order. IPv4 inside of IPv6 is told as what it is."""
    words = (int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8))
    packed = b"".join(words)
    if packed[:12] == bytes(10) + b"\xff\xff":
        packed = packed[12:]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
