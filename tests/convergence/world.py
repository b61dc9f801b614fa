"""A small world in which plans are carried out: two runtimes that are values, a clock, and whatever can go wrong.

Everything that acts goes through a Guard, which lets each single effect fail, crash or get lost, and which
blames what must never happen at the very moment when it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from reconciler.core import preview
from reconciler.core.backoff import remembered
from reconciler.core.graph import Graph
from reconciler.core.planner import plan
from reconciler.core.teardown import buried
from reconciler.engine.executor import perform
from reconciler.errors import Denied, ImageUnavailable, OutcomeUnknown, PortInUse, Refused, Unreachable
from reconciler.model.desired import ContainerPayload, Desired, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Binding, Health, Listener, Observed, Phase, Snapshot
from reconciler.model.plan import Outcome, Plan, Record
from reconciler.runtimes.memory import MemoryRuntime
from reconciler.values import replace
from tests.convergence.specs import NAMESPACE, OWNER

LIVE = {Phase.RUNNING, Phase.PAUSED, Phase.STARTING}
TICK = 0.01
READY_AFTER = 0.4
JOB_TAKES = 1.0


class Crash(BaseException):
    """The power goes, between two effects."""


@dataclass(slots=True)
class Faults:
    """What goes wrong in one pass. The default is a good day."""

    unreachable: frozenset[str] = frozenset()
    partial: bool = False
    """Unreachable views still show some objects: a read that broke off."""
    stale: int = 0
    """So many looks old is the snapshot that the plan is made from."""
    crash_after: int | None = None
    """So many effects happen before the crash."""
    refusals: list[str] = field(default_factory=list)
    """image, port, denied, lost (it did not happen, but nobody knows), done (it did): one for each call."""
    order: Callable[[Sequence[object]], Sequence[object]] = field(default=lambda items: items)


@dataclass(slots=True)
class World:
    graph: Graph
    now: float = 1000.0
    journal: dict[Key, Record] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    foreign: dict[str, Observed] = field(default_factory=dict)
    """By id: must stay as they are, whatever happens."""
    copies: dict[str, Observed] = field(default_factory=dict)
    """Objects of others that wear a copy of our labels, while the genuine one has our name."""
    copied: set[Key | None] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    blame: list[str] = field(default_factory=list)
    history: list[Snapshot] = field(default_factory=list)
    effects: int = 0
    runtimes: dict[str, MemoryRuntime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runtimes = {name: MemoryRuntime(name, now=lambda: self.now) for name in ("docker", "process")}

    def objects(self) -> Iterator[Observed]:
        for runtime in self.runtimes.values():
            yield from runtime.view.objects

    def ours(self) -> Iterator[tuple[Key, Observed]]:
        """What is ours by its labels, copies and orphans left out."""
        for thing in self.objects():
            mine = thing.owner == OWNER and thing.id not in self.copies and thing.id not in self.foreign
            if mine and thing.key and thing.key.namespace == NAMESPACE:
                yield thing.key, thing

    def home(self, key: Key) -> str:
        resource = self.graph.resources.get(key.resource)
        return resource.spec.runtime if resource else ""

    def look(self, faults: Faults | None = None) -> Snapshot:
        faults = faults or Faults()
        views = tuple(
            replace(r.view, problem="it does not answer", objects=r.view.objects[::2] if faults.partial else ())
            if name in faults.unreachable
            else r.view
            for name, r in self.runtimes.items()
        )
        held = [Listener(b, 1, "proxy") for thing in self.objects() for b in thing.bindings]
        health = {thing.id: self._health(thing) for _, thing in self.ours() if self._probed(thing)}
        snapshot = Snapshot(views, {"local": (*self.listeners, *held)}, health)
        self.history.append(snapshot)
        return snapshot

    def _probed(self, thing: Observed) -> bool:
        resource = thing.key and self.graph.resources.get(thing.key.resource)
        return bool(resource and thing.kind == "service" and thing.phase is Phase.RUNNING and resource.spec.probes.any)

    def _health(self, thing: Observed) -> Health:
        if thing.id in self.sick:
            return Health(live=False, ready=False, message="no answer")
        ready = self.now - (thing.started_at or 0.0) >= READY_AFTER
        return Health(ready=ready, message="" if ready else "not yet")

    def run_pass(self, faults: Faults | None = None) -> Plan:
        """One pass as the engine does it: look, plan, perform, remember, bury."""
        faults = faults or Faults()
        self.adopt()
        fresh = self.look(faults)
        snapshot = self.history[-1 - min(faults.stale, len(self.history) - 1)]
        planned = plan(self.graph, snapshot, self.journal, self.now)
        guards = {name: Guard(self, runtime, snapshot, planned, faults) for name, runtime in self.runtimes.items()}
        outcomes: list[Outcome] = []
        try:
            for sequence in faults.order(planned.sequences):
                outcomes += perform(replace(planned, sequences=(sequence,)), guards)
        except Crash:
            return planned  # what was known of it is lost with the process
        changed = remembered(self.graph, self.journal, outcomes, self.now)
        self.journal |= {key: record for key, record in changed.items() if record}
        done = set(buried(self.graph, snapshot)) if snapshot is fresh else set()
        left = {key: resource for key, resource in self.graph.removed.items() if key not in done}
        self.graph = replace(self.graph, removed=left)
        return planned

    def pass_time(self, seconds: float) -> None:
        """Jobs end when their time has come."""
        self.now += seconds
        for key, thing in list(self.ours()):
            if self.is_job(key) and thing.phase is Phase.RUNNING and self.now - (thing.started_at or 0.0) >= JOB_TAKES:
                self.end(thing, 0)

    def is_job(self, key: Key) -> bool:
        resource = self.graph.resources.get(key.resource)
        return resource is not None and "job" in resource.annotations

    def end(self, thing: Observed, code: int | None) -> None:
        """It ends by itself, or somebody killed it."""
        over = replace(thing, phase=Phase.EXITED, bindings=(), exit_code=code, finished_at=self.now)
        self.runtimes[thing.runtime].put(over)

    def adopt(self) -> None:
        """A copy whose genuine one is gone can't be told from a genuine one that was renamed: it is ours."""
        named = {(t.runtime, t.name): t for t in self.objects() if t.kind == "service"}
        for thing in list(self.copies.values()):
            genuine = named.get((thing.runtime, thing.key.engine_name)) if thing.key else None
            if genuine is None or genuine.key != thing.key or genuine.id == thing.id:
                del self.copies[thing.id]

    def check_foreign(self) -> None:
        there = {thing.id: thing for thing in self.objects()}
        for thing in self.foreign.values():
            if there.get(thing.id) != thing:
                self.blame.append(f"P4: foreign {thing.title} was {thing}, is {there.get(thing.id)}")


@dataclass(slots=True)
class Guard:
    """A runtime as one pass sees it. Every effect is counted, may fail, and is checked."""

    world: World
    inner: MemoryRuntime
    snapshot: Snapshot
    plan: Plan
    faults: Faults

    @property
    def name(self) -> str:
        return self.inner.name

    def prepare(self, desired: Desired) -> None:  # noqa: ARG002 -- any image may be missing
        if "image" in self.faults.refusals:
            self.faults.refusals.remove("image")
            raise ImageUnavailable("no such image")

    def create(self, desired: Desired) -> None:
        self._check_gate(desired)
        for network in desired.payload.networks if isinstance(desired.payload, ContainerPayload) else ():
            if not any(t.kind == "network" and t.name == network for t in self.inner.view.objects):
                raise Refused(f"there is no network {network}")
        self._effect(lambda: self._become(preview.created(self.inner.view, desired, self.world.now)))
        self._run(desired, lambda: self._become(preview.launched(self.inner.view, desired, self.world.now)))

    def start(self, seen: Observed, desired: Desired) -> None:
        self._check_frame(seen)
        self._check_gate(desired)
        self._run(desired, lambda: self.inner.start(seen, desired))

    def adjust(self, seen: Observed, desired: Desired, changes: Sequence[str]) -> None:
        self._check_frame(seen)
        self._effect(lambda: self.inner.adjust(seen, desired, changes))

    def stop(self, seen: Observed, stop: Stop) -> None:
        self._check_frame(seen)
        self._check_readable(seen)
        self._effect(lambda: self.inner.stop(seen, stop))

    def remove(self, seen: Observed) -> None:
        self._check_frame(seen)
        self._check_readable(seen)
        self._check_data(seen)
        self._check_order(seen)
        self._effect(lambda: self.inner.remove(seen))

    def _become(self, view: object) -> None:
        self.inner.view = view  # type: ignore[assignment]

    def _run(self, desired: Desired, effect: Callable[[], None]) -> None:
        if desired.key.kind != "service":
            return
        self._check_ports(desired)
        self._effect(effect)
        self._check_only_one(desired.key)

    def _effect(self, effect: Callable[[], None]) -> None:
        if self.faults.crash_after == 0:
            raise Crash
        if self.faults.crash_after is not None:
            self.faults.crash_after -= 1
        if self.inner.name in self.faults.unreachable:
            raise Unreachable("it does not answer")
        self.world.now += TICK
        fault = self.faults.refusals.pop(0) if self.faults.refusals else ""
        self._refuse(fault)
        effect()
        self.world.effects += 1
        if fault == "done":
            raise OutcomeUnknown("the deadline passed")

    def _refuse(self, fault: str) -> None:
        match fault:
            case "denied":
                raise Denied("not permitted")
            case "image":
                raise ImageUnavailable("no such image")
            case "lost":
                raise OutcomeUnknown("the deadline passed")

    def _check_ports(self, desired: Desired) -> None:
        """The kernel refuses a port that is held; to ask for one that was seen to be held is a fault of the plan."""
        wanted = preview.bindings(desired)
        if "port" in self.faults.refusals and wanted:
            self.faults.refusals.remove("port")
            raise PortInUse("somebody has it", port=wanted[0].port)
        for binding in wanted:
            rival = self._rival(desired, binding)
            if rival:
                if self._fresh and self._seen_holding(binding, rival):
                    self.world.blame.append(f"ports: {desired.key} was given {binding.port}, held by {rival}")
                raise PortInUse(f"{rival} has it", port=binding.port, holder=rival)

    def _rival(self, desired: Desired, binding: Binding) -> str:
        for listener in self.world.listeners:
            if listener.binding.clashes(binding):
                return listener.holder
        for thing in self.world.objects():
            mine = (thing.runtime, thing.name) == (desired.runtime, desired.name)
            if not mine and any(binding.clashes(other) for other in thing.bindings):
                return thing.id
        return ""

    def _seen_holding(self, binding: Binding, rival: str) -> bool:
        reached = (t for view in self.snapshot.views if view.reachable for t in view.objects)
        held = any(t.id == rival and any(b.clashes(binding) for b in t.bindings) for t in reached)
        return held or any(listener.holder == rival for listener in self.world.listeners)

    @property
    def _fresh(self) -> bool:
        return not self.faults.stale

    def _check_frame(self, seen: Observed) -> None:
        if seen.phase in {Phase.STARTING, Phase.REMOVING, Phase.UNKNOWN}:
            self.world.blame.append(f"hands off: {seen.title} is {seen.phase}, and was addressed")
        if seen.id in self.world.foreign:
            self.world.blame.append(f"P4: {seen.title} is foreign, and was addressed")
        copy = self.world.copies.get(seen.id)
        if copy and copy.key and self._fresh:
            genuine = [
                t for t in self.snapshot.objects() if t.runtime == copy.runtime and t.name == copy.key.engine_name
            ]
            if genuine:
                self.world.blame.append(f"P4: {seen.title} wears copied labels, and was addressed")

    def _check_readable(self, seen: Observed) -> None:
        if not self.snapshot.view(seen.runtime).reachable:
            self.world.blame.append(f"P6: {seen.title} goes, though its view could not be read")

    def _check_data(self, seen: Observed) -> None:
        if seen.kind != "volume":
            return
        tombstone = self.world.graph.removed.get(seen.key.resource) if seen.key else None
        if tombstone is None or not tombstone.delete_data:
            self.world.blame.append(f"P7: {seen.title} was removed, and nobody asked for that")

    def _check_order(self, seen: Observed) -> None:
        """H12: what is deleted goes after those that depend on it, if they are deleted too."""
        removed = self.world.graph.removed
        if not (self._fresh and seen.key and seen.key.resource in removed and seen.kind == "service"):
            return
        for thing in (t for view in self.snapshot.views if view.reachable for t in view.objects):
            resource = removed.get(thing.key.resource) if thing.key and thing.owner == OWNER else None
            uses = resource and any(d.service == seen.key.name for d in getattr(resource.spec, "dependencies", ()))
            if uses and thing.kind == "service" and thing.id not in self.world.copies:
                self.world.blame.append(f"order: {seen.title} goes before {thing.title}, which depends on it")

    def _check_only_one(self, key: Key) -> None:
        running = [t for k, t in self.world.ours() if k == key and t.phase in LIVE]
        blind = self.faults.stale or self.faults.unreachable
        if len(running) > 1 and not (blind and len({t.runtime for t in running}) > 1):
            both_before = sum(any(t.id == s.id for s in self.snapshot.objects()) for t in running) > 1
            if not both_before:
                self.world.blame.append(f"P5: {key} runs {len(running)} times: {[t.id for t in running]}")

    def _check_gate(self, desired: Desired) -> None:
        resource = self.world.graph.resources.get(desired.key.resource)
        if resource is None or desired.key.kind != "service" or not self._fresh:
            return
        for dependency in resource.spec.dependencies:
            target = self.world.graph.service(dependency.service)
            for index in range(target.replicas if target else 0):
                key = Key("service", NAMESPACE, dependency.service, index)
                if not self._holds(key, target.runtime, dependency.condition):  # type: ignore[union-attr]
                    self.world.blame.append(f"gate: {desired.key} was made, though {key} is not {dependency.condition}")
            if target is None or not target.replicas:
                self.world.blame.append(f"gate: {desired.key} was made without {dependency.service}")

    def _holds(self, key: Key, runtime: str, condition: str) -> bool:
        objects = self.snapshot.view(runtime).objects
        mine = [t for t in objects if t.key == key and t.owner == OWNER and t.kind == "service"]
        thing = next((t for t in mine if t.name == key.engine_name), mine[0] if mine else None)
        if thing is None:
            return False
        completed = thing.phase is Phase.EXITED and thing.exit_code == 0
        health = self.snapshot.health.get(thing.id)
        match condition:
            case "Started":
                return thing.phase in {Phase.RUNNING, Phase.EXITED}
            case "Completed":
                return completed
            case _:
                return completed or (thing.phase is Phase.RUNNING and (health is None or health.ready))
