"""Programs and probes that misbehave, beneath a daemon: one of each is what there is, and nobody else has to wait."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.contract.processes import alive
from tests.faults.brought import sleeper
from tests.faults.oracle import Oracle
from tests.process.test_zoo import ZOO, descendants
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import changed, document, native
from tests.scenarios.proc import Proc, processes_with
from tests.scenarios.stage import Document, Stage, eventually

LONG = 60.0
"""For a machine on which much else is going on."""


@pytest.fixture
def oracle(stage: Stage) -> Iterator[Oracle]:
    it = Oracle(Daemon(stage))
    it.start()
    yield it
    it.daemon.kill()


def name_of(kind: str) -> str:
    return kind.replace(" ", "-").lower()


def head(stage: Stage, name: str) -> Proc:
    """The service's own process: the first one. Others may have lost their parents, or be probes."""
    found = stage.processes(name)
    assert found, f"{name} is not there"
    return min(found, key=lambda one: (one.started, one.pid))


def settled(stage: Stage, name: str, size: int = 0) -> list[int]:
    """Its whole tree, once it is complete: it has said that it is ready, and `size` are there."""
    eventually(lambda: "ready" in stage.process_log(name).splitlines(), f"{name} is ready", LONG)

    def tree() -> list[int]:
        found = descendants(head(stage, name).pid)
        return found if len(found) >= size else []

    return list(eventually(tree, f"{name} has all its processes", LONG))


@pytest.mark.timeout(300)
def test_F32_F33_programs_that_fork_hide_and_turn_deaf_are_there_once(oracle: Oracle, stage: Stage) -> None:
    """Killed, and later replaced: whatever of them had a session, an environment or an ear of its own, it is gone."""
    zoo = {name_of(kind): native(name_of(kind), "sh", "-c", script, stop={"graceSeconds": 1}) for kind, script in
           ZOO.items()}  # fmt: skip
    stage.apply(*zoo.values(), sleeper("good", 100001))
    before = {name: settled(stage, name) for name in zoo}
    oracle.begin()
    for name in zoo:
        log = stage.home / "processes" / f"{stage.namespace}.{name}.0" / "log"
        log.write_text("")
        head(stage, name).signal(signal.SIGKILL)
    for name in zoo:
        eventually(lambda name=name: not any(alive(pid) for pid in before[name]), f"{name} has gone as a whole", LONG)
        settled(stage, name, len(before[name]))
    oracle.check(Counter(f"Start {name}/0" for name in zoo), passes=1)

    trees = {name: settled(stage, name) for name in zoo}
    oracle.begin()
    stage.apply(*[changed(one, env={"STEP": "2"}) for one in zoo.values()], "--timeout", "60")
    for name, tree in trees.items():
        assert [pid for pid in tree if alive(pid)] == [], name
    check(oracle, {f"{verb} {name}/0": 1 for verb in ("Remove", "Create") for name in zoo})


def check(oracle: Oracle, made: dict[str, int]) -> None:
    """All but stops: of one that took its time, the end may be seen before it is told, and then it is not."""
    eventually(lambda: made.items() <= oracle.deeds().items(), "it is told", LONG)
    told = oracle.deeds()
    others = {deed: count for deed, count in told.items() if deed not in made}
    assert all(deed.startswith("Stop") and count == 1 for deed, count in others.items()), others
    oracle.check(told, passes=1)


@pytest.mark.timeout(300)
def test_F33_while_a_deaf_one_has_its_time_others_are_healed(oracle: Oracle, stage: Stage) -> None:
    deaf = native("deaf", "sh", "-c", ZOO["deaf to TERM"], stop={"graceSeconds": 6})
    stage.apply(deaf, sleeper("good", 100001))
    settled(stage, "deaf")
    oracle.begin()
    old, victim = head(stage, "deaf"), stage.process("good")
    file = stage.write(changed(deaf, env={"STEP": "2"}), name="deaf.yaml")
    with stage.start_cli("apply", "-f", str(file), "--timeout", "60") as applying:
        eventually(lambda: "it is stopping" in oracle.daemon.log, "it was asked to end", LONG)
        victim.signal(signal.SIGKILL)
        eventually(lambda: stage.process("good").pid != victim.pid, "the other one runs again", LONG)
        assert old.alive, "it should still have had its time"
        assert applying.wait(LONG) == 0, applying.stderr
    assert not old.alive
    assert head(stage, "deaf").alive
    check(oracle, {"Remove deaf/0": 1, "Create deaf/0": 1, "Start good/0": 1})


# -- probes


@contextlib.contextmanager
def answering(piece: bytes, pause: float) -> Iterator[int]:
    """Takes every call and sends this again and again; an empty piece is silence."""
    stop = threading.Event()

    def drip(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while not stop.wait(pause):
                client.sendall(piece)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=drip, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def probed(name: str, **question: object) -> Document:
    """A service that is there, with a question that gets no answer in time."""
    probe = {**question, "periodSeconds": 0.5, "timeoutSeconds": 0.5, "failureThreshold": 2}
    return native(name, probes={"readiness": probe})


@pytest.mark.timeout(300)
def test_F34_probes_that_hang_fork_and_flood_are_their_own_services_trouble(oracle: Oracle, stage: Stage) -> None:
    marker = "77001"
    with answering(b"", 60) as silent, answering(b"x", 0.2) as slow, answering(b"x" * 4096, 0) as flood:
        http = {"silent": silent, "one-byte": slow, "endless-head": flood}
        commands = {
            "hangs": f"exec sleep {marker}",
            "forks": f"(setsid sleep {marker} &) & sleep {marker} & sleep {marker} & wait",
            "deaf": f"trap '' TERM INT HUP; while :; do sleep {marker}; done",
            "floods": f"yes {marker}",
        }
        bad = [
            *[probed(name, httpGet={"port": port}) for name, port in http.items()],
            *[probed(name, exec={"command": ["sh", "-c", script]}) for name, script in commands.items()],
        ]
        spared = document(
            "Service", "good", process={"command": ["sleep", "100001"]},
            probes={"readiness": {"exec": {"command": ["true"]}, "periodSeconds": 0.5}},
        )  # fmt: skip
        stage.apply(*bad, spared, "--no-wait")
        names = [*http, *commands]
        eventually(lambda: all(why(stage, name) for name in names), "each is said to fail", LONG)
        oracle.begin()
        for _ in range(3):
            victim = head(stage, "good")
            victim.signal(signal.SIGKILL)
            eventually(lambda victim=victim: head(stage, "good").pid != victim.pid, "it runs again", LONG)
            stage.cli("wait", "service/good", "--for=condition=Ready", "--timeout", "60s")
            assert asked(stage, marker) <= 3 * len(commands), "each is asked once at a time, and ended as a whole"
        assert oracle.daemon.status()["healthy"]
        eventually(lambda: oracle.deeds() == {"Start good/0": 3}, "nobody else was touched")
        stage.delete("all", "--all", "--timeout", "60")
    eventually(lambda: asked(stage, marker) == 0, "nothing is left of any question")


def why(stage: Stage, name: str) -> str:
    """What is said of a service whose question gets no good answer; empty while there is nothing yet."""
    ready = next(c for c in stage.status_of(name)["conditions"] if c["type"] == "Ready")
    return str(ready["message"]) if "probe" in ready["message"] or "answer" in ready["message"] else ""


def asked(stage: Stage, marker: str) -> int:
    """Processes that questions have begun, other than services' own."""
    return sum(f" {marker}" in f" {one.command}" for one in processes_with({f"RECONCILER_OWNER={stage.owner}"}))
