"""What both forms share: what is to be exported, how its references read there, and what can't be carried."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from reconciler.core.addresses import Address, Callee, Unknown, addresses, variables
from reconciler.core.envfile import parse_env
from reconciler.core.graph import Graph, seen_as_service, shared_network
from reconciler.core.references import Reference, fill, fill_all, literal
from reconciler.kinds import KINDS
from reconciler.kinds.service import Dependency, ServiceSpec
from reconciler.kinds.workspace import mounts
from reconciler.model.desired import PortBinding
from reconciler.model.key import Key
from reconciler.model.observed import Snapshot
from reconciler.model.resource import Resource
from reconciler.values import dataclass

BROUGHT = {"network", "volume", "config", "secret"}
"""Kinds that come along with whoever needs them."""


@dataclass(frozen=True, slots=True)
class Left:
    """Something that the other form has no word for, or would not keep as it is."""

    key: Key
    field: str
    why: str

    def __str__(self) -> str:
        return f"{self.key.short}: {self.field}: {self.why}" if self.field else f"{self.key.short}: {self.why}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is exported of a graph, and room for what was left out of it."""

    graph: Graph
    chosen: frozenset[Key]
    reveal: bool = False
    """Whether values of secrets are written out."""
    lefts: list[Left] = field(default_factory=list)

    def leave(self, key: Key, name: str, why: str) -> None:
        left = Left(key, name, why)
        if left not in self.lefts:
            self.lefts.append(left)

    def resources(self, kind: str) -> Iterator[tuple[Key, Any]]:
        for key in sorted(self.chosen):
            if key.kind == kind:
                yield key, self.graph.resources[key].spec

    def containers(self) -> Iterator[tuple[Key, ServiceSpec, Resource]]:
        """Services and jobs that are containers, every reference in them filled. The others are told of."""
        for key in sorted(self.chosen):
            if not key.is_workload:
                continue
            resource = self.graph.resources[key]
            spec = seen_as_service(resource)
            if key.kind == "campaign":
                self.leave(key, "", "a campaign is run by a command; there is no such thing there")
            elif getattr(resource.spec, "in_", ""):
                self.leave(key, "in", "it runs inside of a service; there is no such job there")
            elif getattr(spec, "attach_to", None):
                self.leave(key, "attachTo", "others run it, and nothing here could start it")
            elif spec is None or spec.container is None:
                self.leave(key, "process", "it is a native process, and only containers are carried")
            else:
                yield key, self._filled(key, spec), resource

    def mounts(self, spec: ServiceSpec) -> Collection[Any]:
        return mounts(spec)

    def dependencies(self, key: Key, spec: ServiceSpec) -> Iterator[Dependency]:
        """On what is exported too."""
        carried = {one.name for one, _, _ in self.containers()}
        for dependency in spec.dependencies:
            if dependency.service in carried:
                yield dependency
            else:
                self.leave(key, "dependsOn", f"{dependency.service} is not carried")

    def entries(self, kind: str, name: str, user: tuple[Key, ServiceSpec] | None = None) -> dict[str, bytes]:
        """What a Config or Secret holds, by key; references as its user would see them."""
        key = Key(kind, self.graph.namespace, name)
        spec = self.graph.resources[key].spec
        found = {entry: self._text(text, user).encode() for entry, text in sorted(spec.data.items())}
        if kind == "secret":
            found = {entry: text.encode() for entry, text in sorted(spec.data.items())}
        for entry, path in sorted(spec.files.items()):
            found[entry] = self.graph.contents.get(literal(path), b"")
        return found

    def implied(self, key: Key, spec: ServiceSpec) -> dict[str, str]:
        """Variables by which a workload is told where those are whom it depends on."""
        found: dict[str, str] = {}
        for dependency in spec.dependencies:
            there = self._addresses(spec, dependency.service)
            if there:
                found.update(variables(dependency.service, there))
            elif there is None:
                self.leave(key, "dependsOn", f"where {dependency.service} is can't be said there: see its ports")
        return found

    def env_file(self, path: str) -> dict[str, str]:
        return parse_env(self.graph.contents.get(path, b""), path)

    # -- references

    def _filled(self, key: Key, spec: ServiceSpec) -> ServiceSpec:
        def lookup(reference: Reference) -> str:
            found = self._lookup(spec, reference)
            if found is None:
                text = "${" + ".".join(reference) + "}"
                self.leave(key, text, "nobody is found under that address there; it stands as it is, to be replaced")
                return text
            return found

        filled: ServiceSpec = fill_all(spec, lookup)
        return filled

    def _text(self, text: str, user: tuple[Key, ServiceSpec] | None) -> str:
        def lookup(reference: Reference) -> str:
            found = self._lookup(user[1], reference) if user else None
            return "${" + ".".join(reference) + "}" if found is None else found

        return fill(text, lookup)

    def _lookup(self, spec: ServiceSpec, reference: Reference) -> str | None:
        head, *rest = reference
        if head == "ports":
            return next((str(port.port) for port in spec.ports if port.label == rest[0]), None)
        if head == "volumes":
            return next((mount.mount_path for mount in spec.volumes if mount.source == rest[0]), None)
        found = dict(self._addresses(spec, head) or ())
        if rest[0] == "ports":
            return str(found[rest[1]].port) if rest[1] in found else None
        return next(iter(found.values())).part(rest[0]) if found else None

    def _addresses(self, caller: ServiceSpec, name: str) -> list[tuple[str, Address]] | None:
        """Of a container that shares a network: by its name, at the port inside. None: it can't be said."""
        callee = self.graph.service(name)
        if callee is None or callee.container is None or not shared_network(self.graph, caller, callee):
            return None
        bindings = [PortBinding(p.label, p.port or 0, p.port or 0, p.protocol, p.bind) for p in callee.ports]
        try:
            return addresses(self.graph, Snapshot(), caller, Callee(name, callee, bindings))
        except Unknown:
            return None


def sheet(graph: Graph, wanted: Iterable[Key] = (), *, reveal: bool = False) -> Sheet:
    """All of a graph, or these with what they need of networks, volumes, configs and secrets."""
    named = list(wanted) or list(graph.resources)
    chosen: set[Key] = set()
    while named:
        key = named.pop()
        if key in chosen or key not in graph.resources:
            continue
        chosen.add(key)
        kind = next(kind for kind in KINDS.values() if kind.key == key.kind)
        needs = (Key(need.kind, graph.namespace, need.name) for need in kind.needs(graph.resources[key].spec))
        named += [need for need in needs if need.kind in BROUGHT]
    found = Sheet(graph, frozenset(chosen), reveal)
    for key in sorted(key for key in chosen if key.kind == "source"):
        found.leave(key, "", "what is followed is not exported; what it has brought is")
    return found


def placeholder(secret: str, key: str, spec: Any) -> str:
    """The variable that stands for a value nobody is shown: its own, if it came from one."""
    own = getattr(spec, "env", {}).get(key)
    name = own or f"{secret}_{key}"
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name.upper())


def without_defaults(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing of what says nothing."""
    return {name: value for name, value in tree.items() if value not in (None, "", [], {}, (), False)}
