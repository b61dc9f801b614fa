"""Jobs, as values: what is due, what is remembered, and what a plan does about it, with the time as an argument."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.jobs import ends
from reconciler.core.linking import link_faults
from reconciler.core.planner import plan
from reconciler.core.preview import advance, fold
from reconciler.core.render import RESTARTED
from reconciler.core.summarize import statuses
from reconciler.core.world import World
from reconciler.kinds.job import JobSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.service import Container, Process, ServiceSpec
from reconciler.model.history import Attempt
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.plan import Plan, Record
from reconciler.model.resource import Resource
from reconciler.model.status import Status
from tests.core.build import EMPTY, changed, container, graph, rendered, with_thing

JOB = Key("job", "shop", "tidy")
RUN = JOB.instance(0)
HOUR = 3600.0
NOON = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""


def job(**spec: Any) -> Resource:
    what = {} if "in_" in spec else {"process": Process(command=("tidy",))}
    annotations = spec.pop("annotations", {})
    return Resource(JOB, JobSpec(**{**what, **spec}), annotations=annotations)


class Story:
    """A job, its world, and what a home remembers of it, from one moment to the next."""

    def __init__(self, *resources: Resource, now: float = NOON) -> None:
        self.graph = graph(*resources)
        self.snapshot = EMPTY
        self.now = now
        self.journal: dict[Key, Record] = {}

    def declare(self, *resources: Resource) -> Story:
        self.graph = replace(graph(*resources), histories=self.graph.histories)
        return self

    def plan(self) -> Plan:
        """As a pass does it: what has ended is written down, and then it is decided."""
        world = World(self.graph, self.snapshot, self.now)
        self.graph = replace(self.graph, histories={JOB: world.history(JOB)})
        return plan(self.graph, self.snapshot, self.journal, self.now)

    def act(self) -> list[str]:
        current = self.plan()
        for action in current.actions:
            self.snapshot = advance(self.snapshot, action, self.now)
        return [f"{action.verb} {action.key.name}" for action in current.actions]

    def end(self, code: int | None = 0, after: float = 1.0) -> Story:
        self.now += after
        self.snapshot = changed(self.snapshot, RUN, phase=Phase.EXITED, exit_code=code, finished_at=self.now)
        return self

    def at(self, now: float) -> Story:
        self.now = now
        return self

    def removed(self) -> Story:
        self.snapshot = EMPTY
        return self

    def status(self) -> Status:
        current = self.plan()
        return statuses(self.graph, World(self.graph, self.snapshot, self.now), current, self.journal, {})[JOB]

    def word(self) -> str:
        return next(one.reason for one in self.status().conditions if one.type == "Ready")


def test_what_has_completed_is_not_run_again() -> None:
    story = Story(job())
    assert story.act() == ["Create tidy"]
    assert story.word() == "Running"
    assert story.end().act() == []
    assert story.word() == "Completed"
    assert story.removed().act() == [], "nor when its instance was removed"
    assert story.at(story.now + 10 * HOUR).plan().settled
    assert story.status().attempts == 1


def test_what_was_declared_differently_is_run_again_also_back_again() -> None:
    one, other = job(), job(process=Process(command=("tidy", "more")))
    story = Story(one)
    story.act()
    assert story.end().declare(other).act() == ["Remove tidy", "Create tidy"]
    assert story.end().declare(one).act() == ["Remove tidy", "Create tidy"]
    assert story.declare(other).act() == ["Stop tidy", "Remove tidy", "Create tidy"], "even while it runs"


def test_what_is_told_to_run_again_does() -> None:
    story = Story(job())
    story.act()
    assert story.end().declare(job(annotations={RESTARTED: "2026-11-21T12:00:05.5Z"})).act() == [
        "Remove tidy", "Create tidy",
    ]  # fmt: skip
    assert story.end().act() == []


def test_what_fails_is_tried_again_so_often_and_then_not_any_more() -> None:
    story = Story(job(retries=2))
    story.act()
    assert story.end(3).act() == ["Start tidy"]
    assert story.end(3).act() == ["Start tidy"]
    assert story.status().attempts == 3
    assert story.end(3).act() == []
    assert story.word() == "Failed"
    assert story.plan().settled
    assert "after 3 attempts" in next(c.message for c in story.status().conditions if c.type == "Failed")
    assert story.removed().act() == []


def test_a_try_that_fails_waits_as_long_as_its_back_off_says() -> None:
    story = Story(job(retries=5))
    story.act()
    item = rendered(story.graph).desired[RUN]
    story.end(3)
    story.journal = {RUN: Record(failures=3, last_at=story.now, fingerprint=item.fingerprint)}
    assert story.act() == []
    assert [wait.reason for wait in story.plan().waits] == ["BackOff"]
    assert story.at(story.now + 4).act() == ["Start tidy"]


def test_who_takes_too_long_is_stopped_and_has_failed_whatever_he_says() -> None:
    story = Story(job(timeout_seconds=60, retries=1))
    story.act()
    assert story.at(NOON + 59).act() == []
    assert story.plan().waits[0].until == NOON + 60
    assert story.at(NOON + 60).act() == ["Stop tidy"]
    story.snapshot = changed(story.snapshot, RUN, exit_code=0)
    assert story.act() == ["Start tidy"], "it counts as a try that failed"
    story.at(NOON + 125).act()
    assert story.at(NOON + 126).act() == []
    assert story.word() == "Failed"
    assert {c.type: c.reason for c in story.status().conditions}["Failed"] == "DeadlineExceeded"


def test_what_is_left_of_it_goes_after_a_while() -> None:
    story = Story(job(ttl_seconds_after_finished=60))
    story.act()
    assert story.end().act() == []
    assert story.plan().wake == story.now + 60
    assert story.at(story.now + 60).act() == ["Remove tidy"]
    assert story.act() == []
    assert story.word() == "Completed"


def test_a_schedule_runs_it_once_each_time() -> None:
    story = Story(job(schedule="*/5 * * * *"), now=NOON + 60)
    assert story.act() == [], "what would have been due before it was declared is none of its business"
    assert story.plan().wake == NOON + 300
    assert story.word() == "Scheduled"
    assert story.at(NOON + 300).act() == ["Create tidy"]
    assert story.end().act() == []
    assert story.at(NOON + 599).act() == []
    assert story.status().next_run == NOON + 600
    assert story.at(NOON + 601).act() == ["Remove tidy", "Create tidy"], "its log is kept as the previous one"
    assert story.at(NOON + 905).act() == [], "who still runs is left alone"
    assert story.plan().settled
    assert story.end(0, 5).act() == ["Remove tidy", "Create tidy"], "and what was due meanwhile is made up for"


def test_a_schedule_tries_again_and_then_waits_for_the_next_time() -> None:
    story = Story(job(schedule="@hourly", retries=1), now=NOON + 60)
    story.act()
    assert story.at(NOON + HOUR).act() == ["Create tidy"]
    assert story.end(1).act() == ["Start tidy"]
    assert story.end(1).act() == []
    assert story.word() == "Failed"
    assert story.at(NOON + 2 * HOUR).act() == ["Remove tidy", "Create tidy"]


@pytest.mark.parametrize(("policy", "expected"), [("Once", ["Create tidy"]), ("Skip", [])])
def test_runs_that_were_missed_are_made_up_for_once_or_skipped(policy: str, expected: list[str]) -> None:
    story = Story(job(schedule="@hourly", missed_runs=policy), now=NOON + 60)
    story.act()
    assert story.at(NOON + 5 * HOUR + 200).act() == expected
    assert story.at(NOON + 6 * HOUR + 50).end(0, 0).act() if expected else story.at(NOON + 6 * HOUR + 50).act()


def test_another_schedule_begins_when_it_is_first_seen() -> None:
    story = Story(job(schedule="0 0 1 1 *"), now=NOON + 30)
    story.act()
    assert story.declare(job(schedule="* * * * *")).act() == []
    assert story.at(NOON + 60).act() == ["Create tidy"]


def test_a_schedule_may_be_told_to_run_now() -> None:
    told = job(schedule="@daily", annotations={RESTARTED: "2026-11-21T12:00:05.5Z"})
    story = Story(job(schedule="@daily"))
    story.act()
    assert story.at(NOON + 6).declare(told).act() == ["Create tidy"]
    assert story.end().act() == []
    story = Story(told, now=NOON + HOUR)
    assert story.act() == [], "what was asked for before anything is remembered is not asked for now"


def test_suspended_it_is_stopped_and_that_try_counts_for_nothing() -> None:
    story = Story(job())
    story.act()
    assert story.declare(job(suspend=True)).act() == ["Stop tidy"]
    story.snapshot = changed(story.snapshot, RUN, exit_code=0)
    assert story.act() == []
    assert story.word() == "Stopped"
    assert story.declare(job()).act() == ["Remove tidy", "Create tidy"]


def test_what_completed_while_nobody_looked_has_completed_though_it_is_suspended_by_now() -> None:
    story = Story(job())
    story.act()
    assert story.end().declare(job(suspend=True)).act() == []
    assert story.declare(job()).act() == []


def test_nothing_is_missed_while_it_is_suspended() -> None:
    story = Story(job(schedule="@hourly", suspend=True), now=NOON + 60)
    story.act()
    assert story.at(NOON + 3 * HOUR + 60).act() == []
    assert story.declare(job(schedule="@hourly")).act() == []
    assert story.at(NOON + 4 * HOUR).act() == ["Create tidy"]


def test_a_try_is_counted_once_however_often_it_is_looked_at() -> None:
    story = Story(job(retries=3))
    story.act()
    story.end(1)
    for _ in range(3):
        story.plan()
    (known,) = story.graph.histories[JOB].attempts
    assert (known.exit_code, known.reason) == (1, "Failed")
    story.snapshot = changed(story.snapshot, RUN, started_at=None)
    story.plan()
    assert len(story.graph.histories[JOB].attempts) == 1, "a plain list does not tell when it was started"


def test_what_is_seen_first_is_an_event() -> None:
    story = Story(job())
    story.act()
    world = World(story.end(2).graph, story.snapshot, story.now)
    assert [(e.type, e.reason, e.message) for e in ends(world, JOB)] == [
        ("Warning", "Failed", "it exited with code 2, 1.0 s after its start")
    ]
    story.plan()
    assert ends(World(story.graph, story.snapshot, story.now), JOB) == []


def test_bare_names_of_jobs_mean_that_they_have_completed() -> None:
    story = Story(job(), container("web", depends_on=("tidy",)))
    assert story.act() == ["Create tidy", "Create default"]
    assert "Create web" not in story.act()
    assert story.end().act() == ["Create web"]
    assert story.removed().plan().actions, "it has completed, though nothing is left of it"
    assert not [w for w in story.plan().waits if w.key.name == "web" and "tidy" in w.message]


def test_who_runs_inside_of_a_service_waits_for_it_and_is_told_what_that_is_told() -> None:
    db = Resource(Key("service", "shop", "db"), ServiceSpec(container=Container(image="db")))
    inside = job(in_="service/web", command=("tidy",), env={"DB": "${db.host}"}, depends_on=("db",))
    story = Story(inside, container("web"), db)
    assert story.act() == ["Create default"]
    assert [w.message for w in story.plan().waits if w.key == RUN] == [
        "waits for db to be Ready: it does not exist yet"
    ]
    payload = rendered(story.graph).desired[RUN].payload
    assert (payload.inside, payload.command, payload.env["DB"]) == ("service/shop/web", ("tidy",), "db")
    assert "python" not in str(payload)
    other = job(in_="service/web", process=Process(command=("tidy",)), env={"DB": "${db.host}"}, depends_on=("db",))
    again = rendered(graph(other, container("web"), db), story.snapshot).desired[RUN]
    assert again.payload == payload, "said in the other way it is the same"


def test_a_job_and_a_service_may_not_have_one_name() -> None:
    twins = graph(job(), container("tidy"))
    assert [(key, fault.message[:30]) for key, fault in link_faults(twins)] == [(JOB, "service/tidy has that name alr")]


def test_a_circle_through_a_job_is_one() -> None:
    circle = graph(job(depends_on=("web",)), container("web", depends_on=("tidy",)))
    assert "circle" in "".join(fault.message for _, fault in link_faults(circle))


def test_what_nobody_can_say_now_does_not_run_what_has_completed() -> None:
    """A file of its environment can't be read: it is taken for what it was."""
    story = Story(job())
    story.act()
    story.end().plan()
    story.graph = replace(story.graph, unreadable={JOB: "gone"})
    assert story.plan().settled
    assert Story.plan(_forgotten(story)).waits[0].reason == "Unreadable"


def _forgotten(story: Story) -> Story:
    story.removed()
    story.graph = replace(story.graph, histories={})
    return story


def test_what_it_left_in_another_runtime_goes_when_it_runs_anew() -> None:
    story = Story(job())
    story.act()
    story.end().declare(job(process=None, container=Container(image="tidy")))
    assert story.act() == ["Create default"]
    assert story.act() == ["Remove tidy", "Create tidy"]


def test_a_preview_has_it_come_to_its_end() -> None:
    story = Story(job(retries=2), container("web", depends_on=("tidy",)))
    waves = list(fold(story.graph, story.snapshot, {}, NOON))
    assert [a.key.name for wave in waves for a in wave.actions] == ["tidy", "default", "web"]
    assert waves[-1].settled


def test_a_stranger_with_its_name_is_told_of() -> None:
    story = Story(job())
    other = Observed(id="x", name="shop-tidy-0", kind="service", runtime="process", phase=Phase.RUNNING)
    story.snapshot = with_thing(story.snapshot, other)
    assert [wait.reason for wait in story.plan().waits] == ["NameConflict"]


def test_an_unreadable_runtime_concludes_nothing() -> None:
    story = Story(job())
    views = tuple(replace(view, problem="away") for view in EMPTY.views)
    story.snapshot = replace(EMPTY, views=views)
    assert [wait.reason for wait in story.plan().waits] == ["Unreachable"]


def test_deleted_it_goes_whether_it_runs_or_not() -> None:
    story = Story(job())
    story.act()
    gone = graph(replace(job(), deleting=True))
    assert [str(a.verb) for a in plan(gone, story.snapshot, {}, NOON).actions] == ["Stop", "Remove"]


def test_of_its_tries_the_last_ones_are_kept() -> None:
    old = tuple(Attempt(id=str(n), started_at=float(n), fingerprint="x") for n in range(128))
    story = Story(job())
    story.act()
    known = World(story.graph, story.snapshot, NOON).history(JOB)
    story.graph = replace(story.graph, histories={JOB: replace(known, attempts=old)})
    story.end().plan()
    attempts = story.graph.histories[JOB].attempts
    assert (len(attempts), attempts[0].id, attempts[-1].exit_code) == (128, "1", 0)


def test_what_could_not_be_written_down_is_not_touched() -> None:
    """What is left of it is the only evidence that it has run."""
    story = Story(job(ttl_seconds_after_finished=0, retries=1))
    story.act()
    story.end()
    full = replace(story.graph, histories={}, unreadable={JOB: "the disk is full"})
    found = plan(full, story.snapshot, {}, story.now + 60)
    assert [(str(wait.reason), wait.message) for wait in found.waits] == [("Unreadable", "the disk is full")]
    assert found.actions == ()


def test_what_is_left_of_it_is_in_nobodys_way() -> None:
    """A network that is to be made anew can't be while anybody is in it, and it is not run again for that."""
    spec = job(process=None, container=Container(image="tidy", networks=("back",)))
    back = Key("network", "shop", "back")
    story = Story(spec, Resource(back, NetworkSpec()))
    assert [story.act(), story.act()] == [["Create back"], ["Create tidy"]]
    story.end().declare(spec, Resource(back, NetworkSpec(internal=True)))
    assert [story.act(), story.act(), story.act()] == [["Remove tidy"], ["Remove back", "Create back"], []]
    assert story.word() == "Completed"
