"""Several questions in one exchange: each has its own answer, and its own fate."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.engine.clocks import WallClock
from reconciler.engine.loop.breaker import HANGING, Patient
from reconciler.engine.observer import Observer
from reconciler.engine.places.grounds import Ground
from reconciler.engine.probes.prober import Prober
from reconciler.errors import OutcomeUnknown, Unreachable
from reconciler.hosts import ssh
from reconciler.hosts.exchange import exchange
from reconciler.hosts.local import LocalHost
from reconciler.hosts.ssh import Ssh
from reconciler.inquiry import Question, Told
from reconciler.kinds.host import HostSpec, SshAccess
from reconciler.model.place import Place
from reconciler.runtimes.memory import MemoryRuntime
from reconciler.runtimes.mesh import scripts
from reconciler.runtimes.mesh.runtime import MeshRuntime
from reconciler.runtimes.remote.runtime import RemoteProcesses
from tests.core.build import graph, http, process
from tests.hosts.test_ssh_faults import Dial
from tests.machines.lab import Lab
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
def test_F37_a_connection_that_is_found_dead_by_a_look_is_made_anew_and_the_look_taken(
    lab: Lab, dial: Dial, exchanges: list[str]
) -> None:
    """Here the look itself ends it, the first time: it can't be lost any later."""
    machine = lab.machine("stale")
    host = dial(machine)
    host.run(["true"])
    before = host.connection()
    exchanges.clear()
    (told,) = host.ask([Question("mkdir /tmp/once && pkill -9 -f 'sshd: roo[t]'; echo hello")])
    assert "hello" in told.whole
    assert len(exchanges) == 2
    assert host.connection() != before


@pytest.mark.root
def test_a_mesh_that_cannot_be_read_takes_nothing_else_along(
    lasting: dict[str, Ssh], monkeypatch: pytest.MonkeyPatch, exchanges: list[str]
) -> None:
    """A look asks a host once, whatever is to be known of it; and only the part that fails has a problem."""
    host = lasting["root"]
    host.run(["true"])
    there = {
        "process": RemoteProcesses(host, "me", state=f"/tmp/{secrets.token_hex(6)}"),
        "mesh": MeshRuntime(host, "me"),
    }
    runtimes = {
        "process": MemoryRuntime("process", now=time.time),
        **{Place(name, "far"): one for name, one in there.items()},
    }
    prober = Prober({}, WallClock())
    observer = Observer(runtimes, LocalHost(), prober, lambda _: {"far": Ground(host, there)})
    wanted = graph(process("web", ports=(http(),), run_on="far"), hosts={"far": HostSpec(ssh=SshAccess(host="far"))})
    for script, problem in ((scripts.LIST, ""), ("echo who root", "did not tell all"), (CUT.script, "was lost")):
        monkeypatch.setattr(scripts, "LIST", script)
        exchanges.clear()
        seen = observer.look(wanted, 0.0)
        processes, mesh = (seen.view(Place(name, "far")) for name in there)

        assert processes.reachable
        assert processes.machine
        assert any(one.binding.port == 22 for one in seen.listeners["far"])
        assert (problem in mesh.problem) if problem else mesh.reachable
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
    until(lambda: told == [""])
    assert mesh.question()
