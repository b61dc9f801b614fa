"""Who this installation is, is made once and never guessed at."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.errors import Denied, ReconcilerError
from reconciler.sources.home import Home, unusable


def test_it_is_made_once_and_only_to_act(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    assert home.identity(make=False) != home.identity(make=False)
    assert not home.path.exists()
    assert home.identity(make=True) == home.identity(make=True) == home.identity(make=False)


@pytest.mark.parametrize("keep", [0, 1, 10, 17, 60, 79])
def test_an_owner_file_that_lost_its_end_is_damaged(tmp_path: Path, keep: int) -> None:
    """A key that is merely shorter would give every secret another seal, and everything would be made anew."""
    home = Home(str(tmp_path / "home"))
    home.identity(make=True)
    file = home.path / "owner"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ReconcilerError, match="owner is damaged"):
        home.identity(make=True)


@pytest.mark.parametrize("content", [b"abcd zz", b"\xff\xfe", b"a b c"])
def test_one_with_something_else_in_it_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "owner").write_bytes(content)
    with pytest.raises(ReconcilerError, match="owner is damaged"):
        Home(str(tmp_path)).identity(make=False)


def test_nobody_waits_for_ever_for_whoever_is_at_work(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    with (
        home.lock(0),
        pytest.raises(ReconcilerError, match=rf"at work in .*home \(pid {os.getpid()}: .+\)"),
        home.lock(0.1),
    ):
        pass
    with home.lock(0):
        pass


def test_who_waits_long_is_told_for_whom_and_once(tmp_path: Path) -> None:
    told: list[str] = []
    home = Home(str(tmp_path / "home"), told.append)
    home.ensure()
    for _ in range(2):
        holder = subprocess.Popen(["flock", home.path / "lock", "-c", "echo mine; sleep 2.5"], stdout=subprocess.PIPE)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        with home.lock(20), holder:
            pass
    assert {text.partition(" (pid ")[0] for text in told} == {
        f"waiting for another command that is at work in {home.path}"
    }
    # One that is about to end may leave its lock to its child for a moment, which is somebody else.
    assert len([text for text in told if "flock" in text]) >= 2, "another pid is another holder"
    assert len(told) == len(set(told)), "nobody is named twice"


def test_a_home_that_is_a_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    for use in (
        lambda home: home.identity(make=False),
        lambda home: home.identity(make=True),
        lambda home: home.ensure(),
    ):
        with pytest.raises(ReconcilerError, match=r"home .*/home can't be .*no directory") as raised:
            use(Home(str(tmp_path / "home")))
        assert "--home" in raised.value.hint


def test_a_full_disk_and_a_read_only_one_are_told_apart() -> None:
    full, sealed = (unusable(Path("/h"), OSError(number, os.strerror(number)), "can't be used") for number in (28, 30))
    assert (str(full.message), "make room" in full.hint) == ("the home /h can't be used: No space left on device", True)
    assert isinstance(sealed, Denied)


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root can't mount")
def test_a_home_that_can_only_be_read_is_named_itself_and_no_draft_in_it(tmp_path: Path) -> None:
    mounting = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        with pytest.raises(Denied, match=rf"the home {tmp_path} can't be used: Read-only"):
            Home(str(tmp_path)).identity(make=True)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_who_waits_has_his_turn_once_the_other_is_done(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    order = []

    def other() -> None:
        with home.lock(10):
            order.append("other")

    with ThreadPoolExecutor(1) as pool:
        with home.lock(0):
            waiting = pool.submit(other)
            order.append("first")
        waiting.result(10)
    assert order == ["first", "other"]
