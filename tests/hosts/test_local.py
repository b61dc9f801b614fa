"""The local host: programs end at their deadline with all their children, files are replaced whole."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Denied, Gone, OutcomeUnknown, Refused
from reconciler.hosts.local import LocalHost
from reconciler.hosts.running import OUTPUT_BYTES
from reconciler.ports import Completed, Host

HOST: Host = LocalHost()


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_program_s_code_and_both_outputs_are_told() -> None:
    completed = HOST.run(["sh", "-c", "cat; echo out; echo err >&2; exit 3"], stdin=b"in\n")

    assert completed == Completed(3, b"in\nout\n", b"err\n")


def test_a_program_killed_by_a_signal_is_told_by_its_number() -> None:
    assert HOST.run(["sh", "-c", "kill -9 $$"]).exit_code == -signal.SIGKILL


def test_arguments_are_not_read_by_a_shell() -> None:
    assert HOST.run(["echo", "$(id); *"]).stdout == b"$(id); *\n"


def test_much_goes_in_and_out_at_once_and_output_is_capped() -> None:
    content = os.urandom(3 * OUTPUT_BYTES)
    completed = HOST.run(["cat"], stdin=content)

    assert completed.exit_code == 0
    assert completed.stdout == content[:OUTPUT_BYTES]


def test_a_program_that_does_not_read_does_not_stop_us() -> None:
    assert HOST.run(["true"], stdin=b"x" * 10_000_000) == Completed(0)


def test_the_deadline_kills_the_program_with_its_children(tmp_path: Path) -> None:
    script = "trap '' TERM HUP; sleep 60 & echo $! > child; echo $$ > self; while :; do sleep 60; done"
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown, match=r"^sh did not end within 0.3 s and was killed"):
        HOST.run(["sh", "-c", f"cd {tmp_path}; {script}"], deadline=0.3)

    assert time.monotonic() - started < 2
    for name in ("child", "self"):
        pid = int((tmp_path / name).read_text())
        assert eventually(lambda pid=pid: not alive(pid))  # type: ignore[misc]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_flood_of_output_does_not_outlive_the_deadline() -> None:
    with pytest.raises(OutcomeUnknown):
        HOST.run(["yes"], deadline=0.3)


def test_a_child_left_behind_with_the_pipe_open_does_not_hold_us(tmp_path: Path) -> None:
    """What it leaves running on purpose goes on running."""
    started = time.monotonic()
    completed = HOST.run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; echo done"], deadline=10)
    pid = int((tmp_path / "child").read_text())

    assert completed == Completed(0, b"done\n")
    assert time.monotonic() - started < 2
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_program_that_is_not_there_or_may_not_be_run_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")

    with pytest.raises(Refused, match="no program is called 'no-such-program' here"):
        HOST.run(["no-such-program"])
    with pytest.raises(Denied, match="may not be run: Permission denied"):
        HOST.run([str(plain)])


def test_our_terminal_s_interrupt_does_not_reach_it() -> None:
    answer = HOST.run([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"])

    assert answer.stdout == b"True\n"


def test_running_leaves_no_descriptor_and_no_zombie_behind() -> None:
    HOST.run(["true"])
    before = names(Path("/proc/self/fd"))
    for _ in range(20):
        HOST.run(["echo", "x"], stdin=b"y")

    assert names(Path("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_file_is_written_with_its_mode_in_directories_for_us_alone(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file"
    before = os.umask(0)
    try:
        HOST.write(str(target), b"first")
        HOST.write(str(target), b"second", mode=0o640)
    finally:
        os.umask(before)

    assert HOST.read(str(target)) == b"second"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [stat.S_IMODE(d.stat().st_mode) for d in (target.parent, target.parent.parent)] == [0o700, 0o700]
    assert names(target.parent) == {"file"}


def test_a_link_in_the_file_s_place_is_replaced_and_what_it_points_to_is_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"theirs")
    link = tmp_path / "file"
    link.symlink_to(elsewhere)
    HOST.write(str(link), b"ours")

    assert elsewhere.read_bytes() == b"theirs"
    assert not link.is_symlink()
    assert link.read_bytes() == b"ours"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "inside").write_bytes(b"kept")

    with pytest.raises(Refused, match="Is a directory"):
        HOST.write(str(tmp_path / "taken"), b"x")
    assert names(tmp_path) == {"taken"}


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny file system needs root")
def test_a_full_disk_is_told_and_leaves_the_old_content(tmp_path: Path) -> None:
    program = """
import ctypes, os, subprocess, sys
from reconciler.errors import Refused
from reconciler.hosts.local import LocalHost

assert ctypes.CDLL(None).unshare(0x20000) == 0
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", sys.argv[1]], check=True)
host, path = LocalHost(), sys.argv[1] + "/file"
host.write(path, b"old")
try:
    host.write(path, b"x" * 100_000)
except Refused as error:
    print(error.message, host.read(path), os.listdir(sys.argv[1]))
"""
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)

    assert ran.stdout == f"can't write {tmp_path}/file: No space left on device b'old' ['file']\n"


def test_a_reader_sees_the_old_content_or_the_new_and_never_a_part(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    versions = [bytes([i]) * 200_000 for i in range(2)]
    HOST.write(path, versions[0])
    over = threading.Event()

    def write() -> None:
        for i in range(60):
            HOST.write(path, versions[i % 2])
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not over.is_set():
        assert HOST.read(path) in versions
    writer.join()


def test_reading_what_is_no_file_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for name, error, message in [
        ("pipe", Refused, "not a regular file"),
        (".", Refused, "not a regular file"),
        ("missing", Gone, "it does not exist"),
    ]:
        with pytest.raises(error, match=message):
            HOST.read(str(tmp_path / name))


def test_the_ephemeral_ports_are_the_kernel_s() -> None:
    low, high = HOST.ephemeral_ports()

    assert Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split() == [str(low), str(high)]
