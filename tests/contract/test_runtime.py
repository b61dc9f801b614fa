"""What every runtime keeps to, whatever it makes its workloads of."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import replace

import pytest

from reconciler.core.verdict import Adjust, Matches, Replace, verdict
from reconciler.errors import Gone, NameTaken, OutcomeUnknown, ReconcilerError, Refused, StillRuns
from reconciler.model.desired import Desired, Limits, PortBinding, Sealed, Stop
from reconciler.model.observed import Observed, Phase
from tests.contract.harness import OWNER, Harness
from tests.waiting import until

SOON = Stop("TERM", 5.0)


def find(harness: Harness, desired: Desired) -> Observed | None:
    view = harness.runtime.observe(deep=True)
    assert view.reachable, view.problem
    found = [thing for thing in view.objects if thing.key == desired.key]
    assert len(found) <= 1, "one of a kind"
    return found[0] if found else None


def made(harness: Harness, desired: Desired) -> Observed:
    harness.runtime.create(desired)
    seen = find(harness, desired)
    assert seen is not None
    return seen


def in_phase(harness: Harness, desired: Desired, phase: Phase) -> Observed:
    def look() -> Observed | None:
        seen = find(harness, desired)
        return seen if seen and seen.phase is phase else None

    return until(look)


def _limited(harness: Harness, limits: Limits) -> Desired:
    desired = harness.desired()
    return replace(desired, payload=replace(desired.payload, limits=limits))


def said(harness: Harness, seen: Observed) -> bytes:
    return b"".join(harness.runtime.logs(seen))


@pytest.fixture(autouse=True)
def _needs_programs(request: pytest.FixtureRequest, harness: Harness) -> None:
    if request.node.get_closest_marker("programs") and not harness.runs_programs:
        pytest.skip("this runtime only pretends to run programs")


class TestLife:
    def test_what_was_created_is_seen_running(self, harness: Harness) -> None:
        before = time.time()
        seen = made(harness, harness.desired())
        assert seen.phase is Phase.RUNNING
        assert (seen.owner, seen.fingerprint, seen.generation) == (OWNER, "f1", harness.desired().generation)
        assert seen.name == harness.desired().name
        assert seen.started_at is not None
        assert before - 1 <= seen.started_at <= time.time() + 1

    def test_creating_twice_makes_one(self, harness: Harness) -> None:
        first = made(harness, harness.desired())
        again = made(harness, harness.desired())
        assert (again.id, again.started_at, again.pid) == (first.id, first.started_at, first.pid)

    def test_who_has_come_to_his_end_is_not_run_again_by_whoever_overlooked_him(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.runtime.stop(seen, SOON)
        in_phase(harness, harness.desired(), Phase.EXITED)
        harness.runtime.create(harness.desired())
        assert find(harness, harness.desired()).phase is Phase.EXITED

    def test_many_who_create_at_once_make_one(self, harness: Harness) -> None:
        desired = harness.desired()
        problems: list[ReconcilerError] = []

        def create() -> None:
            try:
                harness.runtime.create(desired)
            except ReconcilerError as problem:
                problems.append(problem)

        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems
        assert in_phase(harness, desired, Phase.RUNNING)

    def test_replicas_are_separate(self, harness: Harness) -> None:
        first, second = (made(harness, harness.desired(index=index)) for index in (0, 1))
        assert first.id != second.id
        harness.runtime.stop(first, SOON)
        assert in_phase(harness, harness.desired(index=1), Phase.RUNNING).id == second.id

    def test_stopping_is_seen_and_may_be_repeated(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.runtime.stop(seen, SOON)
        stopped = in_phase(harness, harness.desired(), Phase.EXITED)
        assert stopped.id == seen.id
        assert stopped.pid is None
        harness.runtime.stop(stopped, SOON)
        assert find(harness, harness.desired()) == stopped

    def test_starting_again_keeps_the_id_and_may_be_repeated(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.runtime.stop(seen, SOON)
        stopped = in_phase(harness, harness.desired(), Phase.EXITED)
        harness.runtime.start(stopped, harness.desired())
        running = in_phase(harness, harness.desired(), Phase.RUNNING)
        assert running.id == seen.id
        assert running.exit_code is None
        harness.runtime.start(running, harness.desired())
        assert find(harness, harness.desired()) == running

    def test_removing_is_seen_and_may_be_repeated(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.runtime.stop(seen, SOON)
        harness.runtime.remove(seen)
        assert find(harness, harness.desired()) is None
        harness.runtime.remove(seen)

    def test_one_that_runs_or_pauses_is_not_removed_and_that_is_said(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        with pytest.raises(StillRuns):
            harness.runtime.remove(seen)
        assert find(harness, harness.desired()) == seen
        harness.break_behind_back("pause", seen)
        paused = in_phase(harness, harness.desired(), Phase.PAUSED)
        with pytest.raises(StillRuns):
            harness.runtime.remove(paused)
        assert find(harness, harness.desired()) == paused

    def test_what_is_gone_is_said_to_be_gone(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.runtime.stop(seen, SOON)
        harness.runtime.remove(seen)
        with pytest.raises(Gone):
            harness.runtime.stop(seen, SOON)
        with pytest.raises(Gone):
            harness.runtime.start(seen, harness.desired())

    def test_an_old_id_does_not_reach_the_new_one(self, harness: Harness) -> None:
        old = made(harness, harness.desired())
        harness.runtime.stop(old, SOON)
        harness.runtime.remove(old)
        new = made(harness, harness.desired())
        assert new.id != old.id
        with pytest.raises(Gone):
            harness.runtime.stop(old, SOON)
        harness.runtime.remove(old)
        assert in_phase(harness, harness.desired(), Phase.RUNNING).id == new.id

    def test_unpausing_lets_it_go_on(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.break_behind_back("pause", seen)
        paused = in_phase(harness, harness.desired(), Phase.PAUSED)
        harness.runtime.adjust(paused, harness.desired(), ["unpause"])
        assert in_phase(harness, harness.desired(), Phase.RUNNING).pid == seen.pid

    def test_limits_are_changed_in_place(self, harness: Harness) -> None:
        few, more = (_limited(harness, Limits(memory=mib << 20, pids=mib)) for mib in (64, 96))
        if not harness.limits:
            with pytest.raises(Refused, match="can't limit"):
                harness.runtime.create(few)
            return
        seen = made(harness, few)
        assert verdict(few, seen) == Matches()
        judged = verdict(more, seen)
        if seen.facts and "limits" in seen.facts.fixed:  # Podman has no call for it: there it is made anew
            assert judged == Replace("memory is 64 MiB, not 96 MiB and pids is 64, not 96")
            return
        assert judged == Adjust(("limits",), "memory is 64 MiB, not 96 MiB and pids is 64, not 96")
        harness.runtime.adjust(seen, more, judged.changes)
        now = find(harness, more)
        assert now is not None
        assert (now.id, now.pid, now.started_at) == (seen.id, seen.pid, seen.started_at)
        assert verdict(more, now) == Matches()

    def test_a_paused_one_can_be_stopped(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.break_behind_back("pause", seen)
        begun = time.monotonic()
        harness.runtime.stop(seen, SOON)
        in_phase(harness, harness.desired(), Phase.EXITED)
        assert time.monotonic() - begun < SOON.grace_seconds

    @pytest.mark.parametrize(
        ("how", "phase"), [("kill", Phase.EXITED), ("stop", Phase.EXITED), ("pause", Phase.PAUSED)]
    )
    def test_what_happens_behind_its_back_is_seen(self, harness: Harness, how: str, phase: Phase) -> None:
        seen = made(harness, harness.desired())
        harness.break_behind_back(how, seen)
        assert in_phase(harness, harness.desired(), phase).id == seen.id

    def test_what_is_removed_behind_its_back_is_not_there_any_more(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.break_behind_back("remove", seen)
        until(lambda: find(harness, harness.desired()) is None)
        assert made(harness, harness.desired()).id != seen.id


class TestWhose:
    def test_labels_come_back_as_they_went(self, harness: Harness) -> None:
        ports = (PortBinding("http", 8080, 20911), PortBinding("admin", 9090, 20912))
        desired = harness.desired(ports=ports, fingerprint="0123456789abcdef")
        seen = made(harness, desired)
        assert (seen.key, seen.owner, seen.fingerprint) == (desired.key, desired.owner, desired.fingerprint)
        assert seen.generation == desired.generation
        assert seen.grants == desired.grants
        assert {binding.port for binding in seen.bindings} == {20911, 20912}

    def test_ports_are_not_held_by_what_is_stopped_but_stay_granted(self, harness: Harness) -> None:
        desired = harness.desired(ports=(PortBinding("http", 8080, 20913),))
        harness.runtime.stop(made(harness, desired), SOON)
        stopped = in_phase(harness, desired, Phase.EXITED)
        assert stopped.bindings == ()
        assert stopped.grants == desired.grants

    def test_a_foreign_thing_in_the_way_is_reported_and_left_alone(self, harness: Harness) -> None:
        name = harness.foreign(harness.desired())
        there = next(thing for thing in harness.runtime.observe().objects if thing.name == name)
        assert there.key is None
        with pytest.raises(NameTaken, match=name.split("-")[0]):
            harness.runtime.create(harness.desired())
        assert there in harness.runtime.observe().objects

    def test_an_observation_changes_nothing(self, harness: Harness) -> None:
        """Looked at: our own things, for other tests may use the same engine meanwhile."""
        desired = harness.desired()
        made(harness, desired)

        def look() -> list[Observed]:
            things = harness.runtime.observe(deep=True).objects
            return [thing for thing in things if thing.key and thing.key.namespace == desired.key.namespace]

        assert look() == look() != []

    def test_a_volume_is_made_once_and_only_removed_by_name(self, harness: Harness) -> None:
        desired = harness.volume()
        harness.runtime.create(desired)
        harness.runtime.create(desired)
        seen = find(harness, desired)
        assert seen is not None
        assert (seen.kind, seen.fingerprint, seen.phase) == ("volume", "v1", Phase.RUNNING)
        harness.runtime.remove(seen)
        harness.runtime.remove(seen)
        assert find(harness, desired) is None


@pytest.mark.programs
class TestPrograms:
    def test_the_exit_code_is_kept(self, harness: Harness) -> None:
        desired = harness.desired(command=("sh", "-c", "exit 42"))
        harness.runtime.create(desired)
        ended = in_phase(harness, desired, Phase.EXITED)
        assert ended.exit_code == 42
        assert ended.finished_at is not None

    def test_a_death_by_signal_is_128_and_its_number(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        harness.break_behind_back("kill", seen)
        assert in_phase(harness, harness.desired(), Phase.EXITED).exit_code == 137

    def test_a_program_that_ends_with_127_was_found(self, harness: Harness) -> None:
        desired = harness.desired(command=("sh", "-c", "exit 127"))
        harness.runtime.create(desired)
        assert in_phase(harness, desired, Phase.EXITED).exit_code == 127

    def test_a_program_that_does_not_exist_is_refused_with_its_name(self, harness: Harness) -> None:
        with pytest.raises(Refused, match="no-such-program"):
            harness.runtime.create(harness.desired(command=("no-such-program", "--flag")))

    def test_whoever_ignores_the_request_is_killed_when_its_time_is_over(self, harness: Harness) -> None:
        desired = harness.desired(command=("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1000; done"))
        seen = made(harness, desired)
        until(lambda: b"deaf" in said(harness, seen))
        begun = time.monotonic()
        harness.runtime.stop(seen, Stop("TERM", 0.5))
        assert 0.4 < time.monotonic() - begun < 9
        assert in_phase(harness, desired, Phase.EXITED).exit_code == 137

    def test_environment_and_files_arrive(self, harness: Harness) -> None:
        env = {"PLAIN": "a b\nc", "HIDDEN": Sealed("digest", b"canary-7")}
        desired = harness.desired(env=env, files={"app.ini": b"debug = 1\n", "key": Sealed("digest", b"canary-8")})
        seen = made(harness, desired)
        printed = harness.runtime.run(seen, ["sh", "-c", 'printf "%s|%s" "$PLAIN" "$HIDDEN"'], deadline=5)
        assert printed.stdout == b"a b\nc|canary-7"
        for file, content, mode in (("app.ini", b"debug = 1\n", b"444"), ("key", b"canary-8", b"400")):
            path = harness.path_inside(desired, file)
            assert harness.runtime.run(seen, ["cat", path], deadline=5).stdout == content
            assert harness.runtime.run(seen, ["stat", "-c", "%a", path], deadline=5).stdout.strip() == mode

    def test_both_streams_are_in_the_log_in_the_order_written(self, harness: Harness) -> None:
        """Within a moment of each other they may change places: an engine reads them from two pipes."""
        desired = harness.desired(command=("sh", "-c", "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three"))
        harness.runtime.create(desired)
        seen = in_phase(harness, desired, Phase.EXITED)
        assert until(lambda: len(lines := said(harness, seen).split()) == 3 and lines) == [b"one", b"two", b"three"]

    def test_the_tail_of_a_log_is_its_last_lines(self, harness: Harness) -> None:
        desired = harness.desired(command=("sh", "-c", "for n in 1 2 3 4 5; do echo line $n; done"))
        harness.runtime.create(desired)
        seen = in_phase(harness, desired, Phase.EXITED)
        until(lambda: b"line 5" in said(harness, seen))
        assert b"".join(harness.runtime.logs(seen, tail=2)) == b"line 4\nline 5\n"
        assert b"".join(harness.runtime.logs(seen, tail=0)) == b""

    def test_following_a_log_ends_with_the_workload(self, harness: Harness) -> None:
        command = ("sh", "-c", "for n in 1 2 3; do echo line $n; sleep 0.2; done; echo end")
        seen = made(harness, harness.desired(command=command))
        assert b"".join(harness.runtime.logs(seen, follow=True)) == b"line 1\nline 2\nline 3\nend\n"

    def test_a_command_inside_gives_output_and_exit_code(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        done = harness.runtime.run(seen, ["sh", "-c", "echo out; echo err >&2; exit 7"], deadline=5)
        assert (done.exit_code, done.stdout, done.stderr) == (7, b"out\n", b"err\n")

    def test_a_command_inside_may_say_no_more_than_64_KiB(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        done = harness.runtime.run(seen, ["sh", "-c", "yes | head -c 1000000"], deadline=10)
        assert done.exit_code == 0
        assert len(done.stdout) <= 64 * 1024

    def test_a_command_inside_dies_at_its_deadline_with_its_children(self, harness: Harness) -> None:
        seen = made(harness, harness.desired())
        begun = time.monotonic()
        rest = str(secrets.randbelow(10**8) + 10**8)  # of all who sleep on this machine, ours
        with pytest.raises(OutcomeUnknown):
            harness.runtime.run(seen, ["sh", "-c", f"sleep {rest} & sleep {rest}"], deadline=0.5)
        assert time.monotonic() - begun < 30
        left = ["sh", "-c", f"grep -l '^sleep.{rest}' /proc/[0-9]*/cmdline 2>/dev/null | wc -l"]
        assert harness.runtime.run(seen, left, deadline=5).stdout.strip() == b"0"
