"""How many new ones may run beside the old ones for the time of an update, and why none may.

Names are exclusive and go by index, so a new one that is to come before an old one goes takes an index above those
of the replicas. It needs a host port of its own, and it shares for a while what the old ones write to.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.graph import Graph
from reconciler.core.references import references, strings
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Port, port_range
from reconciler.kinds.workspace import mounts
from reconciler.model.key import Key
from reconciler.values import dataclass

USUAL = 1
"""So many, where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Surge:
    count: int
    why_none: str = ""
    """As a person reads it, after "an old one goes first, for ..."; empty where there are some, or none are wanted."""


def surge(graph: Graph, spec: ServiceSpec) -> Surge:
    """What ports forbid is forbidden. What would merely be bold is done only where maxSurge was written."""
    wish = spec.update.max_surge
    if spec.update.strategy == "Recreate" or wish == 0:
        return Surge(0)
    cramped = next((why for port in spec.ports if (why := _cramped(port, spec.replicas))), "")
    bold = _bold(graph, spec) if wish is None else ""
    if cramped or bold:
        return Surge(0, cramped or bold)
    return Surge(min([USUAL if wish is None else wish, *_rooms(spec)]))


def _cramped(port: Port, replicas: int) -> str:
    if isinstance(port.host_port, int) and port.on_conflict != "reassign":
        return f"host port {port.host_port} is there only once"
    bounds = port_range(str(port.host_port))
    if bounds and bounds[1] - bounds[0] + 1 <= replicas:
        return f"the host ports {port.host_port} are just enough for the replicas"
    return ""


def _rooms(spec: ServiceSpec) -> Iterator[int]:
    for port in spec.ports:
        bounds = port_range(str(port.host_port))
        if bounds:
            yield bounds[1] - bounds[0] + 1 - spec.replicas


def _bold(graph: Graph, spec: ServiceSpec) -> str:
    if not spec.ports and not spec.probes.any:
        return "it has neither ports nor probes, so nobody would notice"
    shared = next((m for m in mounts(spec) if (m.volume or m.host_path) and not m.read_only), None)
    if shared:
        return f"old and new would both write to {shared.source}"
    if spec.restart.policy != "Always":
        return "what runs to its end would run twice"
    if spec.process and not _listens_where_told(graph, spec):
        return "a process that is not told ${ports.NAME} may listen on a port that is there only once"
    return ""


def _listens_where_told(graph: Graph, spec: ServiceSpec) -> bool:
    told = {reference[1] for text in _texts(graph, spec) for reference in references(text) if reference[0] == "ports"}
    return bool(spec.ports) and {port.label for port in spec.ports} <= told


def _texts(graph: Graph, spec: ServiceSpec) -> Iterator[str]:
    """Its own, and those of the Configs that it is given."""
    yield from (text for _, text in strings((spec.process, spec.env)))
    for name in (*(source.config for source in spec.env_from), *(mount.config for mount in spec.volumes)):
        config = graph.resources.get(Key("config", graph.namespace, name)) if name else None
        if config:
            yield from (text for _, text in strings(config.spec.data))
