"""Who of those that run already could be an instance that is declared, and what would be different about him. Pure.

Nobody is taken for ours because he looks like it: this is asked only when a person says `--adopt`. A container is meant
by its name, in an annotation, or because compose has made it for the project and the service that are called as our
namespace and resource are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.core.verdict import REPLACE, deviations
from reconciler.core.world import World
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Port, port_range
from reconciler.model import labels
from reconciler.model.desired import Desired
from reconciler.model.key import Key
from reconciler.model.observed import Grant, Observed, Phase, Snapshot, Stranger
from reconciler.values import dataclass

ADOPT = "reconciler.dev/adopt"
"""Annotation of a resource: the names of the containers that are to become its instances, in the order of those."""
COMPOSE = "com.docker.compose."
PROJECT, SERVICE, NUMBER, ONE_OFF, VOLUME = (
    f"{COMPOSE}{name}" for name in ("project", "service", "container-number", "oneoff", "volume")
)
DOCKER = "docker"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One instance that does not exist, and the container that could be it."""

    key: Key
    stranger: Stranger

    def as_ours(self, owner: str) -> Observed:
        """As he would be seen; what he is made of has still to be looked at."""
        return replace(self.stranger.seen, key=self.key, owner=owner, adopted=True)


@dataclass(frozen=True, slots=True)
class Match:
    """What became of a candidate: how he would be seen, what he ought to be, and what keeps him from being it."""

    key: Key
    seen: Observed
    desired: Desired | None
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    candidates: tuple[Candidate, ...]
    missing: tuple[tuple[Key, str], ...] = ()
    """Instances whose container an annotation names, and there is none of that name."""
    surplus: tuple[tuple[Key, Stranger], ...] = ()
    """Containers of compose's that are one too many."""


def search(world: World, strangers: Iterable[Stranger]) -> Search:
    free = {stranger.seen.name: stranger for stranger in sorted(strangers, key=_order)}
    found: list[Candidate] = []
    missing: list[tuple[Key, str]] = []
    surplus: list[tuple[Key, Stranger]] = []
    for key, spec in world.graph.services():
        absent = [i for i in map(key.instance, range(spec.replicas)) if spec.container and not world.seen(i, DOCKER)]
        named = _names(world.graph.resources[key].annotations.get(ADOPT, ""))
        if named:
            for instance in absent[: len(named)]:
                name = named[instance.index or 0] if (instance.index or 0) < len(named) else ""
                if name in free:
                    found.append(Candidate(instance, free.pop(name)))
                elif name:
                    missing.append((instance, name))
            continue
        mine = [one for one in free.values() if spec.container and is_instance_of_compose(key, one)]
        found += [Candidate(instance, one) for instance, one in zip(absent, mine, strict=False)]
        surplus += [(key, one) for one in mine[len(absent) :]]
        for one in mine:
            del free[one.seen.name]
    return Search(tuple(found), tuple(missing), tuple(surplus))


def is_of_compose(volume: Key, stranger: Stranger) -> bool:
    """Whether compose made it for the project and the volume that are called so."""
    worn = stranger.labels
    whose = (_as_label(worn.get(PROJECT, "")), _as_label(worn.get(VOLUME, "")))
    return whose == (volume.namespace, volume.name)


def granted(spec: ServiceSpec, seen: Observed, published: Mapping[str, int]) -> Observed:
    """With the host ports that he has, or would have if he ran, as answers to what is asked for: so they stay."""
    told: Sequence[str] = seen.facts.fields.get("ports", ()) if seen.facts else ()
    asked = {inside: outside.rpartition(":")[2] for outside, _, inside in (text.partition("->") for text in told)}
    numbers = {**{inside: int(number) for inside, number in asked.items() if number.isdecimal()}, **published}
    wanted = ((port, numbers.get(f"{port.port}/{port.protocol}", 0)) for port in spec.ports)
    grants = {port.label: Grant(number, port.request) for port, number in wanted if number and _answers(port, number)}
    return replace(seen, grants=grants)


def supposed(snapshot: Snapshot, things: Iterable[Observed]) -> Snapshot:
    """The same look at the world, in which these are ours."""
    known = {thing.id: thing for thing in things}
    views = (replace(v, objects=tuple(known.get(thing.id, thing) for thing in v.objects)) for v in snapshot.views)
    return replace(snapshot, views=tuple(views))


def match(seen: Observed, item: Desired | None, why_not: str, strayed: Sequence[str] = ()) -> Match:
    """`why_not` is why nobody can say what he ought to be; `strayed` are files that are not as declared."""
    assert seen.key, "as he would be seen"
    if item is None:
        return Match(seen.key, seen, None, (why_not or "nobody can say yet how it ought to be made",))
    if seen.phase in {Phase.UNKNOWN, Phase.REMOVING}:
        return Match(seen.key, seen, item, (seen.detail or f"it is {seen.phase.lower()}",))
    found = tuple(one.cause for one in deviations(item, seen) if one.change == REPLACE)
    differences = (*found, *(f"file {path} is not as declared" for path in strayed))
    fingerprint = labels.NONE if differences else item.fingerprint
    return Match(seen.key, replace(seen, fingerprint=fingerprint, generation=item.generation), item, differences)


def left_behind(matches: Iterable[Match]) -> Iterator[str]:
    """Networks of others that they leave."""
    names: set[str] = set()
    for one in matches:
        wanted: Mapping[str, object] = dict.fromkeys(
            getattr(one.desired.payload, "networks", ()) if one.desired else ()
        )
        names |= set(one.seen.networks) - wanted.keys() - {"bridge", "host", "none"}
    yield from sorted(names)


def _order(stranger: Stranger) -> tuple[int, str]:
    number = stranger.labels.get(NUMBER, "")
    return int(number) if number.isdecimal() else 0, stranger.seen.name


def _names(text: str) -> list[str]:
    return [name.strip().removeprefix("/") for name in text.split(",") if name.strip()]


def is_instance_of_compose(key: Key, stranger: Stranger) -> bool:
    """One that `docker compose run` has made is nobody's instance."""
    worn = stranger.labels
    whose = (_as_label(worn.get(PROJECT, "")), _as_label(worn.get(SERVICE, "")))
    return whose == (key.namespace, key.name) and worn.get(ONE_OFF, "False").lower() != "true"


def _as_label(name: str) -> str:
    """Compose allows what a DNS label does not: my_app is my-app here."""
    return name.lower().replace("_", "-").replace(".", "-").strip("-")


def _answers(port: Port, number: int) -> bool:
    """Whether it is what was asked for."""
    if isinstance(port.host_port, int):
        return number == port.host_port
    bounds = port_range(port.host_port)
    return bounds is None or bounds[0] <= number <= bounds[1]
