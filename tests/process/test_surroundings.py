"""What a service finds around it, and what others can see of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.errors import Denied, NameTaken, Refused
from reconciler.model.desired import PortBinding, Sealed, Stop
from reconciler.model.observed import Phase
from reconciler.runtimes.process import identity
from tests.contract.processes import Processes, end
from tests.process.conftest import log, saying
from tests.waiting import until

CANARY = b"canary-that-must-not-sing"
TEMPORARY = os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp")


def test_it_has_three_descriptors_and_the_lock(processes: Processes) -> None:
    leaky = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leaky, True)
    try:
        seen = processes.made(processes.desired())
    finally:
        os.close(leaky)
    # The loader has a library open for a moment, so: as soon as there are no more.
    fds = until(lambda: len(found := descriptors(seen.pid)) <= 4 and found)
    assert sorted(fds) == [0, 1, 2, 9]
    assert fds[0] == "/dev/null"
    assert fds[1] == fds[2]
    assert fds[9].endswith("/lock")


def test_it_leads_a_session_without_a_terminal_and_ignores_no_signal(processes: Processes) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        seen = processes.made(processes.desired())
    finally:
        signal.signal(signal.SIGHUP, before)
    assert identity.stat(seen.pid).session == seen.pid
    status = dict(line.split(":", 1) for line in Path(f"/proc/{seen.pid}/status").read_text().splitlines())
    ours = (1 << 31) - 1  # those above belong to the C library
    assert int(status["SigIgn"], 16) & ours == 0
    assert int(status["SigBlk"], 16) & ours == 0
    assert Path(f"/proc/{seen.pid}/stat").read_text().rpartition(")")[2].split()[4] == "0"


def test_its_environment_is_what_was_declared_and_little_else(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_SHELL", "x")
    monkeypatch.setenv("LC_TIME", "C")
    seen = processes.made(processes.desired(env={"DECLARED": "y", "PATH": "/usr/bin:/bin"}))
    env = identity.environ(seen.pid)
    assert env[b"DECLARED"] == b"y"
    assert env[b"PATH"] == b"/usr/bin:/bin"
    assert env[b"LC_TIME"] == b"C"
    assert env[b"PWD"] == b"/"
    base = {
        b"PATH",
        b"HOME",
        b"USER",
        b"LOGNAME",
        b"SHELL",
        b"LANG",
        b"TZ",
        b"TMPDIR",
        b"LC_TIME",
        b"LC_ALL",
        b"LC_CTYPE",
    }
    assert set(env) - base == {b"DECLARED", b"RECONCILER_OWNER", b"RECONCILER_KEY", b"PWD"}


def test_a_secret_stands_in_its_file_and_in_its_environment_only(processes: Processes) -> None:
    sealed = Sealed("digest", CANARY)
    desired = processes.desired(env={"TOKEN": sealed}, files={"token": sealed})
    seen = processes.made(desired)
    found = [path for path in processes.home.rglob("*") if path.is_file() and CANARY in path.read_bytes()]
    assert found == [Path(processes.path_inside(desired, "token"))]
    for pid in identity.processes():
        assert CANARY not in identity.slurp(f"/proc/{pid}/cmdline")
    processes.runtime.stop(seen, Stop("KILL", 0))
    processes.runtime.remove(seen)
    assert not [path for path in processes.home.rglob("*") if path.is_file() and CANARY in path.read_bytes()]


def test_all_that_lies_in_the_home_is_for_its_owner_only(processes: Processes) -> None:
    before = os.umask(0)
    try:
        processes.made(processes.desired(files={"a": b"b"}))
        processes.runtime.create(processes.volume())
    finally:
        os.umask(before)
    for path in processes.home.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif "files" not in path.parts:
            assert mode == 0o600, path
    seen = next(thing for thing in processes.runtime.observe().objects if thing.kind == "volume")
    processes.runtime.remove(seen)


def test_a_volumes_removal_that_was_cut_short_is_brought_to_its_end(processes: Processes) -> None:
    desired = processes.volume()
    place = processes.home / "volumes" / desired.name
    processes.runtime.create(desired)
    seen = next(thing for thing in processes.runtime.observe().objects if thing.kind == "volume")
    (place / "data").rmdir()
    (place / "labels.json.new").touch()
    processes.runtime.remove(seen)
    assert not place.exists()


def test_a_port_is_reached_where_it_was_told_to_listen(processes: Processes) -> None:
    """Who listens on one address of the machine only does not answer on another."""
    ports = (PortBinding("http", 28911, 28911, bind="127.0.0.2"), PortBinding("admin", 28912, 28912, bind="0.0.0.0"))
    seen = processes.made(processes.desired(ports=ports))
    assert processes.runtime.address(seen, 28911) == ("127.0.0.2", 28911)
    assert processes.runtime.address(seen, 28912) == ("127.0.0.1", 28912)
    assert processes.runtime.address(seen, 28913) == ("127.0.0.1", 28913)


def test_a_memory_of_less_than_a_MiB_is_ours(processes: Processes) -> None:
    seen = processes.made(processes.desired())
    parent = identity.stat(seen.pid).parent

    def session() -> list[int]:
        return [pid for pid in identity.processes() if (found := identity.stat(pid)) and found.session == parent]

    ours = until(lambda: len(found := session()) == 3 and found)  # the shell, the log's keeper, and its dd
    used = 0
    for pid in ours:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        used += int(rollup.partition("\nPss:")[2].split()[0])
    assert used <= 1024


@pytest.mark.root
def test_a_service_of_another_user_reads_its_files_and_nobody_elses(processes: Processes, tmp_path: Path) -> None:
    for place in (*tmp_path.parents, tmp_path):
        if place != Path("/") and place.stat().st_uid == 0 and place.is_relative_to(TEMPORARY):
            place.chmod(place.stat().st_mode | 0o011)
    desired = processes.desired(
        command=(
            "sh",
            "-c",
            'id -un; id -G; cat "$FILE"; cat "$FILE/../../../labels.json" || echo closed; exec sleep 1004',
        ),
        user="nobody",
        files={"key": Sealed("digest", CANARY)},
        env={"FILE": processes.path_inside(processes.desired(), "key")},
    )
    seen = processes.made(desired)
    text = saying(processes, seen, b"closed")
    assert text.split(b"\n")[0] == b"nobody"
    assert b"0" not in text.split(b"\n")[1].split()
    assert CANARY in text
    assert processes.runtime.run(seen, ["id", "-un"], deadline=5).stdout == b"nobody\n"
    processes.runtime.stop(seen, Stop("TERM", 5))
    assert processes.see(desired).exit_code == 143


@pytest.mark.parametrize(
    ("what", "more", "error", "words"),
    [
        ("a missing directory", {"working_dir": "/no/such/place"}, Refused, "/no/such/place does not exist"),
        ("a missing user", {"user": "no-such-user"}, Refused, "there is no user 'no-such-user'"),
        ("a missing program", {"command": ("/no/such/program",)}, Refused, "/no/such/program does not exist"),
        ("a directory", {"command": ("/tmp",)}, Refused, "/tmp is a directory"),
        ("a file that may not be executed", {"command": ("/etc/passwd",)}, Denied, "/etc/passwd is not executable"),
    ],
)
def test_what_cannot_start_is_refused_with_its_cause_and_leaves_nothing(
    processes: Processes, what: str, more: dict[str, object], error: type[Refused], words: str
) -> None:
    with pytest.raises(error, match=words):
        processes.runtime.create(processes.desired(**more))
    assert not [*processes.home.glob("processes/*")]
    assert not [*Path("/sys/fs/cgroup").glob(f"*/reconciler/*-{processes.namespace}.*")]


def test_a_missing_interpreter_is_named(processes: Processes, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(Refused, match="/no/such/interpreter"):
        processes.runtime.create(processes.desired(command=(str(script),)))
    assert not [*processes.home.glob("processes/*")]


def test_a_start_that_is_refused_is_remembered(processes: Processes, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    desired = processes.desired(command=(str(script),))
    processes.runtime.create(desired)
    seen = until(lambda: (now := processes.see(desired)) and now.phase is Phase.EXITED and now)
    script.write_text("#!/no/such/interpreter\n")
    with pytest.raises(Refused):
        processes.runtime.start(seen, desired)
    assert "/no/such/interpreter" in processes.see(desired).detail


def test_the_log_of_the_run_before_and_of_what_was_removed_is_kept(processes: Processes) -> None:
    desired = processes.desired(command=("sh", "-c", "echo run $$; exec sleep 1004"))
    seen = processes.made(desired)
    first = saying(processes, seen, b"run")
    processes.runtime.stop(seen, Stop("KILL", 0))
    processes.runtime.start(processes.see(desired), desired)
    second = saying(processes, seen, b"run")
    assert first != second
    assert (processes.place(desired) / "previous.log").read_bytes() == first
    processes.runtime.stop(seen, Stop("KILL", 0))
    processes.runtime.remove(seen)
    assert (processes.home / "logs" / f"{processes.place(desired).name}.log").read_bytes() == second


def test_labels_of_one_service_under_the_name_of_another_are_foreign(processes: Processes) -> None:
    processes.made(processes.desired())
    copy = processes.home / "processes" / f"{processes.namespace}.copy.0"
    copy.mkdir()
    text = (processes.place(processes.desired()) / "labels.json").read_text()
    (copy / "labels.json").write_text(text)
    assert json.loads(text)["dev.reconciler.name"] == "web"
    keys = [thing.key for thing in processes.runtime.observe().objects]
    assert sorted(map(str, keys)) == sorted(["None", str(processes.desired().key)])
    (copy / "labels.json").unlink()
    copy.rmdir()


def test_a_directory_in_the_place_of_a_file_blinds_nobody_to_the_others(processes: Processes) -> None:
    whole, damaged = processes.desired(), processes.desired(name="other")
    seen = processes.made(whole)
    labels = processes.home / "processes" / f"{processes.namespace}.other.0" / "labels.json"
    labels.mkdir(parents=True)
    view = processes.runtime.observe()
    assert view.reachable
    assert sorted(thing.key is not None for thing in view.objects) == [False, True]
    with pytest.raises(NameTaken):
        processes.runtime.create(damaged)
    assert processes.see(whole) == seen
    shutil.rmtree(labels.parent)


def test_a_home_that_cannot_be_read_is_a_problem_and_not_an_empty_one(processes: Processes) -> None:
    place = processes.home / "processes"
    place.write_text("not a directory")
    view = processes.runtime.observe()
    assert not view.objects
    assert view.problem
    place.unlink()


def test_a_command_inside_is_where_the_service_is(processes: Processes, tmp_path: Path) -> None:
    seen = processes.made(processes.desired(working_dir=str(tmp_path)))
    where = processes.runtime.run(seen, ["sh", "-c", "pwd -P; cat /proc/self/cgroup"], deadline=5).stdout.decode()
    assert where.split("\n")[0] == str(tmp_path)
    assert where.partition("\n")[2] == Path(f"/proc/{seen.pid}/cgroup").read_text()


def test_attaching_gives_the_exit_code_and_leaves_the_service(processes: Processes) -> None:
    seen = processes.made(processes.desired(env={"WHO": "web"}))
    code = processes.runtime.attach(
        seen, ["sh", "-c", 'test "$WHO$MORE" = webx && exit 9'], tty=False, stdin=False, env={"MORE": "x"}
    )
    assert code == 9
    assert processes.see(processes.desired()).pid == seen.pid


def test_timestamps_are_refused_in_words(processes: Processes) -> None:
    seen = processes.made(processes.desired())
    with pytest.raises(Refused, match="carry no time"):
        list(processes.runtime.logs(seen, timestamps=True))


def test_a_log_is_followed_through_its_turn_over(processes: Processes) -> None:
    """Two files' worth of lines: none is lost and none comes twice."""
    count = 80_000
    script = f"import sys\nfor n in range({count}): print(f'{{n:0100d}}', flush=n % 100 == 0)"
    seen = processes.made(processes.desired(command=(sys.executable, "-c", script)))
    lines = b"".join(processes.runtime.logs(seen, follow=True)).split()
    assert list(map(int, lines)) == list(range(int(lines[0]), count))


def test_a_dead_service_cannot_be_entered(processes: Processes) -> None:
    seen = processes.made(processes.desired())
    end(seen.pid, signal.SIGKILL)
    with pytest.raises(Refused, match="does not run"):
        processes.runtime.run(seen, ["true"], deadline=5)
    assert log(processes, seen) == b""


def descriptors(pid: int) -> dict[int, str]:
    """Number and target of each."""
    found = {}
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found[int(fd.name)] = str(fd.readlink())
    return found
