"""What is known of a host, who looks after it, and what is said of both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.hostcheck import check
from reconciler.core.hostfacts import explained, read
from reconciler.core.hoststatus import news
from reconciler.core.leased import left_alone
from reconciler.core.planner import plan
from reconciler.core.preview import advance
from reconciler.core.summarize import statuses
from reconciler.core.world import World
from reconciler.kinds.host import HostSpec, SshAccess
from reconciler.model.hostfacts import HostFacts, Lease
from reconciler.model.observed import Snapshot, View
from reconciler.model.place import Place
from reconciler.model.plan import Outcome, Plan, Result, Verb
from reconciler.model.status import Status
from tests.core.build import NOW, container, graph, process, resource, settled

SSH = SshAccess(host="10.0.0.2", user="root", host_key="ssh-ed25519 AAAA")
SPEC = HostSpec(ssh=SSH)
HOST = resource("host", "a", SPEC)
FACTS = HostFacts(
    os="Linux", arch="x86_64", user="root", uid=0, cgroups="v2", wireguard_kernel=True, python3="/usr/bin/python3"
)
ACCOUNT = View("process", "shop/a", machine=FACTS)
ENGINE = View("docker", "shop/a", engine="docker 27.1")
HERE = (View("docker"), View("process"))
MINE, OTHERS = Lease("me", "ann@desk", 500), Lease("installation-of-bob", "bob@laptop", 500)


def levels(spec: HostSpec = SPEC, account: View = ACCOUNT, engine: View | None = ENGINE) -> dict[str, str]:
    return {fact.name: fact.level for fact in check(spec, account, engine, "me")}


ALL_WELL = dict.fromkeys(("reached", "key", "sh", "engine", "cgroups", "wg", "python", "clock", "lease"), "ok")


def machine(**facts: object) -> View:
    return replace(ACCOUNT, machine=replace(FACTS, **facts))


@pytest.mark.parametrize(
    ("told", "differs"),
    [
        (levels(), {}),
        (levels(account=machine(python3="")), {}),
        (levels(account=machine(cgroups="", wireguard_kernel=False)), {"cgroups": "missing", "wg": "missing"}),
        (levels(account=machine(wireguard_kernel=False, wireguard_go="/bin/wireguard-go", tun=True)), {}),
        (levels(account=machine(clock_skew=-90.0, clock_error=0.1)), {"clock": "failed"}),
        (levels(account=machine(clock_skew=90.0, clock_error=100.0)), {}),
        (levels(replace(SPEC, engine="none"), engine=None), {"engine": "missing"}),
        (levels(engine=replace(ENGINE, problem="no engine answers")), {"engine": "failed"}),
        (levels(account=replace(ACCOUNT, lease=MINE)), {}),
        (levels(account=replace(ACCOUNT, lease=OTHERS)), {"lease": "failed"}),
    ],
)
def test_H21_each_fact_is_as_it_should_be_or_missing_or_wrong(told: dict[str, str], differs: dict[str, str]) -> None:
    assert told == ALL_WELL | differs


@pytest.mark.parametrize(
    ("reason", "known"),
    [
        ("Unreachable", {"reached": "failed"}),
        ("HostKeyChanged", {"reached": "ok", "key": "failed"}),
        ("Denied", {"reached": "ok", "key": "ok", "access": "failed"}),
        ("Refused", {"reached": "ok", "key": "ok", "sh": "failed"}),
    ],
)
def test_of_a_host_that_does_not_let_us_in_it_is_told_how_far_we_got(reason: str, known: dict[str, str]) -> None:
    assert levels(account=View("process", "shop/a", problem="why", reason=reason), engine=None) == known


def test_an_engine_that_our_user_may_not_speak_to_is_told_from_none() -> None:
    silent = replace(ENGINE, engine="", problem="no engine answers")
    locked = machine(user="bob", locked_socket="/var/run/docker.sock")
    told = "user bob may not speak to the container engine at /var/run/docker.sock of host shop/a"
    assert [view.problem for view in explained((silent, locked))] == [told, ""]
    assert explained((silent, ACCOUNT)) == (silent, ACCOUNT)


def test_a_clock_that_nobody_can_read_is_no_reason_to_see_nothing() -> None:
    assert read(["fact os Linux"], 10.0, 11.0).skew == 0.0
    assert read(["fact now 70.5"], 10.0, 11.0).skew == 60.0


def status(*views: View, before: Status | None = None, spec: HostSpec = SPEC) -> Status:
    desired, snapshot = graph(replace(HOST, spec=spec)), Snapshot((*HERE, *views))
    past = {HOST.key: before} if before else {}
    return statuses(desired, World(desired, snapshot, NOW), Plan(), {}, past)[HOST.key]


def conditions(told: Status) -> list[tuple[str, str, str]]:
    return [(one.type, one.status, str(one.reason)) for one in told.conditions]


def test_a_host_is_ready_when_its_shell_answers_whatever_its_engine_does() -> None:
    well = status(ENGINE, ACCOUNT)
    assert conditions(well) == [("Ready", "True", "Ready"), ("Engine", "True", "Ready")]
    assert well.host
    assert (well.host.os, well.host.engine, well.host.wg, well.host.held_by) == ("Linux", "docker 27.1", "kernel", "")
    silent = status(replace(ENGINE, engine="", problem="none answers"), ACCOUNT)
    assert conditions(silent) == [("Ready", "True", "Ready"), ("Engine", "False", "Unreachable")]
    assert conditions(status(ACCOUNT, spec=replace(SPEC, engine="none"))) == [("Ready", "True", "Ready")]
    assert status(ENGINE, replace(ACCOUNT, lease=OTHERS)).host.held_by == "bob@laptop (installation)"


@pytest.mark.parametrize(("reason", "standing"), [("Unreachable", "Unknown"), ("HostKeyChanged", "False")])
def test_a_host_that_is_away_is_unknown_and_one_that_may_be_another_is_blocked(reason: str, standing: str) -> None:
    views = [replace(view, engine="", machine=None, problem="why", reason=reason) for view in (ENGINE, ACCOUNT)]
    before = status(ENGINE, ACCOUNT)
    told = status(*views, before=before)
    assert conditions(told) == [("Ready", standing, reason), ("Engine", "Unknown", reason)]
    assert told.host == before.host, "what it was is still told"


def test_what_a_host_does_is_an_event_when_it_begins_and_not_while_it_lasts() -> None:
    there, gone = status(ENGINE, ACCOUNT), status(replace(ACCOUNT, machine=None, problem="why"))
    anew = status(ENGINE, machine(boot_id="another"))

    def told(before: Status | None, current: Status) -> list[tuple[str, str]]:
        past = {HOST.key: before} if before else {}
        return [(event.type, str(event.reason)) for event in news(past, {HOST.key: current}, NOW)]

    assert told(None, there) == [("Normal", "Ready")]
    assert told(there, there) == []
    assert told(there, gone) == [("Warning", "Unreachable")]
    assert told(gone, gone) == []
    assert told(gone, there) == [("Normal", "Ready")]
    assert told(there, anew) == [("Normal", "Rebooted")]


def world(lease: Lease | None) -> Snapshot:
    return Snapshot((*HERE, ENGINE, replace(ACCOUNT, lease=lease)))


def test_what_would_be_done_on_a_host_of_another_installation_waits_and_says_for_whom() -> None:
    desired = graph(HOST, process("there", run_on="a"), container("box", run_on="a"), process("here"))
    assert {action.key.name for action in plan(desired, world(MINE), {}, NOW).actions} >= {"there", "here"}

    found = plan(desired, world(OTHERS), {}, NOW)
    assert {action.key.name for action in found.actions} == {"here"}
    waits = {wait.key.name: wait for wait in found.waits}
    assert waits["there"].reason == "HostTaken"
    assert "is looked after by bob@laptop (installation" in waits["there"].message
    assert "500" not in waits["there"].message, "or each look would be news"


def test_what_is_there_already_is_not_taken_down_under_the_other_one_and_stays_ready() -> None:
    there = settled(graph(HOST, process("there", run_on="a")), world(MINE))
    views = tuple(replace(view, lease=OTHERS) if view.lease else view for view in there.views)
    taken = replace(there, views=views)
    assert plan(graph(HOST, process("there", run_on="a")), taken, {}, NOW).settled
    moved = plan(graph(HOST, process("there")), taken, {}, NOW)
    assert not [action for action in moved.actions if action.seen and action.seen.host == "shop/a"]


def test_a_host_is_given_back_when_nothing_of_ours_is_left_there() -> None:
    desired = graph(HOST, process("there", run_on="a"))
    there = settled(desired, world(MINE))
    assert left_alone(desired, there, ()) == []

    buried = graph(HOST, replace(process("there", run_on="a"), deleting=True))
    while (actions := plan(buried, there, {}, NOW).actions)[0].verb is not Verb.REMOVE:
        there = advance(there, actions[0], NOW)
    outcomes = [Outcome(action, Result.DONE) for action in actions]
    assert left_alone(desired, there, outcomes) == ["shop/a"]
    assert left_alone(desired, there, [replace(one, result=Result.UNKNOWN) for one in outcomes]) == []


def test_a_host_without_an_engine_says_so_to_whoever_needs_one() -> None:
    found = Snapshot((*HERE, ACCOUNT)).view(Place("docker", "shop/a"))
    assert "host shop/a has no container engine" in found.problem
    assert found.hint
