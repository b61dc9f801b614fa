"""Who crashes every few seconds and has no probes: it reads Ready only once it has run for longer than it used to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.backoff import remember
from reconciler.core.planner import plan
from reconciler.core.standing import LONGEST_PROBATION, STEADY_SECONDS, steady_seconds
from reconciler.core.summarize import statuses
from reconciler.core.world import World
from reconciler.kinds.service import Restart
from reconciler.model.observed import Observed, Phase, Snapshot, View
from reconciler.model.plan import Action, Journal, Outcome, Reason, Record, Result, Verb
from reconciler.model.status import Status
from tests.core.build import NOW, container, graph, key, settled

WEB = key("web")
DECLARED = graph(container("web"), container("shop", depends_on=("web",)))


def begun(seconds_ago: float) -> Snapshot:
    """All of it runs; web for so long."""
    view = settled(DECLARED).view("docker")
    things = (replace(t, started_at=NOW - seconds_ago) if t.key == WEB else t for t in view.objects)
    return Snapshot((replace(view, objects=tuple(things)), View("process")))


def web(snapshot: Snapshot) -> Observed:
    return next(thing for thing in snapshot.objects() if thing.key == WEB)


def crashed(times: int, last_at: float = NOW) -> Journal:
    record = Record(
        fingerprint=web(begun(0)).fingerprint, failures=times, restarts=times, crashes=times, last_at=last_at
    )
    return {WEB: replace(record, message="it exited with code 1")}


def told(snapshot: Snapshot, journal: Journal) -> Status:
    planned = plan(DECLARED, snapshot, journal, NOW)
    return statuses(DECLARED, World(DECLARED, snapshot, NOW, journal), planned, journal, {})[WEB.resource]


def test_a_first_start_is_believed_as_soon_as_ever() -> None:
    assert steady_seconds(0) == STEADY_SECONDS


def test_each_crash_doubles_it_up_to_a_limit() -> None:
    assert [steady_seconds(n) for n in (1, 2, 3, 4, 5, 1000)] == [
        1.0,
        2.0,
        4.0,
        8.0,
        LONGEST_PROBATION,
        LONGEST_PROBATION,
    ]


def test_between_two_crashes_it_is_told_as_a_crash_loop_and_not_as_ready() -> None:
    status = told(begun(3.0), crashed(4))
    ready, healthy = status.condition("Ready"), status.condition("Healthy")
    assert ready
    assert healthy
    assert (ready.status, ready.reason, healthy.status) == ("False", "CrashLoop", "False")
    assert ready.message == "it counts as Ready once it has run for 8 s; restarted 4 times, last: it exited with code 1"
    assert [(item.phase, item.ready) for item in status.instances] == [("CrashLoop", False)]


def test_who_waits_for_it_waits_for_as_long_and_is_woken_then() -> None:
    (wait,) = plan(DECLARED, begun(3.0), crashed(4), NOW).waits
    assert (wait.key, wait.reason, wait.until) == (WEB, Reason.NOT_READY, pytest.approx(NOW + 5.0))
    view = begun(3.0).view("docker")
    alone = Snapshot((replace(view, objects=tuple(t for t in view.objects if t.key != key("shop"))), View("process")))
    assert [w.reason for w in plan(DECLARED, alone, crashed(4), NOW).waits] == [Reason.DEPENDENCY, Reason.NOT_READY]
    assert plan(DECLARED, alone, {}, NOW).actions, "the journal's loss only makes it Ready sooner"


def test_once_it_has_run_for_long_enough_it_is_ready() -> None:
    assert told(begun(8.0), crashed(4)).ready_replicas == 1


def test_after_a_calm_stretch_its_next_start_is_a_first_one() -> None:
    assert told(begun(0.6), crashed(4, last_at=NOW - 10_000)).ready_replicas == 1


def test_a_changed_spec_is_not_blamed_for_the_one_before() -> None:
    before = {WEB: replace(crashed(4)[WEB], fingerprint="another")}
    assert told(begun(0.6), before).ready_replicas == 1


def test_only_who_ended_by_itself_and_was_started_again_has_crashed() -> None:
    seen = web(begun(0))
    item = plan(DECLARED, begun(0), {}, NOW).desired[WEB]

    def started(phase: Phase) -> Record | None:
        action = Action(Verb.START, WEB, "why", item, replace(seen, phase=phase))
        return remember(Record(fingerprint=item.fingerprint), Outcome(action, Result.DONE), Restart(), NOW)

    after = {phase: record.crashes for phase in (Phase.EXITED, Phase.CREATED) if (record := started(phase))}
    assert after == {Phase.EXITED: 1, Phase.CREATED: 0}
