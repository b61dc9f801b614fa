"""Shorthands for tests of the planner's parts: a namespace called shop, whose owner is `me`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.core import ports
from reconciler.core.graph import Graph, graph_of
from reconciler.core.planner import plan
from reconciler.core.ports import Assignment
from reconciler.core.preview import advance
from reconciler.core.render import Rendered, render
from reconciler.core.world import World
from reconciler.kinds.service import Container, Port, Process, ServiceSpec
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Health, Listener, Observed, Phase, Snapshot, View
from reconciler.model.plan import Journal
from reconciler.model.resource import Resource

NOW = 1000.0
EMPTY = Snapshot((View("docker"), View("process")))


def key(name: str, index: int | None = 0, kind: str = "service") -> Key:
    return Key(kind, "shop", name, index)


def container(name: str, **spec: Any) -> Resource:
    return Resource(key(name, None), ServiceSpec(container=Container(image="i", **_inner(spec)), **spec))


def process(name: str, **spec: Any) -> Resource:
    return Resource(key(name, None), ServiceSpec(process=Process(command=spec.pop("command", ("run",))), **spec))


def _inner(spec: dict[str, Any]) -> dict[str, Any]:
    inner = ("networks", "aliases", "command", "entrypoint", "keep_alive")
    return {name: spec.pop(name) for name in inner if name in spec}


def resource(kind: str, name: str, spec: object) -> Resource:
    return Resource(key(name, None, kind), spec)


def http(host_port: int | str = "auto", **more: Any) -> Port:
    return Port(name="http", port=80, host_port=host_port, **more)


def graph(*resources: Resource, **facts: Any) -> Graph:
    return graph_of("shop", resources, **{"owner": "me", "seal": lambda value: f"sealed-{len(value)}", **facts})


def settled(desired: Graph, snapshot: Snapshot = EMPTY) -> Snapshot:
    """The world after an apply that went well, a while ago."""
    while actions := plan(desired, snapshot, {}, NOW).actions:
        for action in actions:
            snapshot = advance(snapshot, action, NOW - 500)
        running = (thing for thing in snapshot.objects() if thing.phase is Phase.RUNNING and thing.kind == "service")
        snapshot = replace(snapshot, health={thing.id: Health() for thing in running})
    return snapshot


def assigned(desired: Graph, snapshot: Snapshot = EMPTY, journal: Journal | None = None) -> Assignment:
    return ports.assign(World(desired, snapshot, NOW), journal or {})


def rendered(desired: Graph, snapshot: Snapshot = EMPTY) -> Rendered:
    return render(desired, snapshot, assigned(desired, snapshot))


def numbers(assignment: Assignment) -> dict[str, int]:
    """`web/0` to its only port."""
    return {f"{k.name}/{k.index}": found[0].host_port for k, found in assignment.bindings.items() if found}


def with_thing(snapshot: Snapshot, thing: Observed) -> Snapshot:
    """In the world beside the others, or in the place of what had its id."""
    views = []
    for view in snapshot.views:
        others = tuple(other for other in view.objects if other.id != thing.id)
        views.append(replace(view, objects=(*others, thing) if view.runtime == thing.runtime else others))
    return replace(snapshot, views=tuple(views))


def seen(snapshot: Snapshot, wanted: Key) -> Observed:
    return next(thing for thing in snapshot.objects() if thing.key == wanted)


def changed(snapshot: Snapshot, wanted: Key, **how: Any) -> Snapshot:
    return with_thing(snapshot, replace(seen(snapshot, wanted), **how))


def stranger(name: str = "stranger", **how: Any) -> Observed:
    return Observed(f"id-{name}", name, "service", how.pop("runtime", "docker"), **how)


def listening(snapshot: Snapshot, *taken: int, address: str = "0.0.0.0", protocol: str = "tcp") -> Snapshot:
    found = tuple(Listener(Binding(number, protocol, address), 77, "nc") for number in taken)
    return replace(snapshot, listeners={"local": found})
