"""A real terminal, wired to a command in a container."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from reconciler.model.observed import Observed
from tests.docker.conftest import World
from tests.waiting import PATIENCE

ATTACH = """
import json, os, sys
from reconciler.runtimes.docker.endpoint import resolve
from reconciler.runtimes.docker.runtime import DockerRuntime
container, tty, argv, more = json.loads(sys.argv[1])
runtime = DockerRuntime(lambda: resolve(os.environ), owner="o")
seen = next(one for one in runtime.observe().objects if one.id == container)
sys.exit(runtime.attach(seen, argv, tty=tty, stdin=True, env=more.pop("env", {}), **more))
"""


def command(seen: Observed, *argv: str, tty: bool, **more: object) -> list[str]:
    import json

    return [sys.executable, "-c", ATTACH, json.dumps([seen.id, tty, argv, more])]


class Terminal:
    """What a person would sit at: keys in, a screen out."""

    def __init__(self, argv: list[str], rows: int = 24, columns: int = 80) -> None:
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        self.slave = slave
        self.screen = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait_for(self, text: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while text.encode() not in self.screen:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come; the screen shows {self.screen!r}"
            self.read()

    def read(self) -> None:
        """Answers the shell's question where the cursor stands, as a terminal does; else it takes the keys for it."""
        data = os.read(self.master, 4096)
        self.screen += data
        if b"\x1b[6n" in data:
            os.write(self.master, b"\x1b[1;1R")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def shell(world: World) -> Iterator[Terminal]:
    seen = world.made(world.service("web"))
    terminal = Terminal(command(seen, "sh", tty=True, env={"GREETING": "hello"}, workdir="/tmp", user="1000"))
    try:
        terminal.wait_for("$ ")
        yield terminal
    finally:
        terminal.close()


def test_R8_a_shell_is_a_shell_and_its_exit_code_is_ours(shell: Terminal) -> None:
    shell.type("echo $GREETING-$((40 + 2))-$PWD-$(id -u)\r")
    shell.wait_for("hello-42-/tmp-1000")
    shell.type("exit 3\r")
    assert shell.process.wait(10) == 3
    assert termios.tcgetattr(shell.slave) == shell.before, "the terminal is given back as it was"


def test_ctrl_c_goes_inside_and_ends_only_what_runs_there(shell: Terminal) -> None:
    shell.type("sh -c 'echo begun-$((1 + 1)); sleep 777'\r")
    shell.wait_for("begun-2")
    shell.screen = b""
    shell.type("\x03")
    shell.wait_for("$ ")
    shell.type("echo still-$((1 + 1))\r")
    shell.wait_for("still-2")
    shell.type("exit 0\r")
    assert shell.process.wait(10) == 0


def test_the_size_of_the_terminal_is_known_inside_and_follows(shell: Terminal) -> None:
    shell.type("while [ \"$(stty size)\" != '24 80' ]; do :; done; echo first-$((1 + 1))\r")
    shell.wait_for("first-2")
    shell.resize(50, 132)
    shell.process.send_signal(signal.SIGWINCH)
    shell.type("while [ \"$(stty size)\" != '50 132' ]; do :; done; echo then-$((1 + 1))\r")
    shell.wait_for("then-2")


def test_R9_the_container_stays_when_the_terminal_goes(world: World) -> None:
    seen = world.made(world.service("web"))
    terminal = Terminal(command(seen, "sh", tty=True))
    terminal.wait_for("# ")
    terminal.close()
    assert world.engine.inspect(seen.id)["State"]["Running"]


def test_a_pipe_goes_in_and_both_outputs_come_out_apart(world: World) -> None:
    seen = world.made(world.service("web"))
    argv = command(seen, "sh", "-c", "cat; echo err >&2; exit 5", tty=False)
    done = subprocess.run(argv, input=b"line\n" * 50_000, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (5, b"err\n")
    assert done.stdout == b"line\n" * 50_000


def test_input_that_nobody_reads_holds_nothing_up(world: World) -> None:
    seen = world.made(world.service("web"))
    argv = command(seen, "true", tty=False)
    done = subprocess.run(argv, input=b"x" * 5_000_000, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
