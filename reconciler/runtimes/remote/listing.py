"""What the one listing of a host says. A listing without its last word says nothing at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from itertools import takewhile
from typing import Any

from reconciler.core import hostfacts
from reconciler.errors import Unreachable
from reconciler.model import labels as table
from reconciler.model.hostfacts import HostFacts, Lease
from reconciler.model.observed import INSTANCE, Binding, Observed, Phase
from reconciler.values import dataclass

RUNTIME = "process"
WHO_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory: `folder` is `processes` or `volumes`."""

    folder: str
    name: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    state: str
    boot: str
    entries: tuple[Entry, ...]
    facts: HostFacts | None = None
    lease: Lease | None = None

    def observed(self, host: str, owner: str) -> Iterator[Observed]:
        for entry in self.entries:
            yield _observed(entry, host, owner, self.boot)


def read(text: str, host: str, before: float, after: float) -> Listing:
    """`before` and `after` it was asked for."""
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        raise Unreachable(f"host {host} did not tell all of what runs there", hint="it is asked again")
    head: dict[str, str] = {}
    entries: list[tuple[str, str, dict[str, str]]] = []
    for line in lines[:-1]:
        word, _, rest = line.partition(" ")
        if word == "=":
            folder, _, name = rest.partition(" ")
            entries.append((folder, name, {}))
        else:
            (entries[-1][2] if entries else head)[word] = rest
    facts = hostfacts.read(takewhile(lambda line: not line.startswith("= "), lines), before, after)
    found = tuple(Entry(*entry) for entry in entries)
    return Listing(head.get("state", ""), head.get("boot", ""), found, facts, read_lease(head.get("lease", "")))


def read_lease(text: str) -> Lease | None:
    owner, _, rest = text.partition(" ")
    left, _, who = rest.partition(" ")
    told = "".join(c if c.isprintable() else "?" for c in who)[:WHO_LENGTH]
    return Lease(owner[:WHO_LENGTH], told, int(left)) if left.isdecimal() else None


def _observed(entry: Entry, host: str, owner: str, boot: str) -> Observed:
    name = entry.name.replace(".", "-")
    kind = "volume" if entry.folder == "volumes" else INSTANCE
    labels = _labels(entry)
    key = table.read_key(labels) if labels.get(table.OWNER) == owner and owner else None
    if key is None or key.engine_name != name:
        detail = "its labels are not this installation's"
        phase = Phase.RUNNING if "lives" in entry.facts else Phase.UNKNOWN
        return Observed(f"{entry.folder}/{entry.name}", name, kind, RUNTIME, host, phase=phase, detail=detail)
    seen = Observed(
        id=str(labels.get("id", "")), name=name, kind=kind, runtime=RUNTIME, host=host, key=key, owner=owner,
        fingerprint=str(labels.get(table.FINGERPRINT, "")), generation=table.read_generation(labels),
        grants=table.read_grants(labels),
    )  # fmt: skip
    return seen if kind == "volume" else _in_its_phase(seen, entry, boot)


def _in_its_phase(seen: Observed, entry: Entry, boot: str) -> Observed:
    pid, since_boot, started_at = _pid(entry)
    code, finished_at = _exit(entry)
    if "lives" in entry.facts:
        bindings = tuple(Binding(grant.port) for grant in seen.grants.values())
        return replace(seen, phase=Phase.RUNNING, pid=pid, started_at=started_at, bindings=bindings)
    if pid is None:
        return replace(seen, phase=Phase.CREATED)
    detail = "" if code is not None else "the host was rebooted" if since_boot != boot else "nobody saw how it ended"
    return replace(
        seen, phase=Phase.EXITED, exit_code=137 if code is None else code, started_at=started_at,
        finished_at=finished_at, detail=detail,
    )  # fmt: skip


def _labels(entry: Entry) -> dict[str, str]:
    try:
        found: Any = json.loads(entry.facts.get("labels", ""))
    except ValueError:
        return {}
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}


def _pid(entry: Entry) -> tuple[int | None, str, float | None]:
    words = entry.facts.get("pid", "").split(" ")
    if len(words) != 4 or not (words[0].isdecimal() and words[3].isdecimal()):
        return None, "", None
    return int(words[0]), words[2], float(words[3])


def _exit(entry: Entry) -> tuple[int | None, float | None]:
    words = entry.facts.get("exit", "").split(" ")
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None, None
    return int(words[0]), float(words[1])
