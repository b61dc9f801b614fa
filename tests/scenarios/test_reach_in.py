"""Attach and exec: a person's way in, the same for containers and processes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from tests.scenarios.documents import box, changed, document, native
from tests.scenarios.stage import IMAGE, Stage, eventually
from tests.scenarios.terminal import Terminal, terminal

pytestmark = pytest.mark.engine

BOTH = ("web", "worker")
"""A container and a process."""


def both(stage: Stage) -> None:
    work = stage.directory / "work"
    work.mkdir(exist_ok=True)
    inside = {"workingDir": "/tmp", "user": "app"}
    worker = native("worker", env={"COLOR": "blue"})
    worker["spec"]["process"]["workingDir"] = str(work)
    stage.apply(box("web", container=inside, env={"COLOR": "blue"}), worker)


@contextlib.contextmanager
def sitting(stage: Stage, *arguments: str) -> Iterator[Terminal]:
    with terminal(stage.argv(*arguments), stage.environment, stage.directory) as screen:
        yield screen


def test_R8_R9_R10_R13_sessions_share_a_workload_and_it_stays_when_the_last_one_leaves(stage: Stage) -> None:
    """Of both runtimes two at once: each in the workload's directory, as its user, on its own terminal."""
    both(stage)
    before = stage.id("web"), stage.process("worker").pid
    with contextlib.ExitStack() as stack:
        screens = [(name, stack.enter_context(sitting(stage, "attach", name))) for name in (*BOTH, *BOTH)]
        for number, (name, screen) in enumerate(screens):
            assert screen.shows("$ " if name == "web" else "# "), screen.seen
            screen.type(f"echo $COLOR-$PWD-$(id -u)-$TERM; test -t 1 && echo tty-$((40 + 2)); exit {number + 3}\n")
        for number, (name, screen) in enumerate(screens):
            assert screen.ends() == number + 3, screen.seen
            place = "/tmp-1000" if name == "web" else f"{stage.directory}/work-{os.getuid()}"
            assert f"blue-{place}-xterm-256color" in screen.text
            assert "tty-42" in screen.text
    assert (stage.id("web"), stage.process("worker").pid) == before
    assert stage.container("web")["State"]["Running"]


CYCLES = int(os.environ.get("RECONCILER_CYCLES", "5"))
"""Of a container and a process each, so ten by day; 50 when asked for."""


def test_R5_R7_R14_the_cycle_of_stop_and_attach_can_be_run_again_and_again(stage: Stage) -> None:
    """Create, attach, leave, still running, stop, attach, running: never an error, never a prompt too soon."""
    both(stage)

    def cycle(name: str) -> bool:
        stage.cli("stop", name)
        told = stage.cli("attach", name, stdin="echo here-$COLOR; exit 7\n", expect=7)
        assert told.out.endswith("here-blue\n"), told
        assert f"note: service/{name} is stopped, so it is started first" in told.err
        return stage.container("web")["State"]["Running"] if name == "web" else stage.process("worker").alive

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for _ in range(CYCLES):
            assert list(pool.map(cycle, BOTH)) == [True, True]


def test_R5_R6_R7_what_has_ended_by_itself_is_told_from_what_is_not_there_and_started(stage: Stage) -> None:
    both(stage)
    for name in BOTH:
        if name == "web":
            stage.signal(stage.name("web"), "kill")
        else:
            stage.process("worker").signal(signal.SIGKILL)
        eventually(lambda name=name: stage.status_of(name)["instances"][0]["phase"] == "Exited", "it has ended")
        assert "is not running" in stage.cli("attach", name, stdin="exit 0\n").err
        assert stage.cli("attach", name, stdin="exit 0\n").err == "", "it has stayed"
    assert "not found" in stage.cli("attach", "nobody", expect=1).err


def test_R8_the_shell_is_one_that_the_image_has_and_its_lack_is_told(stage: Stage) -> None:
    """Not that of whoever attaches, which may not exist there: the bug of the original."""
    stage.apply(box("web"), box("bare"))
    env = {"SHELL": "/usr/bin/fish"}
    assert stage.cli("attach", "web", stdin="echo $0\n", env=env).out in {"ash\n", "bash\n"}
    assert stage.cli("attach", "web", "--shell", "sh", stdin="echo $0\n", env=env).out == "sh\n"
    assert stage.cli("attach", "web", "-e", "A=b", "-w", "/www", "--", "sh", "-c", "echo $A; pwd").out == "b\n/www\n"
    stage.run_inside("bare", "/bin/busybox", "rm", "/bin/sh", "/bin/ash", "/bin/bash", "/bin/hush")
    told = stage.cli("attach", "bare", expect=1)
    assert "there is no shell in container" in told.err
    assert "reconciler exec bare" in told.err


def test_R15_an_attach_that_cannot_work_says_why_and_what_to_try(stage: Stage) -> None:
    once = {"initialSeconds": 60}  # for a moment after each start it does run
    stage.apply(document("Service", "box", container={"image": IMAGE}, restart=once), "--timeout", "8", expect=1)
    told = stage.cli("attach", "box", expect=1)
    assert "keepAlive is missing" in told.err
    shown = stage.cli("describe", "box").out
    for words in ("exit code 0", "keepAlive is missing", "docker run --rm -it --entrypoint sh reconciler-test"):
        assert words in shown


def test_R11_R13_code_opens_the_editor_inside_and_without_one_says_what_else_there_is(stage: Stage) -> None:
    """With a `code` on PATH that writes down what it was given; from stopped, as attach."""
    both(stage)
    programs = stage.directory / "bin"
    programs.mkdir()
    editor = programs / "code"
    editor.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{programs}/given\nexit 3\n')
    editor.chmod(0o755)
    found = {"PATH": f"{programs}:{os.environ['PATH']}"}
    for name in BOTH:
        stage.cli("stop", name)
        shown = stage.cli("code", name, "--print").out
        assert name == "worker" or stage.containers() == [], "to print is to do nothing"
        told = stage.cli("code", name, env=found, expect=3)
        assert "started first" in told.err
        assert (programs / "given").read_text() == f"--folder-uri\n{shown}"
        (programs / "given").unlink()
        lacking = stage.cli("code", name, "sub", env={"PATH": "/nonexistent"}, expect=1)
        assert lacking.out == f"{shown.rstrip()}/sub\n"
        assert "there is no `code` on PATH" in lacking.err
        assert f"reconciler attach {name} -n {stage.namespace}" in lacking.err
        address, path = shown.strip().removeprefix("vscode-remote://attached-container+").split("/", 1)
        if name == "web":
            assert stage.name("web") in bytes.fromhex(address).decode()
            assert path == "tmp"
        else:
            assert shown == f"file://{stage.directory}/work\n"
    assert stage.container("web")["State"]["Running"], "R9: it stays when the editor goes"
    with terminal(stage.argv("code", "web"), {**stage.environment, "PATH": "/nonexistent"}, stage.directory) as screen:
        assert screen.shows("$ "), screen.seen
        screen.type("exit 4\n")
        assert screen.ends() == 4, screen.seen


def test_K6_the_log_before_is_read_once_another_one_has_its_place(stage: Stage) -> None:
    """Both runtimes: the instance is made anew, not merely begun again."""
    script = "echo I am $WHO; exec sleep 1000"
    old = {"WHO": "old"}
    first = (box("web", "sh", "-c", script, env=old), native("worker", "sh", "-c", script, env=old))
    stage.apply(*first)
    before = stage.id("web"), stage.process("worker").pid
    stage.apply(*(changed(one, env={"WHO": "new"}) for one in first))
    assert stage.id("web") != before[0]
    assert stage.process("worker").pid != before[1]
    for name in BOTH:
        assert eventually(lambda name=name: stage.cli("logs", name).out, "it has written") == "I am new\n"
        assert stage.cli("logs", name, "--previous").out == "I am old\n"


def test_exec_has_a_terminal_and_input_by_itself_where_there_are_some(stage: Stage) -> None:
    both(stage)
    script = "test -t 0 && echo t$((1))y || echo none"
    with contextlib.ExitStack() as stack:
        plain = [stack.enter_context(sitting(stage, "exec", name, "--", "sh", "-c", script)) for name in BOTH]
        for name in BOTH:
            told = stage.cli("exec", name, "--", "sh", "-c", f"cat; {script}", stdin="in\n")
            assert told.out == "in\nnone\n"
            assert stage.cli("exec", "--no-stdin", name, "--", "cat", stdin="in\n").out == ""
        for screen in plain:
            assert screen.ends() == 0
            assert "t1y" in screen.text, screen.seen


WITH_CHILD = "echo begun; sleep 4321; echo never"
ALONE = "echo begun; exec sleep 4321"
STUBBORN = "exec 2>/dev/null; trap 'echo heard; exit 9' TERM; echo begun; while :; do sleep 0.1; done"
SIGNALLED = [
    (WITH_CHILD, signal.SIGTERM, 143, ""), (ALONE, signal.SIGINT, 130, ""), (STUBBORN, signal.SIGTERM, 9, "heard\n"),
]  # fmt: skip
"""What runs inside, what we are told, how we end, and what it had to say about it."""


def test_R8_R9_what_would_end_us_ends_the_command_inside_with_all_that_it_has_started(stage: Stage) -> None:
    """Signals, a window that is closed; and after a kill -9, which nobody can pass on, who comes next under its name.
    What traps a signal does with it as it likes.
    """
    both(stage)
    cases = [(name, *case) for name in BOTH for case in SIGNALLED]
    running = [stage.start_cli("exec", name, "--", "sh", "-c", script) for name, script, *_ in cases]
    windows = [Terminal(stage.argv("attach", name, "--", "sh", "-c", "echo b$((1))n; sleep 4321"), stage.environment,
                        stage.directory) for name in BOTH]  # fmt: skip
    killed = [stage.start_cli("exec", "--alone", "x", name, "--", "sh", "-c", ALONE) for name in BOTH]
    for child in (*running, *killed):
        assert child.stdout
        assert child.stdout.readline() == "begun\n", child.communicate(timeout=5)
    for window in windows:
        assert window.shows("b1n"), window.seen
        window.close()
    for child in killed:
        child.kill()  # what a process of ours has begun has its output still
        child.wait()
    for child, (_, _, number, _, _) in zip(running, cases, strict=True):
        child.send_signal(number)
    for child, (name, _, number, code, said) in zip(running, cases, strict=True):
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out, err) == (code, said, ""), (name, number)
    for window in windows:
        window.program.wait(timeout=60)
    for child in killed:
        for pipe in (child.stdout, child.stderr):
            assert pipe
            pipe.close()
    assert "4321" in stage.run_inside("web", "ps"), "the one that was to be alone"
    for name in BOTH:
        assert stage.cli("exec", "--alone", "y", name, "--", "echo", "another").out == "another\n"
        assert stage.cli("exec", "--alone", "x", name, "--", "echo", "again").out == "again\n"
    eventually(lambda: "4321" not in stage.run_inside("web", "ps"), "nobody is left inside")
    assert [process for process in stage.processes("worker") if "4321" in process.command] == []
