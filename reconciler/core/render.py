"""From what was written to what is to be made: every reference filled, every file at hand, every port decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from reconciler.core import addresses
from reconciler.core.addresses import Address, Callee, Unknown
from reconciler.core.attached import mark
from reconciler.core.envfile import BadEnvFile, parse_env
from reconciler.core.fingerprint import build_digest, fingerprint, package_of
from reconciler.core.graph import DEFAULT_NETWORK, Graph
from reconciler.core.ports import NO_EXTRAS, Assignment, Extras
from reconciler.core.references import Lookup, Reference, fill, fill_all, literal
from reconciler.kinds.base import Tree
from reconciler.kinds.build import Build as BuildSpec
from reconciler.kinds.package import Package as PackageSpec
from reconciler.kinds.quantity import bytes_of
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Container, Resources, VolumeMount
from reconciler.kinds.workspace import mounts as all_mounts
from reconciler.kinds.workspace import working_directory
from reconciler.model.desired import (
    AttachedPayload,
    Build,
    ContainerPayload,
    Context,
    Desired,
    File,
    Limits,
    Mount,
    NetworkPayload,
    Package,
    Payload,
    PortBinding,
    ProcessPayload,
    Sealed,
    Stop,
    VolumePayload,
    place,
)
from reconciler.model.key import Key
from reconciler.model.observed import Snapshot
from reconciler.model.place import Place
from reconciler.model.plan import Reason, Wait
from reconciler.values import dataclass

RESTARTED = "reconciler/restarted-at"
"""Annotation that `restart` writes: a new value is a new fingerprint."""
REBUILT = "reconciler/rebuilt-at"
"""Annotation that `apply --build` writes."""
MARKS = (RESTARTED, REBUILT)
BUILT = "reconciler-build"
"""The repository of images that are built here and have no other name."""
KEEP_ALIVE = ("tail", "-f", "/dev/null")
"""The one command that keeps a workload up which has none of its own. Nobody else writes it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    desired: Mapping[Key, Desired] = field(default_factory=dict)
    waits: Mapping[Key, Wait] = field(default_factory=dict)
    """What can't be rendered now, and why."""
    grounds: tuple[Desired, ...] = ()
    """Networks and volumes, in each place where one is needed; `desired` has the first of each."""


def render(graph: Graph, snapshot: Snapshot, ports: Assignment, extras: Extras = NO_EXTRAS) -> Rendered:
    """`extras` are indexes of instances beside the replicas, for the time of an update."""
    grounds = (*_networks(graph), *_volumes(graph))
    desired: dict[Key, Desired] = {}
    for item in grounds:
        desired.setdefault(item.key, item)
    waits = dict(ports.problems)
    for key, spec in graph.workloads():
        room = _Room(graph, snapshot, ports, key, spec)
        for index in (*range(spec.replicas), *extras.get(key, ())):
            instance = key.instance(index)
            if key in graph.unreadable:
                waits[instance] = Wait(instance, Reason.UNREADABLE, graph.unreadable[key])
            elif instance not in waits:
                try:
                    desired[instance] = room.instance(instance)
                except Unknown as unknown:
                    waits[instance] = Wait(instance, unknown.reason, str(unknown))
                except BadEnvFile as bad:
                    waits[instance] = Wait(instance, Reason.UNREADABLE, bad.message)
    return Rendered(desired, waits, grounds)


def stop_of(spec: ServiceSpec) -> Stop:
    return Stop(spec.stop.signal.removeprefix("SIG"), spec.stop.grace_seconds)


def _networks(graph: Graph) -> Iterator[Desired]:
    keys = [key for key in sorted(graph.resources) if key.kind == "network"]
    implicit = Key("network", graph.namespace, DEFAULT_NETWORK)
    if graph.uses_default_network() and implicit not in graph.resources and implicit not in graph.damaged:
        keys.append(implicit)
    for key in keys:
        spec = graph.network(key.name)
        if spec and not spec.external:
            payload = NetworkPayload(driver=spec.driver, subnet=spec.subnet, internal=spec.internal)
            yield from (_desired(graph, key, place, payload) for place in graph.network_places(key.name))


def _volumes(graph: Graph) -> Iterator[Desired]:
    for key in sorted(graph.resources):
        if key.kind == "volume" and not graph.resources[key].spec.external and not graph.somewhere(key.name):
            spec = graph.resources[key].spec
            payload = VolumePayload(driver=spec.driver, options=spec.options)
            yield from (_desired(graph, key, place, payload) for place in graph.volume_places(key.name))


def _desired(
    graph: Graph, key: Key, place: Place, payload: Payload, ports: Assignment | None = None,
    implied: frozenset[str] = frozenset(),
) -> Desired:  # fmt: skip
    resource = graph.resources.get(key.resource)
    return Desired(
        key=key,
        runtime=place.runtime,
        host=place.host,
        payload=payload,
        fingerprint=fingerprint(payload),
        owner=graph.owner,
        generation=resource.generation if resource else 1,
        grants=ports.grants.get(key, {}) if ports else {},
        profile=resource.profile if resource else "",
        foreign=tuple(_foreign(graph, resource.spec)) if resource and isinstance(payload, ContainerPayload) else (),
        implied=implied,
    )


def _foreign(graph: Graph, spec: ServiceSpec) -> Iterator[str]:
    used = [("network", name) for name in graph.network_names(spec)]
    used += [("volume", mount.volume) for mount in spec.volumes if mount.volume]
    for kind, name in used:
        resource = graph.resources.get(Key(kind, graph.namespace, name))
        if resource and resource.spec.external:
            yield graph.engine_name(kind, name)


class _Room:
    """One service's surroundings, shared by its replicas: where the others are, what the files hold."""

    def __init__(self, graph: Graph, snapshot: Snapshot, ports: Assignment, key: Key, spec: ServiceSpec) -> None:
        self._graph = graph
        self._snapshot = snapshot
        self._ports = ports
        self._key = key
        self._spec = spec
        self._inside = graph.host(key)
        # Who runs inside of another one reaches others from where that is.
        self._caller = (self._inside and graph.spec(self._inside)) or spec
        self._found: dict[str, list[tuple[str, Address]]] = {}

    def instance(self, key: Key) -> Desired:
        bindings = self._ports.bindings.get(key, ())

        def lookup(reference: Reference) -> str:
            return self._lookup(reference, bindings)

        spec: ServiceSpec = fill_all(self._spec, lookup)
        implied, written = self._implied(spec), self._written(spec, lookup)
        env = {**implied, **written, **_marks(key)}
        mounts = tuple(self._mount(mount, lookup) for mount in all_mounts(spec))
        stop = stop_of(spec)
        restarted_at = self._graph.resources[self._key].annotations.get(RESTARTED, "")
        payload: Payload
        if spec.attach_to:
            payload = AttachedPayload(target=str(spec.attach_to), ports=bindings)
            return replace(
                _desired(self._graph, key, spec.place, payload, self._ports), fingerprint=mark(spec.attach_to)
            )
        if spec.process:
            package = self._package(spec.process.package) if spec.process.package else None
            payload = ProcessPayload(
                command=spec.process.command, inside=str(self._inside or ""), working_dir=spec.process.working_dir,
                user=spec.process.user, package=package, env={**(package.env if package else {}), **env},
                ports=bindings, mounts=mounts, limits=_limits(spec.resources), stop=stop, restarted_at=restarted_at,
            )  # fmt: skip
        else:
            assert spec.container, "validated: one of the two"
            payload = self._container(spec, spec.container, env, mounts, bindings, stop, restarted_at)
        nobodys = frozenset({*(implied.keys() - written.keys()), *_marks(key)})
        return _desired(self._graph, key, spec.place, payload, self._ports, nobodys)

    def _container(
        self, spec: ServiceSpec, container: Container, env: dict[str, str | Sealed], mounts: tuple[Mount, ...],
        bindings: tuple[PortBinding, ...], stop: Stop, restarted_at: str,
    ) -> ContainerPayload:  # fmt: skip
        names = self._graph.network_names(spec)
        entrypoint, command = container.entrypoint, container.command
        if container.keep_alive:
            entrypoint, command = KEEP_ALIVE, ()
        build = self._build(container.build) if container.build else None
        image = container.image or (self._name_of(build) if build else "")
        by_engine = {"Always": "always", "OnFailure": "on-failure", "Never": "no"}[spec.restart.policy]
        return ContainerPayload(
            image=image, build=build, pull_policy=container.pull_policy, entrypoint=entrypoint, command=command,
            env=env, ports=bindings, mounts=mounts, user=container.user, working_dir=working_directory(spec),
            networks=tuple(self._graph.engine_name("network", n) for n in names),
            aliases=(self._key.name, *container.aliases),
            hostname=container.hostname, tty=container.tty, init=container.init, privileged=container.privileged,
            cap_add=container.cap_add, cap_drop=container.cap_drop,
            devices=container.devices, gpus=container.gpus, shm_size=bytes_of(container.shm_size),
            extra_hosts=container.extra_hosts, labels=container.labels, limits=_limits(spec.resources),
            engine_restart=by_engine if spec.restart.by == "engine" else "no", stop=stop, restarted_at=restarted_at,
        )  # fmt: skip

    def _build(self, wanted: BuildSpec) -> Build:
        context = self._content(Tree(wanted.context, wanted.dockerfile, whole=wanted.rebuild_on == "Context"))
        rebuilt_at = self._graph.resources[self._key].annotations.get(REBUILT, "")
        return Build(context=context, args=wanted.args, target=wanted.target, rebuilt_at=rebuilt_at)

    def _package(self, wanted: PackageSpec) -> Package:
        tree = Tree(wanted.path, "", include=wanted.include, exclude=wanted.exclude)
        return package_of(self._content(tree), wanted.setup or (), wanted.env)

    def _content(self, tree: Tree) -> Context:
        context = self._graph.contexts.get(tree)
        if context is None:
            raise Unknown(f"what is in {tree.title} is not known")
        return context

    def _name_of(self, build: Build) -> str:
        """By all that it is made from, so that a name is never that of something else."""
        return f"{BUILT}/{self._key.namespace}-{self._key.name}:{build_digest(build)[:12]}"

    def _lookup(self, reference: Reference, own: tuple[PortBinding, ...]) -> str:
        head, *rest = reference
        if head == "ports":
            binding = next((b for b in own if b.name == rest[0]), None)
            if binding is None:
                raise Unknown(f"there is no port called {rest[0]}")
            return str(binding.host_port if self._spec.process else binding.port)
        if head == "volumes":
            return self._where(rest[0])
        found = dict(self._addresses(head))
        if rest[0] == "ports":
            return str(found[rest[1]].port)
        return next(iter(found.values())).part(rest[0])

    def _where(self, name: str) -> str:
        """A mount's place, as the workload sees it."""
        mount = next((m for m in self._spec.volumes if m.source == name), None)
        if mount is None:
            raise Unknown(f"there is no volume called {name}")
        if self._spec.container:
            return mount.mount_path
        # A process is not told an absolute path here: only its runtime knows where its home is.
        return place(name)

    def _addresses(self, name: str) -> list[tuple[str, Address]]:
        if name not in self._found:
            spec = self._graph.service(name)
            if spec is None:
                raise Unknown(f"there is no service called {name} in namespace {self._graph.namespace}")
            first = self._graph.called(name).instance(0)
            bindings = self._ports.bindings.get(first)
            if bindings is None:
                raise Unknown(f"the ports of {name} are not known: {self._ports.problems[first].message}")
            callee = Callee(name, spec, bindings)
            self._found[name] = addresses.addresses(self._graph, self._snapshot, self._caller, callee)
        return self._found[name]

    def _implied(self, spec: ServiceSpec) -> dict[str, str | Sealed]:
        """Who depends on somebody is told where that one is."""
        found = ((d.service, self._addresses(d.service)) for d in spec.dependencies)
        return {name: value for service, there in found for name, value in addresses.variables(service, there)}

    def _written(self, spec: ServiceSpec, lookup: Lookup) -> dict[str, str | Sealed]:
        """Lowest first: files and configs in order, and the spec's own."""
        env: dict[str, str | Sealed] = {}
        for source in spec.env_from:
            if source.file:
                env.update(parse_env(self._graph.contents[source.file], source.file))
            for kind, name in (("config", source.config), ("secret", source.secret)):
                if name:
                    env.update(self._values(kind, name, lookup))
        return {**env, **spec.env}

    def _values(self, kind: str, name: str, lookup: Lookup) -> Iterator[tuple[str, str | Sealed]]:
        for key, content in self._entries(kind, name, lookup):
            text = _text(content.reveal() if isinstance(content, Sealed) else content, f"{kind} {name}: {key}")
            yield key, content if isinstance(content, Sealed) else text

    def _entries(self, kind: str, name: str, lookup: Lookup) -> Iterator[tuple[str, Sealed | bytes]]:
        named = Key(kind, self._graph.namespace, name)
        resource = self._graph.resources.get(named)
        if named in self._graph.unreadable:
            raise BadEnvFile(self._graph.unreadable[named])
        if resource is None:
            raise Unknown(f"there is no {kind} called {name} in namespace {self._graph.namespace}")
        for key in sorted(resource.spec.data):
            text = resource.spec.data[key]
            if kind == "secret":
                yield key, self._seal(text.encode())
            else:
                yield key, fill(text, lookup).encode()
        for key in sorted(resource.spec.files):
            content = self._graph.contents[literal(resource.spec.files[key])]
            yield key, self._seal(content) if kind == "secret" else content

    def _seal(self, value: bytes) -> Sealed:
        return Sealed(self._graph.seal(value), value)

    def _mount(self, mount: VolumeMount, lookup: Lookup) -> Mount:
        volume = self._graph.engine_name("volume", mount.volume) if mount.volume else ""
        files: tuple[File, ...] = ()
        for kind, name, mode in (("config", mount.config, 0o444), ("secret", mount.secret, 0o400)):
            if name:
                files = tuple(File(key, content, mode) for key, content in self._entries(kind, name, lookup))
        return Mount(mount.source, mount.mount_path, volume, mount.host_path, files, mount.read_only)


def _marks(key: Key) -> dict[str, str]:
    return {
        "RECONCILER": "1",
        "RECONCILER_NAMESPACE": key.namespace,
        "RECONCILER_NAME": key.name,
        "RECONCILER_INDEX": str(key.index),
    }


def _text(content: bytes, what: str) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadEnvFile(f"{what} is not text, so it can't be a variable", hint="mount it as a file")
    return text


def _limits(resources: Resources) -> Limits:
    return Limits(resources.cpus, bytes_of(resources.memory) if resources.memory else None, resources.pids)
