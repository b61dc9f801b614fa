"""The daemon's smaller parts: its lock, its log, what it tells systemd, and the unit it runs under."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.api.handover import DaemonOf
from reconciler.api.messages import report_tree
from reconciler.api.serve import Call, Handler, Server
from reconciler.daemon import launch, lock, log, notify
from reconciler.daemon.unit import unit
from reconciler.engine.news import Silent
from reconciler.engine.report import Report
from reconciler.model.key import Key

HOLDING = """
import sys, time
from reconciler.daemon import lock
lock.take(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


@contextmanager
def somebody_else(home: Path) -> Iterator[int]:
    child = subprocess.Popen([sys.executable, "-c", HOLDING, str(home)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield child.pid
    finally:
        child.kill()
        child.communicate()


def test_F8_the_lock_tells_who_has_it(home: Path) -> None:
    assert lock.holder(str(home)) is None
    with somebody_else(home) as pid:
        assert lock.holder(str(home)) == pid
        with pytest.raises(lock.Held, match=f"pid {pid}"):
            lock.take(str(home))
    assert lock.holder(str(home)) is None
    os.close(lock.take(str(home)))


def test_of_ten_at_once_one_has_it(home: Path) -> None:
    taken, start = [], threading.Barrier(10)

    def try_it() -> None:
        start.wait()
        try:
            taken.append(lock.take(str(home)))
        except lock.Held:
            return

    threads = [threading.Thread(target=try_it) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    os.close(taken[0])


def test_F30_its_log_is_turned_over_and_followed_over_the_turn(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, whose standard error is the log as the daemon's is."""
    monkeypatch.setattr(log, "LARGEST", 100)
    path = Path(log.log_path(str(home)))
    path.write_text("first\n")
    following = log.lines(str(home), tail=None, follow=True)
    assert next(following) == "first"
    script = (
        "import sys; from reconciler.daemon import log; log.LARGEST = 100\n"
        "for n in range(40): print(f'line {n}', file=sys.stderr, flush=True); log.turn_over(sys.argv[1])"
    )
    with path.open("a") as stream:
        subprocess.run([sys.executable, "-c", script, str(home)], check=True, stdout=stream, stderr=stream)
    assert path.with_name("daemon.log.1").stat().st_size < 150
    assert path.stat().st_size < 150
    told = [next(following)]
    while told[-1] != "line 39":
        told.append(next(following))
    assert told[0] == "line 0"
    following.close()
    assert list(log.lines(str(home), tail=1, follow=False)) == ["line 39"]


WRITING = """
import sys
from reconciler.daemon import log
log.LARGEST = 1
for turn in range(int(sys.argv[2])):
    for n in range(20):
        print(f"line {turn}.{n}", file=sys.stderr, flush=True)
    log.turn_over(sys.argv[1])
    print("turned", file=sys.stderr, flush=True)
    sys.stdin.readline()
"""


def test_F30_whoever_follows_it_hears_every_line_over_any_number_of_turns(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has reached the end of the old one again and again just when that is written to once more, and turned over."""
    turns = 100
    monkeypatch.setattr(log, "POLL", 0)
    path = Path(log.log_path(str(home)))
    with (
        path.open("a") as stream,
        subprocess.Popen(
            [sys.executable, "-c", WRITING, str(home), str(turns)], stdin=subprocess.PIPE, stdout=stream, stderr=stream
        ) as child,
    ):
        assert child.stdin is not None
        following = log.lines(str(home), tail=None, follow=True)
        try:
            for turn in range(turns):
                for number in range(20):
                    assert next(following) == f"line {turn}.{number}"
                assert next(following) == "turned"
                child.stdin.write(b"\n")
                child.stdin.flush()
        finally:
            child.kill()
            following.close()


def test_a_log_that_was_taken_away_is_followed_as_long_as_it_is_written(home: Path) -> None:
    path = Path(log.log_path(str(home)))
    path.write_text("first\n")
    with path.open("a") as stream:
        following = log.lines(str(home), tail=None, follow=True)
        assert next(following) == "first"
        path.unlink()
        threading.Timer(0.3, lambda: print("second", file=stream, flush=True)).start()
        assert next(following) == "second"
        following.close()


def test_who_ends_a_daemon_that_ended_by_itself_leaves_no_handle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holders = iter([os.getpid()])  # when it is asked again there is none any more
    monkeypatch.setattr(lock, "holder", lambda _home: next(holders, None))
    before = len([*Path("/proc/self/fd").iterdir()])
    assert launch.stop(str(home)) == os.getpid()
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_F5_where_there_can_be_no_other_log_the_old_one_goes_on_until_there_can(home: Path) -> None:
    path = Path(log.log_path(str(home)))
    script = (
        "import sys; from reconciler.daemon import log; log.LARGEST = 100\n"
        "for n in range(40): print(f'line {n}', file=sys.stderr, flush=True); log.turn_over(sys.argv[1])"
    )
    obstacle = path.with_name("daemon.log.new")
    obstacle.mkdir()
    with path.open("a") as stream:
        subprocess.run([sys.executable, "-c", script, str(home)], check=True, stderr=stream)
        assert len(path.read_text().splitlines()) == 40
        obstacle.rmdir()
        subprocess.run([sys.executable, "-c", script, str(home)], check=True, stderr=stream)
    assert path.with_name("daemon.log.1").exists()
    assert path.stat().st_size < 150


def test_systemd_is_told_where_it_listens(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        notify.tell("READY=1", {"NOTIFY_SOCKET": path})
        assert listener.recv(100) == b"READY=1"
    notify.tell("READY=1", {"NOTIFY_SOCKET": path})
    notify.tell("READY=1", {})


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({}, None),
    ],
)
def test_how_often_systemd_wants_to_hear_of_it(environment: dict[str, str], seconds: float | None) -> None:
    assert notify.watchdog_seconds(environment) == seconds


@pytest.mark.parametrize("root", [True, False])
def test_F11_its_unit_stops_nothing_but_itself(tmp_path: Path, root: bool) -> None:
    environment = {"HOME": "/home/me", "PATH": "/opt/bin:/bin", "DOCKER_HOST": "unix:///x y"}
    made = unit("/srv/a b%c", ["--resync", "30s"], environment, root=root)
    for line in (
        "KillMode=process",
        "Type=notify",
        "Restart=always",
        "Delegate=yes",
        "Environment='DOCKER_HOST=unix:///x y'",
        "Environment=PATH=/opt/bin:/bin",
    ):
        assert line in made.text.splitlines(), made.text
    assert "'/srv/a b%%c' daemon run" in made.text
    assert made.path == (
        "/etc/systemd/system/reconciler.service" if root else "/home/me/.config/systemd/user/reconciler.service"
    )
    if shutil.which("systemd-analyze"):
        path = tmp_path / "reconciler.service"
        path.write_text(made.text)
        found = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr


@contextmanager
def answering(home: Path, handlers: dict[str, Handler]) -> Iterator[None]:
    server = Server(str(home), handlers)
    server.open()
    serving = threading.Thread(target=server.serve)
    serving.start()
    try:
        yield
    finally:
        server.close()
        serving.join()


def test_a_server_that_ends_before_it_has_begun_to_serve_ends_in_peace(home: Path) -> None:
    server = Server(str(home), {})
    server.open()
    server.close()
    server.serve()
    assert not (home / "api.sock").exists()


def test_a_command_lets_the_daemon_of_its_home_make_its_passes(home: Path) -> None:
    asked: list[dict[str, object]] = []
    report = Report(settled=True, notes=("the daemon did it",))

    def settled(question: dict[str, object], _: Call) -> dict[str, object]:
        asked.append(question)
        return report_tree(report) if question["ask"] == "settle" else {}

    web = Key("service", "n", "web")
    daemon = DaemonOf(str(home))
    with answering(home, {"leave": settled, "settle": settled}), daemon.taking({"n"}) as handed:
        assert handed is not None, "somebody is there"
        assert handed.settle("n", {web}, wait=True, timeout=60, progress=Silent()) == report
    assert asked == [
        {"ask": "leave", "namespaces": ["n"]},
        {"ask": "settle", "namespace": "n", "keys": [str(web)], "wait": True, "timeout": 60},
    ]
    with daemon.taking({"n"}) as handed:
        assert handed is None, "nobody is there any more"
