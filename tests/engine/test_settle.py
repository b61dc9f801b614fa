"""Passes, one after another: until it has settled, nothing can be hoped for, or time is up."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from reconciler.engine.settle import Settlement, settle
from reconciler.errors import Denied, ImageUnavailable, OutcomeUnknown, PortInUse
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.service import Dependency, Restart
from reconciler.model.desired import Desired
from reconciler.model.observed import Observed, Phase, View
from reconciler.model.resource import Resource
from tests.core.build import container, http, key, process, resource, stranger
from tests.engine.stage import NAMESPACE, Stage


def settled(stage: Stage, *resources: Resource, timeout: float = 60, wait: bool = True, whose: str = "") -> Settlement:
    stage.source.keep(list(resources))
    deadline = stage.clock.now() + timeout

    def concerns(k: object) -> bool:
        return not whose or getattr(k, "name", "") == whose

    return settle(stage.parts, NAMESPACE, deadline=deadline, wait=wait, concerns=concerns)


def test_it_ends_when_nothing_is_left_to_do_or_to_wait_for(stage: Stage) -> None:
    found = settled(stage, container("web"), container("db"), container("api", depends_on=("db",)))
    assert found.settled
    assert stage.objects() == ["shop-api-0", "shop-db-0", "shop-web-0"]
    assert len(found.actions) == 4


def test_a_settled_namespace_takes_one_pass(stage: Stage) -> None:
    settled(stage, container("web"))
    assert settled(stage).passes == 1


def test_without_waiting_what_runs_is_enough(stage: Stage) -> None:
    found = settled(stage, process("api"), wait=False)
    assert found.settled
    assert stage.clock.naps == 0


def test_without_waiting_what_is_refused_is_tried_once_and_told(stage: Stage) -> None:
    stage.process.failing["create"] = PortInUse("not now", port=1)
    found = settled(stage, process("api"), process("web", depends_on=("api",)), wait=False)
    assert (found.settled, found.timed_out) == (False, False)
    assert stage.clock.now() < 1001
    assert stage.process.calls.count("create api") == 1
    assert {str(wait.reason) for wait in found.waits} == {"BackOff", "DependencyNotReady"}


def test_without_waiting_what_was_refused_once_and_then_done_is_fine(stage: Stage) -> None:
    stage.process.failing["create"] = PortInUse("not now", port=1)
    settled(stage, process("api"), wait=False)
    stage.process.failing.clear()
    stage.clock.sleep(60)
    assert settled(stage, wait=False).settled


def test_with_waiting_it_has_to_be_ready(stage: Stage) -> None:
    assert settled(stage, process("api")).settled
    assert stage.clock.naps > 0


def test_what_needs_a_person_ends_it_at_once(stage: Stage) -> None:
    stage.host.taken = [8080]
    found = settled(stage, container("web", ports=(http(8080),)))
    assert not found.settled
    assert not found.timed_out
    assert "8080/tcp is held by pid 77" in str(found.waits[0])
    assert stage.clock.now() < 1001


def test_who_waits_for_the_hopeless_is_without_hope_too(stage: Stage) -> None:
    stage.docker.put(stranger("shop-db-0"))
    found = settled(stage, container("db"), container("web", depends_on=("db",)))
    assert (found.settled, found.timed_out) == (False, False)
    assert {str(wait.reason) for wait in found.waits} == {"NameConflict", "DependencyNotReady"}


def test_a_foreign_network_under_our_name_ends_it_at_once(stage: Stage) -> None:
    stage.docker.put(Observed("n", "shop-back", "network", "docker"))
    found = settled(stage, container("web", networks=("back",)), resource("network", "back", NetworkSpec()))
    assert (found.settled, found.timed_out) == (False, False)


def _falls_silent(stage: Stage, reason: str = "Unreachable", *, until: float = math.inf) -> None:
    """After the first look, and for so many seconds."""
    observe, begun, looks = stage.docker.observe, stage.clock.now(), itertools.count()

    def look(*, deep: bool = False) -> View:
        silent = next(looks) > 0 and stage.clock.now() < begun + until
        return View("docker", problem="it does not answer", reason=reason) if silent else observe(deep=deep)

    stage.docker.observe = look  # type: ignore[method-assign]


def test_what_was_started_after_the_look_is_stopped_after_the_next_one(stage: Stage) -> None:
    """By a daemon that was killed while an engine still did what it had been asked for, say."""
    settled(stage, container("web"))
    observe, looks = stage.docker.observe, itertools.count()

    def look(*, deep: bool = False) -> View:
        view = observe(deep=deep)
        behind = next(looks) == 0
        return replace(view, objects=tuple(map(_not_begun, view.objects))) if behind else view

    stage.docker.observe = look  # type: ignore[method-assign]
    report = stage.controller.delete([key("web", None)], timeout=60)
    assert report.settled
    assert [call for call in stage.docker.calls if "web" in call][-3:] == ["remove web", "stop web", "remove web"]


def _not_begun(seen: Observed) -> Observed:
    return replace(seen, phase=Phase.CREATED, pid=None) if seen.key else seen


def test_an_engine_that_answered_a_moment_ago_has_the_time_that_is_left(stage: Stage) -> None:
    _falls_silent(stage, until=30)
    assert settled(stage, container("web")).settled
    assert stage.clock.now() >= 1030


def test_an_engine_that_stays_silent_is_told_of_when_time_is_up(stage: Stage) -> None:
    _falls_silent(stage)
    found = settled(stage, container("web"))
    assert (found.settled, found.timed_out) == (False, True)
    assert "does not answer" in str(found.waits)


def test_an_engine_that_never_answered_ends_it_at_once(stage: Stage) -> None:
    stage.docker.problem = "it does not answer"
    found = settled(stage, container("web"))
    assert (found.settled, found.timed_out) == (False, False)
    assert stage.clock.now() < 1001


def test_a_host_whose_key_is_another_one_all_at_once_is_a_matter_for_a_person(stage: Stage) -> None:
    _falls_silent(stage, "HostKeyChanged")
    found = settled(stage, container("web"))
    assert (found.settled, found.timed_out) == (False, False)


def test_without_waiting_nobody_waits_for_an_engine_either(stage: Stage) -> None:
    _falls_silent(stage)
    assert not settled(stage, container("web"), wait=False).timed_out
    assert stage.clock.now() < 1001


def test_an_image_that_can_not_be_had_is_not_tried_for_a_minute(stage: Stage) -> None:
    stage.docker.failing["prepare web"] = ImageUnavailable("there is no image i")
    found = settled(stage, container("web"))
    assert (found.settled, found.timed_out) == (False, False)
    assert stage.docker.calls.count("prepare web") == 1


def test_the_time_in_which_an_image_is_built_counts_against_nobody(stage: Stage) -> None:
    stage.docker.prepare = lambda _desired: stage.clock.sleep(300)  # type: ignore[method-assign]
    assert settled(stage, container("web"), timeout=60).settled


def test_what_keeps_ending_is_given_up_after_some_tries(stage: Stage) -> None:
    stage.process.failing["start"] = PortInUse("taken", port=1)
    settled(stage, process("api"))
    stage.change("shop-api-0", phase=Phase.EXITED, exit_code=1, bindings=())
    found = settled(stage, timeout=600)
    assert (found.settled, found.timed_out) == (False, False)
    assert 3 <= stage.process.calls.count("start api") <= 6


def test_who_keeps_saying_no_is_not_asked_all_the_time(stage: Stage) -> None:
    settled(stage, process("api"))
    stage.process.failing["stop"] = Denied("not permitted")
    stage.process.calls.clear()
    settled(stage, replace(process("api"), deleting=True))
    assert stage.process.calls.count("stop api") <= 6


def test_an_unknown_outcome_is_looked_at_again_and_not_repeated_without_a_pause(stage: Stage) -> None:
    stage.process.failing["create"] = OutcomeUnknown("the deadline passed")
    found = settled(stage, process("api"), timeout=10)
    assert found.timed_out
    assert stage.process.calls.count("create api") <= 10 / 0.25 + 2


def test_time_is_up_when_it_is_up(stage: Stage) -> None:
    job = process("job", restart=Restart(policy="Never"))
    web = process("web", depends_on=(Dependency(service="job", condition="Completed"),))
    found = settled(stage, job, web, timeout=5)
    assert found.timed_out
    assert 1005 <= stage.clock.now() <= 1006


def slow_to_create(stage: Stage, seconds: float) -> None:
    create = stage.docker.create

    def slowly(desired: Desired) -> None:
        create(desired)
        stage.clock.sleep(seconds if desired.key.kind == "service" else 0)

    stage.docker.create = slowly  # type: ignore[method-assign]


def test_what_was_done_until_time_was_up_is_looked_at_once_more(stage: Stage) -> None:
    slow_to_create(stage, 10)
    found = settled(stage, container("web"), timeout=5)
    assert found.settled
    assert not found.timed_out


def test_nothing_more_is_begun_once_time_is_up(stage: Stage) -> None:
    slow_to_create(stage, 10)
    found = settled(stage, container("db"), container("web", depends_on=("db",)), timeout=5)
    assert found.timed_out
    assert not found.settled
    assert stage.objects() == ["shop-db-0"]


def test_others_are_reconciled_along_but_nobody_waits_for_them(stage: Stage) -> None:
    stage.docker.put(stranger("shop-db-0"))
    found = settled(stage, container("db"), process("api"), whose="api")
    assert found.settled
    assert stage.thing("shop-api-0").phase is Phase.RUNNING


@pytest.mark.parametrize("verb", ["stop", "remove", "create"])
def test_a_failure_that_passes_is_got_over(stage: Stage, verb: str) -> None:
    settled(stage, process("api"))
    stage.process.failing[verb] = PortInUse("not now", port=1) if verb == "create" else OutcomeUnknown("late")
    stage.source.keep([process("api", env={"NEW": "1"})])
    told = []

    def passed(current: object) -> None:
        told.append(current)
        stage.process.failing.clear()

    found = settle(
        stage.parts, NAMESPACE, deadline=stage.clock.now() + 60, wait=True, concerns=lambda _: True, passed=passed
    )
    assert found.settled
    assert stage.thing("shop-api-0").key == key("api")
    assert len(told) == found.passes


def test_what_keeps_crashing_is_one_warning_with_a_count(stage: Stage) -> None:
    settled(stage, process("api"))
    for _ in range(3):
        stage.change("shop-api-0", phase=Phase.EXITED, exit_code=3, bindings=())
        stage.clock.sleep(60)
        settled(stage)
    warnings = [event for event in stage.store.events() if event.type == "Warning"]
    assert [(event.reason, event.count) for event in warnings] == [("BackOff", 3)]
    assert "exit code 3" in warnings[0].message
