"""The runtimes of all places: those here, and those on other hosts, made when one is first heard of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.core.graph import seen_as_service
from reconciler.errors import ReconcilerError
from reconciler.inquiry import Asked
from reconciler.kinds.host import HostSpec
from reconciler.model.place import LOCAL, Place
from reconciler.ports import Alarm
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Parts
    from reconciler.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Ground:
    """A host, and the runtimes on it. To make one connects to nothing."""

    host: Asked
    runtimes: Mapping[str, Any]
    """By runtime."""
    alarms: Callable[[], Mapping[str, Alarm]] = dict
    """Made for who listens."""
    leave: Callable[[], None] = lambda: None
    """Closes what leads there, for everybody here."""


class Grounds(Mapping[str, Any]):
    """By place. A host that is declared anew, at another address say, has new ones."""

    def __init__(
        self,
        here: Mapping[str, Any],
        make: Callable[[str, HostSpec], Ground],
        hosts: Callable[[], Mapping[str, HostSpec]],
    ) -> None:
        """`hosts` tells of all that are declared, for who asks for a place before anybody has looked."""
        self._here, self._make, self._hosts = here, make, hosts
        self._lock = threading.Lock()
        self._made: dict[str, tuple[HostSpec, Ground]] = {}

    def know(self, hosts: Mapping[str, HostSpec]) -> dict[str, Ground]:
        """Those of these hosts that are other machines."""
        with self._lock:
            for name, spec in hosts.items():
                if name != LOCAL and spec.ssh and self._made.get(name, (None,))[0] != spec:
                    self._made[name] = (spec, self._make(name, spec))
            return {name: self._made[name][1] for name in sorted(hosts) if name in self._made}

    def leave(self, host: str) -> None:
        """Nobody has anything there any more."""
        with self._lock:
            _, ground = self._made.pop(host, (None, None))
        if ground:
            with suppress(ReconcilerError):  # what nobody uses closes by itself after a while
                ground.leave()

    def __getitem__(self, place: str) -> Any:
        if place in self._here:
            return self._here[place]
        where = Place.of(place)
        if where.host not in self._made:
            self.know(self._hosts())
        return self._made[where.host][1].runtimes[where.runtime]

    def __iter__(self) -> Iterator[str]:
        """Whom a look knows stays as it is: it may be one at what is not kept yet."""
        yield from self._here
        hosts = self._hosts()
        self.know({name: spec for name, spec in hosts.items() if name not in self._made})
        for name, (_, ground) in sorted(self._made.items()):
            yield from (Place(runtime, name) for runtime in sorted(ground.runtimes) if name in hosts)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Wrapped(Mapping[str, Any]):
    """The same ones, each in something else."""

    def __init__(self, inner: Grounds | Wrapped, wrap: Callable[[Any], Any]) -> None:
        self._inner, self._wrap = inner, wrap
        self._made: dict[str, tuple[Any, Any]] = {}

    def know(self, hosts: Mapping[str, HostSpec]) -> dict[str, Ground]:
        return self._inner.know(hosts)

    def leave(self, host: str) -> None:
        self._inner.leave(host)

    def __getitem__(self, place: str) -> Any:
        inside = self._inner[place]
        known = self._made.get(place)
        if known is None or known[0] is not inside:
            known = self._made[place] = (inside, self._wrap(inside))
        return known[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inner)

    def __len__(self) -> int:
        return len(self._inner)


def place_of(parts: Parts, resource: Resource) -> Place:
    """Where the instances of a workload are to be. What its namespace calls a host is read only for who names one."""
    spec = seen_as_service(resource)
    assert spec is not None, "a workload"
    if spec.run_on == LOCAL:
        return spec.place
    graph = parts.source.graph(resource.key.namespace, parts.home.identity(make=False))
    parts.observer.know(graph.hosts)  # or who asks again and again would go where a host led at first
    placed = graph.placed(resource)
    return placed.place if placed else spec.place
