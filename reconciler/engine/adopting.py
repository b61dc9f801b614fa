"""What already runs becomes ours, as it is: only when a person says so, and nothing is done to it by that.

All that differs is found before anything is touched. Then a record of ours says whose each one is, and only after it is
the spec kept: in the other order a crash in between would have a second one made beside the first. What is left to do
to them (a name, networks, limits) the ordinary passes do in place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, cast

from reconciler.core.adoption import (
    DOCKER,
    Candidate,
    Match,
    Search,
    granted,
    is_instance_of_compose,
    is_of_compose,
    left_behind,
    match,
    search,
    supposed,
)
from reconciler.core.fingerprint import plain_json
from reconciler.core.planner import plan
from reconciler.core.world import World
from reconciler.engine.edits import ADOPTED, adopted
from reconciler.engine.in_use import needs
from reconciler.errors import ReconcilerError, Unreachable
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase, Snapshot
from reconciler.model.plan import Plan
from reconciler.model.status import Event
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.graph import Graph
    from reconciler.engine.reconcile import Parts
    from reconciler.model.resource import Resource
    from reconciler.ports import Adopting


class Unlike(ReconcilerError):
    """What runs is not what is declared."""

    reason = "Differs"


@dataclass(frozen=True, slots=True)
class Adoption:
    """Of one namespace, as it would be."""

    snapshot: Snapshot
    matches: tuple[Match, ...] = ()
    found: Search = field(default_factory=lambda: Search(()))
    volumes: Mapping[Key, Sequence[str]] = field(default_factory=dict)
    """Of each service: those that would have to go along for compose's to be taken in their place."""

    @property
    def resources(self) -> list[Key]:
        return list(dict.fromkeys(one.key.resource for one in self.matches))

    @property
    def notes(self) -> Iterator[str]:
        for name in left_behind(self.matches):
            yield f"network {name} is not ours, and stays; once nobody needs it: docker network rm {name}"
        for key, one in self.found.surplus:
            said = f"{one.seen.title} is one more of {key.short} than there are replicas; it is left alone"
            yield f"{said}{self._instead(key)}"

    def _instead(self, key: Key) -> str:
        """Where one of ours has taken its place, made by an apply without --adopt."""
        ours = [thing for thing in self.snapshot.objects() if thing.key and thing.key.resource == key]
        if not ours or any(thing.adopted for thing in ours):
            return ""
        names = [key.short, *(f"volume/{name}" for name in self.volumes.get(key, ()))]
        place = "" if key.namespace == "default" else f" -n {key.namespace}"
        first = f"reconciler delete {' '.join(names)}{place}"
        return f". To take it over in place of the one that is ours: {first}; then apply --adopt once more"


def with_volumes(parts: Parts, given: Sequence[Resource], kept: Mapping[Key, Resource]) -> list[Resource]:
    """The same, where volumes that compose made for just these stand for those that are not `kept` yet; or that are,
    by an apply without --adopt that never came to use them.
    """
    wanted = [r for r in given if r.key.kind == "volume" and not r.spec.external]
    there = _runtime(parts).stray_volumes() if wanted else ()
    names = {r.key: one.seen.name for r in wanted for one in there if is_of_compose(r.key, one)}
    idle = _idle(parts, kept) if any(key in kept for key in names) else set()
    meant = {key for key in names if key not in kept or key in idle}
    return [adopted(r, names[r.key]) if r.key in meant else r for r in given]


def _idle(parts: Parts, kept: Mapping[Key, Resource]) -> set[Key]:
    """Volumes of those alone that could never be made, for compose's still run in their place."""
    view, owner = parts.runtimes[DOCKER].observe(), parts.home.identity(make=False).owner
    if not view.reachable:
        raise Unreachable(view.problem, hint=view.hint)
    made = {thing.key.resource for thing in view.objects if thing.key and thing.owner == owner}
    unmade = [r for r in kept.values() if r.key.kind == "service" and r.spec.replicas and r.key not in made]
    stuck = {key for key, _ in beside(parts, unmade)}
    of_stuck = {need for key in stuck for need in needs(kept[key])}
    of_others = {need for key, resource in kept.items() if key not in stuck for need in needs(resource)}
    return {key for key in of_stuck - of_others if key in kept and ADOPTED not in kept[key].annotations}


def beside(parts: Parts, given: Iterable[Resource], kept: Collection[Key] = ()) -> list[tuple[Key, Observed]]:
    """Whom compose runs already for services that are not `kept` yet, and whom nobody has said to take over."""
    new = [r.key for r in given if r.key.kind == "service" and r.spec.container and r.key not in kept]
    there = _runtime(parts).strangers() if new and DOCKER in parts.runtimes else ()
    running = [one for one in there if one.seen.phase is Phase.RUNNING]
    return [(key, one.seen) for key in new for one in running if is_instance_of_compose(key, one)]


def foresee(parts: Parts, graph: Graph, snapshot: Snapshot, now: float) -> Adoption:
    """Who would be adopted, and what differs. Looks only."""
    view = snapshot.view(DOCKER)
    if not view.reachable:
        raise Unreachable(view.problem, hint=view.hint)
    runtime = _runtime(parts)
    found = search(World(graph, snapshot, now), runtime.strangers())
    things = _closer(runtime, graph, found.candidates)
    snapshot = supposed(snapshot, things.values())
    planned = plan(graph, snapshot, {}, now)
    matches = tuple(_matched(runtime, planned, one, things) for one in found.candidates)
    volumes = {key: _own_volumes(graph, key) for key, _ in found.surplus}
    return Adoption(supposed(snapshot, (one.seen for one in matches)), matches, found, volumes)


def _own_volumes(graph: Graph, key: Key) -> list[str]:
    wanted = [graph.resources.get(need) for need in needs(graph.resources[key]) if need.kind == "volume"]
    return [r.key.name for r in wanted if r and not r.spec.external]


def take_over(parts: Parts, graphs: Mapping[str, Graph], *, replacing: bool) -> dict[str, Adoption]:
    """By namespace. All of them, or none: whoever differs is told of before anything is touched."""
    now = parts.clock.now()
    found = {space: foresee(parts, graph, parts.observer.look(graph, now), now) for space, graph in graphs.items()}
    demand_alike(found.values(), replacing=replacing)
    _record(parts, found.values(), now)
    return found


def demand_alike(adoptions: Iterable[Adoption], *, replacing: bool) -> None:
    """Raises with all that differs. Who is replaced by a person's word may differ; what is missing is missing."""
    told = list(adoptions)
    lines = [f"{key.short}/{key.index}: no container is called {name}" for a in told for key, name in a.found.missing]
    hint = "correct the annotation reconciler.dev/adopt, or leave it out"
    if not replacing:
        for one in (one for adoption in told for one in adoption.matches if one.differences):
            lines.append(f"{one.seen.title} is not what service/{one.key.name} declares:")
            lines += [f"  {difference}" for difference in one.differences]
            hint = "declare it as it runs; or have it made anew, with its volumes kept: --adopt-replace"
    stuck = [one for adoption in told for one in adoption.matches if one.desired is None]
    if replacing and stuck:
        lines += [f"{stuck[0].seen.title}: {stuck[0].differences[0]}"]
    if lines:
        raise Unlike("nothing was adopted, and nothing done:\n  " + "\n  ".join(lines), hint=hint)


def _record(parts: Parts, adoptions: Iterable[Adoption], now: float) -> None:
    """From here on they are ours."""
    matches = [one for adoption in adoptions for one in adoption.matches]
    ours = {one.seen.id: one.desired for one in matches if one.desired}
    if ours:
        _runtime(parts).adopt(ours, [one.seen.id for one in matches if one.differences])
        parts.store.add_events([_event(one, now) for one in matches])
        alike = [one.desired for one in matches if one.desired and not one.differences]
        parts.store.write_payloads({item.fingerprint: plain_json(item.payload) for item in alike})


def _runtime(parts: Parts) -> Adopting:
    return cast("Adopting", parts.runtimes[DOCKER])


def _closer(runtime: Adopting, graph: Graph, candidates: Sequence[Candidate]) -> dict[str, Observed]:
    """By id. One that has gone meanwhile is not among them."""
    looked_at = runtime.look_closer([one.as_ours(graph.owner) for one in candidates])
    specs = dict(graph.services())
    ports = {one.stranger.seen.id: one.stranger.published for one in candidates}
    return {thing.id: granted(specs[thing.key.resource], thing, ports[thing.id]) for thing in looked_at if thing.key}


def _matched(runtime: Adopting, planned: Plan, one: Candidate, things: dict[str, Observed]) -> Match:
    seen = things.get(one.stranger.seen.id)
    if seen is None:
        return match(one.as_ours(""), None, "it has gone meanwhile")
    item = planned.desired.get(one.key)
    if item is None:
        return match(seen, None, next((wait.message for wait in planned.waits if wait.key == one.key), ""))
    wanted = getattr(item.payload, "image", "")
    if seen.facts and seen.facts.fields.get("image") != wanted and runtime.same_image(one.stranger, wanted):
        seen = replace(seen, facts=replace(seen.facts, fields={**seen.facts.fields, "image": wanted}))
    return match(replace(seen, image=wanted, made_from=wanted), item, "", runtime.strayed_files(seen, item))


def _event(one: Match, now: float) -> Event:
    differs = ", and is to be made anew" if one.differences else ""
    message = f"{one.seen.title}, which others made, is ours from now on{differs}"
    return Event(time=now, type="Normal", reason="Adopted", key=one.key, message=message)
