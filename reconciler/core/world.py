"""A snapshot, indexed for decisions: what is ours, by key, and who has which name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from reconciler.core.backoff import crashes
from reconciler.core.graph import Graph
from reconciler.core.histories import with_seen
from reconciler.core.mesh import Mesh, mesh
from reconciler.core.standing import Standing, standing, steady_seconds
from reconciler.kinds.service import ServiceSpec
from reconciler.model.desired import Desired
from reconciler.model.history import NOTHING, History
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Snapshot, kind_of
from reconciler.model.plan import Journal


class World:
    """Reads only. Ours is what wears our owner id, whole labels, and this namespace.

    What a view shows that could not be read to its end is no ground for anything, so it is not in here.
    """

    def __init__(self, graph: Graph, snapshot: Snapshot, now: float, journal: Journal | None = None) -> None:
        """Without the journal nobody is known to have crashed."""
        self.graph = graph
        self._journal: Journal = journal or {}
        self.snapshot = snapshot
        self.now = now
        self._ours: dict[Key, list[Observed]] = {}
        self._named: dict[tuple[str, str, str], Observed] = {}
        self._users: dict[tuple[str, str], list[Observed]] = {}
        self._histories: dict[Key, History] = {}
        things = [thing for view in snapshot.views if view.reachable for thing in view.objects]
        for thing in sorted(things, key=_order):
            self._named.setdefault((thing.place, thing.kind, thing.name), thing)
            if self._claims(thing) and thing.key:
                self._ours.setdefault(thing.key, []).append(thing)
            for network in thing.networks:
                self._users.setdefault((thing.place, network), []).append(thing)
        self._ours = {key: self._once(key, things) for key, things in self._ours.items()}

    @cached_property
    def mesh(self) -> Mesh:
        """Which hosts ought to be in it, and as what."""
        return mesh(self.graph, self.snapshot)

    def _claims(self, thing: Observed) -> bool:
        key, graph = thing.key, self.graph
        if not (key and graph.owner and thing.owner == graph.owner and key.namespace == graph.namespace):
            return False
        # Only instances can be renamed; a network or volume with our labels and another name is a copy.
        return key.index is not None if key.is_workload else thing.name == key.engine_name

    def _once(self, key: Key, things: list[Observed]) -> list[Observed]:
        """A machine that goes by two names shows all it has under both. It is not to be taken down under the one for
        having moved to the other: what counts is where it is wanted, or else the first. Ids of volumes are mere names.
        """
        if key.kind == "volume" or len({thing.id for thing in things}) == len(things):
            return things
        wanted = self._wanted(key)
        kept: dict[str, list[Observed]] = {}
        for thing in sorted(things, key=lambda thing: thing.place not in wanted):
            if thing.place in wanted or thing.id not in kept:
                kept.setdefault(thing.id, []).append(thing)
        return [thing for thing in things if any(thing is one for one in kept[thing.id])]

    def _wanted(self, key: Key) -> Collection[str]:
        if key.kind == "network":
            return self.graph.network_places(key.name)
        spec = self.graph.spec(key)
        return [spec.place] if spec else []

    def ours(self) -> Iterator[tuple[Key, Observed]]:
        """Each key of ours with the one thing that counts for it in each place, sorted."""
        for key in sorted(self._ours):
            yield from ((key, thing) for thing in self.things(key))

    def seen(self, key: Key, place: str) -> Observed | None:
        """The thing that is this key's. Of several that claim it the one with our name counts: the labels of
        the others were copied, and they are left alone.
        """
        claimants = [t for t in self._ours.get(key, ()) if t.place == place and _genuine(key, t)]
        if len(claimants) < 2:  # nearly always: it is asked for again and again
            return claimants[0] if claimants else None
        return min(claimants, key=lambda thing: (not thing.attached, thing.name != key.engine_name, thing.id))

    def things(self, key: Key) -> list[Observed]:
        """What is this key's, in each place."""
        return [thing for place in self._places(key) if (thing := self.seen(key, place))]

    def replaced(self, key: Key) -> list[Observed]:
        """What is left of an instance of ours, where the service is attached to something else now."""
        return [thing for thing in self._ours.get(key, ()) if not thing.attached]

    def impostors(self) -> Iterator[tuple[Key, Observed]]:
        for key in sorted(self._ours):
            for thing in self._ours[key] if not any(one.attached for one in self._ours[key]) else ():
                if thing is not self.seen(key, thing.place):
                    yield key, thing

    def elsewhere(self, key: Key, place: str) -> list[Observed]:
        """What this key left in other places, when it was moved."""
        others = [other for other in self._places(key) if other != place]
        return [thing for other in others if (thing := self.seen(key, other))]

    def _places(self, key: Key) -> list[str]:
        found = self._ours.get(key, ())
        return [found[0].place] if len(found) == 1 else sorted({thing.place for thing in found})

    def holder(self, desired: Desired) -> Observed | None:
        """Who has the name of a thing that we want to make, and is not that thing."""
        thing = self.named(desired.place, kind_of(desired.key), desired.name)
        return None if thing is None or thing is self.seen(desired.key, desired.place) else thing

    def conflict(self, rival: Observed) -> str:
        """What a person has to know of who has the name."""
        if rival.owner == self.graph.owner and rival.key:
            return f"{rival.title} has the name, and is {rival.key}; rename or remove it, or choose another name"
        return f"{rival.title} has the name, and is not ours; rename or remove it, or choose another name"

    def named(self, place: str, kind: str, name: str) -> Observed | None:
        return self._named.get((place, kind, name))

    def users(self, network: Observed) -> list[Observed]:
        """Who is in a network; its namesake on another host is another one."""
        return self._users.get((network.place, network.name), [])

    def history(self, job: Key) -> History:
        """What was remembered of a job that is declared, and what can be seen besides."""
        if job not in self._histories:
            known, things = self.graph.histories.get(job, NOTHING), self.things(job.instance(0))
            self._histories[job] = with_seen(known, self.graph.resources[job].spec, things, self.now)
        return self._histories[job]

    def standing(self, key: Key, spec: ServiceSpec) -> Standing:
        return self.stands(key, spec, self.seen(key, spec.place))

    def stands(self, key: Key, spec: ServiceSpec, seen: Observed | None) -> Standing:
        """Of what may stand where it was before a move."""
        return standing(spec, seen, self.snapshot, self.now, self._crashes(key, spec, seen))

    def steady_seconds(self, key: Key, spec: ServiceSpec, seen: Observed) -> float:
        return steady_seconds(self._crashes(key, spec, seen))

    def _crashes(self, key: Key, spec: ServiceSpec, seen: Observed | None) -> int:
        return crashes(key, seen, self._journal.get(key), spec.restart) if seen else 0


def _genuine(key: Key, thing: Observed) -> bool:
    """An image made of one of our containers hands its labels on to whatever is run from it. So one that has
    another name is ours only if it comes from the image that it was made from.
    """
    if thing.name == key.engine_name or not thing.made_from:
        return True
    # The engine tells an image by its id once its name has gone over to another one.
    return thing.image == thing.made_from or thing.image.startswith("sha256:")


def _order(thing: Observed) -> tuple[str, ...]:
    return (thing.runtime, thing.host, thing.kind, thing.name, thing.id)
