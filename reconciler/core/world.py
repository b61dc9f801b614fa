"""A snapshot, indexed for decisions: what is ours, by key, and who has which name."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.graph import Graph
from reconciler.core.standing import Standing, standing
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Snapshot


class World:
    """Reads only. Ours is what wears our owner id, whole labels, and this namespace."""

    def __init__(self, graph: Graph, snapshot: Snapshot, now: float) -> None:
        self.graph = graph
        self.snapshot = snapshot
        self.now = now
        self._ours: dict[Key, list[Observed]] = {}
        self._named: dict[tuple[str, str, str, str], Observed] = {}
        self._users: dict[str, list[Observed]] = {}
        for thing in snapshot.objects():
            self._named[thing.runtime, thing.host, thing.kind, thing.name] = thing
            if thing.key and thing.owner == graph.owner and graph.owner and thing.key.namespace == graph.namespace:
                self._ours.setdefault(thing.key, []).append(thing)
            for network in thing.networks:
                self._users.setdefault(network, []).append(thing)

    def ours(self) -> Iterator[tuple[Key, Observed]]:
        """Each key of ours with the one thing that counts for it, sorted."""
        for key in sorted(self._ours):
            for runtime in sorted({thing.runtime for thing in self._ours[key]}):
                thing = self.seen(key, runtime)
                if thing:
                    yield key, thing

    def seen(self, key: Key, runtime: str) -> Observed | None:
        """The thing that is this key's. Of several that claim it the one with our name counts: the labels of
        the others were copied, and they are left alone.
        """
        claimants = [thing for thing in self._ours.get(key, []) if thing.runtime == runtime]
        claimants.sort(key=lambda thing: (thing.name != key.engine_name, thing.id))
        return claimants[0] if claimants else None

    def impostors(self) -> Iterator[tuple[Key, Observed]]:
        for key in sorted(self._ours):
            for thing in self._ours[key]:
                if thing is not self.seen(key, thing.runtime):
                    yield key, thing

    def elsewhere(self, key: Key, runtime: str) -> list[Observed]:
        """What this key left in other runtimes, when it was moved."""
        runtimes = sorted({thing.runtime for thing in self._ours.get(key, [])} - {runtime})
        return [thing for other in runtimes if (thing := self.seen(key, other))]

    def holder(self, desired: Desired) -> Observed | None:
        """Who has the name of a thing that we want to make, and is not that thing."""
        noun = desired.key.kind
        thing = self._named.get((desired.runtime, desired.host, noun, desired.name))
        return None if thing is None or thing is self.seen(desired.key, desired.runtime) else thing

    def named(self, runtime: str, kind: str, name: str) -> Observed | None:
        return self._named.get((runtime, "local", kind, name))

    def users(self, network: str) -> list[Observed]:
        return self._users.get(network, [])

    def standing(self, key: Key, spec: ServiceSpec) -> Standing:
        return standing(spec, self.seen(key, spec.runtime), self.snapshot, self.now)
