"""What is wrong between the resources of one namespace. Each one alone has been checked before."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

from reconciler.core.graph import Graph, shared_network
from reconciler.core.references import Path, Reference, references, strings
from reconciler.kinds import KINDS
from reconciler.kinds.base import Fault, Need
from reconciler.kinds.host import named_faults
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.key import Key
from reconciler.model.place import LOCAL

PARTS = ("host", "ip", "port", "addr", "url")
"""Of an address, by which a reference asks for it."""


def link_faults(graph: Graph) -> Iterator[tuple[Key, Fault]]:
    """Everything that is wrong between resources. Each one alone has been checked before."""
    for key in sorted(graph.resources):
        resource = graph.resources[key]
        for need in KINDS[key.kind.capitalize()].needs(resource.spec):
            wanted = Key(need.kind, graph.namespace, need.name)
            if need.kind == "service":
                wanted = graph.called(need.name)
            if wanted not in graph.resources and wanted not in graph.damaged:
                yield key, _missing(graph, need)
        if key.kind == "host":
            yield from ((key, fault) for fault in named_faults(key.name, resource.spec))
    yield from _namesakes(graph)
    for key, spec in graph.users():
        yield from ((key, fault) for fault in _host_faults(graph, key, spec))
        found = _campaign_faults(graph, key) if key.kind == "campaign" else _service_faults(graph, key, spec)
        yield from ((key, fault) for fault in found)
    for key in sorted(graph.resources):
        if key.kind == "volume":
            for fault in _volume_faults(graph, key, graph.resources[key].spec):
                yield key, fault
    yield from _cycle_faults(graph)
    yield from _port_faults(graph)


def _host_faults(graph: Graph, key: Key, spec: ServiceSpec) -> Iterator[Fault]:
    """`spec` says by id where it is to run."""
    if spec.run_on == LOCAL:
        inside = graph.host(key)
        outer = graph.spec(inside) if inside else None
        # Into a container its variables go by the engine; into a process over there they would be seen by everybody.
        if inside and outer and outer.run_on != LOCAL and not outer.container:
            message = f"service {inside.name!r} is a process on {outer.run_on}, and a job can't run inside of one there"
            yield Fault(("in",), message, "let the job run by itself, with runOn")
        return
    damaged = Key("host", graph.namespace, spec.run_on.rpartition("/")[2]) in graph.damaged
    if spec.run_on not in graph.hosts and not damaged:
        close = get_close_matches(spec.run_on, [LOCAL, *graph.hosts], 1)
        hint = f"did you mean {close[0]!r}?" if close else f"declare it: reconciler host add {spec.run_on} USER@ADDRESS"
        where = f"namespace {graph.namespace!r}" + ("" if graph.namespace == "default" else " or 'default'")
        yield Fault(("runOn",), f"there is no host called {spec.run_on!r} in {where}", hint, absent=True)
    named: list[tuple[Path, str]] = [
        (("volumes", i, "hostPath"), mount.host_path) for i, mount in enumerate(spec.volumes)
    ]
    named += [(("container", "workspace"), spec.container.workspace)] if spec.container else []
    for path, text in named:
        if text and not text.startswith("/"):
            message = f"{text!r} is relative to the spec file, which is not on {spec.run_on}"
            yield Fault(path, message, "say what it is called there, or use a Volume")


def _namesakes(graph: Graph) -> Iterator[tuple[Key, Fault]]:
    """Instances are called by namespace, name and index, whatever their kind."""
    first: dict[str, Key] = {}
    workloads = [key for key in graph.resources if key.is_workload]
    for key in sorted(workloads, key=lambda key: (key.kind != "service", key)):
        other = first.setdefault(key.name, key)
        if other != key:
            message = f"{other.short} has that name already, and on an engine their instances would be called the same"
            yield key, Fault((), message, "give one of the two another name")


def _missing(graph: Graph, need: Need) -> Fault:
    names = sorted(k.name for k in graph.resources if k.kind == need.kind)
    close = get_close_matches(need.name, names, 1)
    there = "declare it there: a document without metadata.namespace goes to namespace 'default'"
    if graph.namespace == "default":
        there = "declare it, or apply it to namespace 'default' first"
    hint = f"did you mean {close[0]!r}?" if close else there
    message = f"there is no {need.kind} called {need.name!r} in namespace {graph.namespace!r}"
    return Fault(need.path, message, hint, absent=True)


def _service_faults(graph: Graph, key: Key, spec: ServiceSpec) -> Iterator[Fault]:
    if any(d.service == key.name for d in spec.dependencies):
        yield Fault(("dependsOn",), f"{key.name} depends on itself", "remove it from the list")
    for path, text in strings(spec):
        for reference in references(text):
            yield from _reference_faults(graph, spec, path, reference)
    used = [(("envFrom", i), source.config) for i, source in enumerate(spec.env_from)]
    used += [(("volumes", i), mount.config) for i, mount in enumerate(spec.volumes)]
    for path, name in used:
        config = graph.resources.get(Key("config", graph.namespace, name))
        for _, text in strings(config.spec.data) if config else ():
            for reference in references(text):
                yield from _reference_faults(graph, spec, path, reference)


def _campaign_faults(graph: Graph, key: Key) -> Iterator[Fault]:
    """What refers to a run's parameters is looked at by itself; the rest as if it were a service's."""
    from reconciler.core.campaign import runs  # noqa: PLC0415 -- for who declares one

    spec = graph.resources[key].spec
    yield from runs.parameter_faults(spec)
    yield from _service_faults(graph, key, runs.of_first(spec))


def _reference_faults(graph: Graph, spec: ServiceSpec, path: Path, reference: Reference) -> Iterator[Fault]:
    text = "${" + ".".join(reference) + "}"
    head, *rest = reference
    if head == "ports":
        yield from _named(path, text, "port", rest, [port.label for port in spec.ports])
    elif head == "volumes":
        yield from _named(path, text, "volume of this service", rest, [mount.source for mount in spec.volumes])
    elif graph.called(head) in graph.damaged:
        return  # who knows what it offers: who refers to it waits
    elif (target := graph.service(head)) is None:
        names = [k.name for k, _ in graph.workloads()]
        for fault in _named(path, text, "service", [head], names):
            yield replace(fault, absent=True)
    else:
        yield from _target_faults(graph, spec, path, text, (head, target), rest)


def _named(path: Path, text: str, noun: str, rest: list[str], known: list[str]) -> Iterator[Fault]:
    if len(rest) == 1 and rest[0] in known:
        return
    close = get_close_matches(rest[0] if rest else "", known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known)) or 'none'}"
    yield Fault(path, f"{text}: no {noun} is called {'.'.join(rest)!r}", hint)


def _target_faults(
    graph: Graph, spec: ServiceSpec, path: Path, text: str, target: tuple[str, ServiceSpec], rest: list[str]
) -> Iterator[Fault]:
    name, other = target
    match rest:
        case [part] if part in PARTS:
            if part in {"port", "addr", "url"} and not other.ports:
                yield Fault(path, f"{text}: service {name!r} declares no ports", "add ports to it")
        case ["ports", port] if other.port(port):
            pass
        case ["ports", port]:
            yield from _named(path, text, f"port of {name}", [port], [p.label for p in other.ports])
        case _:
            yield Fault(path, f"{text} is not a reference", f"${{{name}.host}}, .port, .addr, .url or .ports.NAME")
    if not reachable(graph, spec, other):
        yield Fault(
            path,
            f"{text}: the containers share no network, and the ports of {name!r} are published on loopback only",
            "name a common network, or publish with bind: 0.0.0.0",
        )


def reachable(graph: Graph, caller: ServiceSpec, callee: ServiceSpec) -> bool:
    if not (caller.container and callee.container) or shared_network(graph, caller, callee):
        return True
    if caller.run_on != callee.run_on:
        return True  # it is published where the other host finds it
    return all(not port.bind.startswith("127.") for port in callee.ports)


def _volume_faults(graph: Graph, key: Key, spec: VolumeSpec) -> Iterator[Fault]:
    found = [(s, k) for k, s in graph.users() if any(m.volume == key.name for m in s.volumes)]
    users = {s.runtime: k for s, k in found}
    if len({s.place for s, _ in found}) > len({s.run_on for s, _ in found}):
        names = " and ".join(str(users[runtime].short) for runtime in sorted(users))
        hint = "share a directory: hostPath in the container"
        yield Fault((), f"a container and a native process share it: {names}", hint)
    if "process" in users and (spec.external or spec.options or spec.driver != "local"):
        who = users["process"].short
        yield Fault((), f"{who} is a native process: its volumes are plain directories", "leave spec empty")


def _cycle_faults(graph: Graph) -> Iterator[tuple[Key, Fault]]:
    edges = {key.name: [d.service for d in spec.dependencies] for key, spec in graph.workloads()}
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        path: list[str] = list(reversed(error.args[1]))
        if len(path) > 2:  # of one alone it has been said already
            first = graph.called(path[0])
            circle = " -> ".join(path)
            yield first, Fault(("dependsOn",), f"a circle of dependencies: {circle}", "remove one of these arrows")


def _port_faults(graph: Graph) -> Iterator[tuple[Key, Fault]]:
    """Two that insist on one host port can never both run."""
    insisting: dict[tuple[str, int, str], list[tuple[Key, str, int]]] = {}
    for key, spec in graph.workloads():
        for i, port in enumerate(spec.ports):
            if isinstance(port.host_port, int) and port.on_conflict != "reassign" and spec.replicas:
                insisting.setdefault((spec.run_on, port.host_port, port.protocol), []).append((key, port.bind, i))
    for (_, number, _), users in sorted(insisting.items()):
        for i, (key, bind, position) in enumerate(users):
            rival = next((k for k, b, _ in users[:i] if _same_address(bind, b)), None)
            if rival:
                fault = Fault(
                    ("ports", position, "hostPort"),
                    f"host port {number} is asked for by {rival.short} too",
                    "give one of them another port, auto, or onConflict: reassign",
                )
                yield key, fault


def _same_address(a: str, b: str) -> bool:
    wild = {"", "0.0.0.0", "::"}  # noqa: S104
    return a == b or a in wild or b in wild
