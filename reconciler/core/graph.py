"""Resources of one namespace, and who of them needs whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace

from reconciler.core.references import references, strings
from reconciler.kinds import KINDS
from reconciler.kinds.base import Tree
from reconciler.kinds.host import HostSpec, host_id
from reconciler.kinds.job import JobSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import Context
from reconciler.model.history import History
from reconciler.model.key import Key
from reconciler.model.place import LOCAL, Place
from reconciler.model.resource import Resource
from reconciler.values import dataclass

DEFAULT_NETWORK = "default"
PLANNED = frozenset({"service", "job"})
"""Workloads that passes bring about by themselves. The runs of a Campaign are somebody's command."""
_Placed = dict[tuple[int, str], tuple[Resource, ServiceSpec]]
"""By where a resource lies in memory, which is sooner known than whether two are equal, and by host."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The desired state of one namespace, and what rendering it needs besides the world."""

    namespace: str
    resources: Mapping[Key, Resource] = field(default_factory=dict)
    removed: Mapping[Key, Resource] = field(default_factory=dict)
    """Tombstones: deleted on purpose, and still to be taken down."""
    owner: str = ""
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Content of the files that specs point at, by absolute path."""
    contexts: Mapping[Tree, Context] = field(default_factory=dict, repr=False)
    """What the directories that images are built from hold."""
    unreadable: Mapping[Key, str] = field(default_factory=dict)
    """Resources whose files can't be read now, and why: they are left as they are."""
    damaged: Mapping[Key, str] = field(default_factory=dict)
    """Resources whose documents can't be read now, and why: they are declared, but nobody can say how."""
    histories: Mapping[Key, History] = field(default_factory=dict)
    """What is remembered of jobs."""
    seal: Callable[[bytes], str] = field(default=lambda _: "", repr=False, compare=False)
    """Keyed digest of a secret."""
    port_range: tuple[int, int] = (20000, 29999)
    hosts: Mapping[str, HostSpec] = field(default_factory=dict)
    """Other machines that are known here, by their ids; under `local` what was said of this one."""
    _placed: _Placed = field(default_factory=dict, repr=False, compare=False)
    """What `placed` has said, for it is asked twenty times for each service."""

    def services(self) -> Iterator[tuple[Key, ServiceSpec]]:
        for key in sorted(self.resources):
            if key.kind == "service" and (spec := self.placed(self.resources[key])):
                yield key, spec

    def workloads(self) -> Iterator[tuple[Key, ServiceSpec]]:
        """Everything that passes have instances made of, each seen as a service."""
        for key, spec in self.users():
            if key.kind in PLANNED:
                yield key, spec

    def users(self) -> Iterator[tuple[Key, ServiceSpec]]:
        """Everything that stands on networks and volumes, whoever has its instances made."""
        for key in sorted(self.resources):
            if key.is_workload and (spec := self.placed(self.resources[key])):
                yield key, spec

    def spec(self, key: Key) -> ServiceSpec | None:
        """Of a declared workload, or of whose instance it is."""
        resource = self.resources.get(key.resource)
        return self.placed(resource) if resource else None

    def placed(self, resource: Resource) -> ServiceSpec | None:
        """What runs something, seen as a service that says by id on which host."""
        spec = seen_as_service(resource)
        if spec is None or spec.run_on == LOCAL:
            return spec
        where = self.host_id(spec.run_on)
        of, found = self._placed.get((id(resource), where), (None, None))
        if of is not resource:
            found = replace(spec, run_on=where)
            self._placed[id(resource), where] = resource, found
        return found

    def host_id(self, name: str) -> str:
        """Of the namespace's own host, or else of that of all: what a place is called."""
        own = host_id(self.namespace, name)
        # One that can't be read is no reason to go over to a namesake.
        return own if own in self.hosts or Key("host", self.namespace, name) in self.damaged else name

    def called(self, name: str) -> Key:
        """Who is meant by a bare name: a service, or else a job."""
        job = Key("job", self.namespace, name)
        service = Key("service", self.namespace, name)
        return job if service not in self.resources and (job in self.resources or job in self.damaged) else service

    def host(self, key: Key) -> Key | None:
        """The service inside of which a job runs; None for what runs by itself."""
        resource = self.resources.get(key.resource)
        inside = resource.spec.inside if resource and isinstance(resource.spec, JobSpec) else ""
        return Key("service", self.namespace, inside) if inside else None

    def service(self, name: str) -> ServiceSpec | None:
        """The one that a bare name means, seen as a service."""
        return self.spec(self.called(name))

    def network_names(self, spec: ServiceSpec) -> tuple[str, ...]:
        """Networks that a container joins, as resources are called."""
        return (spec.container.networks or (DEFAULT_NETWORK,)) if spec.container else ()

    def network(self, name: str) -> NetworkSpec | None:
        """A network's spec; the namespace's own needs no document."""
        resource = self.resources.get(Key("network", self.namespace, name))
        if resource:
            network: NetworkSpec = resource.spec
            return network
        return NetworkSpec() if name == DEFAULT_NETWORK else None

    def engine_name(self, kind: str, name: str) -> str:
        """The name on the engine: external things keep their own."""
        key = Key(kind, self.namespace, name)
        resource = self.resources.get(key)
        external = resource is not None and getattr(resource.spec, "external", False)
        return (resource.spec.name or name) if resource and external else key.engine_name

    def machine(self, host: str) -> HostSpec | None:
        """What was said of a host, or of this machine, under `local`."""
        return self.hosts.get(self.host_id(host))

    def volume_places(self, name: str) -> list[Place]:
        """Where a volume lies: with each who uses it; unused ones with the engine here. They share a name, no data."""
        found = {spec.place for _, spec in self.users() if any(mount.volume == name for mount in spec.volumes)}
        return sorted(found) or [Place("docker")]

    def network_places(self, name: str) -> list[Place]:
        """On which engines a network is to be: on those of its containers, or here."""
        found = {spec.place for _, spec in self.users() if name in self.network_names(spec)}
        return sorted(found) or [Place("docker")]

    def called_from_elsewhere(self) -> dict[str, set[tuple[str, str]]]:
        """By the name of who is called: those on other hosts who depend on it or refer to it, each with its host."""
        found: dict[str, set[tuple[str, str]]] = {}
        if not any(spec.run_on != LOCAL for _, spec in self.users()):
            return found
        for key, caller, name, spec in self.calls():
            if spec.run_on != caller.run_on:
                found.setdefault(name, set()).add((key.name, caller.run_on))
        return found

    def calls(self) -> Iterator[tuple[Key, ServiceSpec, str, ServiceSpec]]:
        """Who depends on whom, or refers to it."""
        for key, caller in self.users():
            heads = {reference[0] for _, text in strings(caller) for reference in references(text)}
            heads |= {d.service for d in caller.dependencies}
            for name in filter(None, [*(one.config for one in caller.env_from), *(m.config for m in caller.volumes)]):
                config = self.resources.get(Key("config", key.namespace, name))
                texts = strings(config.spec.data) if config else ()
                heads |= {reference[0] for _, text in texts for reference in references(text)}
            yield from ((key, caller, name, spec) for name in sorted(heads) if (spec := self.service(name)))

    def somewhere(self, volume: str) -> bool:
        """Nobody can say with whom a volume lies: no service that can be read uses it, and there are others."""
        used = any(mount.volume == volume for _, spec in self.users() for mount in spec.volumes)
        return not used and any(key.is_workload for key in self.damaged)

    def uses_default_network(self) -> bool:
        return any(DEFAULT_NETWORK in self.network_names(spec) for _, spec in self.users())

    def dependents(self, name: str) -> list[Key]:
        """Who depends on the named one, deleted ones included."""
        specs = ((key, seen_as_service(resource)) for key, resource in {**self.resources, **self.removed}.items())
        return sorted(key for key, spec in specs if spec and any(d.service == name for d in spec.dependencies))


def seen_as_service(resource: Resource) -> ServiceSpec | None:
    """Of what runs something: its spec as that of a service. None for all else."""
    if not resource.key.is_workload:
        return None
    # A tombstone that was made up from what was seen has a service's spec, whatever its kind.
    kind = None if isinstance(resource.spec, ServiceSpec) else KINDS.get(resource.key.kind.capitalize())
    spec: ServiceSpec = kind.as_service(resource.spec) if kind and kind.as_service else resource.spec
    return spec


def shared_network(graph: Graph, caller: ServiceSpec, callee: ServiceSpec) -> str:
    theirs = graph.network_names(callee)
    return next((name for name in graph.network_names(caller) if name in theirs), "")


def hosts_of(resources: Iterable[Resource], namespace: str) -> dict[str, HostSpec]:
    """Those that a namespace knows among them, by id: its own, and everybody's."""
    hosts = [r for r in resources if r.key.kind == "host"]  # one that is deleted too: things may have to leave it
    return {host_id(r.key.namespace, r.key.name): r.spec for r in hosts if r.key.namespace in {namespace, "default"}}


def graph_of(namespace: str, resources: Iterable[Resource], **facts: object) -> Graph:
    """A Graph of resources and tombstones of one namespace, sorted."""
    given = list(resources)
    mine = sorted((r for r in given if r.key.namespace == namespace), key=lambda r: r.key)
    live = {r.key: r for r in mine if not r.deleting}
    removed = {r.key: r for r in mine if r.deleting}
    graph = Graph(namespace, live, removed, **{"hosts": hosts_of(given, namespace), **facts})  # type: ignore[arg-type]
    return replace(graph, unreadable={**doubts(graph), **graph.unreadable}) if graph.damaged else graph


def doubts(graph: Graph) -> dict[Key, str]:
    """Workloads that lean on what can't be read: what they would be told is not known, so they are left as they are."""
    found: dict[Key, str] = {}
    for key, spec in graph.workloads() if graph.damaged else ():
        needs = list(KINDS[key.kind.capitalize()].needs(graph.resources[key].spec))
        wanted = {Key(need.kind, graph.namespace, need.name) for need in needs if need.kind != "service"}
        wanted |= {graph.called(need.name) for need in needs if need.kind == "service"}
        wanted.add(Key("host", graph.namespace, spec.run_on.rpartition("/")[2]))
        texts = [spec, *(graph.resources[k].spec for k in wanted if k.kind == "config" and k in graph.resources)]
        heads = {reference[0] for value in texts for _, text in strings(value) for reference in references(text)}
        wanted |= {graph.called(head) for head in heads}
        wanted |= {Key("network", graph.namespace, name) for name in graph.network_names(spec)}
        broken = sorted((wanted - {key}) & set(graph.damaged))
        if broken:
            found[key] = f"it needs {broken[0].short}, and {graph.damaged[broken[0]]}"
    return found
