"""How an update goes through the replicas: enough of them serve at any moment, and never too many exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from reconciler.core.graph import Graph
from reconciler.core.planner import plan
from reconciler.core.preview import advance
from reconciler.core.standing import standing
from reconciler.core.surge import surge
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.probes import Probe, Probes, TcpSocket
from reconciler.kinds.service import Restart, ServiceSpec, Update, faults
from reconciler.kinds.workload import EnvFrom, Port, VolumeMount
from reconciler.model.key import Key
from reconciler.model.observed import Health, Observed, Phase, Snapshot
from reconciler.model.plan import Action, Plan, Reason, Record, Verb
from reconciler.model.resource import Resource
from tests.core.build import (
    EMPTY,
    NOW,
    changed,
    container,
    graph,
    http,
    key,
    listening,
    process,
    resource,
    seen,
    settled,
    stranger,
    with_thing,
)

PROBED = Probes(readiness=Probe(tcp_socket=TcpSocket(port=1)))
READY_AFTER = 0.4
TICK = 0.25
Build = Callable[..., Resource]


def web(version: str, build: Build = container, **spec: Any) -> Graph:
    return graph(build("web", **{"env": {"V": version}, "probes": PROBED, "replicas": 3, **spec}))


@dataclass
class Play:
    """An update, pass by pass. `well` says of which fingerprints instances become Ready."""

    graph: Graph
    snapshot: Snapshot
    well: Callable[[Observed], bool] = lambda thing: True  # noqa: ARG005
    now: float = NOW
    ready_after: float = READY_AFTER
    crashing: bool = False
    """Only the first action of a pass happens: the power goes after it."""
    check: Callable[[Play], None] = lambda play: None  # noqa: ARG005

    @property
    def spec(self) -> ServiceSpec:
        return self.graph.resources[key("web", None)].spec

    def things(self) -> list[Observed]:
        return sorted((t for t in self.snapshot.objects() if t.kind == "service"), key=lambda t: t.key or key("web"))

    def serving(self) -> list[Observed]:
        return [t for t in self.things() if standing(self.spec, t, self.look(), self.now).good]

    def look(self) -> Snapshot:
        return replace(self.snapshot, health={t.id: self._health(t) for t in self.things() if t.phase is Phase.RUNNING})

    def _health(self, thing: Observed) -> Health:
        ready = self.well(thing) and self.now - (thing.started_at or 0.0) >= self.ready_after
        since = (thing.started_at or 0.0) + self.ready_after if ready else None
        return Health(ready=ready, message="" if ready else "no answer", ready_since=since)

    def one(self) -> Plan:
        planned = plan(self.graph, self.look(), {}, self.now)
        for action in planned.actions[: 1 if self.crashing else None]:
            self.snapshot = advance(self.snapshot, action, self.now)
            self.now += 0.001
            self.check(self)
        self.now += TICK
        return planned

    def passes(self, most: int = 200) -> Iterator[Plan]:
        """Until nothing is left to do or to wait for."""
        for _ in range(most):
            planned = self.one()
            yield planned
            if planned.settled:
                return

    def all(self) -> list[Plan]:
        return list(self.passes())


def made_of(version: str, **spec: Any) -> Callable[[Observed], bool]:
    """Whether a thing is of this version."""
    wanted = web(version, **spec)
    known = {item.fingerprint for item in plan(wanted, settled(wanted), {}, NOW).desired.values()}
    extra = web(version, **{**spec, "replicas": 9})
    known |= {item.fingerprint for item in plan(extra, settled(extra), {}, NOW).desired.values()}
    return lambda thing: thing.fingerprint in known


def bounds(spec: ServiceSpec) -> tuple[int, int]:
    """How few may serve, and how many may exist."""
    extra = 1 if spec.update.max_surge is None else spec.update.max_surge
    return spec.replicas - spec.update.max_unavailable, spec.replicas + extra


def never_too_few_or_too_many(play: Play) -> None:
    least, most = bounds(play.spec)
    assert len(play.serving()) >= least, [str(t) for t in play.things()]
    assert len(play.things()) <= most


UPDATES = [
    (replicas, extra, unavailable)
    for replicas in (1, 2, 3, 4)
    for extra in (0, 1, 2, None)
    for unavailable in (0, 1, 2)
    if (extra, unavailable) != (0, 0)
]


@pytest.fixture(params=[False, True], ids=["whole", "crashing"])
def crashing(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize(("replicas", "extra", "unavailable"), UPDATES)
def test_enough_serve_at_any_moment_of_an_update_and_it_ends(
    replicas: int, extra: int | None, unavailable: int, crashing: bool
) -> None:
    update = Update(max_surge=extra, max_unavailable=unavailable)
    before = settled(web("1", replicas=replicas))
    play = Play(web("2", replicas=replicas, update=update), before, crashing=crashing, check=never_too_few_or_too_many)
    plans = play.all()
    assert plans[-1].settled, plans[-1]
    assert [t.key for t in play.things()] == [key("web", index) for index in range(replicas)]
    assert all(map(made_of("2", replicas=replicas), play.things()))


@pytest.mark.parametrize(("replicas", "extra", "unavailable"), UPDATES)
def test_an_update_that_does_not_become_ready_stops_and_undoing_it_restores_all(
    replicas: int, extra: int | None, unavailable: int, crashing: bool
) -> None:
    update = Update(max_surge=extra, max_unavailable=unavailable)
    old = made_of("1", replicas=replicas)
    play = Play(
        web("2", replicas=replicas, update=update), settled(web("1", replicas=replicas)), old, crashing=crashing,
        check=never_too_few_or_too_many,
    )  # fmt: skip
    plans = list(play.passes(40))
    assert not any(planned.actions for planned in plans[-10:]), plans[-1]
    assert len([t for t in play.serving() if old(t)]) >= replicas - unavailable
    if any(old(t) for t in play.things()):
        told = [wait.message for wait in plans[-1].waits if wait.reason is Reason.ROLLING]
        assert any("which is new, is Ready: no answer" in message for message in told), plans[-1]
    play.graph = web("1", replicas=replicas, update=update)
    assert play.all()[-1].settled
    assert all(map(old, play.things()))
    assert len(play.things()) == replicas


def test_a_third_version_takes_the_place_of_a_second_that_failed(crashing: bool) -> None:
    play = Play(web("2"), settled(web("1")), lambda t: not made_of("2")(t), crashing=crashing)
    play.check = never_too_few_or_too_many
    list(play.passes(20))
    play.graph = web("3")
    assert play.all()[-1].settled
    assert all(map(made_of("3"), play.things()))


def test_no_further_old_one_is_touched_while_a_new_one_fails_though_it_fails_itself() -> None:
    bad: list[str] = []
    play = Play(web("2"), settled(web("1")), lambda t: made_of("1")(t) and t.id not in bad)
    list(play.passes(10))
    bad.append(seen(play.snapshot, key("web", 1)).id)
    assert not any(planned.actions for planned in play.passes(10))


def test_those_who_do_not_work_go_first_all_together() -> None:
    before = settled(web("1"))
    for index in (0, 2):
        before = changed(before, key("web", index), phase=Phase.EXITED, exit_code=1, bindings=())
    first = Play(web("2"), before).one()
    assert {a.key.index for a in first.actions if a.verb is Verb.REMOVE} == {0, 2}


@pytest.mark.parametrize("room", [{}, {"ports": (http("8000-8002"),)}], ids=["with an extra one", "without"])
def test_those_who_run_but_are_not_ready_stay_until_a_new_one_has_done_better(room: dict[str, Any]) -> None:
    """It may be the probe that was declared wrongly, and then all of them serve."""
    nobody = Play(web("2", **room), settled(web("1", **room)), lambda t: False)  # noqa: ARG005
    list(nobody.passes(10))
    old = made_of("1", **room)
    assert sum(map(old, nobody.things())) == (2 if room else 3)
    rescue = Play(web("2", **room), settled(web("1", **room)), lambda t: not old(t))
    assert rescue.all()[-1].settled
    assert not any(map(old, rescue.things()))


def test_who_has_not_been_heard_yet_is_neither_taken_for_broken_nor_for_serving() -> None:
    """All three may be well: to replace all at once for want of an answer would be the outage itself."""
    before = settled(web("1"))
    silent = {thing.id: Health(ready=False, known=False) for thing in before.objects() if thing.kind == "service"}
    found = plan(web("2"), replace(before, health=silent), {}, NOW).actions
    assert [(action.verb, action.key.index) for action in found] == [(Verb.CREATE, 3)]


def test_a_new_one_has_to_be_ready_for_a_while_and_it_is_known_until_when() -> None:
    patient = {"update": Update(min_ready_seconds=10)}
    play = Play(web("2", **patient), settled(web("1", **patient)), ready_after=50)
    play.one()
    ready_at = (seen(play.snapshot, key("web", 3)).started_at or 0.0) + 50
    play.now = ready_at + 2
    waits = {wait.key: wait for wait in play.one().waits}
    assert waits[key("web", 0)].until == ready_at + 10, "not since its start: it has only just become Ready"
    assert "long enough" in waits[key("web", 0)].message
    play.now = ready_at + 10
    assert {action.key for action in play.one().actions} == {key("web", 0)}


def test_the_extra_one_is_waited_for_until_the_last_new_one_is_of_age() -> None:
    patient = {"update": Update(min_ready_seconds=10), "replicas": 1}
    play = Play(web("2", **patient), settled(web("1", **patient)))
    for last in play.passes(40):
        if not last.actions:
            play.now = max([play.now, *(wait.until for wait in last.waits if wait.until)])
    assert last.settled
    (survivor,) = play.things()
    assert play.now - (survivor.started_at or 0.0) >= 10


def test_one_that_seems_to_start_a_little_after_now_serves_all_the_same() -> None:
    """An engine tells a start by the second, and is asked a moment after `now`."""
    before = changed(settled(web("1")), key("web", 2), started_at=NOW + 0.3)
    found = plan(web("2", update=Update(max_unavailable=1)), before, {}, NOW)
    assert key("web", 0) in {action.key for action in found.actions}


def test_it_is_said_which_one_fails_and_how_to_go_back() -> None:
    """What could not even be made has no other voice than the journal's."""
    before = settled(web("1"))
    wanted = plan(web("2"), before, {}, NOW).desired[key("web", 3)]
    failed = Record(failures=2, last_at=NOW, fingerprint=wanted.fingerprint, reason="ImageUnavailable", message="none")
    found = plan(web("2"), before, {key("web", 3): failed}, NOW)
    assert not found.actions
    (told,) = {wait.message for wait in found.waits if wait.reason is Reason.ROLLING}
    assert told == (
        "it is replaced once web/3, which is new, is Ready: none; to go back: reconciler rollout undo web -n shop"
    )


def test_the_extra_one_says_whom_it_waits_for_before_it_leaves() -> None:
    """Once the last old one is gone nobody else is left to say why the update stands still."""
    three, two = (web("2", replicas=replicas, probes=Probes(), update=Update(max_surge=1)) for replicas in (3, 2))
    broken = changed(settled(three), key("web", 1), phase=Phase.EXITED, exit_code=3)
    (told,) = (wait.message for wait in plan(two, broken, {}, NOW).waits if wait.key == key("web", 2))
    assert told.startswith("it leaves once web/1, which is new, is Ready: it exited with code 3")


# -- where no extra one can come


SHARED = (VolumeMount(volume="data", mount_path="/data"),)
READ = (
    VolumeMount(volume="data", mount_path="/data", read_only=True),
    VolumeMount(config="c", mount_path="/c"),
    VolumeMount(secret="s", mount_path="/s"),
)
HOSTS = (VolumeMount(host_path="/srv", mount_path="/srv"),)
SURGES: list[tuple[str, Resource, int, str]] = [
    ("nothing in the way", container("web", ports=(http(),)), 1, ""),
    ("three replicas", container("web", replicas=3, ports=(http(),)), 1, ""),
    ("neither ports nor probes", container("web", replicas=3), 0, "nobody would notice"),
    ("neither, but asked for", container("web", update=Update(max_surge=1)), 1, ""),
    ("as many as asked for", container("web", update=Update(max_surge=4)), 4, ""),
    ("none asked for", container("web", update=Update(max_surge=0, max_unavailable=1)), 0, ""),
    ("all at once", container("web", update=Update(strategy="Recreate")), 0, ""),
    ("automatic port", container("web", ports=(http(),)), 1, ""),
    ("fixed port", container("web", ports=(http(8080),)), 0, "8080 is there only once"),
    ("fixed, whatever is asked for", container("web", ports=(http(8080),), update=Update(max_surge=2)), 0, "8080"),
    ("a port that may move", container("web", ports=(http(8080, on_conflict="reassign"),)), 1, ""),
    ("range with room", container("web", ports=(http("80-82"),), update=Update(max_surge=9)), 2, ""),
    ("range without", container("web", replicas=3, ports=(http("80-82"),)), 0, "just enough"),
    ("volume", container("web", ports=(http(),), volumes=SHARED), 0, "both write to data"),
    ("host path", container("web", ports=(http(),), volumes=HOSTS), 0, "write to /srv"),
    ("volume, but asked for", container("web", volumes=SHARED, update=Update(max_surge=1)), 1, ""),
    ("what is only read", container("web", ports=(http(),), volumes=READ), 1, ""),
    ("a task", container("web", ports=(http(),), restart=Restart(policy="OnFailure")), 0, "would run twice"),
    ("process told its port", process("web", command=("run", "${ports.http}"), ports=(http(),)), 1, ""),
    ("process told by a variable", process("web", env={"P": "${ports.http}"}, ports=(http(),)), 1, ""),
    ("process told by a config", process("web", env_from=(EnvFrom(config="c"),), ports=(http(),)), 1, ""),
    ("process not told", process("web", ports=(http(),)), 0, "is not told"),
    ("process told half of it", process("web", env={"P": "${ports.http}"}, ports=(http(), Port(name="x"))), 0, "told"),
    ("process without ports", process("web"), 0, "neither ports nor probes"),
    ("process without, but asked for", process("web", update=Update(max_surge=1)), 1, ""),
]


@pytest.mark.parametrize(("which", "count", "why"), [s[1:] for s in SURGES], ids=[s[0] for s in SURGES])
def test_extra_ones_come_where_they_can_and_do_no_harm(which: Resource, count: int, why: str) -> None:
    config = resource("config", "c", ConfigSpec(data={"PORT": "${ports.http}"}))
    found = surge(graph(which, config), which.spec)
    assert found.count == count
    assert why in found.why_none
    assert bool(why) == bool(found.why_none)


@pytest.mark.parametrize("build", [container, process])
def test_without_an_extra_one_an_old_one_goes_first(build: Build, crashing: bool) -> None:
    ports = {"ports": (http("8000-8002"),)}
    play = Play(web("2", build, **ports), settled(web("1", build, **ports)), crashing=crashing)
    play.check = lambda play: never_fewer_than(play, 2)
    assert play.all()[-1].settled
    assert not any(made_of("1", build=build, **ports)(t) for t in play.things())


def never_fewer_than(play: Play, least: int) -> None:
    assert len(play.serving()) >= least
    assert len(play.things()) <= play.spec.replicas


def test_a_stranger_at_the_place_of_the_extra_one_does_not_hold_the_update_up() -> None:
    before = with_thing(settled(web("1")), stranger("shop-web-3"))
    play = Play(web("2"), before)
    assert {action.key for action in play.one().actions} == {key("web", 0)}


def test_ports_that_others_hold_do_not_hold_the_update_up() -> None:
    ports = {"ports": (http("8000-8003"),)}
    before = listening(settled(web("1", **ports)), 8003)
    found = plan(web("2", **ports), before, {}, NOW)
    assert {action.key for action in found.actions} == {key("web", 0)}
    assert all(wait.reason is not Reason.PORTS_EXHAUSTED for wait in found.waits)


def test_the_extra_one_takes_nobodys_port_and_tells_of_no_move() -> None:
    ports = {"ports": (http(8080, on_conflict="reassign"),), "replicas": 1}
    found = plan(web("2", **ports), settled(web("1", **ports)), {}, NOW)
    assert found.desired[key("web", 1)].grants["http"].port == 8081
    assert found.desired[key("web", 0)].grants["http"].port == 8080
    assert not found.notes


def test_with_no_room_and_none_away_nothing_could_move_so_it_is_refused() -> None:
    spec = replace(container("web").spec, update=Update(max_surge=0))
    assert [fault.path for fault in faults(spec)] == [("update", "maxSurge")]
    assert not list(faults(replace(spec, update=Update(max_surge=0, strategy="Recreate"))))


# -- what is no update


def test_what_somebody_meddled_with_is_put_right_without_an_extra_one() -> None:
    before = settled(web("1"))
    cut_off = changed(before, key("web", 1), networks=(), facts=None)
    assert not any(action.key == key("web", 3) for action in plan(web("1"), cut_off, {}, NOW).actions)


def test_who_is_scaled_away_leaves_once_the_others_serve() -> None:
    before = settled(web("1", replicas=4))
    lame = changed(before, key("web", 0), phase=Phase.EXITED, exit_code=1, bindings=())
    play = Play(web("1", replicas=2), lame)
    first = play.one()
    assert {action.key.index for action in first.actions if action.verb is Verb.REMOVE} == {3}
    assert play.all()[-1].settled
    assert len(play.things()) == 2


def test_what_is_stopped_leaves_at_once_extra_ones_too() -> None:
    play = Play(web("2"), settled(web("1")))
    play.one()
    play.graph = web("2", replicas=0)
    assert {a.key.index for a in play.one().actions if a.verb is Verb.REMOVE} == {0, 1, 2, 3}


def test_who_comes_by_scaling_up_takes_over_the_place_of_an_extra_one(crashing: bool) -> None:
    play = Play(web("2"), settled(web("1")), crashing=crashing)
    play.one()
    play.graph = web("2", replicas=5)
    assert play.all()[-1].settled
    assert len(play.things()) == 5


# -- Recreate


def test_with_recreate_all_old_ones_leave_before_the_first_new_one_comes(crashing: bool) -> None:
    old, new = made_of("1"), made_of("2")

    def never_both(play: Play) -> None:
        assert not (any(map(old, play.things())) and any(map(new, play.things())))

    play = Play(web("2", update=Update(strategy="Recreate")), settled(web("1")), crashing=crashing, check=never_both)
    assert play.all()[-1].settled
    assert len(play.serving()) == 3


def test_with_recreate_what_the_new_ones_need_is_fetched_before_the_first_old_one_leaves() -> None:
    """One sequence: who carries it out prepares all of it first."""
    found = plan(web("2", update=Update(strategy="Recreate")), settled(web("1")), {}, NOW)
    (sequence,) = found.sequences
    assert verbs(sequence) == ["Stop"] * 3 + ["Remove"] * 3 + ["Create"] * 3


def verbs(actions: tuple[Action, ...]) -> list[str]:
    return [str(action.verb) for action in actions]


def test_with_recreate_nobody_leaves_while_one_of_them_cannot() -> None:
    before = changed(settled(web("1")), key("web", 1), phase=Phase.UNKNOWN)
    found = plan(web("2", update=Update(strategy="Recreate")), before, {}, NOW)
    assert not found.actions
    assert {wait.reason for wait in found.waits} == {Reason.ROLLING, Reason.UNREACHABLE}


def test_what_moves_to_another_runtime_rolls_too() -> None:
    before = settled(web("1", process))
    play = Play(web("1"), before)
    assert {action.key for action in play.one().actions} == {Key("network", "shop", "default")}
    assert {action.key for action in play.one().actions} == {key("web", 3)}
    assert play.all()[-1].settled
    assert {t.runtime for t in play.things()} == {"docker"}


def test_a_first_apply_needs_no_extra_one() -> None:
    play = Play(web("1"), EMPTY)
    keys = {action.key for planned in play.passes() for action in planned.actions}
    assert key("web", 3) not in keys
