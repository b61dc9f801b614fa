"""What the one listing of a host says of its interfaces, and of its parts of meshes."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import field
from typing import Any

from reconciler.errors import Unreachable
from reconciler.model import labels as table
from reconciler.model.observed import Facts, Footing, Leg, Observed
from reconciler.values import dataclass

RUNTIME = "mesh"
KEY = re.compile(r"[A-Za-z0-9+/]{43}=")
SETTLED_SECONDS = 20
"""After which both ends of a session have long been seen to have it. Two hosts aren't looked at at the same moment."""
PORT = re.compile(r"[0-9A-F]{4}")
DECIMAL = re.compile(r"[0-9]{1,18}", re.ASCII)
ENDPOINT = re.compile(r"[A-Za-z0-9_.:\[\]-]+:[0-9]{1,5}", re.ASCII)


@dataclass(slots=True)
class Said:
    """Lines by their first word: of the host itself, or of one device."""

    device: str = ""
    lines: dict[str, list[list[str]]] = field(default_factory=dict)

    def all(self, word: str) -> list[list[str]]:
        return self.lines.get(word, [])

    def one(self, word: str) -> list[str]:
        return next(iter(self.all(word)), [])


def read(text: str, host: str, owner: str) -> tuple[Footing, tuple[Observed, ...]]:
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        raise Unreachable(f"host {host} did not tell all of its networks", hint="it is asked again")
    found = [Said()]
    for line in lines[:-1]:
        word, _, rest = line.partition(" ")
        if word == "=":
            found.append(Said(rest))
        else:
            words = [rest] if word == "labels" else rest.split()
            found[-1].lines.setdefault(word, []).append(words)
    machine, *parts = found
    return _footing(machine, host), tuple(_parts(parts, host, owner))


def _footing(said: Said, host: str) -> Footing:
    found = (words for words in said.all("leg") if len(words) == 2 and _is_interface(words[1]))
    legs = tuple(Leg(words[0].partition("@")[0], words[1]) for words in found)
    tools = {words[0] for words in said.all("tool") if words}
    host = host.rpartition("/")[2]
    who, lacking = next(iter(said.one("who")), ""), ""
    if missing := sorted({"ip", "wg"} - tools):
        lacking = f"{host} has no {' and no '.join(missing)}; install wireguard-tools and iproute2 there"
    elif who != "root":
        lacking = f"{who} may make no network devices on {host}; be root there, or let sudo ask for no password"
    taken = frozenset(int(words[0], 16) for words in said.all("udp") if words and PORT.fullmatch(words[0]))
    return Footing(legs, next(iter(said.one("met")), ""), lacking, taken)


def _is_interface(text: str) -> bool:
    """Whatever a host says of itself must hurt nobody else."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def _key(words: list[str]) -> str:
    """Others are told of it only if it is one."""
    text = next(iter(words), "")
    return text if KEY.fullmatch(text) else ""


def _parts(found: list[Said], host: str, owner: str) -> Iterator[Observed]:
    for said in found:
        labels = _labels(said)
        key = table.read_key(labels) if labels.get(table.OWNER) == owner and owner else None
        # A machine may be known by two names, of which only one can be a member.
        if key and key.kind == RUNTIME and key.name == host.rpartition("/")[2]:
            yield Observed(
                id=said.device, name=key.engine_name, kind=RUNTIME, runtime=RUNTIME, host=host, key=key, owner=owner,
                fingerprint=str(labels.get(table.FINGERPRINT, "")), facts=Facts(fields=_facts(said)),
            )  # fmt: skip


def _facts(said: Said) -> dict[str, Any]:
    """In the words of `core.making.as_joined`."""
    live = [*said.one("live"), "", ""]
    lines = [words for words in said.all("set") if words[:1] == ["peer"] and len(words) == 6 and words[2] != "-"]
    told = [words for words in lines if _key(words[1:]) and _is_interface(words[2].partition(",")[0])]
    own = [*next((words[1:] for words in said.all("set") if words[:1] == ["self"]), []), "", ""]
    clock = _number(said.one("clock"))
    return {
        "up": "up" in said.lines and bool(live[0]),
        "next": _key(said.one("next")),
        "public": _key(said.one("public")),
        "live_public": live[0],
        "port": _number(live[1:]),
        "wanted_address": own[0] if _is_interface(own[0]) else "",
        "wanted_port": _number(own[1:]),
        "addresses": (),
        "routes": tuple(words[0] for words in said.all("route") if words),
        "peers": {words[0]: _peer(words, clock) for words in said.all("peer") if len(words) == 4},
        "hosts": {words[5]: words[2].partition("/")[0] for words in told},
        "endpoints": {words[5]: words[3] for words in told if ENDPOINT.fullmatch(words[3])},
        "keys": {words[5]: words[1] for words in told},
    }


def _peer(words: list[str], clock: int) -> dict[str, Any]:
    """By its own clock, with which it wrote down when it shook hands."""
    reached = tuple(one.partition("/")[0] for one in words[2].split(",") if one != "(none)")
    shook = _number(words[3:])
    settled = bool(shook) and clock - shook > SETTLED_SECONDS
    return {"reached": reached, "endpoint": words[1].replace("(none)", ""), "shook": shook, "settled": settled}


def _number(words: list[str]) -> int:
    text = next(iter(words), "")
    return int(text) if DECIMAL.fullmatch(text) else 0


def _labels(said: Said) -> dict[str, str]:
    try:
        found: Any = json.loads(next(iter(said.one("labels")), ""))
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}
