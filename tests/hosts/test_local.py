"""The local host, in what no other host does or none could be asked for: see test_contract."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reconciler.hosts.local import LocalHost
from reconciler.ports import Host

HOST: Host = LocalHost()


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_our_terminal_s_interrupt_does_not_reach_it() -> None:
    answer = HOST.run([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"])

    assert answer.stdout == b"True\n"


def test_running_leaves_no_descriptor_and_no_zombie_behind() -> None:
    """In a process of its own: threads of other tests close and open what they like."""
    program = """
import os
from reconciler.hosts.local import LocalHost
host = LocalHost()
host.run(["true"])
before = os.listdir("/proc/self/fd")
for _ in range(20):
    host.run(["echo", "x"], stdin=b"y")
assert os.listdir("/proc/self/fd") == before
try:
    raise SystemExit(f"a child is left: {os.waitpid(-1, os.WNOHANG)}")
except ChildProcessError:
    print("nobody")
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "nobody\n"


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
