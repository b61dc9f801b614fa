"""Asks the probes that are due, all at once, and remembers what each life of each instance has answered.

Nobody waits long for a slow one: a look takes the answers that come quickly, and the others at a later look. At
most one question is under way for each instance and role; one that hangs beyond its deadline counts as failed.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial

from reconciler.core.health import ProbeState, Role, advance, due, health, probe_of
from reconciler.engine.probes.pool import Pool
from reconciler.engine.probes.questions import Answer, ask, readable
from reconciler.kinds.probes import Probe, Probes
from reconciler.model.observed import Health, Observed
from reconciler.ports import Clock, Reach
from reconciler.values import dataclass

Target = tuple[Observed, Probes, Mapping[str, int]]
"""Someone who runs, his probes, and by name the ports on which he himself listens."""

CREW = 64
PATIENCE_SECONDS = 0.2
ONCE_SECONDS = 3.0
GRACE_SECONDS = 0.5
"""Beyond a question's own deadline, before we give it up ourselves."""
UNDER_WAY_SECONDS = 0.2
WITNESS_SECONDS = 2.0
"""Who is first looked at so soon after its start is watched from its beginning."""
SHORTEST_BEAT, LONGEST_BEAT = 0.05, 1.0


@dataclass(slots=True, eq=False)
class Question:
    probe: Probe
    given_up_at: float = float("inf")
    """On the monotonic clock; counts from when a member of the crew takes it up."""
    given_up: bool = False


@dataclass(slots=True, eq=False)
class Life:
    """One run of one instance, from a start to the next."""

    seen: Observed
    spec: Probes
    state: ProbeState
    seen_at: float
    asked: dict[Role, Question] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    matched: set[Role] = field(default_factory=set)
    """Log probes that have found their line; it can't be unsaid, even if the log is rotated."""

    def spec_of(self, role: Role) -> Probe | None:
        return probe_of(self.spec, role)


class Prober:
    """One-shot commands look, and that asks. A loop also has it `watch`: then it asks on its own, between looks,
    and tells which namespace is to be looked at when somebody has become Ready, or is not any more.
    """

    def __init__(
        self,
        reach: Mapping[str, Reach],
        clock: Clock,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._reach = reach
        self._clock = clock
        self._patience = patience
        self._tell: Callable[[str], None] = lambda _: None
        self._crew = Pool(CREW, "probe")
        self._answered = threading.Condition()
        self._lives: dict[str, Life] = {}
        self._awaited: Counter[str] = Counter()

    def look(self, instances: Sequence[Target], now: float) -> dict[str, Health]:
        """Ask what is due, and tell how each one is, by object id."""
        with self._answered:
            lives = [self._life(seen, spec, now) for seen, spec, _ in instances]
            self._forget_others(lives)
            for life, (_, _, ports) in zip(lives, instances, strict=True):
                life.ports = ports
                self._ask(life, now)
            self._await(lives)
            return {life.seen.life: self._health(life) for life in lives}

    def watch(self, tell: Callable[[str], None], stopping: threading.Event) -> None:
        """An Alarm."""
        self._tell = tell
        while not stopping.wait(self._beat()):
            pass

    def _beat(self) -> float:
        """Asks whoever is due; in how many seconds the next one will be."""
        now = self._clock.now()
        with self._answered:
            for life in self._lives.values():
                self._ask(life, now)
            moments = [self._health(life).next_probe for life in self._lives.values()]
        nearest = min((moment - now for moment in moments if moment is not None), default=LONGEST_BEAT)
        return min(max(nearest, SHORTEST_BEAT), LONGEST_BEAT)

    def ask_once(self, instances: Sequence[Target], now: float, *, patience: float = ONCE_SECONDS) -> dict[str, Health]:
        """For who looks without a loop: every probe asked once, now. Ready is who answered well."""
        answers: dict[tuple[str, Role], Answer] = {}
        questions = [(seen, spec, ports, role) for seen, spec, ports in instances for role in _asked(seen, spec, now)]

        def put(seen: Observed, spec: Probes, ports: Mapping[str, int], role: Role) -> None:
            answer = self._answer(_given(spec, role), seen, ports, now)
            with self._answered:
                answers[seen.life, role] = answer
                self._answered.notify_all()

        for question in questions:
            self._crew.run(partial(put, *question))
        with self._answered:
            self._answered.wait_for(lambda: len(answers) >= len(questions), timeout=patience)
            told = dict(answers)
        return {seen.life: _once(seen, _asked(seen, spec, now), told, patience) for seen, spec, _ in instances}

    def _life(self, seen: Observed, spec: Probes, now: float) -> Life:
        life = self._lives.get(seen.life)
        if life is None or _started_anew(life, seen):
            since = min(seen.started_at or now, now)
            life = Life(seen, spec, ProbeState(since, witnessed=now - since <= WITNESS_SECONDS), now)
            self._lives[seen.life] = life
        if spec != life.spec:
            life.state = _without_changed(life, spec)
        life.seen, life.spec, life.seen_at = seen, spec, now
        return life

    def _forget_others(self, lives: Sequence[Life]) -> None:
        """Of the namespaces that are looked at. Others are looked at by other passes."""
        here = {_namespace(life) for life in lives}
        kept = {life.seen.life for life in lives}
        gone = [name for name, life in self._lives.items() if _namespace(life) in here and name not in kept]
        for name in gone:
            del self._lives[name]

    def _ask(self, life: Life, now: float) -> None:
        self._give_up_overdue(life, now)
        self._ask_due(life, now)

    def _give_up_overdue(self, life: Life, now: float) -> None:
        """Somebody did not keep the deadline that he was given. His answer is not waited for any longer."""
        for role, question in life.asked.items():
            if not question.given_up and time.monotonic() > question.given_up_at:
                question.given_up = True
                self._hear(life, role, question, Answer(False, _no_answer(question.probe)), now)

    def _ask_due(self, life: Life, now: float) -> None:
        for role in due(life.spec, life.state, now):
            probe, under_way = _given(life.spec, role), life.asked.get(role)
            if under_way is None:
                life.asked[role] = Question(probe)
                self._crew.run(partial(self._put, life, role, life.asked[role], dict(life.ports)))
            elif under_way.given_up:
                answer = Answer(False, f"{_no_answer(probe)}; an earlier question still hangs")
                self._hear(life, role, under_way, answer, now)

    def _put(self, life: Life, role: Role, question: Question, ports: Mapping[str, int]) -> None:
        """In a thread of the crew."""
        question.given_up_at = time.monotonic() + question.probe.timeout_seconds + GRACE_SECONDS
        found = role in life.matched and question.probe == life.spec_of(role)
        answer = Answer(True) if found else self._answer(question.probe, life.seen, ports, self._clock.now())
        with self._answered:
            del life.asked[role]
            if answer.ok and question.probe.log:
                life.matched.add(role)
            if not question.given_up:
                self._hear(life, role, question, answer, self._clock.now())
            self._answered.notify_all()

    def _answer(self, probe: Probe, seen: Observed, ports: Mapping[str, int], now: float) -> Answer:
        reach = self._reach.get(seen.place)
        if reach is None:
            return Answer(None, f"no {seen.place} runtime here")
        try:
            return ask(probe, seen, ports, reach, now)
        except Exception as error:  # noqa: BLE001 -- a defect in one probe is that instance's bad answer, nobody else's
            return Answer(False, f"{type(error).__name__}: {readable(str(error))}")

    def _hear(self, life: Life, role: Role, question: Question, answer: Answer, now: float) -> None:
        """Unless the probe was changed while the question was under way. What no look waits for is told."""
        if life.spec_of(role) != question.probe:
            return
        before = health(life.spec, life.state, now)
        life.state = advance(life.spec, life.state, role, answer.ok, answer.message, now)
        if _verdict(before) != _verdict(health(life.spec, life.state, now)) and not self._awaited[life.seen.life]:
            self._tell(_namespace(life))

    def _await(self, lives: Sequence[Life]) -> None:
        self._awaited.update(life.seen.life for life in lives)
        self._answered.wait_for(lambda: not any(_pending(life) for life in lives), timeout=self._patience)
        self._awaited.subtract(life.seen.life for life in lives)
        self._awaited = +self._awaited

    def _health(self, life: Life) -> Health:
        now = self._clock.now()
        told = health(life.spec, life.state, now)
        if told.next_probe is None or not life.asked:
            return told
        first = next((role for role in life.asked if not life.state.of(role).asked), None)
        message = f"{first} probe: waiting for its first answer" if first and not told.ready else told.message
        return replace(told, message=message, next_probe=max(told.next_probe, now + UNDER_WAY_SECONDS))


def _started_anew(life: Life, seen: Observed) -> bool:
    """Another process, or a start after we last looked.

    A different start time alone says nothing: an engine's list tells it as an age in whole seconds, minutes or
    hours, so it wanders. It never wanders past the moment of looking. Nor does the same one, where the clock was set
    back behind it.
    """
    if seen.pid is not None and life.seen.pid is not None and seen.pid != life.seen.pid:
        return True
    return seen.started_at is not None and seen.started_at > life.seen_at and seen.started_at != life.seen.started_at


def _without_changed(life: Life, spec: Probes) -> ProbeState:
    """The answers to questions that are still the same."""
    same = {role for role in Role if probe_of(spec, role) == life.spec_of(role)}
    life.matched &= same
    return replace(life.state, answers={role: answers for role, answers in life.state.answers.items() if role in same})


def _verdict(told: Health) -> tuple[bool, bool, bool]:
    """What others act upon."""
    return told.started, told.ready, told.live


def _namespace(life: Life) -> str:
    return life.seen.key.namespace if life.seen.key else ""


def _pending(life: Life) -> bool:
    return any(not question.given_up for question in life.asked.values())


def _no_answer(probe: Probe) -> str:
    return f"no answer in {probe.timeout_seconds:g} s"


def _asked(seen: Observed, spec: Probes, now: float) -> list[Role]:
    """Liveness that is not to be asked yet is left to the others, if there are any."""
    roles = [role for role in Role if probe_of(spec, role)]
    if spec.liveness and len(roles) > 1 and now - (seen.started_at or 0.0) < spec.liveness.initial_delay_seconds:
        roles.remove(Role.LIVENESS)
    return roles


def _given(spec: Probes, role: Role) -> Probe:
    probe = probe_of(spec, role)
    assert probe is not None, "only roles that have a probe are asked"
    return probe


def _once(seen: Observed, roles: Sequence[Role], answers: Mapping[tuple[str, Role], Answer], patience: float) -> Health:
    """One bad answer does not make it dead; that takes several in a row. But nor is it Ready."""
    late = Answer(None, f"no answer in {patience:g} s")
    told = {role: answers.get((seen.life, role), late) for role in roles}
    well = {role for role in Role if role not in told or told[role].ok}
    bad = next((role for role in (Role.STARTUP, Role.LIVENESS, Role.READINESS) if role not in well), None)
    return Health(
        started=Role.STARTUP in well,
        ready=bad is None,
        message=f"{bad} probe: {told[bad].message}" if bad else "",
    )
