"""What somebody does to our processes is seen in `diff` with its cause, and undone by `apply` with few actions."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.documents import changed, native, native_server, shell
from tests.scenarios.stage import Stage, eventually, get

pytestmark = pytest.mark.engine


def kill(stage: Stage, name: str, number: signal.Signals = signal.SIGKILL) -> None:
    process = stage.process(name)
    process.signal(number)
    eventually(lambda: not process.alive, f"{name} has ended")


@pytest.mark.parametrize(
    ("number", "cause"), [(signal.SIGKILL, "exited with code 137"), (signal.SIGTERM, "exited with code 143")]
)
def test_H1_a_killed_process_is_seen_and_started_again(stage: Stage, number: signal.Signals, cause: str) -> None:
    spec = [native("worker"), native("other")]
    stage.apply(*spec)
    first, other = stage.process("worker"), stage.process("other")

    kill(stage, "worker", number)
    seen = eventually(lambda: stage.diff(*spec, expect=1), "diff sees it")
    assert (seen.actions, cause in seen.causes) == (["Start worker/0"], True)

    done = stage.apply(*spec)
    assert done.actions == ["Start worker/0"]
    assert done.results == {"worker": "configured", "other": "unchanged"}
    assert stage.process("worker") != first
    assert stage.process("other") == other


def test_H1_a_stopped_process_is_seen_as_paused_and_continued(stage: Stage) -> None:
    stage.apply(native("worker"))
    process = stage.process("worker")
    process.signal(signal.SIGSTOP)
    eventually(lambda: process.state == "T", "it is stopped")

    seen = stage.diff(native("worker"), expect=1)
    assert (seen.actions, "it was paused" in seen.causes) == (["Adjust worker/0"], True)
    assert stage.apply(native("worker")).actions == ["Adjust worker/0"]
    assert stage.process("worker") == process
    assert process.state == "S"


def test_a_process_whose_directory_somebody_deleted_is_not_run_twice(stage: Stage) -> None:
    """What it was made of is gone with the directory; its marks in the world are not."""
    stage.apply(native_server("api"))
    shutil.rmtree(stage.home / "processes")

    old = stage.processes("api")
    seen = stage.diff(native_server("api"), expect=1)
    assert "its labels were lost" in seen.causes
    assert {"Stop api/0", "Remove api/0", "Create api/0"} <= set(seen.actions)
    stage.apply(native_server("api"))
    assert not any(process.alive for process in old)
    assert len([p for p in stage.processes("api") if "httpd" in p.command]) == 1
    assert stage.apply(native_server("api")).actions == []


@pytest.mark.parametrize("left", ["the directory", "nothing"])
def test_a_process_whose_labels_were_lost_is_deleted_all_the_same(stage: Stage, left: str) -> None:
    stage.apply(native("worker"))
    process = stage.process("worker")
    lose_labels(stage, "worker") if left == "the directory" else shutil.rmtree(stage.home / "processes")
    assert stage.delete(native("worker")).actions == ["Stop worker/0", "Remove worker/0"]
    assert not process.alive
    assert not [*(stage.home / "processes").iterdir()]


def test_a_process_whose_labels_were_lost_gives_up_the_port_that_it_insists_on(
    stage: Stage, free_port: Callable[[], int]
) -> None:
    spec = native_server("api", ports=[{"name": "http", "hostPort": free_port()}])
    stage.apply(spec)
    process = stage.process("api")
    lose_labels(stage, "api")
    assert stage.apply(spec).actions == ["Stop api/0", "Remove api/0", "Create api/0"]
    assert not process.alive
    assert stage.apply(spec).actions == []


@pytest.mark.parametrize("name", ["labels.json", "labels.copy.json", "pid"])
def test_one_lost_file_costs_nothing(stage: Stage, name: str) -> None:
    stage.apply(native_server("api"))
    process = stage.process("api")
    (directory(stage, "api") / name).unlink()
    assert stage.diff(native_server("api")).actions == []
    assert stage.apply(native_server("api")).actions == []
    assert stage.process("api") == process
    stage.delete(native_server("api"))
    assert not process.alive


def test_a_program_that_was_replaced_on_disk_is_run_anew_by_the_next_apply(stage: Stage, tmp_path: Path) -> None:
    program = tmp_path / "worker"
    shutil.copy(Path("/bin/sleep").resolve(), program)
    spec, other = native("worker", str(program), "100000"), native("other")
    stage.apply(spec, other)
    process = stage.process("worker")

    (tmp_path / "new").write_bytes(program.read_bytes() + b"version 2")
    (tmp_path / "new").chmod(0o755)
    (tmp_path / "new").rename(program)
    seen = stage.diff(spec, other, expect=1)
    assert seen.actions == ["Stop worker/0", "Remove worker/0", "Create worker/0"]
    assert f"its program {program} was replaced on disk" in seen.causes

    assert stage.apply(spec, other).actions == seen.actions
    assert not process.alive
    assert stage.apply(spec, other).actions == []


def test_limits_that_were_declared_anew_hold_for_the_process_that_runs(stage: Stage) -> None:
    spec = native("worker", resources={"memory": "64Mi", "pids": 50})
    stage.apply(spec)
    process = stage.process("worker")
    more = changed(spec, resources={"memory": "128Mi"})
    seen = stage.diff(more, expect=1)
    assert (seen.actions, "memory is 64 MiB, not 128 MiB" in seen.causes) == (["Adjust worker/0"], True)
    assert stage.apply(more).actions == ["Adjust worker/0"]
    assert stage.process("worker") == process
    assert stage.apply(more).actions == []


def test_a_process_killed_with_its_parent_is_started_again(stage: Stage) -> None:
    """The shell that would have written its exit code down was killed first: the code is lost, the fact is not."""
    stage.apply(native("worker"))
    process = stage.process("worker")
    keeper = stage.parent_of(process)
    keeper.signal(signal.SIGKILL)
    process.signal(signal.SIGKILL)
    eventually(lambda: not process.alive and not keeper.alive, "both have ended")

    assert stage.diff(native("worker"), expect=1).actions == ["Start worker/0"]
    assert stage.apply(native("worker")).actions == ["Start worker/0"]


def test_a_process_goes_on_when_only_its_parent_was_killed(stage: Stage) -> None:
    stage.apply(native_server("api"))
    process = stage.process("api")
    keeper = stage.parent_of(process)
    keeper.signal(signal.SIGKILL)
    eventually(lambda: not keeper.alive, "the parent has ended")

    assert stage.apply(native_server("api")).actions == []
    assert stage.process("api") == process


def test_a_stop_reaches_the_whole_tree_double_forkers_too(stage: Stage) -> None:
    spec = shell("forker", "(setsid sleep 100000 &); (sleep 100000 &); exec sleep 100000")
    stage.apply(spec)
    tree = eventually(lambda: _three(stage), "all three run")
    stage.delete(spec)
    assert not any(process.alive for process in tree)


def test_leftovers_of_a_process_that_ended_are_gone_before_it_is_started_again(stage: Stage) -> None:
    spec = shell("forker", "(setsid sleep 100000 &); exec sleep 200000")
    stage.apply(spec)
    old = eventually(lambda: _many(stage, 2), "both run")
    kill(stage, "forker") if len(old) == 1 else next(p for p in old if "200000" in p.command).signal(signal.SIGKILL)
    eventually(lambda: len(stage.processes("forker")) == 1, "only the straggler is left")

    assert stage.apply(spec).actions == ["Start forker/0"]
    assert not any(process.alive for process in old)
    assert eventually(lambda: _many(stage, 2), "both run again")


def test_H1_a_native_service_is_reached_and_stays_reachable_at_its_port(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("hello")
    spec = native_server("api")
    stage.apply(spec)
    port = int(stage.process("api").command.split("127.0.0.1:")[1].split()[0])
    kill(stage, "api")
    stage.apply(spec)
    address = f"http://127.0.0.1:{port}{tmp_path}/hello.txt"
    assert eventually(lambda: get(address), "it serves at the same port") == "hello"


def directory(stage: Stage, name: str) -> Path:
    return stage.home / "processes" / f"{stage.namespace}.{name}.0"


def lose_labels(stage: Stage, name: str) -> None:
    for path in directory(stage, name).glob("labels*"):
        path.unlink()


def _three(stage: Stage) -> list:
    return _many(stage, 3)


def _many(stage: Stage, count: int) -> list:
    found = stage.processes("forker")
    return found if len(found) == count else []
