"""The daemon as people have it: started, asked, killed, stopped; and the world comes back to what is declared."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, native, shell
from tests.scenarios.proc import Proc
from tests.scenarios.stage import Document, Stage, Told, eventually


@pytest.fixture
def daemon(stage: Stage) -> Iterator[Daemon]:
    it = Daemon(stage)
    yield it
    it.kill()


def another(stage: Stage, service: str, before: Proc) -> bool:
    return stage.process(service).pid != before.pid


def test_it_starts_detached_answers_and_stops_while_workloads_stay(stage: Stage, daemon: Daemon) -> None:
    stage.apply(native("web"))
    workload = stage.process("web")
    first = daemon.start("--resync", "45s")
    told = stage.cli("daemon", "restart").out
    pid = daemon.status()["pid"]
    assert pid != first
    assert f"daemon restarted (pid {pid}, before {first})" in told
    assert b"--resync\x0045s\0" in Path(f"/proc/{pid}/cmdline").read_bytes(), "it is told the same"
    status = daemon.status()
    assert status == {**status, "running": True, "pid": pid, "home": str(stage.home), "healthy": True}
    assert abs(datetime.fromisoformat(status["startedAt"]).timestamp() - time.time()) < 60
    assert os.getsid(pid) == pid, "it has a session of its own"
    assert f"pid {pid}" in stage.cli("daemon", "stop").out
    assert daemon.status()["running"] is False
    assert stage.process("web") == workload
    assert stage.cli("daemon", "stop").out == "no daemon runs\n"


def test_one_that_systemd_keeps_is_restarted_by_systemd(stage: Stage) -> None:
    assert "no daemon ran; daemon started" in stage.cli("daemon", "restart").out
    stage.cli("daemon", "stop")
    twice = 'for turn in 1 2; do "$@"; done'
    environment = {**stage.environment, "NOTIFY_SOCKET": "@nobody-listens"}
    with subprocess.Popen(["sh", "-c", twice, "sh", *stage.argv("daemon", "run")], env=environment) as systemd:
        try:
            eventually(lambda: Daemon(stage).status()["healthy"], "it is up")
            first = Daemon(stage).status()["pid"]
            assert f"before {first})" in stage.cli("daemon", "restart").out
            parent = Path(f"/proc/{Daemon(stage).status()['pid']}/stat").read_text().rpartition(")")[2].split()[1]
            assert int(parent) == systemd.pid
        finally:
            stage.cli("daemon", "stop")


def test_F8_a_second_one_is_told_who_has_the_home(stage: Stage, daemon: Daemon) -> None:
    pid = daemon.start()
    assert f"runs already (pid {pid})" in stage.cli("daemon", "start").out, "as it should be"
    for words in (("daemon", "run"), ("watch",)):
        told = stage.cli(*words, expect=1)
        assert f"pid {pid}" in told.err, words
        assert "reconciler daemon status" in told.err


def test_commands_hand_over_and_report_the_same_way(stage: Stage, daemon: Daemon) -> None:
    alone = stage.other_home("alone", f"{stage.namespace}x")
    documents = [box("db"), native("web", dependsOn=["db"])]
    daemon.start()
    with_it, without = _story(stage, documents), _story(alone, documents)
    assert with_it == without, daemon.log
    assert daemon.done("Create") >= 2, "the daemon did it"


def _story(stage: Stage, documents: list[Document]) -> list[object]:
    steps = [
        stage.apply(*documents),
        stage.apply(*documents),
        stage.cli("scale", "web", "--replicas", "2"),
        stage.cli("restart", "db"),
        stage.cli("stop", "web"),
        stage.apply(box("db", container={"image": "not-here", "pullPolicy": "Never"}), expect=1),
        stage.cli("delete", "all", "--all", "-o", "json"),
    ]
    return [_outcome(step, stage.namespace) for step in steps]


def _outcome(told: Told, namespace: str) -> tuple[object, ...]:
    """Without what depends on who was quicker: waits that were told on the way."""
    said = {line for line in told.err.splitlines() if line.endswith("ready") or line.startswith(("error", "hint"))}
    out = sorted(told.actions) + sorted(told.results.items()) if told.out.startswith("{") else told.out
    return told.code, out, {line.replace(namespace, "NS") for line in said}


def test_what_does_not_become_ready_is_told_through_it_too(stage: Stage, daemon: Daemon) -> None:
    daemon.start()
    told = stage.apply(shell("bad", "echo why it fails; exit 3"), "--timeout", "15", expect=1)
    assert "why it fails" in told.err
    assert "code 3" in told.err


def test_F20_it_heals_what_is_killed(stage: Stage, daemon: Daemon) -> None:
    daemon.start("--resync", "1s")
    stage.apply(native("web"), box("db"))
    process, container = stage.process("web"), stage.id("db")
    process.signal(signal.SIGKILL)
    stage.signal(container, "kill")
    eventually(lambda: another(stage, "web", process), "the process runs again")
    eventually(lambda: stage.container("db")["State"]["Running"], "the container runs again")
    assert stage.id("db") == container, "started again, not made anew"


def test_F1_killed_it_leaves_everything_and_the_next_one_goes_on(stage: Stage, daemon: Daemon) -> None:
    daemon.start()
    stage.apply(native("web"))
    workload = stage.process("web")
    daemon.kill()
    assert daemon.status()["running"] is False
    assert stage.process("web") == workload
    workload.signal(signal.SIGKILL)
    daemon.start()
    eventually(lambda: another(stage, "web", workload), "what died meanwhile runs again")


def test_when_it_is_halted_commands_work_by_themselves(stage: Stage, daemon: Daemon) -> None:
    pid = daemon.start()
    daemon.halt_at_rest(pid)
    assert stage.apply(native("web")).actions == ["Create web/0"]
    assert daemon.status() == {**daemon.status(), "running": True, "pid": pid, "healthy": False}
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: daemon.status()["healthy"], "it answers again")


def test_killed_in_the_middle_of_what_was_handed_over_the_command_goes_on_by_itself(
    stage: Stage, daemon: Daemon
) -> None:
    daemon.start(env={"RECONCILER_FAILPOINTS": "process.create.after=1*kill"})
    told = stage.apply(native("web"))
    assert told.results == {"web": "created"}
    assert daemon.status()["running"] is False
    assert len(stage.processes("web", 0)) == 1


def test_F11_sigterm_ends_it_cleanly_and_sighup_has_it_read_again(stage: Stage, daemon: Daemon) -> None:
    pid = daemon.start()
    stage.apply(native("web"))
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: "rereading" in daemon.log, "it reads again")
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not daemon.status()["running"], "it has ended")
    assert time.monotonic() - began < 20
    assert re.search(r"loop ended +cleanly=True", daemon.log)
    assert not (stage.home / "api.sock").exists()


@pytest.mark.parametrize(
    "point", ["loop.worker.turn=3*off->1*error(it broke)", "loop.alarm.begun=1*off->1*error(it broke)"]
)
def test_F12_a_thread_that_dies_has_it_begin_anew_in_the_same_process(stage: Stage, daemon: Daemon, point: str) -> None:
    stage.apply(native("web"))
    pid = daemon.start("--resync", "1s", env={"RECONCILER_FAILPOINTS": point})
    eventually(lambda: daemon.log.count("loop begun") > 1, "it has begun anew")
    assert "it broke" in daemon.log
    eventually(lambda: daemon.status()["pid"] == pid, "it answers")


def test_F12_one_that_is_stuck_has_it_begin_anew_within_fifteen_seconds(stage: Stage, daemon: Daemon) -> None:
    stage.apply(native("web"))
    pid = daemon.start("--resync", "1s", env={"RECONCILER_FAILPOINTS": "loop.pass.before=1*sleep(600000)"})
    eventually(lambda: daemon.log.count("loop begun") > 1, "it has begun anew")
    told = re.search(r"has been at pass \S+ for (\d+) s", daemon.log)
    assert told
    assert int(told[1]) <= 15
    assert daemon.status()["pid"] == pid


def test_F6_its_diary_deleted_under_it_causes_no_action(stage: Stage, daemon: Daemon) -> None:
    pid = daemon.start()
    stage.apply(native("web"))
    workload, done = stage.process("web"), daemon.done()
    for file in stage.home.glob("diary.db*"):
        file.unlink()
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: "rereading" in daemon.log, "it reads again")
    assert stage.apply(native("web")).actions == []
    assert (stage.process("web"), daemon.done()) == (workload, done)


def test_F11_told_to_end_while_it_pauses_before_it_begins_anew_it_ends(stage: Stage, daemon: Daemon) -> None:
    """And nobody else becomes the daemon meanwhile."""
    anew = {"RECONCILER_FAILPOINTS": "loop.alarm.begun=1*off->1*error(it broke)", "RECONCILER_BEGUN_ANEW": "8"}
    pid = daemon.start(env=anew)
    eventually(lambda: "unhealthy" in daemon.log, "it has found out")
    assert f"pid {pid}" in stage.cli("daemon", "run", expect=1).err
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: daemon.status()["running"] is False, "it has ended", within=5)
    assert daemon.log.count("loop begun") == 1
