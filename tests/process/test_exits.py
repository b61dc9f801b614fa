"""Deaths of native services are told of at once, whoever started them."""

from __future__ import annotations

import os
import select
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model.observed import Phase
from reconciler.runtimes.process.exits import Exits
from tests.alarms import Told, listening
from tests.contract.processes import Processes, end
from tests.process.conftest import marked
from tests.waiting import until


@pytest.fixture
def exits(home: Path) -> Exits:
    return Exits(str(home), rescan=1.0)


@pytest.fixture
def told(exits: Exits) -> Iterator[Told]:
    with listening(exits) as told:
        yield told


def known(exits: Exits, seen: object) -> None:
    """Once somebody here waits for its end by a pidfd."""
    exits.look_again()
    until(lambda: seen.pid in held())


def held() -> set[int]:
    found = set()
    for info in Path("/proc/self/fdinfo").iterdir():
        try:
            lines = info.read_text().splitlines()
        except FileNotFoundError:
            continue
        found |= {int(line.split()[1]) for line in lines if line.startswith("Pid:")}
    return found


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_F1_a_killed_service_is_told_of_within_two_milliseconds(processes: Processes, exits: Exits, told: Told) -> None:
    latencies = []
    for number in range(20):
        seen = processes.made(processes.desired(name=f"web{number}"))
        known(exits, seen)
        told.listen_from_now()
        moment = killed(seen.pid)
        latencies.append((told.first(processes.namespace) - moment) * 1000)
    median = statistics.median(latencies)
    print(f"from death to tell: median {median:.2f} ms, worst {max(latencies):.2f} ms")
    assert median < 2, latencies


def killed(pid: int) -> float:
    """When it was dead, by a pidfd of our own."""
    fd = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        select.select([fd], [], [])
        return time.monotonic()
    finally:
        os.close(fd)


def test_who_looks_when_it_is_told_sees_the_death_and_its_code(processes: Processes, exits: Exits, told: Told) -> None:
    seen = processes.made(processes.desired(command=("sh", "-c", "kill -s TERM $$; sleep 1000")))
    told.first(processes.namespace)
    now = processes.see(processes.desired())
    assert (now.phase, now.exit_code, now.detail) == (Phase.EXITED, 143, "")
    assert seen.pid not in held()


def test_one_that_died_before_it_was_known_is_told_of_when_it_is_found(processes: Processes, exits: Exits) -> None:
    processes.made(processes.desired(command=("sh", "-c", "exit 3")))
    with listening(exits) as told:
        told.first(processes.namespace)
        assert told.quiet(2.5) == [processes.namespace], "once"


def test_one_that_is_started_again_is_watched_again_without_being_told_to(
    processes: Processes, exits: Exits, told: Told
) -> None:
    desired = processes.desired()
    for _ in range(3):
        seen = processes.made(desired)
        until(lambda pid=seen.pid: pid in held())  # found by looking through the directories
        told.listen_from_now()
        end(seen.pid, signal.SIGKILL)
        told.first(processes.namespace)
        processes.runtime.start(processes.see(desired), desired)
        seen = processes.see(desired)


def test_services_that_another_started_are_watched_too(make: object, exits: Exits, told: Told) -> None:
    """Another runtime on the same home, as a command without the daemon would have."""
    other = make()
    seen = other.made(other.desired())
    until(lambda: seen.pid in held())
    end(seen.pid, signal.SIGKILL)
    told.first(other.namespace)


def test_a_parent_that_is_killed_with_its_service_takes_nothing_along(
    processes: Processes, exits: Exits, told: Told
) -> None:
    seen = processes.made(processes.desired())
    known(exits, seen)
    parent = int(Path(f"/proc/{seen.pid}/stat").read_text().rpartition(")")[2].split()[1])
    told.listen_from_now()
    os.kill(parent, signal.SIGKILL)
    os.kill(seen.pid, signal.SIGKILL)
    told.first(processes.namespace)


def test_last_words_that_come_late_are_told_of_again(processes: Processes, exits: Exits, told: Told) -> None:
    """A parent that was stopped writes the exit code once it goes on."""
    seen = processes.made(processes.desired())
    known(exits, seen)
    parent = int(Path(f"/proc/{seen.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGSTOP)
    told.listen_from_now()
    os.kill(seen.pid, signal.SIGKILL)
    told.first(processes.namespace)
    assert told.quiet(0.7) == [processes.namespace]
    os.kill(parent, signal.SIGCONT)
    until(lambda: told.keys == [processes.namespace] * 2)
    now = processes.see(processes.desired())
    assert now.exit_code == 137


def test_a_service_directory_that_is_deleted_is_told_of(processes: Processes, exits: Exits, told: Told) -> None:
    desired = processes.desired()
    seen = processes.made(desired)
    known(exits, seen)
    told.listen_from_now()
    shutil.rmtree(processes.place(desired))
    told.first(processes.namespace)
    end(seen.pid, signal.SIGKILL)
    until(lambda: not marked(processes.namespace))
    processes.close()


def test_F4_a_stranger_that_got_the_number_of_a_dead_service_is_not_waited_for(
    processes: Processes, exits: Exits
) -> None:
    """The record speaks of a number and a start time; here only the number fits."""
    desired = processes.desired()
    seen = processes.made(desired)
    record = processes.place(desired) / "pid"
    words = record.read_text().split(" ")
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        record.write_text(" ".join([str(stranger.pid), str(int(words[1]) - 1), *words[2:]]))
        with listening(exits) as told:
            told.first(processes.namespace)
            assert stranger.pid not in held()
    finally:
        stranger.kill()
        stranger.wait()
        record.write_text(" ".join(words))
    assert processes.see(desired).pid == seen.pid


def test_more_services_than_descriptors_are_asked_about_one_by_one(processes: Processes, home: Path) -> None:
    some = [processes.made(processes.desired(name=f"web{number}")) for number in range(4)]
    with listening(Exits(str(home), most=2, rescan=1.0)) as told:
        ours = {seen.pid for seen in some}
        watched = until(lambda: len(held() & ours) == 2 and held() & ours)
        unwatched = next(seen.pid for seen in some if seen.pid not in watched)
        end(unwatched, signal.SIGKILL)
        told.first(processes.namespace)


def test_its_end_comes_at_once_and_leaves_no_descriptor(processes: Processes, home: Path) -> None:
    processes.made(processes.desired())
    exits = Exits(str(home))
    before = descriptors()
    with listening(exits) as told:
        until(lambda: descriptors() > before + 1)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert told.keys == []
    assert descriptors() == before
