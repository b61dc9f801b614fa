"""Who has which port, or a right to it: things in the world, sockets that listen, and what a pass has given away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum

from reconciler.core.graph import Graph
from reconciler.core.standing import Stands
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Port
from reconciler.model.key import Key
from reconciler.model.observed import INSTANCE, Binding, Listener, Observed, Phase, Snapshot
from reconciler.model.place import LOCAL
from reconciler.values import dataclass

ALIVE = {Phase.RUNNING, Phase.PAUSED, Phase.STARTING}


class Obstacle(IntEnum):
    """How much stands in the way of a number; the least is taken."""

    NONE = 0
    LEAVING = 1
    """One of ours holds it, and will not hold it for long."""
    REFUSED = 2
    """Nobody is seen to hold it, but it was refused lately."""
    HELD = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody has this port, or has a right to it."""

    binding: Binding
    holder: str
    key: Key | None = None
    given: bool = False
    """In this very pass."""
    leaving: bool = False
    host: str = LOCAL


class Claims:
    """Who has which port: things in the world, sockets that listen, and what this pass has given away."""

    def __init__(self, world: World, extras: Mapping[Key, tuple[int, ...]]) -> None:
        self._world = world
        self._extras = extras
        self._own = _own(world)
        self._insisted = _insisted(world.graph)
        self._by_port: dict[tuple[str, int, str], list[Claim]] = {}
        found = [thing for thing in world.snapshot.objects() if thing.kind == INSTANCE]
        things = sorted(found, key=lambda thing: (thing.place, thing.name, thing.id))
        for thing in things:
            key = self._genuine(thing)
            for binding in thing.bindings:
                leaving = self._leaves(key, thing.host, binding)
                self._add(Claim(binding, thing.title, key, leaving=leaving, host=thing.host))
        # A socket of a thing that we see is that thing's: its own, or its proxy's.
        for host, one in [(h, one) for h, one in _listeners(world.snapshot) if not self._clashing(h, one.binding)]:
            self._add(Claim(one.binding, one.holder, host=host))
        for thing in things:
            for binding in self._wants_again(thing):
                self._add(Claim(binding, f"{thing.key} (stopped)", thing.key, host=thing.host))

    def _genuine(self, thing: Observed) -> Key | None:
        if thing.key is None or thing.attached:
            return None
        return thing.key if any(thing is own for own in self._own.get(thing.key, ())) else None

    def _leaves(self, key: Key | None, host: str, binding: Binding) -> bool:
        """Whether one of ours that holds a port now will not hold it much longer."""
        if key is None:
            return False
        spec = self._spec(key)
        if spec is None:
            return key.resource in self._world.graph.removed
        stays = self._stays(key, spec) and spec.run_on == host
        return not stays or all(kept.port != binding.port for kept in self._kept(key, spec))

    def _stays(self, key: Key, spec: ServiceSpec) -> bool:
        return (key.index or 0) < spec.replicas or key.index in self._extras.get(key.resource, ())

    def _wants_again(self, thing: Observed) -> Iterator[Binding]:
        """What something of ours that has stopped will take when it starts."""
        key = thing.key
        if thing.bindings or key is None or thing.owner != self._world.graph.owner:
            return
        if key.namespace != self._world.graph.namespace:
            yield from (Binding(grant.port) for grant in thing.grants.values())
        elif self._genuine(thing) and (spec := self._spec(key)) and self._starts_again(key, spec, thing):
            yield from self._kept(key, spec)

    def _starts_again(self, key: Key, spec: ServiceSpec, thing: Observed) -> bool:
        stands = self._world.stands(key, spec, thing).stands
        return self._stays(key, spec) and stands not in {Stands.COMPLETED, Stands.FAILED}

    def _kept(self, key: Key, spec: ServiceSpec) -> Iterator[Binding]:
        """What it had and will have again. Who may choose makes room for who insists."""
        for port in spec.ports:
            number = self.sticky(key, port)
            binding = Binding(number or 0, port.protocol, port.bind)
            if number and (insists(port) or not self._insisted_by_others(key, binding)):
                yield binding

    def _insisted_by_others(self, key: Key, binding: Binding) -> bool:
        spec = self._spec(key)
        wishes = self._insisted.get((spec.run_on, binding.port, binding.protocol), ()) if spec else ()
        return any(other != key.resource and wish.clashes(binding) for other, wish in wishes)

    def _spec(self, key: Key) -> ServiceSpec | None:
        return self._world.graph.spec(key)

    def _add(self, claim: Claim) -> None:
        self._by_port.setdefault((claim.host, claim.binding.port, claim.binding.protocol), []).append(claim)

    def runs(self, key: Key) -> bool:
        return any(thing.phase in ALIVE for thing in self._own.get(key, ()))

    def give(self, key: Key, host: str, binding: Binding) -> None:
        self._add(Claim(binding, str(key), key, given=True, host=host))

    def sticky(self, key: Key, port: Port) -> int | None:
        """What it had, if that was the answer to the same request."""
        grants = (thing.grants.get(port.label) for thing in self._own.get(key, ()))
        return next((grant.port for grant in grants if grant and grant.request == port.request), None)

    def against(self, key: Key, host: str, binding: Binding) -> tuple[Obstacle, Claim | None]:
        """Who stands in the way of this one having it. Things are named before sockets."""
        claims = [claim for claim in self._clashing(host, binding) if claim.given or claim.key != key]
        held = next((c for c in claims if not c.leaving), None)
        if held:
            return Obstacle.HELD, held
        return (Obstacle.LEAVING, claims[0]) if claims else (Obstacle.NONE, None)

    def _clashing(self, host: str, binding: Binding) -> list[Claim]:
        claims = self._by_port.get((host, binding.port, binding.protocol), ())
        return [claim for claim in claims if claim.binding.clashes(binding)]


def _insisted(graph: Graph) -> dict[tuple[str, int, str], list[tuple[Key, Binding]]]:
    """Numbers that workloads of this namespace insist on."""
    found: dict[tuple[str, int, str], list[tuple[Key, Binding]]] = {}
    for key, spec in graph.workloads():
        for port in spec.ports if spec.replicas else ():
            if isinstance(port.host_port, int) and insists(port):
                wish = Binding(port.host_port, port.protocol, port.bind)
                found.setdefault((spec.run_on, wish.port, wish.protocol), []).append((key, wish))
    return found


def _own(world: World) -> dict[Key, list[Observed]]:
    """What counts for each instance: where it is to be first, then where it was before it moved."""
    own: dict[Key, list[Observed]] = {}
    for key, thing in world.ours():
        spec = world.graph.spec(key)
        at_home = spec is not None and thing.place == spec.place
        own.setdefault(key, []).insert(0 if at_home else len(own.get(key, [])), thing)
    return own


def _listeners(snapshot: Snapshot) -> list[tuple[str, Listener]]:
    everywhere = ((host, one) for host, listeners in snapshot.listeners.items() for one in listeners)
    return sorted(everywhere, key=_of_listener)


def _of_listener(found: tuple[str, Listener]) -> tuple[str, int, str, str, str]:
    host, one = found
    return host, one.binding.port, one.binding.protocol, one.binding.address, one.holder


def insists(port: Port) -> bool:
    return isinstance(port.host_port, int) and port.on_conflict != "reassign"
