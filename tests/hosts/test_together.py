"""Several questions in one exchange: each has its own answer, and its own fate."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.engine.loop.breaker import HANGING, Patient
from reconciler.engine.places.survey import survey
from reconciler.errors import OutcomeUnknown, Unreachable
from reconciler.hosts import ssh
from reconciler.hosts.exchange import exchange
from reconciler.hosts.local import LocalHost
from reconciler.hosts.ssh import Ssh
from reconciler.inquiry import Question, Told
from reconciler.runtimes.mesh import scripts
from reconciler.runtimes.mesh.runtime import MeshRuntime
from reconciler.runtimes.remote.runtime import RemoteProcesses
from tests.waiting import until

HELLO, WORDS = Question("echo hello"), Question("printf '%s|' \"$@\"", ("a b", "'$HOME'", "", *"123456789"))
FAILS, CUT = Question("echo x; exit 3"), Question("kill -9 0")


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said to other machines, as it is said."""
    said: list[str] = []

    def counted(argv: list[str], **how: object) -> object:
        said.append(argv[-1])
        return exchange(argv, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(ssh, "exchange", counted)
    return said


@pytest.mark.root
@pytest.mark.parametrize("user", ["root", "sparse"])
def test_each_question_has_its_own_answer(lasting: dict[str, Ssh], user: str, exchanges: list[str]) -> None:
    lasting[user].run(["true"])
    exchanges.clear()
    told = lasting[user].ask([WORDS, FAILS, HELLO])

    assert [one.whole for one in told] == ["a b|'$HOME'||1|2|3|4|5|6|7|8|9|", "x\n", "hello\n"]
    assert len(exchanges) == 1
    assert all(one.before <= one.after and one.took > 0 for one in told)


@pytest.mark.root
def test_what_was_told_before_the_end_was_told(lasting: dict[str, Ssh]) -> None:
    first, *others = lasting["root"].ask([HELLO, CUT, HELLO])

    assert first.whole == "hello\n"
    for one in others:
        with pytest.raises(OutcomeUnknown, match="was lost"):
            _ = one.whole


@pytest.mark.root
def test_a_mesh_that_cannot_be_read_takes_nothing_else_along(
    lasting: dict[str, Ssh], monkeypatch: pytest.MonkeyPatch, exchanges: list[str]
) -> None:
    """One exchange for all, and only the part that fails has a problem."""
    host = lasting["root"]
    host.run(["true"])
    runtimes = {
        "process/far": RemoteProcesses(host, "me", state=f"/tmp/{secrets.token_hex(6)}"),
        "mesh/far": MeshRuntime(host, "me"),
    }
    for script, problem in ((scripts.LIST, ""), ("echo who root", "did not tell all"), (CUT.script, "was lost")):
        monkeypatch.setattr(scripts, "LIST", script)
        exchanges.clear()
        views, sockets = survey(host, runtimes, sockets=True).made()

        assert views["process/far"].reachable
        assert views["process/far"].machine
        assert any(one.binding.port == 22 for one in sockets)
        assert (problem in views["mesh/far"].problem) if problem else views["mesh/far"].reachable
        assert len(exchanges) == 1


def test_who_hangs_is_left_out_of_what_is_asked_together_until_he_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    monkeypatch.setattr(scripts, "LIST", f"cat {fifo}")
    told: list[str] = []
    mesh = Patient(MeshRuntime(LocalHost(), "me"), told.append)
    silent = Told("", 0, 0, HANGING, Unreachable("not a word"))

    assert mesh.question()
    assert mesh.view(replace(silent, took=0)).problem == "not a word"
    assert mesh.question(), "who says no at once may be asked at each look"
    hung = mesh.view(silent)
    assert mesh.question() is None
    assert mesh.observe() is hung
    fifo.write_text("who root\nend\n")
    until(lambda: told == [""], 30)
    assert mesh.question()
