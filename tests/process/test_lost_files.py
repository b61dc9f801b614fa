"""Files of a service that somebody deleted or damaged: one costs nothing, and who runs is never forgotten."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import NameTaken, Refused
from reconciler.model.desired import Stop
from reconciler.model.observed import Phase
from reconciler.runtimes.process import identity
from reconciler.runtimes.process.directory import LABELS, read_record
from tests.contract.harness import OWNER
from tests.contract.processes import Processes, alive, end
from tests.process.conftest import marked, saying
from tests.waiting import until

DAMAGED = [None, b"", b"{", b"[]", b"\xff\xfe", b'{"dev.reconciler.owner": 7}']
EMPTIED = ("env", "-i", "sleep", "1000")
"""Without a marker: the kernel shows an environment as it was at the last exec."""


def damage(path: Path, content: bytes | None) -> None:
    path.unlink() if content is None else path.write_bytes(content)


def lose_labels(processes: Processes, content: bytes | None = None) -> None:
    for name in LABELS:
        damage(processes.place(processes.desired()) / name, content)


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", LABELS)
def test_labels_that_are_lost_once_cost_nothing(processes: Processes, name: str, content: bytes | None) -> None:
    seen = processes.made(processes.desired())
    damage(processes.place(processes.desired()) / name, content)
    assert processes.made(processes.desired()) == seen
    processes.runtime.stop(seen, Stop("TERM", 5))
    stopped = processes.see(processes.desired())
    assert (stopped.phase, stopped.exit_code, stopped.fingerprint) == (Phase.EXITED, 143, seen.fingerprint)


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("command", [("sleep", "1000"), EMPTIED])
def test_who_runs_is_ours_though_all_labels_are_lost(
    processes: Processes, command: tuple[str, ...], content: bytes | None
) -> None:
    """What was started is not known any more, so it is another one than any that is wanted; but it is ours to end."""
    seen = processes.made(processes.desired(command=command))
    lose_labels(processes, content)
    found = processes.see(processes.desired())
    assert (found.key, found.owner, found.phase, found.pid) == (seen.key, OWNER, Phase.RUNNING, seen.pid)
    assert found.fingerprint == ""
    assert processes.see(processes.desired()) == found
    with pytest.raises(NameTaken, match=f"pid {seen.pid}"):
        processes.runtime.create(processes.desired())
    processes.runtime.stop(found, Stop("TERM", 5))
    assert not alive(seen.pid)
    stopped = processes.see(processes.desired())
    assert (stopped.id, stopped.phase) == (found.id, Phase.EXITED)
    processes.runtime.remove(stopped)
    assert not processes.place(processes.desired()).exists()


def asleep(processes: Processes) -> bool:
    """Whoever is left has begun what it is to do: nobody shows its environment while an exec is under way."""
    return [identity.slurp(f"/proc/{pid}/comm") for pid in marked(processes.namespace)] == [b"sleep\n"]


@pytest.mark.parametrize("content", [None, b"{"])
def test_those_who_outlive_a_service_without_labels_are_ended_with_it(
    processes: Processes, content: bytes | None
) -> None:
    desired = processes.desired(command=("sh", "-c", "(setsid sleep 1002 &) & echo ready; exit 3"))
    processes.runtime.create(desired)
    until(lambda: (now := processes.see(desired)) and now.phase is Phase.EXITED and asleep(processes))
    lose_labels(processes, content)
    found = until(lambda: processes.see(desired))
    assert (found.phase, found.exit_code, found.stragglers) == (Phase.EXITED, 3, True)
    processes.runtime.stop(found, Stop())
    assert marked(processes.namespace) == []
    processes.runtime.remove(processes.see(desired))


def test_what_nobody_vouches_for_is_foreign_and_never_touched(processes: Processes) -> None:
    """A directory without labels in which nothing runs any more: for a person to look at."""
    seen = processes.made(processes.desired())
    processes.runtime.stop(seen, Stop("TERM", 5))
    kept = {name: (processes.place(processes.desired()) / name).read_bytes() for name in LABELS}
    lose_labels(processes, b"{")
    there = next(thing for thing in processes.runtime.observe().objects if thing.name == seen.name)
    assert (there.key, there.owner, there.phase) == (None, "", Phase.UNKNOWN)
    with pytest.raises(NameTaken):
        processes.runtime.create(processes.desired())
    for verb in (lambda: processes.runtime.stop(there, Stop()), lambda: processes.runtime.remove(there)):
        with pytest.raises(Refused):
            verb()
    for name, content in kept.items():
        (processes.place(processes.desired()) / name).write_bytes(content)
    assert processes.see(processes.desired()).id == seen.id


def test_labels_of_another_installation_are_believed_whoever_runs(processes: Processes) -> None:
    seen = processes.made(processes.desired())
    for name in LABELS:
        path = processes.place(processes.desired()) / name
        path.write_text(path.read_text().replace(OWNER, "somebody-else"))
    there = next(thing for thing in processes.runtime.observe().objects if thing.name == seen.name)
    assert (there.key, there.phase) == (None, Phase.RUNNING)
    for name in LABELS:
        path = processes.place(processes.desired()) / name
        path.write_text(path.read_text().replace("somebody-else", OWNER))


@pytest.mark.parametrize("content", [None, b"", b"12 34"])
@pytest.mark.parametrize("shell", ["there", "killed"])
def test_a_lost_record_costs_nothing(processes: Processes, shell: str, content: bytes | None) -> None:
    seen = processes.made(processes.desired())
    record = processes.place(processes.desired()) / "pid"
    parent = read_record(str(record.parent)).parent.pid
    damage(record, content)
    if shell == "killed":
        end(parent, signal.SIGKILL)
    found = processes.made(processes.desired())
    assert abs(found.started_at - seen.started_at) < 1.5
    assert found == replace(seen, started_at=found.started_at) == processes.see(processes.desired())
    assert processes.runtime.run(found, ["sh", "-c", "echo inside"], deadline=5).stdout == b"inside\n"
    processes.runtime.stop(found, Stop("TERM", 5))
    assert not alive(seen.pid)
    assert marked(processes.namespace) == []


def test_the_service_is_told_from_its_children_though_its_record_was_lost(processes: Processes) -> None:
    code = "sleep 1001 & setsid sleep 1001 & (setsid sleep 1001 &) & echo ready; sleep 1001 & wait"
    seen = processes.made(processes.desired(command=("sh", "-c", code)))
    saying(processes, seen, b"ready")
    (processes.place(processes.desired()) / "pid").unlink()
    assert processes.see(processes.desired()).pid == seen.pid


def test_who_is_left_of_a_service_is_not_taken_for_it(processes: Processes) -> None:
    desired = processes.desired(command=("sh", "-c", "(setsid sleep 1002 &) & echo ready; exit 3"))
    processes.runtime.create(desired)
    until(lambda: (now := processes.see(desired)) and now.phase is Phase.EXITED and marked(processes.namespace))
    (processes.place(desired) / "pid").unlink()
    found = processes.see(desired)
    assert (found.phase, found.stragglers, found.pid) == (Phase.EXITED, True, None)
    processes.runtime.stop(found, Stop())
    after = processes.see(desired)
    assert (after.phase, after.exit_code, after.stragglers) == (Phase.EXITED, 3, False)


def test_all_but_the_directory_may_be_lost(processes: Processes) -> None:
    seen = processes.made(processes.desired())
    for name in (*LABELS, "pid", "exit"):
        (processes.place(processes.desired()) / name).unlink()
    found = processes.see(processes.desired())
    assert (found.key, found.phase, found.pid) == (seen.key, Phase.RUNNING, seen.pid)
    processes.runtime.stop(found, Stop("TERM", 5))
    assert not alive(seen.pid)
    processes.runtime.remove(processes.see(processes.desired()))


def test_a_stranger_with_the_same_command_line_is_not_taken_for_a_lost_one(processes: Processes) -> None:
    """Nor one that wears our owner's marker for another service."""
    seen = processes.made(processes.desired(command=("sleep", "987654")))
    other = {"RECONCILER_OWNER": OWNER, "RECONCILER_KEY": f"service/{processes.namespace}x/web/0"}
    strangers = [subprocess.Popen(["sleep", "987654"], env=env, start_new_session=True) for env in ({}, other)]
    try:
        (processes.place(processes.desired()) / "pid").unlink()
        assert processes.see(processes.desired()).pid == seen.pid
        processes.runtime.stop(processes.see(processes.desired()), Stop("KILL", 0))
        assert [stranger.poll() for stranger in strangers] == [None, None]
    finally:
        for stranger in strangers:
            stranger.kill()
            stranger.wait()


def test_a_home_behind_a_link_is_the_same_home(processes: Processes, tmp_path: Path) -> None:
    """The kernel tells the lock's path with all links resolved."""
    link = tmp_path / "link"
    link.symlink_to(processes.home)
    linked = Processes(link, processes.namespace)
    linked.runtime._starter.cgroups = processes.runtime._starter.cgroups
    code = "import os\nos.environ.clear()\nos.execv('/bin/sleep', ['sleep', '1000'])"
    desired = linked.desired(command=("sh", "-c", f'setsid {sys.executable} -c "{code}" & echo ready; exit 3'))
    linked.runtime.create(desired)
    ended = until(lambda: (now := linked.see(desired)) and now.phase is Phase.EXITED and now)
    linked.runtime.stop(ended, Stop())
    until(lambda: not linked.see(desired).stragglers)
    linked.runtime.remove(linked.see(desired))


def test_a_directory_deleted_under_a_running_service_does_not_make_two(processes: Processes, setting: str) -> None:
    """It is seen all the same, is ours to end, and until then nothing else gets its name."""
    seen = processes.made(processes.desired())
    shutil.rmtree(processes.place(processes.desired()))
    found = processes.see(processes.desired())
    assert (found.key, found.phase, found.pid, found.fingerprint) == (seen.key, Phase.RUNNING, seen.pid, "")
    if setting == "cgroup":  # else only a look tells
        with pytest.raises(NameTaken, match=f"pid {seen.pid}"):
            processes.runtime.create(processes.desired())
    processes.runtime.stop(found, Stop("TERM", 5))
    assert not alive(seen.pid)
    processes.runtime.remove(processes.see(processes.desired()))
    new = processes.made(processes.desired())
    assert marked(processes.namespace) == [new.pid]


def test_what_runs_in_a_copy_of_the_home_is_not_taken_for_ours(
    processes: Processes, make: Callable[[], Processes], tmp_path: Path
) -> None:
    """A copy has the same owner; the place of the lock tells them apart."""
    processes.made(processes.desired())
    copy = make()
    copy.home = tmp_path / "copy"
    copy.runtime = type(copy.runtime)(str(copy.home), OWNER)
    copy.runtime._starter.cgroups = processes.runtime._starter.cgroups
    assert copy.see(copy.desired()) is None
