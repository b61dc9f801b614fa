"""What is seen of how a service was made: never what a program does to itself, always what others do to it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.core.making import limits
from reconciler.core.verdict import Adjust, Matches, Replace, verdict
from reconciler.errors import Refused
from reconciler.model.desired import PLACE, Desired, Limits, Sealed, Stop
from reconciler.model.observed import Phase
from reconciler.runtimes.process import cgroup
from reconciler.runtimes.process.directory import read_labels, write_labels
from reconciler.runtimes.process.limits import in_force
from tests.contract.processes import Processes, alive
from tests.process.conftest import saying
from tests.waiting import until

SLEEP = "/bin/sleep"
REWRITES = """
import ctypes, os, time
# Its own arguments and environment, as setproctitle and whoever wipes a password do it.
at = open('/proc/self/stat').read().rpartition(')')[2].split()
start, end = int(at[45]), int(at[48])
ctypes.memset(start, ord('x'), end - start)
print('ready', flush=True)
time.sleep(1000)
"""
THEMSELVES: Mapping[str, tuple[str, ...]] = {
    "become another program": ("sh", "-c", "echo ready; exec sleep 1000"),
    "become another program without an environment": ("sh", "-c", "echo ready; exec env -i sleep 1000"),
    "go elsewhere": (
        sys.executable,
        "-c",
        "import os, time; os.chdir('/proc'); print('ready', flush=True); time.sleep(1000)",
    ),
    "rewrite what they were told": (sys.executable, "-c", REWRITES),
    "are applets": ("busybox", "sh", "-c", "echo ready; exec busybox sleep 1000"),
}


def judged(processes: Processes, desired: Desired) -> object:
    seen = processes.see(desired)
    assert seen is not None
    assert seen.facts is not None
    return verdict(desired, seen)


@pytest.mark.parametrize("how", THEMSELVES)
def test_programs_that_change_themselves_are_no_drift(processes: Processes, how: str) -> None:
    env = {"PLAIN": "x", "SECRET": Sealed("digest", b"canary")}
    desired = processes.desired(command=THEMSELVES[how], env=env, working_dir="/tmp")
    seen = processes.made(desired)
    saying(processes, seen, b"ready")
    assert judged(processes, desired) == Matches()


@pytest.mark.root
def test_a_program_that_gives_up_root_is_no_drift(processes: Processes) -> None:
    code = "os.setgroups([]); os.setgid(65534); os.setuid(65534); print('ready', flush=True); time.sleep(1000)"
    desired = processes.desired(command=(sys.executable, "-c", f"import os, time; {code}"), user="root")
    saying(processes, processes.made(desired), b"ready")
    assert judged(processes, desired) == Matches()


def test_a_script_is_no_drift(processes: Processes, tmp_path: Path) -> None:
    """The kernel puts its interpreter before it; and a script that is edited is not a program that was replaced."""
    script = program(tmp_path, b"#!/bin/sh\necho ready; while :; do sleep 1000; done\n")
    desired = processes.desired(command=("./program",), working_dir=str(tmp_path))
    saying(processes, processes.made(desired), b"ready")
    assert judged(processes, desired) == Matches()
    deploy(script, b"#!/bin/sh\nsleep 1000\n")
    assert judged(processes, desired) == Matches()


def test_whatever_can_be_declared_is_as_it_was_declared(processes: Processes, tmp_path: Path) -> None:
    desired = processes.desired(
        command=("sh", "-c", "exec sleep 1000", f"{PLACE}given{PLACE}/a"),
        env={"PLAIN": "a b\nc", "EMPTY": "", "WHERE": f"{PLACE}given{PLACE}/a", "SECRET": Sealed("digest", b"canary")},
        files={"a": b"b"},
        working_dir=f"{tmp_path}/",
        user=str(os.geteuid()),
        limits=Limits(cpus=0.29, memory=100_000_001, pids=77),
        stop=Stop("INT", 3),
    )
    processes.runtime.create(desired)
    assert judged(processes, desired) == Matches()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"command": ("sleep", "1001")}, "command is [sleep, 1000], not [sleep, 1001]"),
        ({"working_dir": "/tmp"}, 'workingDir is "/", not "/tmp"'),
        ({"user": "nobody"}, "user is "),
        ({"env": {"A": "2", "S": Sealed("d1", b"s1")}}, "env A differs"),
        ({"env": {"A": "1", "S": Sealed("d2", b"s2")}}, "env S differs"),
        ({"env": {"A": "1"}}, "env S is set, but not declared"),
        ({"env": {"A": "1", "S": Sealed("d1", b"s1"), "B": "2"}}, "env B is missing"),
    ],
)
def test_each_field_that_differs_is_named_whatever_the_fingerprint_says(
    processes: Processes, more: Mapping[str, object], words: str
) -> None:
    made = {"env": {"A": "1", "S": Sealed("d1", b"s1")}, "working_dir": "/"}
    processes.runtime.create(processes.desired(**made))
    assert judged(processes, processes.desired(**made)) == Matches()
    judgement = judged(processes, processes.desired(**{**made, **more}))
    assert isinstance(judgement, Replace)
    assert judgement.cause.startswith(words)


def test_of_one_that_was_started_by_an_older_version_nothing_is_concluded(processes: Processes) -> None:
    desired = processes.desired()
    processes.runtime.create(desired)
    place = str(processes.place(desired))
    labels = read_labels(place)
    write_labels(place, {name: labels[name] for name in labels.keys() - {"made", "asked", "limits", "program"}})
    seen = processes.see(desired)
    assert seen.facts is None
    assert verdict(desired, seen) == Matches()


def test_a_secret_is_in_no_print_of_what_was_seen(processes: Processes) -> None:
    desired = processes.desired(env={"SECRET": Sealed("digest", b"canary-in-facts")})
    seen = processes.made(desired)
    assert "canary-in-facts" not in f"{seen!r} {seen.facts!r} {seen.facts.fields!r}"
    other = processes.desired(env={"SECRET": Sealed("other", b"canary-elsewhere")})
    assert "canary" not in str(verdict(other, seen))


# -- a program that was replaced on disk -----------------------------------------------------------------------


def test_a_program_that_was_replaced_on_disk_is_drift(processes: Processes, tmp_path: Path) -> None:
    path = program(tmp_path)
    desired = processes.desired(command=(str(path), "1000"))
    seen = processes.made(desired)
    assert judged(processes, desired) == Matches()
    deploy(path, path.read_bytes() + b"version 2")
    assert judged(processes, desired) == Replace(f"its program {path} was replaced on disk")
    processes.runtime.stop(seen, Stop("TERM", 5))
    processes.runtime.remove(seen)
    processes.runtime.create(desired)
    assert judged(processes, desired) == Matches()


def test_a_link_that_points_to_another_version_is_drift(processes: Processes, tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        program(tmp_path / version, Path(SLEEP).read_bytes() + version.encode())
    (tmp_path / "current").symlink_to("v1")
    desired = processes.desired(command=("current/program", "1000"), working_dir=str(tmp_path))
    processes.runtime.create(desired)
    assert judged(processes, desired) == Matches()
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(tmp_path / "current")
    assert judged(processes, desired) == Replace(f"its program {tmp_path}/current/program was replaced on disk")


def test_a_program_on_the_path_that_was_replaced_is_drift(processes: Processes, tmp_path: Path) -> None:
    path = program(tmp_path)
    desired = processes.desired(command=("program", "1000"), env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    processes.runtime.create(desired)
    deploy(path, path.read_bytes() + b"version 2")
    assert judged(processes, desired) == Replace(f"its program {path} was replaced on disk")


def test_the_same_program_installed_again_is_no_drift(processes: Processes, tmp_path: Path) -> None:
    path = program(tmp_path)
    desired = processes.desired(command=(str(path), "1000"))
    processes.runtime.create(desired)
    deploy(path, path.read_bytes())
    assert judged(processes, desired) == Matches()
    path.touch()
    assert judged(processes, desired) == Matches()


def test_another_program_of_the_same_size_is_drift(processes: Processes, tmp_path: Path) -> None:
    path = program(tmp_path, Path(SLEEP).read_bytes() + b"1")
    desired = processes.desired(command=(str(path), "1000"))
    processes.runtime.create(desired)
    deploy(path, path.read_bytes()[:-1] + b"2")
    assert judged(processes, desired) == Replace(f"its program {path} was replaced on disk")


def test_a_program_that_was_deleted_is_no_drift(processes: Processes, tmp_path: Path) -> None:
    """Nothing could be started in its stead."""
    path = program(tmp_path)
    desired = processes.desired(command=(str(path), "1000"))
    processes.runtime.create(desired)
    path.unlink()
    assert judged(processes, desired) == Matches()


def test_only_the_program_itself_counts(processes: Processes, tmp_path: Path) -> None:
    """Neither what a wrapper became, nor the file that an interpreter was told to read."""
    path = program(tmp_path)
    wrapped = processes.desired("wrapped", command=("sh", "-c", f"exec {path} 1000"))
    read = processes.desired("read", command=("sh", str(tmp_path / "script")))
    (tmp_path / "script").write_text("echo reading; while :; do sleep 1000; done")
    for desired in (wrapped, read):
        processes.runtime.create(desired)
    saying(processes, processes.see(read), b"reading")
    until(lambda: Path(f"/proc/{processes.see(wrapped).pid}/exe").samefile(path))
    deploy(path, path.read_bytes() + b"version 2")
    deploy(tmp_path / "script", b"exit 1")
    assert [judged(processes, desired) for desired in (wrapped, read)] == [Matches(), Matches()]


# -- limits ----------------------------------------------------------------------------------------------------

FEW, MANY = Limits(cpus=0.5, memory=64 << 20, pids=50), Limits(cpus=1.5, memory=128 << 20, pids=100)


@pytest.mark.root
@pytest.mark.parametrize(("before", "after"), [(FEW, MANY), (MANY, FEW), (Limits(), FEW), (FEW, Limits())])
def test_limits_are_changed_in_place(processes: Processes, setting: str, before: Limits, after: Limits) -> None:
    command = ("sh", "-c", "sleep 1000 & setsid sleep 1000 & echo ready; exec sleep 1000")
    old, new = (processes.desired(command=command, limits=limits) for limits in (before, after))
    seen = processes.made(old)
    saying(processes, seen, b"ready")
    judgement = judged(processes, new)
    assert isinstance(judgement, Adjust)
    assert judgement.changes == ("limits",)
    processes.runtime.adjust(seen, new, judgement.changes)
    now = processes.see(new)
    assert (now.pid, now.started_at, verdict(new, now)) == (seen.pid, seen.started_at, Matches())
    assert isinstance(verdict(old, now), Adjust)
    if setting == "bare":
        assert now.detail == (UNENFORCED if after != Limits() else "")
        return
    assert now.detail == ""
    assert enforced(seen.pid) == after
    if after != Limits():
        for group in read_labels(str(processes.place(new)))["cgroups"]:
            assert len([*cgroup.members(group)]) == 3


UNENFORCED = "limits not enforced: " + ", ".join(
    f"{name} (no cgroup controller that this user may use)" for name in ("memory", "cpu", "pids")
)


@pytest.mark.root
def test_a_limit_that_somebody_changed_is_seen_and_put_right(processes: Processes, setting: str) -> None:
    if setting == "bare":
        pytest.skip("there is no limit that anybody could change")
    desired = processes.desired(limits=FEW)
    seen = processes.made(desired)
    file(seen.pid, "memory").write_text(str(32 << 20))
    assert judged(processes, desired) == Adjust(("limits",), "memory is 32 MiB, not 64 MiB")
    file(seen.pid, "pids").write_text("max")
    expected = "memory is 32 MiB, not 64 MiB and pids is unlimited, not 50"
    assert judged(processes, desired) == Adjust(("limits",), expected)
    processes.runtime.adjust(seen, desired, ["limits"])
    assert judged(processes, desired) == Matches()
    assert enforced(seen.pid) == FEW


@pytest.mark.root
def test_one_that_was_moved_out_of_its_limits_is_seen_and_put_back(processes: Processes, setting: str) -> None:
    if setting == "bare":
        pytest.skip("it is in no group of its own")
    desired = processes.desired(limits=FEW)
    seen = processes.made(desired)
    group = file(seen.pid, "memory").parent
    (group.parent.parent / "cgroup.procs").write_text(str(seen.pid))
    judgement = judged(processes, desired)
    assert isinstance(judgement, Adjust)
    assert "memory is unlimited, not 64 MiB" in judgement.cause
    processes.runtime.adjust(seen, desired, judgement.changes)
    assert judged(processes, desired) == Matches()
    assert file(seen.pid, "memory").parent == group


@pytest.mark.root
def test_one_that_is_just_ending_is_in_no_group_any_more_and_that_is_no_drift(processes: Processes) -> None:
    seen = processes.made(processes.desired(limits=FEW))
    labels = read_labels(str(processes.place(processes.desired())))
    os.kill(seen.pid, signal.SIGKILL)
    until(lambda: not alive(seen.pid))
    assert in_force(labels, seen.pid, "") == limits(FEW)


@pytest.mark.root
def test_less_memory_than_is_in_use_is_refused_or_taken_back(processes: Processes, setting: str) -> None:
    """The old hierarchy refuses; the new one makes room, if need be by ending somebody."""
    if setting == "bare":
        pytest.skip("nothing limits it")
    code = "kept = bytearray(b'x' * 60_000_000)\nprint('ready', flush=True)\nimport time; time.sleep(1000)"
    make = {"command": (sys.executable, "-c", code)}
    seen = processes.made(processes.desired(**make, limits=Limits(memory=128 << 20)))
    saying(processes, seen, b"ready")
    if file(seen.pid, "memory").name == "memory.max":
        pytest.skip("this machine has the new hierarchy")
    less = processes.desired(**make, limits=Limits(memory=16 << 20))
    with pytest.raises(Refused, match="uses more now"):
        processes.runtime.adjust(seen, less, ["limits"])
    assert isinstance(judged(processes, less), Adjust)
    assert processes.see(less).phase is Phase.RUNNING


@pytest.mark.root
def test_limits_that_were_changed_while_it_was_stopped_hold_once_it_runs(processes: Processes, setting: str) -> None:
    seen = processes.made(processes.desired(limits=FEW))
    processes.runtime.stop(seen, Stop("TERM", 5))
    stopped, desired = processes.see(processes.desired()), processes.desired(limits=MANY)
    assert verdict(desired, stopped) == Matches()
    processes.runtime.adjust(stopped, desired, ["limits"])
    processes.runtime.start(stopped, desired)
    assert judged(processes, desired) == Matches()
    if setting == "cgroup":
        assert enforced(processes.see(desired).pid) == MANY


def test_what_cannot_be_changed_is_refused(processes: Processes) -> None:
    seen = processes.made(processes.desired())
    with pytest.raises(Refused, match="networks can't be changed"):
        processes.runtime.adjust(seen, processes.desired(), ["limits", "networks"])


def enforced(pid: int) -> Limits:
    """By the kernel's own files, looked for from the process."""
    texts = {
        name: file(pid, name).read_text().split() if file(pid, name) else ["max"] for name in ("memory", "cpu", "pids")
    }
    quota = texts["cpu"][0]
    return Limits(
        cpus=None if quota in {"max", "-1"} else int(quota) / 100_000,
        memory=None if texts["memory"][0] == "max" or int(texts["memory"][0]) > 1 << 60 else int(texts["memory"][0]),
        pids=None if texts["pids"][0] == "max" else int(texts["pids"][0]),
    )


def file(pid: int, controller: str) -> Path | None:
    names = {
        "memory": ("memory.max", "memory.limit_in_bytes"),
        "cpu": ("cpu.max", "cpu.cfs_quota_us"),
        "pids": ("pids.max",),
    }
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for mount in (
            f"/sys/fs/cgroup/{controllers}",
            f"/sys/fs/cgroup/{controller}",
            "/sys/fs/cgroup/unified",
            "/sys/fs/cgroup",
        ):
            for name in names[controller]:
                if (found := Path(f"{mount}{path}/{name}")).exists():
                    return found
    return None


def program(directory: Path, content: bytes = b"") -> Path:
    """A real one, of our own."""
    path = directory / "program"
    path.write_bytes(content) if content else shutil.copyfile(os.path.realpath(SLEEP), path)
    path.chmod(0o755)
    return path


def deploy(path: Path, content: bytes) -> None:
    """As deploys do it: a new file takes the name."""
    new = path.with_name("new")
    new.write_bytes(content)
    new.chmod(0o755)
    new.replace(path)
