"""What the one listing of a host says. A listing without its last word says nothing at all.

Who tells it may lie. So it is believed of that host alone, and of what may lie there by that name; numbers are as large
as they can be, and a listing that contradicts itself is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from itertools import takewhile
from typing import Any

from reconciler.core import hostfacts
from reconciler.errors import Unreachable
from reconciler.model import labels as table
from reconciler.model.hostfacts import HostFacts, Lease
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Binding, Observed, Phase
from reconciler.runtimes.remote import limiting
from reconciler.values import dataclass

RUNTIME = "process"
FOLDERS = ("processes", "volumes")
WHO_LENGTH = 80
MOST_ENTRIES, LONGEST_NAME, LONGEST_PATH = 10_000, 255, 4096
MOST_PID, MOST_TIME, MOST_CODE = 2**31 - 1, 10**11, 255
IDENTITY = re.compile(r"[0-9a-f]{32}")
FINGERPRINT = re.compile(r"[0-9a-z]{1,64}")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


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
    lines = text.removesuffix("\n").split("\n")  # and by nothing else that a terminal would take for the end of one
    if lines[-1] != "end":
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
    if fault := _fault(head.get("state", ""), found):
        raise Unreachable(
            f"host {host} tells what can't be: {fault}",
            hint=f"see what answers there: reconciler host check {host}",
        )
    return Listing(head.get("state", ""), head.get("boot", ""), found, facts, read_lease(head.get("lease", "")))


def _fault(state: str, entries: tuple[Entry, ...]) -> str:
    if not state.startswith("/") or len(state) > LONGEST_PATH or not state.isprintable():
        return "its state lies nowhere"
    if len(entries) > MOST_ENTRIES:
        return f"there are more than {MOST_ENTRIES:,} things"
    if any(len(entry.name) > LONGEST_NAME or "/" in entry.name or entry.folder not in FOLDERS for entry in entries):
        return "a thing lies nowhere"
    names = {(entry.folder, entry.name) for entry in entries}
    return "a thing is there twice" if len(names) < len(entries) else ""


def read_lease(text: str) -> Lease | None:
    owner, _, rest = text.partition(" ")
    left, _, who = rest.partition(" ")
    told = "".join(c if c.isprintable() else "?" for c in who)[:WHO_LENGTH]
    seconds = table.number(left, MOST_TIME)
    return Lease(owner[:WHO_LENGTH], told, seconds) if seconds is not None else None


def _observed(entry: Entry, host: str, owner: str, boot: str) -> Observed:
    name = entry.name.replace(".", "-")
    kind = "volume" if entry.folder == "volumes" else INSTANCE
    labels = _labels(entry)
    key = table.read_key(labels) if labels.get(table.OWNER) == owner and owner else None
    if key is None or not _is_at_home(key, entry) or not IDENTITY.fullmatch(labels.get("id", "")):
        detail = "its labels are not this installation's"
        phase = Phase.RUNNING if "lives" in entry.facts else Phase.UNKNOWN
        shown = "".join(c if c.isprintable() else "?" for c in name)
        return Observed(f"{entry.folder}/{shown}", shown, kind, RUNTIME, host, phase=phase, detail=detail)
    seen = Observed(
        id=labels["id"], name=name, kind=kind, runtime=RUNTIME, host=host, key=key, owner=owner,
        fingerprint=_fingerprint(labels), generation=table.read_generation(labels),
        grants=table.read_grants(labels),
    )  # fmt: skip
    if kind == "volume":
        return seen
    return _in_its_phase(replace(seen, facts=limiting.facts(labels)), entry, boot)


def _is_at_home(key: Key, entry: Entry) -> bool:
    """Nothing is believed to be what could not lie there."""
    if not (LABEL.fullmatch(key.namespace) and LABEL.fullmatch(key.name)):
        return False
    if entry.folder == "volumes":
        return key.kind == "volume" and key.index is None and entry.name == key.engine_name
    return key.is_workload and entry.name == f"{key.namespace}.{key.name}.{key.index}"


def _fingerprint(labels: Mapping[str, str]) -> str:
    """What is none is that of nothing."""
    found = labels.get(table.FINGERPRINT, "")
    return found if FINGERPRINT.fullmatch(found) else table.NONE


def _in_its_phase(seen: Observed, entry: Entry, boot: str) -> Observed:
    pid, since_boot, started_at = _pid(entry)
    code, finished_at = _exit(entry)
    if "lives" in entry.facts:
        bindings = tuple(Binding(grant.port) for grant in seen.grants.values())
        phase = Phase.PAUSED if "halted" in entry.facts else Phase.RUNNING
        return replace(seen, phase=phase, pid=pid, started_at=started_at, bindings=bindings)
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
    except (ValueError, RecursionError):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}


def _pid(entry: Entry) -> tuple[int | None, str, float | None]:
    words = entry.facts.get("pid", "").split(" ")
    if len(words) != 4:
        return None, "", None
    pid, since = table.number(words[0], MOST_PID), table.number(words[3], MOST_TIME)
    return (pid, words[2], float(since)) if pid and since is not None else (None, "", None)


def _exit(entry: Entry) -> tuple[int | None, float | None]:
    words = entry.facts.get("exit", "").split(" ")
    if len(words) != 2:
        return None, None
    code, when = table.number(words[0], MOST_CODE), table.number(words[1], MOST_TIME)
    return (code, float(when)) if code is not None and when is not None else (None, None)
