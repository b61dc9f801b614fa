"""Whatever goes wrong leaves as a sentence and an exit code."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import pytest

from reconciler.cli.boundary import guarded
from reconciler.cli.invocation import Flags, Invocation
from reconciler.errors import Problem, ReconcilerError, Refused, SpecError, UsageError
from tests.cli.conftest import Run

WRITABLE = "make it writable, or choose another home with --home or RECONCILER_HOME"


def failing(error: BaseException) -> Callable[[], NoReturn]:
    def action() -> NoReturn:
        raise error

    return action


def within(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def told(error: BaseException, *, verbosity: int = 0, environ: dict[str, str] | None = None) -> tuple[int, str]:
    invocation = Invocation(environ or {}, io.BytesIO(), io.StringIO(), io.StringIO(), Flags(verbosity=verbosity))
    code = guarded(failing(error), invocation)
    assert isinstance(invocation.stderr, io.StringIO)
    return code, invocation.stderr.getvalue()


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Refused("service/web: no", hint="do this"), 1, "error: service/web: no\nhint: do this\n"),
        (ReconcilerError("no"), 1, "error: no\n"),
        (UsageError("--x: no"), 2, "error: --x: no\n"),
        (click.UsageError("bad"), 2, "error: bad\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
        (within(RuntimeError("while a class was made"), KeyboardInterrupt()), 130, ""),
        (BrokenPipeError(), 141, ""),
        (PermissionError(13, "No", "/x"), 1, f"error: /x: No\nhint: {WRITABLE}\n"),
        (OSError(28, "No space", "/x"), 1, "error: /x: No space\nhint: make room on that disk, then try again\n"),
        (OSError(5, "Oh", "/x"), 1, "error: /x: Oh\nhint: run again with -vv for the trace\n"),
        (KeyError("k"), 1, "error: internal: KeyError: 'k'; run again with -vv for the trace\n"),
        (RecursionError("deep"), 1, "error: internal: RecursionError: deep; run again with -vv for the trace\n"),
    ],
)  # fmt: skip
def test_each_error_has_its_words_and_its_exit_code(error: BaseException, code: int, text: str) -> None:
    assert told(error) == (code, text)


def test_every_problem_of_a_spec_is_told_with_its_place() -> None:
    problems = [
        Problem("b.yaml", 2, 1, "spec", "second"),
        Problem("a.yaml", 3, 5, "spec.x", "first", "fix it", "    x: 1"),
    ]
    assert told(SpecError(problems)) == (
        2,
        "error: a.yaml:3:5: spec.x: first\n        x: 1\n        ^\n  hint: fix it\nerror: b.yaml:2:1: spec: second\n",
    )


def test_a_trace_is_shown_only_with_vv() -> None:
    assert "Traceback" not in told(Refused("no"), verbosity=1)[1]
    assert "Traceback" in told(Refused("no"), verbosity=2)[1]


def test_escape_sequences_of_an_error_never_reach_the_terminal() -> None:
    assert told(Refused("image \x1b]0;owned\x07\x1b[31mx\u202e"))[1] == "error: image x\n"


def test_a_reader_that_goes_away_is_no_error(environment: dict[str, str]) -> None:
    """`reconciler --help | head -1`: no trace, no complaint of the interpreter, the end that a shell expects."""
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-m", "reconciler", "--help"],
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_results_that_could_not_be_written_are_an_error(environment: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "reconciler", "version"],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"error: No space left on device")
    assert b"Exception ignored" not in ran.stderr


def test_a_closed_stdout_and_stdin_do_no_harm(environment: dict[str, str]) -> None:
    ran = subprocess.run(
        ["sh", "-c", 'exec "$0" -m reconciler version >&- <&-', sys.executable],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_an_interrupt_ends_with_130_and_without_a_trace(environment: dict[str, str]) -> None:
    """A verb that waits for its standard input is interrupted as Ctrl-C does it."""
    child = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "validate", "-f", "-"], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with child:
        wait_until_reading(child.pid)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (130, b"")


def wait_until_reading(pid: int) -> None:
    """Until the process sleeps in a read of its standard input."""
    import time

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if Path(f"/proc/{pid}/syscall").read_text().split()[:2] == ["0", "0x0"]:
            return
        time.sleep(0.01)
    raise AssertionError("it never came to read its standard input")


def test_text_that_the_stream_cannot_show_is_escaped_not_fatal(cli: Run) -> None:
    shown = cli("doctor", env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert shown.returncode in (0, 1)
    assert "ok python" in shown.stdout
    assert shown.stderr == ""


LAST_WORDS = """
import atexit, sys
from reconciler.cli import main
atexit.register(print, "taken apart")
{watched}
sys.argv = ["reconciler", "validate", "-f", "-"]
main()
"""


@pytest.mark.parametrize("watched", ["", "sys.setprofile(lambda *_: None)", "sys.settrace(lambda *_: None)"])
def test_a_command_ends_at_once_unless_somebody_watches_who_has_to_write_it_down(
    watched: str, environment: dict[str, str]
) -> None:
    """All that it had to say is out by then, through a pipe too."""
    ran = subprocess.run(
        [sys.executable, "-c", LAST_WORDS.format(watched=watched)], env=environment, capture_output=True, text=True,
        input="{apiVersion: reconciler/v1, kind: Volume, metadata: {name: data}}", check=False,
    )  # fmt: skip
    assert (ran.returncode, "volume/data" in ran.stdout) == (0, True)
    assert ran.stdout.endswith("taken apart\n") is bool(watched)
