"""What the rules are told of the real machine: where paths lead, what lies there, who a user is."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

from reconciler.hosts.here import Here

HERE = Here()


def test_a_path_is_followed_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert HERE.landing(str(tmp_path / "link/inside")).path == os.path.realpath(tmp_path / "real/inside")
    assert HERE.landing("/proc/self/root/etc").path == "/etc"
    assert HERE.landing(f"/proc/self/cwd/../{Path.cwd().name}").path == str(Path.cwd())


def test_a_socket_by_any_name_is_no_file(tmp_path: Path) -> None:
    """A hard link has no other end to be followed to: it is the socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "engine.sock"))
        os.link(tmp_path / "engine.sock", tmp_path / "innocent")
        (tmp_path / "link").symlink_to("innocent")
        for name in ("engine.sock", "innocent", "link"):
            assert HERE.landing(str(tmp_path / name)).special
    assert HERE.landing("/dev/null").special
    assert not HERE.landing(str(tmp_path)).special
    assert not HERE.landing(str(tmp_path / "missing")).special


def test_users_are_known_by_name_and_number_and_ourselves_by_nothing() -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert (HERE.account("").name, HERE.account("").uid) == (me, os.geteuid())
    assert (HERE.account("0").name, HERE.account("00").uid, HERE.account("root").uid) == ("root", 0, 0)
    assert (HERE.account("4242424").name, HERE.account("4242424").uid) == ("4242424", 4242424)
    assert HERE.account("nobody-is-called-so").uid is None
    assert HERE.account("9" * 40).uid == int("9" * 40)
