"""The lease of a host, as the shells there keep it: one of all gets it, for a while."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.runtimes.remote import leases

TAKEN = 76
WHO = "ann@desk, who is away"
Act = Callable[..., tuple[int, str]]
SHELLS = [["sh"], ["busybox", "sh"], ["bash"]]


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def act(request: pytest.FixtureRequest, tmp_path: Path) -> Act:
    """Code and output of one script; `boot` is the one that the host is in."""
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"there is no {request.param[0]}")

    def run(script: str, *words: str, boot: str = "b1") -> tuple[int, str]:
        text = f"state=$1 boot={boot}\n{leases.SCRIPT}{script}"
        argv = [*request.param, "-c", text, "act", str(tmp_path / "state"), *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return run


def claim(act: Act, owner: str, seconds: int = 600, **more: str) -> tuple[int, str]:
    return act(leases.CLAIM, owner, str(seconds), WHO, **more)


def told(act: Act, owner: str = "-", seconds: int = 600, **more: str) -> list[str]:
    return act(leases.TELL, owner, str(seconds), WHO, **more)[1].split(maxsplit=3)


def test_H15_who_comes_second_is_told_who_came_first(act: Act) -> None:
    assert told(act) == []
    assert claim(act, "one") == (0, "")
    code, said = claim(act, "two")
    assert code == TAKEN
    assert (said.split()[:2], said.split(maxsplit=3)[3].strip()) == (["lease", "one"], WHO)
    assert claim(act, "one") == (0, ""), "it is renewed"
    assert told(act)[1] == "one"


@pytest.mark.parametrize("how", ["over", "released", "rebooted", "garbled"])
def test_a_lease_that_has_ended_is_anybody_s(act: Act, tmp_path: Path, how: str) -> None:
    claim(act, "one", 0 if how == "over" else 600)
    boot = "b2" if how == "rebooted" else "b1"
    if how == "released":
        act(leases.RELEASE, "two", "somebody else's")
        assert claim(act, "two")[0] == TAKEN, "only its own"
        act(leases.RELEASE, "one", WHO)
    if how == "garbled":
        (file,) = (tmp_path / "state/lease").iterdir()
        file.write_text("one b1 soon\n")
    assert told(act, boot=boot) == []
    assert claim(act, "two", boot=boot) == (0, "")
    assert claim(act, "one", boot=boot)[0] == TAKEN
    assert len(list((tmp_path / "state/lease").iterdir())) == 1, "nothing of the old ones is left"


def test_of_many_at_once_one_gets_it(act: Act) -> None:
    owners = [f"owner{number}" for number in range(12)]
    for seconds in (0, 600):  # the first round leaves one that is over, to be taken over
        with ThreadPoolExecutor(len(owners)) as pool:
            codes = list(pool.map(lambda owner: claim(act, owner, seconds)[0], owners))  # noqa: B023
    winners = [owner for owner, code in zip(owners, codes, strict=True) if code == 0]
    assert winners == [told(act)[1]]


def test_whoever_looks_renews_its_own_and_no_other_s(act: Act) -> None:
    claim(act, "one", 100)
    assert int(told(act)[2]) <= 100
    assert int(told(act, "two")[2]) <= 100
    assert int(told(act, "one")[2]) > 500


def test_where_nothing_can_be_written_nobody_can_say(act: Act, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    assert claim(act, "one")[0] not in {0, TAKEN}
    assert told(act) == []


def test_who_somebody_is_fits_on_a_line() -> None:
    assert leases.word("ann\n@\x1b[2Jdesk" + "x" * 200).isprintable()
    assert len(leases.word("x" * 200)) == 80
