"""Whether what is there is what is wanted: matches, adjust, or replace. The one place where that is judged.

Things are compared field by field with what was found, and by the fingerprint, which knows what nobody can look at
(the content of files, a restart that was asked for). The gentlest verb wins: what can be changed on the living
thing never has it made anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.core.making import NAMELESS, making
from reconciler.kinds.base import camel
from reconciler.model.desired import PLACE, AttachedPayload, ContainerPayload, Desired, Sealed
from reconciler.model.observed import Facts, Observed, Phase
from reconciler.values import dataclass

GIVEN = frozenset({"user", "working_dir", "hostname", "entrypoint", "command", "shm_size"})
"""What the image, or else the engine, fills in where the payload says nothing."""
ADDED_TO = frozenset({"env", "labels"})
"""What the image has beside what the payload says."""
OUR_LABELS = "dev.reconciler."
REPLACE = ""
MOST = 3
"""Causes that one sentence holds."""
DIFFERENT = re.compile(r"env (\S+) differs")


@dataclass(frozen=True, slots=True)
class Matches:
    """Nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Adjust:
    """It stays, and is changed in place."""

    changes: tuple[str, ...]
    """Of "rename", "unpause", "limits", "restartPolicy", "networks", in this order."""
    cause: str


@dataclass(frozen=True, slots=True)
class Replace:
    """It has to be made anew."""

    cause: str


Verdict = Matches | Adjust | Replace


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing about it that is not as it should be. Never shows a variable's value that somebody may keep secret."""

    cause: str
    change: str = REPLACE
    """By which of the changes of an Adjust it is put right."""


def verdict(item: Desired, seen: Observed) -> Verdict:
    if isinstance(item.payload, AttachedPayload):
        return Matches()  # it is as others have made it
    found = list(deviations(item, seen))
    anew = [one.cause for one in found if one.change == REPLACE]
    if seen.fingerprint != item.fingerprint:
        return Replace(_sentence(anew) or "what it is made of has changed")
    if anew:
        return Replace(_sentence(anew))
    found = [*_placed(item, seen), *found]
    if not found:
        return Matches()
    return Adjust(tuple(dict.fromkeys(one.change for one in found)), _sentence([one.cause for one in found]))


def outdated(item: Desired, seen: Observed) -> str:
    """Why what is there has to be made anew; empty when it need not be."""
    judged = verdict(item, seen)
    return judged.cause if isinstance(judged, Replace) else ""


def deviations(item: Desired, seen: Observed) -> Iterator[Deviation]:
    """All that a closer look found different, field by field; without one, what a list of things shows."""
    asked = making(item.payload)
    facts = _discounted(item, asked, seen.facts or Facts()) if seen.adopted else seen.facts or Facts()
    for field, want in asked.items():
        if field in facts.fields and not _plainly_same(field, want, facts.fields[field]):
            yield from _compared(field, asked, facts, item)
    if "networks" in asked and seen.phase is not Phase.CREATED:  # it joins when it is started
        yield from _networks(asked, seen.networks, facts)
    if facts.stale:
        yield Deviation(facts.stale)


def _discounted(item: Desired, asked: Mapping[str, Any], facts: Facts) -> Facts:
    """Of one that others made: without what they hung on it beside what is asked for (labels, further names in its
    networks), and as if it had the variables that we give each one by ourselves.
    """
    fields = dict(facts.fields)
    if "env" in fields:
        ours = {name: asked["env"][name] for name in item.implied if name in asked["env"]}
        fields["env"] = {**ours, **fields["env"]}
    if "labels" in fields:
        known = {*asked["labels"], *facts.given.get("labels", ())}
        fields["labels"] = {name: value for name, value in fields["labels"].items() if name in known}
    if "limits" in facts.fixed and asked["limits"]["pids"] is None:  # Podman limits all that it makes for others
        fields["limits"] = {**fields["limits"], "pids": None}
    if "networks" in fields:
        wanted: Mapping[str, tuple[str, ...]] = asked["networks"]
        more = {name for name, names in fields["networks"].items() if set(names) >= set(wanted.get(name, ()))}
        fields["networks"] = {
            n: wanted.get(n, names) if n in more else names for n, names in fields["networks"].items()
        }
    return replace(facts, fields=fields)


def _placed(item: Desired, seen: Observed) -> Iterator[Deviation]:
    if seen.name != item.name and seen.adopted:
        yield Deviation(f"it is called {seen.name}, not {item.name}", "rename")
    elif seen.name != item.name:
        yield Deviation(f"it was renamed from {item.name} to {seen.name}", "rename")
    if seen.phase is Phase.PAUSED:
        yield Deviation("it was paused", "unpause")


def _plainly_same(field: str, want: Any, found: Any) -> bool:
    """As most fields are, most of the time: these need no closer comparison."""
    return field not in ADDED_TO and bool(want or field not in GIVEN) and bool(want == found)


def _compared(field: str, asked: Mapping[str, Any], facts: Facts, item: Desired) -> Iterator[Deviation]:
    want, found = asked[field], facts.fields[field]
    match field:
        case "env":
            yield from _variables(want, found, facts.given.get("env"))
        case "labels":
            yield from _labels(want, found, facts.given.get("labels"))
        case "ports":
            yield from _ports(want, found)
        case "mounts":
            yield from _mounts(want, found)
        case "networks":
            pass  # a plain list tells these too
        case "limits":
            yield from _limits(want, found, item, fixed=field in facts.fixed)
        case "engine_restart":
            if want != found:
                change = REPLACE if field in facts.fixed else "restartPolicy"
                yield Deviation(f"the engine's restart policy is {found}, not {want}", change)
        case _:
            yield from _plain(field, _filled(field, asked, facts), found)


def _filled(field: str, asked: Mapping[str, Any], facts: Facts) -> Any:
    """What is to be expected of a field. None: nothing in particular."""
    want = asked[field]
    if want or field not in GIVEN:
        return want
    if field == "command" and asked.get("entrypoint"):
        return ()  # an entrypoint of one's own comes without the image's arguments
    return facts.given.get(field)


def _plain(field: str, want: Any, found: Any) -> Iterator[Deviation]:
    if want is None or (isinstance(want, tuple) and any(PLACE in str(part) for part in want)):
        return  # only the runtime of processes knows what a place stands for
    if isinstance(want, tuple):
        found = tuple(found or ())
    if want != found:
        yield Deviation(_differs(camel(field), found, want))


def _variables(
    want: Mapping[str, str | Sealed], found: Mapping[str, str | Sealed], given: Mapping[str, str] | None
) -> Iterator[Deviation]:
    """No values are shown: what is plain here may come from a secret, or have been one under another spec."""
    for name, value in sorted({**(given or {}), **want}.items()):
        text = value.text() if isinstance(value, Sealed) else value
        if PLACE in text or found.get(name) in (text, value):
            continue
        if name not in found:
            yield Deviation(f"env {name} is missing")
        else:
            yield Deviation(f"env {name} differs")
    if given is not None:
        for name in sorted(found.keys() - want.keys() - given.keys()):
            yield Deviation(f"env {name} is set, but not declared")


def _labels(want: Mapping[str, str], found: Mapping[str, str], given: Mapping[str, str] | None) -> Iterator[Deviation]:
    expected = {**(given or {}), **want}
    for name in sorted(expected.keys() | found.keys()):
        if name.startswith(OUR_LABELS) or (given is None and name not in want):
            continue
        if found.get(name) != expected.get(name):
            yield Deviation(_differs(f"label {name}", found.get(name), expected.get(name)))


def _ports(want: tuple[str, ...], found: tuple[str, ...]) -> Iterator[Deviation]:
    left = {text.partition("->")[2] for text in found if ":auto->" in text}
    for text in sorted(set(want) - set(found)):
        if text.partition("->")[2] not in left:
            yield Deviation(f"port {text} is not published")
    for text in sorted(set(found) - set(want)):
        if ":auto->" in text:
            yield Deviation(f"port {text.partition('->')[2]} is left to the engine, which chooses anew at each start")
            continue
        yield Deviation(f"port {text} is published, but not declared")


def _mounts(want: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Deviation]:
    for target in sorted(want.keys() | found.keys()):
        if target not in want:
            yield Deviation(f"{found[target]} is mounted at {target}, but not declared")
        elif target not in found:
            yield Deviation(f"{want[target]} is not mounted at {target}")
        elif want[target] != found[target]:
            yield Deviation(f"mount {target} is {found[target]}, not {want[target]}")


def _networks(asked: Mapping[str, Any], joined: tuple[str, ...], facts: Facts) -> Iterator[Deviation]:
    """Whoever is in the host's own network can't leave it, nor can others come there."""
    want = asked["networks"]
    if not want:
        return
    change = REPLACE if {"host", "none"} & (want.keys() ^ set(joined)) else "networks"
    for name in sorted(want.keys() - set(joined)):
        yield Deviation(f"it is not in network {name}", change)
    for name in sorted(set(joined) - want.keys()):
        yield Deviation(f"it is in network {name}, which is not declared for it", change)
    known, own = facts.fields.get("networks", {}), {asked["hostname"], facts.fields.get("hostname")}
    for name in sorted(want.keys() & set(joined) & known.keys() - NAMELESS):
        # An engine makes its host name known too, without having been asked to.
        if set(known[name]) - own != set(want[name]) - own:
            names = [", ".join(sorted(names)) or "nothing" for names in (known[name], want[name])]
            yield Deviation(f"in network {name} it is known as {names[0]}, not {names[1]}", "networks")


def _limits(want: Mapping[str, Any], found: Mapping[str, Any], item: Desired, *, fixed: bool) -> Iterator[Deviation]:
    for name in want:
        if name in found and not _same(want[name], found[name]):
            # To an engine, a limit of 0 means "as it was": it can't take back what it once limited.
            lifted = isinstance(item.payload, ContainerPayload) and want[name] is None and name != "pids"
            told = [_amount(name, value) for value in (found[name], want[name])]
            yield Deviation(f"{name} is {told[0]}, not {told[1]}", REPLACE if lifted or fixed else "limits")


def _same(want: float | None, found: float | None) -> bool:
    """The kernel gives processor time by the hundred-thousandth of a core, and some engines tell no more of it."""
    return want == found or (want is not None and found is not None and abs(want - found) < 1e-5)


def _amount(limit: str, value: float | None) -> str:
    if value is None:
        return "unlimited"
    if limit != "memory":
        return f"{value:g}"
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value % size == 0:
            return f"{value / size:g} {unit}"
    return f"{value} bytes"


def _differs(what: str, found: Any, want: Any) -> str:
    if want in (None, "", ()):
        return f"{what} is {_shown(found)}, but not declared"
    return (
        f"{what} is not {_shown(want)}" if found in (None, "", ()) else f"{what} is {_shown(found)}, not {_shown(want)}"
    )


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case tuple() | list():
            return "[" + ", ".join(map(str, value)) + "]"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def _sentence(causes: list[str]) -> str:
    causes = _gathered(causes)
    more = len(causes) - MOST
    return " and ".join([*causes[:MOST], *([f"{more} more"] if more > 0 else [])])


def _gathered(causes: list[str]) -> list[str]:
    """Who is told another address is told it in several variables: that is one cause."""
    found = [told[1] for cause in causes if (told := DIFFERENT.fullmatch(cause))]
    if len(found) < 2:
        return causes
    names = found if len(found) <= MOST else [*found[: MOST - 1], f"{len(found) - MOST + 1} more"]
    sentence = f"env {', '.join(names[:-1])} and {names[-1]} differ"
    first = causes.index(f"env {found[0]} differs")
    return [*causes[:first], sentence, *(cause for cause in causes[first:] if not DIFFERENT.fullmatch(cause))]
