"""Who may die without the service noticing, and what is seen when the service itself does."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import NameTaken
from reconciler.model.desired import Stop
from reconciler.model.observed import Phase
from reconciler.runtimes.process import identity
from reconciler.runtimes.process.directory import read_record
from tests.contract.processes import Processes, alive, end
from tests.process.conftest import log, marked, saying
from tests.waiting import until

ROOT = str(Path(__file__).parents[2])
APPLY = """
import sys
from pathlib import Path
from tests.contract.processes import Processes
from reconciler.runtimes.process.cgroup import Cgroups
home, namespace, setting, *command = sys.argv[1:]
processes = Processes(Path(home), namespace)
if setting == "bare":
    processes.runtime._starter.cgroups = Cgroups()
processes.runtime.create(processes.desired(command=tuple(command)))
print("applied", flush=True)
sys.stdin.read()
"""
TICKING = ("sh", "-c", "n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.05; done")


def test_the_shell_parent_may_be_killed(processes: Processes) -> None:
    seen = processes.made(processes.desired())
    end(parent(processes), signal.SIGKILL)
    again = processes.made(processes.desired())
    assert (again.phase, again.pid, again.started_at) == (Phase.RUNNING, seen.pid, seen.started_at)
    processes.runtime.stop(again, Stop("TERM", 5))
    after = processes.see(processes.desired())
    assert after is not None
    assert (after.phase, after.exit_code, after.detail) == (Phase.EXITED, None, "the exit code was lost")
    assert not alive(seen.pid)


def test_the_shell_parent_may_be_killed_under_a_service_that_closed_all_it_had(processes: Processes) -> None:
    """Then nothing holds the lock any more, and still there is never a second one."""
    code = "import os, time\nprint('ready', flush=True)\nos.closerange(0, 100)\nwhile True: time.sleep(100)"
    desired = processes.desired(command=(sys.executable, "-c", code))
    seen = processes.made(desired)
    saying(processes, seen, b"ready")
    until(lambda: not [*Path(f"/proc/{seen.pid}/fd").iterdir()])
    end(parent(processes), signal.SIGKILL)
    assert processes.made(desired).pid == seen.pid
    processes.runtime.stop(processes.see(desired), Stop("TERM", 5))
    assert not alive(seen.pid)


def test_whoever_writes_the_log_may_be_killed(processes: Processes) -> None:
    seen = processes.made(processes.desired(command=TICKING))
    saying(processes, seen, b"tick 3\n")
    end(until(lambda: of_session(processes, "dd")), signal.SIGKILL)
    ticks = len(log(processes, seen).split(b"\n"))
    until(lambda: len(log(processes, seen).split(b"\n")) > ticks + 5)
    assert processes.see(processes.desired()).pid == seen.pid


def test_the_last_words_of_one_that_ended_are_waited_for(processes: Processes, tmp_path: Path) -> None:
    """They are on their way through a pipe when everybody can see that it has ended."""
    command = ("sh", "-c", f"until test -e {tmp_path}/go; do sleep 0.02; done; echo no luck today; exit 3")
    desired = processes.desired(command=command)
    seen = processes.made(desired)
    keeper = until(lambda: of_session(processes, "dd"))
    os.kill(keeper, signal.SIGSTOP)
    (tmp_path / "go").touch()
    ended = until(lambda: (now := processes.see(desired)) and now.phase is Phase.EXITED and now)
    threading.Timer(0.2, os.kill, (keeper, signal.SIGCONT)).start()
    assert (ended.exit_code, log(processes, ended)) == (3, b"no luck today\n")
    assert seen.id == ended.id


def test_without_anybody_to_read_its_output_a_service_is_not_stuck(processes: Processes) -> None:
    """It gets the signal that says so, ends of it, and is started anew like anything else that ended."""
    seen = processes.made(processes.desired(command=TICKING))
    saying(processes, seen, b"tick 3\n")
    keepers = [pid for pid in in_session(processes) if pid != parent(processes)]
    fds = [os.pidfd_open(pid) for pid in keepers]
    for fd in fds:
        identity.send(fd, signal.SIGKILL)
        os.close(fd)
    ended = until(lambda: (now := processes.see(processes.desired())) and now.phase is Phase.EXITED and now)
    assert ended.exit_code not in {None, 0}
    processes.runtime.start(ended, processes.desired(command=TICKING))
    saying(processes, seen, b"tick 3\n")


def test_the_command_may_be_killed_right_after(processes: Processes, setting: str) -> None:
    apply = applying(processes, setting, "sleep", "1003")
    apply.stdout.readline()
    apply.kill()
    apply.communicate()
    seen = processes.made(processes.desired())
    assert seen.phase is Phase.RUNNING
    assert len(marked(processes.namespace)) == 1


def test_a_service_outlives_the_terminal_it_was_started_from(processes: Processes, setting: str) -> None:
    master, terminal = pty.openpty()
    command = [sys.executable, "-c", APPLY, str(processes.home), processes.namespace, setting, *TICKING]
    child = subprocess.Popen(
        ["setsid", "-c", *command], stdin=terminal, stdout=terminal, stderr=terminal, cwd=ROOT, env=environment()
    )
    os.close(terminal)
    said = b""
    while b"applied" not in said:
        said += os.read(master, 1000)
    seen = processes.see(processes.desired())
    os.close(master)
    child.wait(10)
    ticks = len(log(processes, seen).split(b"\n"))
    until(lambda: len(log(processes, seen).split(b"\n")) > ticks + 5)
    assert processes.see(processes.desired()).pid == seen.pid


def test_many_commands_at_once_start_one(processes: Processes, setting: str) -> None:
    commands = [applying(processes, setting, "sleep", "1003") for _ in range(6)]
    said = [command.communicate()[0] for command in commands]
    assert said == ["applied\n"] * 6
    assert len(marked(processes.namespace)) == 1


def test_another_version_does_not_replace_one_that_runs(processes: Processes) -> None:
    seen = processes.made(processes.desired())
    with pytest.raises(NameTaken, match=f"pid {seen.pid}"):
        processes.runtime.create(processes.desired(fingerprint="f2"))
    assert processes.see(processes.desired()).pid == seen.pid


def test_after_a_reboot_all_records_are_void(processes: Processes) -> None:
    desired = processes.desired()
    seen = processes.made(desired)
    end(parent(processes), signal.SIGKILL)
    end(seen.pid, signal.SIGKILL)
    record = processes.place(desired) / "pid"
    record.write_text(record.read_text().replace(identity.boot_id(), "an-earlier-boot").replace(str(seen.pid), "1", 1))
    void = processes.see(desired)
    assert (void.phase, void.pid, void.detail) == (Phase.EXITED, None, "the machine was restarted")
    processes.runtime.stop(void, Stop())
    processes.runtime.start(void, desired)
    assert processes.see(desired).phase is Phase.RUNNING


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_AUDIT"])
def test_what_a_service_does_to_programs_is_not_done_to_whoever_keeps_its_log(processes: Processes, name: str) -> None:
    """The loader says on each program's stderr that it finds no such library, dd's among them."""
    seen = processes.made(processes.desired(command=("sh", "-c", "echo said"), env={name: "/no/such.so"}))
    saying(processes, seen, b"said\n")
    keepers = in_session(processes)
    until(lambda: not any(alive(pid) for pid in keepers))


def test_nobody_waits_for_a_look(make: Callable[[], Processes]) -> None:
    """Observers take no lock: launches go on while others look all the time."""
    over = threading.Event()
    problems: list[str] = []

    def look() -> None:
        watching = make()
        while not over.is_set():
            problems.extend(filter(None, [watching.runtime.observe().problem]))

    watchers = [threading.Thread(target=look) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    processes = make()
    try:
        for index in range(10):
            seen = processes.made(processes.desired(index=index))
            processes.runtime.stop(seen, Stop("KILL", 0))
            processes.runtime.remove(seen)
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()
    assert problems == []


def applying(processes: Processes, setting: str, *command: str) -> subprocess.Popen[str]:
    """Another invocation of ours; it ends when its input does."""
    argv = [sys.executable, "-c", APPLY, str(processes.home), processes.namespace, setting, *command]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment())


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": ROOT}


def parent(processes: Processes) -> int:
    return read_record(str(processes.place(processes.desired()))).parent.pid


def in_session(processes: Processes) -> list[int]:
    session = parent(processes)
    return [pid for pid in identity.processes() if (found := identity.stat(pid)) and found.session == session]


def of_session(processes: Processes, program: str) -> int | None:
    for pid in in_session(processes):
        if identity.slurp(f"/proc/{pid}/comm").strip() == program.encode():
            return pid
    return None
