"""What a plan says is done, and what came of it is told; nothing is decided here."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from reconciler.core.planner import plan
from reconciler.engine.executor import perform
from reconciler.errors import Denied, Gone, ImageUnavailable, OutcomeUnknown, PortInUse, ReconcilerError, Unreachable
from reconciler.kinds.service import Stopping, Update
from reconciler.model.desired import Stop
from reconciler.model.observed import Observed, Snapshot
from reconciler.model.plan import Action, Plan, Result, Verb
from tests.core.build import EMPTY, NOW, container, graph, key, process, settled
from tests.engine.stage import Rough


def runtimes(snapshot: Snapshot = EMPTY) -> dict[str, Rough]:
    found = {name: Rough(name, now=lambda: NOW) for name in ("docker", "process")}
    for name, runtime in found.items():
        runtime.view = snapshot.view(name)
    return found


def replacement() -> tuple[Plan, dict[str, Rough]]:
    """[stop, remove, create] of one process, and the world in which it runs."""
    before = settled(graph(process("api")))
    return plan(graph(process("api", env={"NEW": "1"})), before, {}, NOW), runtimes(before)


def test_the_actions_of_a_sequence_are_done_in_order() -> None:
    planned, there = replacement()
    outcomes = perform(planned, there)
    assert [(o.action.verb, o.result) for o in outcomes] == [
        (v, Result.DONE) for v in (Verb.STOP, Verb.REMOVE, Verb.CREATE)
    ]
    assert there["process"].calls == ["prepare api", "stop api", "remove api", "create api"]


def test_what_a_create_needs_is_fetched_before_anything_is_touched() -> None:
    planned, there = replacement()
    there["process"].failing["prepare"] = ImageUnavailable("no such image")
    [outcome] = perform(planned, there)
    assert (outcome.action.verb, outcome.result, outcome.reason) == (Verb.CREATE, Result.REFUSED, "ImageUnavailable")
    assert there["process"].calls == ["prepare api"]


def test_the_first_that_is_not_done_ends_its_sequence() -> None:
    planned, there = replacement()
    there["process"].failing["remove"] = Denied("no")
    assert [o.result for o in perform(planned, there)] == [Result.DONE, Result.REFUSED]
    assert "create api" not in there["process"].calls


@pytest.mark.parametrize(
    ("error", "result", "reason"),
    [
        (Denied("no"), Result.REFUSED, "Denied"),
        (Gone("gone"), Result.REFUSED, "Gone"),
        (OutcomeUnknown("late"), Result.UNKNOWN, "OutcomeUnknown"),
        (Unreachable("away"), Result.UNKNOWN, "Unreachable"),
        (ReconcilerError("odd", hint="look"), Result.FAILED, "Failed"),
        (ZeroDivisionError("a bug"), Result.FAILED, "Internal"),
    ],
)
def test_whatever_is_raised_becomes_an_outcome(error: Exception, result: Result, reason: str) -> None:
    planned, there = replacement()
    there["process"].failing["stop"] = error
    [outcome] = perform(planned, there)
    assert (outcome.result, outcome.reason) == (result, reason)
    assert str(error.args[0]) in outcome.message


def test_a_refused_port_is_told_by_its_number() -> None:
    planned, there = replacement()
    there["process"].failing["create"] = PortInUse("taken", port=8080, holder="nc", hint="free it")
    outcome = perform(planned, there)[-1]
    assert (outcome.port, outcome.hint) == (8080, "free it")


def test_one_broken_thing_does_not_keep_the_others_from_being_made() -> None:
    services = graph(process("bad"), process("good"))
    there = runtimes()
    there["process"].failing["create bad"] = RuntimeError("a bug")
    outcomes = perform(plan(services, EMPTY, {}, NOW), there)
    assert {o.action.key.name: o.result for o in outcomes} == {"bad": Result.FAILED, "good": Result.DONE}


def test_sequences_run_beside_one_another() -> None:
    """Each waits until the other has begun."""
    both = threading.Barrier(2, timeout=10)

    class Meeting(Rough):
        def create(self, desired: object) -> None:  # noqa: ARG002
            both.wait()

    there = {"process": Meeting("process", now=lambda: NOW)}
    outcomes = perform(plan(graph(process("a"), process("b")), EMPTY, {}, NOW), there)
    assert [o.result for o in outcomes] == [Result.DONE, Result.DONE]


def recreation(replicas: int) -> tuple[Plan, dict[str, Rough]]:
    """All that are old leave, then all that are new come: one sequence."""
    update = Update(strategy="Recreate")
    before = settled(graph(process("api", replicas=replicas, update=update)))
    planned = plan(graph(process("api", replicas=replicas, update=update, env={"NEW": "1"})), before, {}, NOW)
    assert len(planned.sequences) == 1
    return planned, runtimes(before)


def test_all_that_are_made_anew_together_are_stopped_at_once() -> None:
    """Each waits until all others were asked to stop: one after another they would wait for ever."""
    planned, there = recreation(20)
    all_asked = threading.Barrier(20, timeout=10)

    class Slow(Rough):
        def stop(self, seen: Observed, stop: object) -> None:
            all_asked.wait()
            super().stop(seen, stop)

    slow = Slow("process", now=lambda: NOW)
    slow.view = there["process"].view
    outcomes = perform(planned, {**there, "process": slow})
    assert [o.result for o in outcomes] == [Result.DONE] * 60
    assert [o.action.verb for o in outcomes] == [Verb.STOP] * 20 + [Verb.REMOVE] * 20 + [Verb.CREATE] * 20
    assert [o.action.key.index for o in outcomes] == [*range(20)] * 3


def test_one_that_can_not_be_stopped_keeps_all_others_from_being_made_anew() -> None:
    planned, there = recreation(3)
    there["process"].failing["stop"] = Denied("no")
    assert [o.action.verb for o in perform(planned, there)] == [Verb.STOP] * 3


def test_each_action_is_told_before_it_is_done() -> None:
    planned, there = replacement()
    told: list[tuple[Verb, int]] = []
    perform(planned, there, lambda action: told.append((action.verb, len(there["process"].calls))))
    assert told == [(Verb.STOP, 1), (Verb.REMOVE, 2), (Verb.CREATE, 3)]


def test_an_empty_plan_does_nothing() -> None:
    assert perform(Plan(), {}) == ()


@pytest.mark.parametrize("how", ["replaced", "deleted", "scaled away"])
def test_a_stop_has_the_signal_and_the_grace_that_the_spec_says(how: str) -> None:
    asked: list[Stop] = []

    class Listening(Rough):
        def stop(self, seen: Observed, stop: Stop) -> None:  # noqa: ARG002
            asked.append(stop)

    web = container("web", stop=Stopping(signal="SIGINT", grace_seconds=60), update=Update(strategy="Recreate"))
    after = {
        "replaced": replace(web, spec=replace(web.spec, env={"NEW": "1"})),
        "deleted": replace(web, deleting=True),
        "scaled away": replace(web, spec=replace(web.spec, replicas=0)),
    }
    planned = plan(graph(after[how]), settled(graph(web)), {}, NOW)
    perform(planned, {"docker": Listening("docker", now=lambda: NOW)})
    assert asked == [Stop("INT", 60)]


def test_an_action_without_its_object_is_a_bug_that_is_told() -> None:
    [outcome] = perform(Plan(((Action(Verb.STOP, key("web"), "why"),),)), {})
    assert (outcome.result, outcome.reason) == (Result.FAILED, "Internal")
