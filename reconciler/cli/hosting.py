"""What the verbs about hosts have in common: from words to documents, from facts to lines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from reconciler.cli import picking
from reconciler.cli.context import Context
from reconciler.cli.render.text import clean, mark, paint
from reconciler.cli.userconfig import label
from reconciler.core.hostcheck import Fact, check
from reconciler.core.hostfacts import explained
from reconciler.errors import UsageError
from reconciler.kinds.host import HostSpec, SshAccess, faults, host_id, named_faults
from reconciler.model.key import Key
from reconciler.model.place import LOCAL, Place
from reconciler.model.resource import FORMER, Resource
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.engine.controller import Controller

STYLES = {"ok": "green", "missing": "yellow", "failed": "red"}
SIGNS = {"ok": "ok", "missing": "warning", "failed": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was typed of a host."""

    where: str
    identity: str = ""
    address: str = ""
    engine: str = ""
    host_key: str = ""


def declared(namespace: str, name: str, given: Given) -> Resource:
    """The document, or what is wrong with it."""
    try:
        label(name)
    except ValueError:
        raise UsageError(f"{name!r} is no name: lower-case letters, digits and dashes, at most 63") from None
    user, host, port = _parts(given.where)
    identity = os.path.abspath(os.path.expanduser(given.identity)) if given.identity else ""
    ssh = SshAccess(host=host, port=port, user=user, identity_file=identity, host_key=given.host_key)
    spec = HostSpec(ssh=ssh, address=given.address)
    spec = replace(spec, engine=given.engine) if given.engine else spec
    for fault in (*faults(spec), *named_faults(name, spec)):
        raise UsageError(f"{'.'.join(map(str, fault.path)) or name}: {fault.message}", hint=fault.hint)
    return Resource(Key("host", namespace, name), spec)


def _parts(where: str) -> tuple[str, str, int | None]:
    user, _, rest = where.rpartition("@")
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = rest.partition(":") if rest.count(":") == 1 else (rest, "", "")
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise UsageError(f"{where}: {port!r} is no port", hint="[USER@]HOST[:PORT]; an IPv6 address in brackets")
    return user, host, int(port) if port else None


def pinned(resource: Resource, line: str) -> Resource:
    """The same, known by this key alone. `line` ends in its type and itself."""
    ssh = replace(resource.spec.ssh, host_key=" ".join(line.split()[-2:]))
    return replace(resource, spec=replace(resource.spec, ssh=ssh))


def resource_of(controller: Controller, namespace: str, name: str) -> Resource:
    """Of another machine: the namespace's own one, or everybody's; one of another namespace as messages call it."""
    own, _, name = name.removeprefix("host/").rpartition("/")
    for space in dict.fromkeys((own or namespace, "default")):
        for resource in controller.parts.source.resources(space):
            known = not resource.deleting or FORMER in resource.annotations
            if (resource.key.kind, resource.key.name) == ("host", name) and known:
                if resource.spec.ssh is None:
                    raise UsageError(f"{name} is this machine", hint="name another host")
                return resource
    raise picking.not_found(controller.parts, namespace, ("host", name))


def chosen(controller: Controller, namespace: str, words: Sequence[str]) -> dict[str, HostSpec]:
    """By id. Without words, all that the namespace knows."""
    if words:
        found = (resource_of(controller, namespace, word) for word in words)
        return {host_id(r.key.namespace, r.key.name): r.spec for r in found}
    identity = controller.parts.home.identity(make=False)
    known = controller.parts.source.graph(namespace, identity).hosts
    return {name: spec for name, spec in sorted(known.items()) if name != LOCAL and spec.ssh}


def checked(controller: Controller, hosts: Mapping[str, HostSpec]) -> dict[str, list[Fact]]:
    """All at once: one that is away costs its own deadline."""
    if not hosts:
        return {}
    owner = controller.parts.home.identity(make=False).owner

    def facts(name: str) -> list[Fact]:
        runtimes = controller.parts.runtimes
        engine = Place("docker", name)
        account = runtimes[Place("process", name)].observe()
        seen = runtimes[engine].observe() if account.reachable and engine in set(runtimes) else None
        account, *engines = explained((account, seen) if seen else (account,))
        return list(check(hosts[name], account, next(iter(engines), None), owner))

    with ThreadPoolExecutor(len(hosts)) as pool:
        return dict(zip(hosts, pool.map(facts, hosts), strict=True))


def tree(name: str, facts: Sequence[Fact]) -> dict[str, Any]:
    return {"name": name, "ok": all(fact.level != "failed" for fact in facts), "checks": [asdict(one) for one in facts]}


def show(context: Context, found: Mapping[str, Sequence[Fact]]) -> None:
    if not found:
        print("no host is declared; next: reconciler host add NAME USER@ADDRESS", file=context.stderr)
    for name, facts in found.items():
        print(paint(clean(name), "bold", color=context.color), file=context.stdout)
        for fact in facts:
            sign = paint(mark(SIGNS[fact.level], context.stdout), STYLES[fact.level], color=context.color)
            print(f"  {sign} {fact.name:<8} {clean(fact.message)}", file=context.stdout)
            if fact.hint:
                print(f"    hint: {clean(fact.hint)}", file=context.stdout)
