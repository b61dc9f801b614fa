"""Who this installation is, is made once and never guessed at."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.sources.home import Home


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
        pytest.raises(ReconcilerError, match=rf"at work in .*home \(pid {os.getpid()}\)"),
        home.lock(0.1),
    ):
        pass
    with home.lock(0):
        pass


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
