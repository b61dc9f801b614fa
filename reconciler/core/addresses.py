"""Where a service is found depends on who asks: the one table of it.

| caller    | callee    | host                               | port           |
|-----------|-----------|------------------------------------|----------------|
| container | container | its name, on a network they share  | the one inside |
| container | process   | the host, as seen in its network   | the host port  |
| process   | container | where it is published (loopback)   | the host port  |
| process   | process   | the same                           | the host port  |
| any       | elsewhere | that host's address: LAN, or mesh  | the host port  |

Whoever is called from another host is published on its host's address, and not on loopback: then those on the same
host find it there too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core import attached, topology
from reconciler.core.graph import Graph, shared_network
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import PortBinding
from reconciler.model.observed import Snapshot
from reconciler.model.place import LOCAL
from reconciler.model.plan import Reason
from reconciler.values import dataclass

SCHEMES = frozenset(
    "http https ws wss grpc tcp udp redis rediss amqp amqps nats mqtt postgres postgresql mysql mongodb ftp".split()
)
WILD = {"", "0.0.0.0", "::"}  # noqa: S104 -- compared with, not bound


class Unknown(Exception):
    """An address that can't be known yet, and what it waits for."""

    def __init__(self, message: str, reason: Reason = Reason.DEPENDENCY) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int | None
    scheme: str = "tcp"

    @property
    def addr(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.addr}"

    def part(self, name: str) -> str:
        match name:
            case "host" | "ip":
                return self.host
            case "port":
                return str(self.port)
            case "url":
                return self.url
            case _:
                return self.addr


@dataclass(frozen=True, slots=True)
class Callee:
    """A service to be called: its name, its spec, and the ports of its first replica."""

    name: str
    spec: ServiceSpec
    bindings: Sequence[PortBinding]


def addresses(graph: Graph, snapshot: Snapshot, caller: ServiceSpec, callee: Callee) -> list[tuple[str, Address]]:
    """One address for each of the callee's ports, by the port's name; one without a port if it has none."""
    if not callee.bindings:
        return [("", Address(_host(graph, snapshot, caller, callee, None), None))]
    met = _met(graph, snapshot, caller, callee) if callee.spec.attach_to else ""
    inside = bool(met) or _together(graph, caller, callee.spec)
    found = []
    for binding in {one.name: one for one in reversed(callee.bindings)}.values():
        host = met or _host(graph, snapshot, caller, callee, binding)
        number = binding.port if inside else binding.host_port
        found.append((binding.name, Address(host, number, _scheme(binding))))
    return found[::-1]  # in their order, and of each the first of those that it is published at


def _host(graph: Graph, snapshot: Snapshot, caller: ServiceSpec, callee: Callee, binding: PortBinding | None) -> str:
    if caller.run_on != callee.spec.run_on:
        return address_of(graph, snapshot, caller.run_on, callee.spec.run_on)
    if _together(graph, caller, callee.spec):
        return callee.name
    if caller.container:
        elsewhere = binding is not None and binding.bind not in WILD and not binding.bind.startswith("127.")
        if binding and elsewhere and binding.bind in _seen_from_afar(graph, snapshot, callee.spec.run_on):
            return binding.bind
        return _gateway(graph, snapshot, caller)
    return "127.0.0.1" if binding is None or binding.bind in WILD else binding.bind


def _seen_from_afar(graph: Graph, snapshot: Snapshot, host: str) -> set[str]:
    """At what others find it, and who is published for them can be found by those on the same host too."""
    spec, known = graph.machine(host), topology.footing(snapshot, host)
    lan = {spec.reached_at, known.met_at if known else ""} if spec else set()
    return {*lan, topology.mesh_addresses(graph, snapshot).get(host, "")} - {""}


def _met(graph: Graph, snapshot: Snapshot, caller: ServiceSpec, callee: Callee) -> str:
    """What others run stays as it is: a container is found by its name on a network of its own, or as published."""
    key, spec = graph.called(callee.name), callee.spec
    here = caller.run_on == spec.run_on
    if here and caller.container:
        networks = [graph.engine_name("network", name) for name in graph.network_names(caller)]
        if name := attached.met(snapshot, spec.place, key, networks):
            return name
    for binding in callee.bindings if spec.runtime == "docker" else ():
        if not binding.host_port:
            raise Unknown(f"port {binding.port} of {spec.attach_to} is published nowhere", Reason.NOT_THERE)
        if binding.bind.startswith("127.") and not (here and caller.process):
            where = f"port {binding.port} of {spec.attach_to} is published on {binding.bind} only"
            raise Unknown(f"{where}, and its caller is not on that machine itself", Reason.NOT_THERE)
    return ""


def address_of(graph: Graph, snapshot: Snapshot, caller: str, host: str) -> str:
    """Where another machine finds a host."""
    way = topology.way(graph, snapshot, caller, host)
    if way.means is topology.Means.UNKNOWN:
        raise Unknown(f"how {caller} reaches {host} is not known: {way.why}", Reason.UNREACHABLE)
    if way.address:
        return way.address
    what = "this machine" if host == LOCAL else f"host {host}"
    raise Unknown(f"nobody says where others find {what}; declare a Host called {host} with its address")


def _together(graph: Graph, caller: ServiceSpec, callee: ServiceSpec) -> bool:
    """Both are in one network of one engine."""
    both = bool(caller.container and callee.container) and caller.run_on == callee.run_on
    return both and bool(shared_network(graph, caller, callee))


def _gateway(graph: Graph, snapshot: Snapshot, caller: ServiceSpec) -> str:
    network = graph.network_names(caller)[0]
    name = graph.engine_name("network", network)
    things = snapshot.view(caller.place.engine).objects
    found = sorted(t.gateway for t in things if t.kind == "network" and t.name == name and t.gateway)
    if found:
        return found[0]
    declared = graph.network(network)
    reason = Reason.EXTERNAL_MISSING if declared and declared.external else Reason.NETWORK
    raise Unknown(f"network {name} has to be there before the host's address in it is known", reason)


def _scheme(binding: PortBinding) -> str:
    if binding.name in SCHEMES:
        return binding.name
    return "http" if binding.name == "default" and binding.protocol == "tcp" else binding.protocol


def variables(service: str, found: Sequence[tuple[str, Address]]) -> Iterator[tuple[str, str]]:
    """What a dependent is told: DB_HOST, DB_PORT, DB_ADDR, DB_URL, and DB_<PORT>_… for each of several."""
    prefix = _variable(service)
    first = found[0][1]
    yield f"{prefix}_HOST", first.host
    if first.port is None:
        return
    for part in ("port", "addr", "url"):
        yield f"{prefix}_{part.upper()}", first.part(part)
    for name, address in found if len(found) > 1 else ():
        for part in ("host", "port", "addr", "url"):
            yield f"{prefix}_{_variable(name)}_{part.upper()}", address.part(part)


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
