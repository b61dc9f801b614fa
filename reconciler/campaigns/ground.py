"""Where runs take place: renders one as an instance, makes it, finds it again, and takes it away. Decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from reconciler.core.campaign import runs as making
from reconciler.core.campaign.manifest import Run
from reconciler.core.fingerprint import fingerprint
from reconciler.core.graph import Graph
from reconciler.core.ports import assign
from reconciler.core.render import KEEP_ALIVE, render, stop_of
from reconciler.core.world import World
from reconciler.engine.reconcile import Parts
from reconciler.errors import Gone, OutcomeUnknown, ReconcilerError, Refused, Unreachable
from reconciler.kinds.campaign import as_service
from reconciler.model.desired import ContainerPayload, Desired, ProcessPayload, Stop
from reconciler.model.key import Key
from reconciler.model.observed import RUNS, Observed, Phase, Snapshot
from reconciler.model.resource import Resource

WARM = 0
"""The number of the instance that is kept up; runs count from 1."""
GOES_ON = RUNS | {Phase.STARTING}
KILL = Stop("KILL", 0.0)
STARTING = 5.0
"""Seconds that an engine may take for a start that nobody waits for any more."""


class Ground:
    """Of one campaign."""

    def __init__(
        self, parts: Parts, resource: Resource, *, persistent: bool, hurried: Callable[[], bool] = lambda: False
    ) -> None:
        self.parts = parts
        self.key = resource.key
        self.persistent = persistent
        self.runtime = "process" if persistent else str(resource.spec.runtime)
        """Where a run's own instance lives: a command inside of something else is a process of ours."""
        self._hurried = hurried
        """Whether what is to end is given no time any more."""
        self._resource = resource
        self._home = str(resource.spec.runtime)

    def hurry(self) -> None:
        """From now on."""
        self._hurried = lambda: True

    # -- what is to be made

    def desired(self, run: Run) -> Desired:
        """A run in a place of its own, or as a command inside of what is kept warm."""
        index = WARM if self.persistent else run.index
        whole = self._rendered(making.changes(self._resource, run), index)
        return self._inside(run, whole) if self.persistent else whole

    def warm(self, run: Run) -> Desired:
        """What is to be up before this run can be made inside of it."""
        item = self._rendered(making.warm(self._resource, run), WARM)
        payload = item.payload
        if isinstance(payload, ContainerPayload):
            payload = replace(payload, entrypoint=KEEP_ALIVE, command=())
        elif isinstance(payload, ProcessPayload):
            payload = replace(payload, command=KEEP_ALIVE)
        return replace(item, payload=payload, fingerprint=fingerprint(payload))

    def _inside(self, run: Run, whole: Desired) -> Desired:
        """Of its variables those that the warm one has not got already."""
        outer, inner = self.warm(run).payload, whole.payload
        assert isinstance(outer, ContainerPayload | ProcessPayload), "a workload"
        assert isinstance(inner, ContainerPayload | ProcessPayload), "a workload"
        entrypoint = inner.entrypoint or () if isinstance(inner, ContainerPayload) else ()
        command = (*entrypoint, *(inner.command or ()))
        if not command:
            hint = "give container.command, or use --strategy ephemeral"
            raise ReconcilerError(f"{self.key.short}: there is no command to run inside", hint=hint)
        given = {**inner.env, "RECONCILER_INDEX": str(run.index)}
        env = {name: value for name, value in given.items() if outer.env.get(name) != value}
        if isinstance(inner, ProcessPayload) and inner.mounts:
            hint = "use --strategy ephemeral, or say where it is by an environment variable"
            raise ReconcilerError(f"{self.key.short}: a command inside of a native process has no volumes", hint=hint)
        inside = str(self.key.instance(WARM))
        payload = ProcessPayload(command=command, env=env, stop=inner.stop, inside=inside)
        key = self.key.instance(run.index)
        return replace(
            whole, key=key, runtime="process", payload=payload, fingerprint=fingerprint(payload), grants={}, foreign=()
        )

    def _rendered(self, resource: Resource, index: int) -> Desired:
        """As a service of the same name would be: no other workload of the namespace may be called so."""
        parts, now = self.parts, self.parts.clock.now()
        graph = parts.source.graph(self.key.namespace, parts.home.identity(make=True))
        as_one = Key("service", self.key.namespace, self.key.name)
        shown = replace(resource, key=as_one, spec=replace(resource.spec, replicas=1))
        others = {key: other for key, other in graph.resources.items() if key != self.key}
        graph = replace(graph, resources={**others, as_one: shown})
        return self._made_of(graph, as_one.instance(0), index, now)

    def _made_of(self, graph: Graph, stand_in: Key, index: int, now: float) -> Desired:
        snapshot = _renamed(self.parts.observer.look(graph, now), self.key.instance(index), stand_in)
        assignment = assign(World(graph, snapshot, now), {})
        rendered = render(graph, snapshot, assignment)
        if stand_in not in rendered.desired:
            raise ReconcilerError(f"{self.key.short}: {rendered.waits[stand_in].message}")
        item = rendered.desired[stand_in]
        payload = item.payload
        assert isinstance(payload, ContainerPayload | ProcessPayload), "a workload"
        payload = replace(payload, env={**payload.env, "RECONCILER_INDEX": str(index)})
        return replace(item, key=self.key.instance(index), payload=payload, fingerprint=fingerprint(payload))

    # -- what is done

    def make(self, item: Desired) -> None:
        """A time-out says nothing: whoever asked looks, as after any other end."""
        runtime = self.parts.runtimes[item.place]
        runtime.prepare(item)
        try:
            runtime.create(item)
        except OutcomeUnknown:
            if self.find(item.key.index or 0, item.runtime) is None:
                raise

    def find(self, index: int, runtime: str = "", *, deep: bool = False) -> Observed | None:
        """The instance of that number, whatever state it is in."""
        place = runtime or self.runtime
        view = self.parts.runtimes[place].observe(deep=deep)
        if not view.reachable:
            raise Unreachable(f"{self.key.short}: {view.problem}", hint=view.hint)
        owner, wanted = self.parts.home.identity(make=False).owner, self.key.instance(index)
        mine = (thing for thing in view.objects if thing.key == wanted and thing.owner == owner)
        return next((thing for thing in mine if thing.name == wanted.engine_name), None)

    def find_warm(self) -> Observed | None:
        return self.find(WARM, self._home, deep=True)

    def stop(self, seen: Observed, stop: Stop | None = None) -> None:
        asked = stop or stop_of(as_service(self._resource.spec))
        try:
            self.parts.runtimes[seen.place].stop(seen, asked)
        except Gone:
            return

    def clear(self, index: int, runtime: str = "") -> None:
        seen = self.find(index, runtime)
        if seen:
            self._clear(seen)

    def clear_all(self, *, but: Collection[int] = ()) -> None:
        """Everything of this campaign, the commands before what they run inside of. `but` are numbers that stay."""
        for thing in sorted(instances_of(self.parts, lambda key: key == self.key), key=inner_first):
            if _number(thing) not in but:
                self._clear(thing)

    def _clear(self, seen: Observed) -> None:
        """What still runs is asked to end first. What is kept up does nothing by itself, so nothing is lost with it.

        The start of one that we were interrupted in may come to pass between the look and the removal.
        """
        until = time.monotonic() + STARTING
        last: Observed | None = seen
        while last:
            try:
                return self._end(last)
            except Gone:
                return None
            except Refused:
                if time.monotonic() > until:
                    raise
                time.sleep(STARTING / 50)
            last = self.find(_number(seen), seen.runtime)
        return None

    def _end(self, seen: Observed) -> None:
        if seen.phase in GOES_ON:
            at_once = _number(seen) == WARM or self._hurried()
            self.stop(seen, KILL if at_once else None)
        self.parts.runtimes[seen.place].remove(seen)

    def spoke(self, seen: Observed, since: float) -> bool:
        """Whether it has written anything since then."""
        return next(iter(self.parts.reach[seen.place].logs(seen, tail=1, since=since)), b"") != b""

    def log(self, seen: Observed) -> Iterator[bytes]:
        """All of it, of one that has ended. What a process wrote last may still be on its way when it is seen to be
        dead, so its log is followed to where it ends; an engine tells of an end only when it has all.
        """
        return self.parts.reach[seen.place].logs(seen, follow=seen.runtime == "process")


def _renamed(snapshot: Snapshot, key: Key, stand_in: Key) -> Snapshot:
    """The world with the instance under the name that it is rendered by, so that its ports are its own."""

    def shown(thing: Observed) -> Observed:
        return replace(thing, key=stand_in, name=stand_in.engine_name) if thing.key == key else thing

    views = tuple(replace(view, objects=tuple(shown(thing) for thing in view.objects)) for view in snapshot.views)
    return replace(snapshot, views=views)


def instances_of(parts: Parts, wanted: Callable[[Key], bool]) -> list[Observed]:
    """Instances of campaigns of this home. Of what can't be read there are none that could be removed."""
    owner = parts.home.identity(make=False).owner
    views = [parts.runtimes[name].observe() for name in sorted(parts.runtimes)]
    return [
        thing
        for view in views
        if view.reachable
        for thing in view.objects
        if thing.key
        and thing.key.kind == "campaign"
        and thing.owner == owner
        and thing.name == thing.key.engine_name
        and wanted(thing.key.resource)
    ]


def inner_first(thing: Observed) -> tuple[bool, int]:
    return _number(thing) == WARM, _number(thing)


def _number(thing: Observed) -> int:
    return (thing.key.index or 0) if thing.key else 0
