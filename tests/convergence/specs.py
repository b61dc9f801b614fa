"""Random desired states that link: services of both kinds, with ports, networks, volumes and dependencies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.core.graph import Graph, graph_of
from reconciler.core.linking import link_faults
from reconciler.kinds import KINDS
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.probes import Probe, Probes, TcpSocket
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.service import Dependency, Restart, ServiceSpec, Update
from reconciler.kinds.volume import VolumeSpec
from reconciler.kinds.workload import Container, EnvFrom, Port, Process, VolumeMount
from reconciler.model.key import Key
from reconciler.model.resource import Resource
from tests.convergence.choose import Choose

NAMESPACE = "shop"
OWNER = "me"
NAMES = ("a", "b", "c", "d", "e")
NETWORKS = ("n1", "n2")
VOLUMES = ("v1", "v2")
FIXED = (8000, 8001, 8002)
RANGES = ("8000-8004", "8001-8006")
PROBE = Probe(tcp_socket=TcpSocket(port=1))


def key(kind: str, name: str) -> Key:
    return Key(kind, NAMESPACE, name)


def seal(value: bytes) -> str:
    return f"sealed-{len(value)}-{sum(value)}"


def linked(resources: Iterable[Resource]) -> Graph:
    return graph_of(NAMESPACE, resources, owner=OWNER, seal=seal, port_range=(20000, 20040))


def desired_state(choose: Choose) -> Graph:
    names = NAMES[: choose.number(1, len(NAMES))]
    statics = [resource for name in ("n1", "n2", "v1", "v2", "c1", "s1") for resource in _static(choose, name)]
    services = [service(choose, name, names[:i]) for i, name in enumerate(names)]
    return mended([*statics, *services])


def edited(choose: Choose, graph: Graph) -> Graph:
    """The next revision: things changed, added, scaled, moved, and deleted with a tombstone."""
    kept = {**graph.removed}
    kept |= {resource.key: _changed(choose, graph, resource) for resource in graph.resources.values()}
    live = [k.name for k, resource in kept.items() if k.kind == "service" and not resource.deleting]
    missing = [name for name in NAMES if name not in live]
    for name in choose.some(missing, 25):
        earlier = [other for other in live if other < name]
        new = service(choose, name, earlier)
        kept[new.key] = new
    return mended(kept.values())


def _changed(choose: Choose, graph: Graph, old: Resource) -> Resource:
    if not choose.maybe(45):
        return old
    if choose.maybe(25):
        return replace(old, deleting=True, delete_data=choose.maybe(50))
    name = old.key.name
    if old.key.kind != "service":
        [fresh] = _static(choose, name, certain=True)
        return replace(fresh, generation=old.generation + 1)
    if choose.maybe(40):
        earlier = [k.name for k, _ in graph.services() if k.name < name]
        return replace(service(choose, name, earlier), generation=old.generation + 1)
    return replace(old, spec=_nudged(choose, old.spec), generation=old.generation + 1)


def _nudged(choose: Choose, spec: ServiceSpec) -> ServiceSpec:
    match choose.pick(("image", "replicas", "env", "runtime", "ports")):
        case "replicas":
            return replace(spec, replicas=choose.number(0, 3))
        case "env":
            return replace(spec, env={**spec.env, "V": str(choose.number(0, 9))})
        case "runtime":
            moved = {"container": None, "process": Process(command=("run",))}
            back = {"container": Container(image="i:1"), "process": None}
            return replace(spec, volumes=(), **(moved if spec.container else back))
        case "ports":
            return replace(spec, ports=_ports(choose, replicas=spec.replicas))
        case _ if spec.container:
            return replace(spec, container=replace(spec.container, image=f"i:{choose.number(2, 9)}"))
        case _:
            return replace(spec, process=Process(command=("run", str(choose.number(2, 9)))))


def _static(choose: Choose, name: str, *, certain: bool = False) -> list[Resource]:
    if not (certain or choose.maybe(55)):
        return []
    match name[0]:
        case "n":
            spec = NetworkSpec(external=True) if choose.maybe(12) else NetworkSpec(internal=choose.maybe(40))
            return [Resource(key("network", name), spec)]
        case "v":
            options = {"size": str(choose.number(1, 3))} if choose.maybe(25) else {}
            return [
                Resource(key("volume", name), VolumeSpec(options=options, external=choose.maybe(8) and not options))
            ]
        case "c":
            return [Resource(key("config", name), ConfigSpec(data={"K": choose.pick(("x", "y", "${a.host}"))}))]
        case _:
            return [Resource(key("secret", name), SecretSpec(data={"S": choose.pick(("p", "qq"))}))]


def service(choose: Choose, name: str, earlier: Iterable[str]) -> Resource:
    replicas = choose.pick((1, 1, 1, 2, 3, 0))
    contained = choose.maybe(60)
    networks = choose.some(NETWORKS, 35) if contained else ()
    job = choose.maybe(20)
    spec = ServiceSpec(
        replicas=replicas,
        container=Container(image=f"i:{choose.number(1, 3)}", networks=networks) if contained else None,
        process=None if contained else Process(command=("run", "${ports.http}") if choose.maybe(20) else ("run",)),
        env={"OTHER": "${a.host}"} if choose.maybe(10) and name != "a" else {},
        env_from=tuple(EnvFrom(config="c1") if kind == "c" else EnvFrom(secret="s1") for kind in choose.some("cs", 20)),
        ports=_ports(choose, replicas=replicas),
        volumes=tuple(
            VolumeMount(volume=volume, mount_path=f"/{volume}" if contained else "")
            for volume in choose.some(VOLUMES, 30)
        ),
        probes=Probes(readiness=PROBE) if not job and choose.maybe(30) else Probes(),
        restart=Restart(
            policy=choose.pick(("OnFailure", "Never")) if job else choose.pick(("Always", "Always", "OnFailure")),
            initial_seconds=0.5,
            max_seconds=4,
            reset_after_seconds=60,
        ),
        update=Update(
            strategy=choose.pick(("RollingUpdate", "RollingUpdate", "Recreate")),
            max_surge=choose.pick((None, None, 1, 2)),
            max_unavailable=choose.pick((0, 0, 1, 2)),
            min_ready_seconds=choose.pick((0, 0, 0, 0.3)),
        ),
        depends_on=tuple(
            Dependency(service=other, condition=choose.pick(("Ready", "Started", "Completed")))
            for other in choose.some(tuple(earlier), 35)
        ),
    )
    return Resource(key("service", name), spec, annotations={"job": "1"} if job else {})


def _ports(choose: Choose, *, replicas: int) -> tuple[Port, ...]:
    return tuple(_port(choose, name, replicas) for name in choose.some(("http", "admin"), 35))


def _port(choose: Choose, name: str, replicas: int) -> Port:
    bind = choose.pick(("127.0.0.1", "127.0.0.1", "0.0.0.0", "10.0.0.1"))
    protocol = choose.pick(("tcp", "tcp", "tcp", "udp"))
    match choose.pick(("auto", "fixed", "range", "reassign")):
        case "fixed" if replicas <= 1:
            return Port(name=name, port=80, host_port=choose.pick(FIXED), bind=bind, protocol=protocol)
        case "reassign":
            wish = choose.pick(FIXED)
            return Port(name=name, port=80, host_port=wish, on_conflict="reassign", bind=bind, protocol=protocol)
        case "range":
            return Port(name=name, port=80, host_port=choose.pick(RANGES), bind=bind, protocol=protocol)
        case _:
            return Port(name=name, port=80, bind=bind, protocol=protocol)


def mended(resources: Iterable[Resource]) -> Graph:
    """What has faults loses what they are about, until everything links; so no draw is wasted."""
    by_key = {resource.key: _mended_alone(resource) for resource in resources}
    for strip in (("env", "env_from"), ("volumes",), ("ports",), ("depends_on", "process"), ("container",)):
        graph = linked(by_key.values())
        faulty = {k for k, _ in link_faults(graph)}
        if not faulty:
            return graph
        if any(k.kind == "volume" for k in faulty):  # the fault is its users': one of each kind
            faulty |= {k for k, spec in graph.services() if spec.volumes and "volumes" in strip}
        for k in faulty:
            by_key[k] = replace(by_key[k], spec=_stripped(by_key[k].spec, strip))
    graph = linked(by_key.values())
    assert not list(link_faults(graph)), list(link_faults(graph))
    return graph


def _mended_alone(resource: Resource) -> Resource:
    if resource.deleting or not list(KINDS[resource.key.kind.capitalize()].faults(resource.spec)):
        return resource
    mended = replace(resource, spec=_stripped(resource.spec, ("ports", "volumes", "process")))
    assert not list(KINDS[resource.key.kind.capitalize()].faults(mended.spec)), mended
    return mended


def _stripped(spec: object, names: Iterable[str]) -> object:
    if not isinstance(spec, ServiceSpec):
        return VolumeSpec() if isinstance(spec, VolumeSpec) else spec
    plain = {
        "container": spec.container and replace(spec.container, networks=()),
        "process": spec.process and Process(command=("run",)),
        "env": {},
    }
    return replace(spec, **{name: plain.get(name, ()) for name in names})
