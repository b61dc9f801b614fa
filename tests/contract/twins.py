"""A real runtime and the one in memory, told to do the same: what they answer and what is there then is alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconciler.errors import ReconcilerError
from reconciler.model.desired import ContainerPayload, Desired, NetworkPayload, PortBinding, Stop
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase, View
from reconciler.ports import Runtime
from reconciler.runtimes.memory import MemoryRuntime
from tests.contract.harness import OWNER, Harness
from tests.convergence.choose import Choose
from tests.waiting import until

ENGINES_OWN = {"bridge"}
TERM = Stop("TERM", 5.0)
Pair = tuple[Observed, Observed]
"""One thing as the real runtime knows it, and its twin in memory."""


class Differ(AssertionError):
    """The two did not tell the same story."""


@dataclass(slots=True)
class Twins:
    harness: Harness
    prefix: str
    port: int
    memory: MemoryRuntime = field(init=False)
    known: list[Pair] = field(default_factory=list)
    """All that were ever seen, those too that have gone: an old id is a good question."""
    story: list[str] = field(default_factory=list)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.memory = MemoryRuntime(self.harness.runtime.name, now=self._tick)

    @property
    def contained(self) -> bool:
        return self.harness.runtime.name == "docker"

    def step(self, choose: Choose) -> None:
        self._pick(choose)
        self._compare()

    def _tick(self) -> float:
        self.now += 1.0
        return self.now

    # -- one step --------------------------------------------------------------------------------------------

    def _pick(self, choose: Choose) -> None:
        things = [pair for pair in self.known if pair[0].kind == "service"]
        live = [pair for pair in things if self._phase(pair) in {Phase.RUNNING, Phase.PAUSED}]
        # Who is paused is never started, but made to go on: an engine refuses it, a process has nothing against it.
        startable = [pair for pair in things if not (self.contained and self._phase(pair) is Phase.PAUSED)]
        match choose.pick(("create", "create", "create", "start", "stop", "remove", "behind", "adjust", "static")):
            case "start" if startable:
                seen = choose.pick(startable)
                desired = self._like(seen[0], choose)
                self._both(f"start {seen[0].name}", lambda rt, one: rt.start(one, desired), seen)
            case "stop" if things:
                seen = choose.pick(things)
                self._let_come_up(seen)
                self._both(f"stop {seen[0].name}", lambda rt, one: rt.stop(one, TERM), seen)
            case "remove" if things:
                seen = choose.pick(things)
                self._both(f"remove {seen[0].name}", lambda rt, one: rt.remove(one), seen)
            case "adjust" if things:
                self._adjust(choose, choose.pick(things))
            case "behind" if live:
                self._behind(choose, choose.pick(live))
            case "static":
                self._static(choose)
            case _:
                desired = self._service(choose.pick(("web", "db")), choose)
                self._create(desired)

    def _create(self, desired: Desired) -> None:
        self._both(f"create {desired.name} {desired.fingerprint}", lambda rt, _: rt.create(desired), None)

    def _adjust(self, choose: Choose, seen: Pair) -> None:
        changes = ["rename"] if self.contained and choose.maybe(50) else ["unpause"]
        desired = self._like(seen[0], choose)
        if changes == ["rename"] and choose.maybe(60):
            desired = self._service(choose.pick(("web", "db", "other")), choose)
        self._both(
            f"adjust {seen[0].name}: {changes} as {desired.name}",
            lambda rt, one: rt.adjust(one, desired, changes), seen,
        )  # fmt: skip

    def _static(self, choose: Choose) -> None:
        used = {name for one in self.memory.view.objects for name in one.networks}
        mine = [pair for pair in self.known if pair[0].kind != "service" and pair[0].name not in used]
        if mine and choose.maybe(40):
            seen = choose.pick(mine)
            self._both(f"remove {seen[0].kind} {seen[0].name}", lambda rt, one: rt.remove(one), seen)
        elif self.contained and choose.maybe(60):
            self._create(self._network())
        else:
            self._create(self.harness.volume(f"{self.prefix}-data"))

    def _behind(self, choose: Choose, seen: Pair) -> None:
        """With other tools: the real one is hurt for real, and its twin is told what that means."""
        how = choose.pick(("kill", "stop", "pause", "remove") if self._phase(seen) is Phase.RUNNING else ("kill",))
        real, twin = self._now(seen)
        self.story.append(f"{how} {real.name} behind its back")
        self._let_come_up(seen)
        self.harness.break_behind_back(how, real)
        match how:
            case "pause":
                self.memory.put(replace(twin, phase=Phase.PAUSED))
            case "remove":
                self.memory.take(twin.id)
            case _:
                code = 137 if how == "kill" else 143
                over = replace(twin, phase=Phase.EXITED, bindings=(), exit_code=code, finished_at=self._tick())
                self.memory.put(over)

    def _let_come_up(self, seen: Pair) -> None:
        if self._phase(seen) is Phase.RUNNING:
            self.harness.let_come_up(self._now(seen)[0])

    def _both(self, what: str, verb: Callable[[Runtime, Observed], None], seen: Pair | None) -> None:
        real, twin = self._now(seen) if seen else (None, None)
        said = [_answer(lambda: verb(self.harness.runtime, real)), _answer(lambda: verb(self.memory, twin))]  # type: ignore[arg-type]
        self.story.append(f"{what}: {said[0]}")
        if said[0] != said[1]:
            raise Differ(f"{self._told()}\nbut in memory: {said[1]}")

    def _now(self, seen: Pair) -> Pair:
        """As it was seen last. Of one that has gone, as it was known."""
        real = next((one for one in self._view().objects if one.id == seen[0].id), seen[0])
        return real, next((one for one in self.memory.view.objects if one.id == seen[1].id), seen[1])

    def _phase(self, seen: Pair) -> Phase | None:
        return next((one.phase for one in self.memory.view.objects if one.id == seen[1].id), None)

    # -- what is made ----------------------------------------------------------------------------------------

    def _service(self, name: str, choose: Choose, *, fingerprint: str = "") -> Desired:
        """What it is made of follows from its fingerprint, as it does for real."""
        fingerprint = fingerprint or self._ended_as(name) or choose.pick(self._kinds())
        numbers = {"published": self.port + 1 + len(name), "shared": self.port}
        ports = (PortBinding("http", 80, numbers[fingerprint]),) if fingerprint in numbers else ()
        desired = self.harness.desired(f"{self.prefix}-{name}", fingerprint=fingerprint, ports=ports)
        if fingerprint == "netted" and isinstance(desired.payload, ContainerPayload):
            return replace(desired, payload=replace(desired.payload, networks=(self._network().name,)))
        return desired

    def _kinds(self) -> tuple[str, ...]:
        """Only a network that is there is asked for: every plan waits for it, and memory lets itself be talked into
        starting something in one that is not there, which no engine does.
        """
        there = any(one.name == self._network().name for one in self.memory.view.objects)
        shared = ("shared",) if self.contained else ()
        return ("plain", "published", *shared, *(("netted", "netted") if there else ()))

    def _ended_as(self, name: str) -> str:
        """A process that has ended is made anew in its place, whatever it was before. No plan asks for another one
        there without a Remove, and no container is made like that: so it is not asked for here either.
        """
        if self.contained:
            return ""
        mine = (one for one in self.memory.view.objects if one.key and one.key.name == f"{self.prefix}-{name}")
        return next((one.fingerprint for one in mine if one.phase is Phase.EXITED), "")

    def _like(self, seen: Observed, choose: Choose) -> Desired:
        assert seen.key is not None
        return self._service(seen.key.name.removeprefix(f"{self.prefix}-"), choose, fingerprint=seen.fingerprint)

    def _network(self) -> Desired:
        key = Key("network", self.harness.desired().key.namespace, f"{self.prefix}-net")
        return Desired(key=key, runtime="docker", payload=NetworkPayload(), fingerprint="n1", owner=OWNER)

    # -- what is seen ----------------------------------------------------------------------------------------

    def _view(self) -> View:
        return self.harness.runtime.observe(deep=True)

    def _ours(self, view: View) -> list[Observed]:
        assert view.reachable, view.problem
        key = self._network().key
        mine = [one for one in view.objects if one.key and one.key.namespace == key.namespace]
        return [one for one in mine if one.key and one.key.name.startswith(f"{self.prefix}-")]

    def _compare(self) -> None:
        """An end is seen a moment after it came, so there is a while for the two to become the same."""
        wanted = _plain(self.memory.view.objects)
        try:
            until(lambda: _plain(self._ours(self._view())) == wanted, seconds=15)
        except AssertionError:
            found = _plain(self._ours(self._view()))
            raise Differ(f"{self._told()}\nthere is  {found}\nin memory {wanted}") from None
        twins = {(one.kind, one.name): one for one in self.memory.view.objects}
        ids = {real.id for real, _ in self.known}
        self.known += [(one, twins[one.kind, one.name]) for one in self._ours(self._view()) if one.id not in ids]

    def _told(self) -> str:
        return "\n".join(f"{number:3}. {line}" for number, line in enumerate(self.story, 1))


def _answer(effect: Callable[[], None]) -> str:
    try:
        effect()
    except ReconcilerError as error:
        return type(error).__name__
    return "done"


def _plain(things: list[Observed] | tuple[Observed, ...]) -> list[tuple[object, ...]]:
    """What a planner would go by, without what is each world's own: ids, times, pids, addresses."""
    return sorted(
        (
            one.kind, one.name, str(one.key), one.owner, one.phase, one.fingerprint, one.generation, one.exit_code,
            sorted((name, grant.port, grant.request) for name, grant in one.grants.items()),
            sorted((b.port, b.protocol) for b in one.bindings),
            sorted(set(one.networks) - ENGINES_OWN), one.kind == "service" and one.started_at is None, one.stragglers,
        )
        for one in things
    )  # fmt: skip
