"""K24: what is going on is told while it goes on, step by step, for people and for logs."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading

import pytest

from reconciler.cli.line import Bridge
from reconciler.cli.render.progress import LiveProgress, PlainProgress
from reconciler.engine.news import News
from reconciler.model.key import Key
from reconciler.model.plan import Action, Reason, Verb, Wait

SCRIPT = """
from reconciler.cli.context import Context
from reconciler.cli.invocation import Invocation
from reconciler.cli.render.progress import progress
with progress(Context(Invocation.real())) as live:
    live.update("service/web", "running", "pulling nginx")
    live.update("service/db", "done", "ready")
    live.note("port 8080 is taken by pid 7")
    live.update("service/web", "failed", "no such image")
print("service/db created")
"""


def test_K24_in_a_pipe_each_change_is_one_line_and_none_is_said_twice() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as plain:
        for state, message in (("running", "starting"), ("running", "starting"), ("done", "ready"), ("done", "ready")):
            plain.update("service/web", state, message)
        plain.note("a\x1b[2Jnote")
    assert stream.getvalue() == "service/web  starting…\nservice/web  ready\nanote\n"


def test_K24_results_stay_alone_on_stdout(environment: dict[str, str]) -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "service/db created\n"
    assert ran.stderr.splitlines() == [
        "service/web  pulling nginx…", "service/db  ready", "port 8080 is taken by pid 7", "service/web  no such image",
    ]  # fmt: skip


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_K24_on_a_terminal_it_is_live_unless_the_terminal_is_dumb(environment: dict[str, str], term: str) -> None:
    screen = on_terminal(SCRIPT, {**environment, "TERM": term, "COLUMNS": "80", "LINES": "24"})
    assert ("\x1b[?25l" in screen) == (term != "dumb"), "a live display hides the cursor"
    if term != "dumb":
        assert screen.count("\x1b[?25h") == 1, "and shows it again"
    assert "port 8080 is taken by pid 7" in screen
    assert "✗ service/web  no such image" in screen or term == "dumb"
    assert screen.rstrip().endswith("service/db created")


def test_the_live_picture_shows_each_resource_once_and_the_busy_ones_last() -> None:
    now = [100.0]
    live = LiveProgress(io.StringIO(), color=False, clock=lambda: now[0])
    for i in range(100):
        live.update(f"service/s{i}", "running", "starting")
    now[0] += 7
    for i in range(90):
        live.update(f"service/s{i}", "done", "ready")
    picture = text_of(live)
    assert "service/s99" in picture
    assert "starting" in picture
    assert "7s" in picture
    assert "more, " in picture
    assert len(picture.splitlines()) <= live._console.height


def test_a_long_message_never_pushes_the_names_out() -> None:
    live = LiveProgress(io.StringIO(), color=False)
    live.update("service/badprobe", "running", "readiness probe: " + 40 * "word ")
    assert "service/badprobe  readiness probe" in text_of(live)


def text_of(live: LiveProgress) -> str:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=80).print(live._picture())
    return stream.getvalue()


def test_it_may_be_told_from_many_threads_at_once() -> None:
    stream = io.StringIO()
    with PlainProgress(stream) as plain:
        threads = [
            threading.Thread(target=lambda n=n: [plain.update(f"service/s{n}", "running", str(i)) for i in range(50)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(stream.getvalue().splitlines()) == 400


def on_terminal(script: str, environment: dict[str, str]) -> str:
    master, slave = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=slave, stderr=slave, stdin=slave)
    os.close(slave)
    pieces = []
    try:
        while piece := os.read(master, 65536):
            pieces.append(piece)
    except OSError:  # Linux says EIO when the last one on the other side has gone
        pass
    finally:
        os.close(master)
    assert child.wait(timeout=60) == 0
    return b"".join(pieces).decode()


def test_of_ports_that_were_moved_one_line_tells_for_all_replicas_and_only_once() -> None:
    stream, web = io.StringIO(), Key("service", "default", "web")
    bridge = Bridge(PlainProgress(stream), [web])

    def note(index: int, holder: str) -> tuple[Key, str]:
        return web.instance(index), f"port http: 8080 is held by {holder}; moved to {8081 + index}"

    bridge.passed(News("default", notes=(note(0, "pid 7"), note(1, "pid 7")), acting=True))
    bridge.passed(News("default", notes=(note(1, "somebody"), note(2, "somebody")), acting=True))
    assert stream.getvalue().splitlines() == [
        "note: service/web: port http: 8080 is held by pid 7; moved to 8081, 8082",
        "note: service/web: port http: 8080 is held by somebody; moved to 8083",
    ]


def test_what_takes_several_passes_is_said_once_until_something_else_is_said() -> None:
    stream, key = io.StringIO(), Key("service", "default", "web", 0)
    stop = Action(Verb.STOP, key, "it was deleted")
    bridge = Bridge(PlainProgress(stream), [key.resource])
    for _ in range(3):
        bridge.started(stop)
        others = (Wait(key, Reason.ROLLING, "it leaves once all others serve"),)
        bridge.passed(News("default", undone=((key, "it is stopping"),), waits=others, acting=True))
    bridge.passed(News("default", waits=(Wait(key, Reason.BACK_OFF, "later"),)))
    bridge.started(stop)
    assert stream.getvalue().splitlines() == [
        "service/web  stopping: it was deleted…", "service/web  it is stopping…",
        "service/web  RollingUpdate: it leaves once all others serve…", "service/web  BackOff: later…",
        "service/web  stopping: it was deleted…",
    ]  # fmt: skip
