"""What takes namespaces of one's own to bring about: a number used again, a disk that is full, a start cut short."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.model.observed import Phase
from tests.contract.processes import Processes
from tests.process.conftest import marked
from tests.waiting import until

ROOT = str(Path(__file__).parents[2])

PRELUDE = """
import os, signal, subprocess, sys, time
from pathlib import Path
from reconciler.model.desired import Stop
from reconciler.model.observed import Phase
from reconciler.runtimes.process import identity
from reconciler.runtimes.process.cgroup import Cgroups
from reconciler.runtimes.process.directory import read_record
from tests.contract.processes import Processes, alive, end
from tests.waiting import until
home, namespace, setting = sys.argv[1:4]
processes = Processes(Path(home), namespace)
if setting == "bare":
    processes.runtime._starter.cgroups = Cgroups()
"""

REUSE = """
seen = processes.made(processes.desired())
record = read_record(str(processes.place(processes.desired())))
tick = identity.stat(seen.pid).started
# The same tick comes below.
until(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK") > tick + 1)
end(record.parent.pid, signal.SIGKILL)
end(seen.pid, signal.SIGKILL)
os.waitpid(seen.pid, 0)  # we are the first process here, so orphans are ours
Path("/proc/sys/kernel/ns_last_pid").write_text(str(seen.pid - 1))
stranger = subprocess.Popen(["sleep", "1000"])
assert stranger.pid == seen.pid, (stranger.pid, seen.pid)
now = processes.see(processes.desired())
assert (now.phase, now.pid) == (Phase.EXITED, None), now
processes.runtime.stop(now, Stop("KILL", 0))
processes.runtime.stop(seen, Stop("KILL", 0))
assert stranger.poll() is None, "a stranger was killed"

# Worse: the stranger was even started in the very tick that we have on record.
pid = processes.place(processes.desired()) / "pid"
words = pid.read_text().split(" ")
words[1] = str(identity.stat(stranger.pid).started)
pid.write_text(" ".join(words))
processes.runtime.stop(seen, Stop("KILL", 0))
assert stranger.poll() is None, "a stranger of the same tick was killed"
words[1] = "1"
pid.write_text(" ".join(words))

processes.runtime.start(now, processes.desired())
again = processes.see(processes.desired())
assert again.phase is Phase.RUNNING
assert again.pid != stranger.pid
processes.runtime.stop(again, Stop("TERM", 5))
assert stranger.poll() is None
processes.runtime.remove(again)
stranger.kill()
stranger.wait()
"""

FULL = """
flood = ("sh", "-c", "head -c 50000000 /dev/zero; exit 17")
disk = Path(home)
seen = processes.made(processes.desired(command=flood))
ended = until(lambda: (now := processes.see(processes.desired())).phase is Phase.EXITED and now)
assert ended.exit_code == 17, ended
assert os.statvfs(disk).f_bavail == 0, "the disk was to be full"
from reconciler.errors import Refused
try:
    processes.runtime.create(processes.desired("other", files={"big": b"x" * 100000}))
except Refused as refused:
    assert "No space left" in str(refused), refused
else:
    raise AssertionError("started without a place for its files")
assert [thing.name for thing in processes.runtime.observe().objects if thing.phase is not Phase.CREATED] == [seen.name]
for thing in processes.runtime.observe().objects:
    processes.runtime.stop(thing, Stop())
    processes.runtime.remove(thing)
assert not [*disk.glob("processes/*")]
"""


def in_namespaces(flags: list[str], script: str, *arguments: str) -> None:
    done = subprocess.run(
        ["unshare", *flags, sys.executable, "-c", PRELUDE + script, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.root
def test_a_number_that_is_used_again_is_never_signalled(processes: Processes, setting: str) -> None:
    flags = ["--pid", "--fork", "--mount-proc", "--kill-child"]
    in_namespaces(flags, REUSE, str(processes.home), processes.namespace, setting)


@pytest.mark.root
def test_a_full_disk_holds_no_service_up_and_loses_no_exit_code(processes: Processes, setting: str) -> None:
    disk = processes.home / "disk"
    disk.mkdir()
    mounted = f"""
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", {str(disk)!r}], check=True)
processes.home = Path(home := {str(disk)!r})
processes.runtime = type(processes.runtime)(home, "owner-of-these-tests")
if setting == "bare":
    processes.runtime._starter.cgroups = Cgroups()
"""
    in_namespaces(["--mount"], mounted + FULL, str(processes.home), processes.namespace, setting)


ONLY_LOOKING = frozenset(
    "access brk clock_gettime epoll_create1 fstat futex getcwd getdents64 geteuid getpid getrandom gettid getuid ioctl"
    " lseek mmap mprotect munmap newfstatat prlimit64 read readlink rt_sigaction rt_sigprocmask statx".split()
)
"""To be killed on entry to one of these is to be killed on entry to the next that changes something."""
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
CREATE = """
os.path.exists("/begin-of-the-sweep")
processes.runtime.create(processes.desired())
os.path.exists("/end-of-the-sweep")
"""


@pytest.mark.root
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_launcher_killed_at_any_system_call_leaves_exactly_one(
    make: Callable[[], Processes], processes: Processes, setting: str
) -> None:
    """Killed on entry to each call that it makes, looked at, and asked again: one service, the same as ever. By day at
    every other one: with cgroups at the even ones, without at the odd ones.
    """
    calls = system_calls(processes, setting)
    assert len(calls) > 50
    for name, occurrence in calls if NIGHTLY else calls[setting == "bare" :: 2]:
        traced(processes, setting, "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={occurrence}")
        again = make()
        seen = again.made(again.desired())
        assert seen.phase is Phase.RUNNING, (name, occurrence)
        # None shows its environment while an exec is under way, so the one may be missed now and then; two stay two.
        print(f"killed at {name} {occurrence}")  # shown when the next line fails
        only = [seen.pid]
        until(lambda only=only: marked(processes.namespace) == only)
        remove(again)


def system_calls(processes: Processes, setting: str) -> list[tuple[str, int]]:
    """Name and number of occurrence of each call between the two marks, as strace counts them."""
    text = traced(processes, setting)
    remove(processes)
    counts: dict[str, int] = {}
    swept: list[tuple[str, int]] = []
    within = False
    for line in text.splitlines():
        if not (call := re.match(r"(\w+)\(", line)):
            continue
        name = call[1]
        counts[name] = counts.get(name, 0) + 1
        if "-of-the-sweep" in line:
            within = "begin" in line
        elif within and name not in ONLY_LOOKING:
            swept.append((name, counts[name]))
    return swept


def traced(processes: Processes, setting: str, *how: str) -> str:
    report = processes.home.parent / "trace"
    script = [sys.executable, "-c", PRELUDE + CREATE, str(processes.home), processes.namespace, setting]
    subprocess.run(
        ["strace", "-qq", "-o", str(report), *how, *script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT, "PYTHONHASHSEED": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return report.read_text(errors="replace")


def remove(processes: Processes) -> None:
    from reconciler.model.desired import Stop

    seen = until(lambda: processes.see(processes.desired()))
    processes.runtime.stop(seen, Stop("KILL", 0))
    processes.runtime.remove(seen)
