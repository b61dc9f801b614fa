"""What a host can do, fact by fact: what is as it should be, what is missing and what for, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from reconciler.kinds.host import NO_ENGINE, HostSpec
from reconciler.model.hostfacts import HostFacts
from reconciler.model.observed import View
from reconciler.values import dataclass

Level = Literal["ok", "missing", "failed"]
"""Without what is missing some things are not possible, which may be all right."""
MOST_SKEW = 5.0
AWAY, KEYS, LET_IN = "Unreachable", ("HostKeyUnknown", "HostKeyChanged"), "Denied"


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    level: Level
    message: str
    hint: str = ""


def check(spec: HostSpec, account: View, engine: View | None, owner: str) -> Iterator[Fact]:
    """`account` is what the shell of our user there says, `engine` what its engine does, if it is to have one."""
    yield from _way(spec, account)
    if account.machine is None:
        return
    facts = account.machine
    yield Fact("sh", "ok", f"{facts.os} {facts.kernel} {facts.arch}, as {facts.user} (uid {facts.uid})")
    yield _engine(spec, engine)
    yield _cgroups(facts)
    yield _wireguard(facts)
    python = facts.python3 or "none"
    yield Fact("python", "ok", f"{python}; it is not needed")
    yield _clock(facts)
    yield _lease(account, owner)


def _way(spec: HostSpec, account: View) -> Iterator[Fact]:
    """As far as we got."""
    assert spec.ssh is not None, "another machine has one"
    where = f"{spec.ssh.user + '@' if spec.ssh.user else ''}{spec.ssh.host}"
    where += f":{spec.ssh.port}" if spec.ssh.port else ""
    trouble = account.reason if account.problem else ""
    if trouble == AWAY:
        yield Fact("reached", "failed", account.problem, account.hint)
        return
    yield Fact("reached", "ok", where)
    if trouble in KEYS:
        yield Fact("key", "failed", account.problem, account.hint)
        return
    yield Fact("key", "ok", "the one that is pinned in its spec" if spec.ssh.host_key else "one that is trusted")
    if trouble == LET_IN:
        yield Fact("access", "failed", account.problem, account.hint)
    elif trouble:
        yield Fact("sh", "failed", account.problem, account.hint)


def _engine(spec: HostSpec, engine: View | None) -> Fact:
    if spec.engine == NO_ENGINE or engine is None:
        return Fact("engine", "missing", "none, as its spec says: no containers there")
    if engine.problem:
        return Fact("engine", "failed", engine.problem, engine.hint)
    return Fact("engine", "ok", f"{engine.engine} at {spec.engine}")


def _cgroups(facts: HostFacts) -> Fact:
    if facts.cgroups:
        return Fact("cgroups", "ok", facts.cgroups)
    return Fact("cgroups", "missing", "none: no limits there")


def _wireguard(facts: HostFacts) -> Fact:
    if facts.wireguard != "none":
        return Fact("wg", "ok", facts.wireguard)
    why = "wireguard-go is there, but no /dev/net/tun that this user may use" if facts.wireguard_go else "none"
    hint = "load the wireguard module there, or install wireguard-go, which root has to run"
    return Fact("wg", "missing", f"{why}: it can't be part of a mesh", hint)


def _clock(facts: HostFacts) -> Fact:
    if not facts.skew:
        return Fact("clock", "ok", "the same time as here")
    way = "ahead of" if facts.skew > 0 else "behind"
    wrong = abs(facts.skew) > MOST_SKEW
    hint = "set it, with NTP say: times of logs and events are not what they seem" if wrong else ""
    return Fact("clock", "failed" if wrong else "ok", f"{abs(facts.skew):g} s {way} ours", hint)


def _lease(account: View, owner: str) -> Fact:
    lease = account.lease
    if lease is None:
        return Fact("lease", "ok", "nobody's")
    if lease.owner == owner:
        return Fact("lease", "ok", "ours")
    hint = f"it ends in {lease.seconds} s unless they go on; until then nothing of ours is changed there"
    return Fact("lease", "failed", f"{lease.who} (installation {lease.owner[:12]}) looks after it", hint)
