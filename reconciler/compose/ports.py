"""Ports: published as Compose publishes them, to everybody unless an address is named."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.compose.desk import Desk
from reconciler.compose.gather import label
from reconciler.compose.nodes import Spot, literal, plainly, said, table
from reconciler.core.shape import Path
from reconciler.core.yaml12 import Entry, Node, Table
from reconciler.values import dataclass

EVERYBODY = "0.0.0.0"  # noqa: S104 -- what a published port is to Compose
MOST = 256
"""Of one mapping. Each is a binding of its own, and a process of the engine's."""
_SHORT = re.compile(r"(?:(\[[^\]]+\]|[^:\[\]]+):(?=[^:]*:))?(?:([^:]*):)?([^:/]+)(?:/(\w+))?")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class Wish:
    """One mapping, before it has a name."""

    port: int
    host: str
    protocol: str
    bind: str
    at: Spot
    name: str = ""

    @property
    def what(self) -> tuple[int, str, str, str]:
        return self.port, self.host, self.protocol, self.bind


def ports(desk: Desk, entry: Entry, path: Path) -> list[Node]:
    """Each once, and each with a name where there are several."""
    wishes: dict[tuple[int, str, str, str], Wish] = {}
    for where, item in desk.items(entry.node, path):
        for wish in _long(desk, item, where) if isinstance(item, Table) else _short(desk, item, where):
            wishes.setdefault(wish.what, wish)
    names: set[str] = set()
    return [_port(wish, names, alone=len(wishes) == 1) for wish in wishes.values()]


def _port(wish: Wish, names: set[str], *, alone: bool) -> Node:
    entries: dict[str, Node] = {}
    name = "" if alone and not wish.name else _name(wish, names)
    if name:
        entries["name"] = said(name, wish.at)
    entries["port"] = plainly(wish.port, wish.at)
    if wish.host:
        entries["hostPort"] = plainly(int(wish.host), wish.at) if wish.host.isdecimal() else said(wish.host, wish.at)
    if wish.protocol != "tcp":
        entries["protocol"] = said(wish.protocol, wish.at)
    entries["bind"] = literal(wish.bind, wish.at)
    return table(entries, wish.at)


def _name(wish: Wish, names: set[str]) -> str:
    base = label(wish.name) or (f"port-{wish.port}" + ("" if wish.protocol == "tcp" else f"-{wish.protocol}"))
    name, count = base, 1
    while name in names:
        count += 1
        name = f"{base}-{count}"
    names.add(name)
    return name


def _short(desk: Desk, node: Node, path: Path) -> Iterator[Wish]:
    """[[ADDRESS:][HOST]:]CONTAINER[/PROTOCOL], with ranges on either side."""
    text = desk.text(node, path)
    found = _SHORT.fullmatch(text)
    if found:
        yield from _wishes(
            desk, node, path, (found[3], found[2] or "", found[4] or "tcp", (found[1] or "").strip("[]"))
        )
    elif text:
        desk.wrong(node, path, f"{text!r} is no port", _LIKE)


def _long(desk: Desk, node: Table, path: Path) -> Iterator[Wish]:
    fields = desk.fields(node, "port", path)
    said_so = {key: desk.loosely(entry.node, (*path, key)) or "" for key, entry in fields.items()}
    if not said_so.get("target"):
        desk.wrong(node, path, "target is missing: the port inside", "target: 80")
        return
    name = said_so.get("name", "")
    parts = (
        said_so["target"],
        said_so.get("published", ""),
        said_so.get("protocol") or "tcp",
        said_so.get("host_ip", ""),
    )
    for wish in _wishes(desk, node, path, parts):
        yield Wish(*wish.what, wish.at, name)


def _wishes(desk: Desk, at: Node, path: Path, parts: tuple[str, str, str, str]) -> Iterator[Wish]:
    """A range inside takes a range of the same length outside, or whatever is free."""
    target, published, protocol, address = parts
    inside, outside = _numbers(target), _numbers(published) if published else range(0)
    bind = address or EVERYBODY
    if inside is not None and len(inside) > MOST:
        desk.cannot(at, path, f"these are {len(inside)} ports, and {MOST} are the most here", "network_mode: host")
    elif inside is None or outside is None:
        desk.wrong(at, path, f"{target if inside is None else published!r} is no port, and no range of ports", _LIKE)
    elif protocol not in {"tcp", "udp"}:
        desk.cannot(at, path, f"{protocol} is neither tcp nor udp")
    elif not outside:
        yield from (Wish(port, "", protocol, bind, at) for port in inside)
    elif len(inside) == len(outside):
        yield from (Wish(port, str(host), protocol, bind, at) for port, host in zip(inside, outside, strict=True))
    elif len(inside) == 1:
        yield Wish(inside[0], f"{outside[0]}-{outside[-1]}", protocol, bind, at)
    else:
        desk.wrong(at, path, f"{len(outside)} ports outside for {len(inside)} inside", "ranges of the same length")


def _numbers(text: str) -> range | None:
    found = _RANGE.fullmatch(text)
    if not found or len(text) > 11:
        return None
    low, high = int(found[1]), int(found[2] or found[1])
    return range(low, high + 1) if 1 <= low <= high <= 65535 else None


_LIKE = 'like "8080:80", "127.0.0.1:5432:5432" or "9000-9005:9000-9005"'
