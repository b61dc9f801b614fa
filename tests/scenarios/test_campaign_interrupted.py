"""Who interrupts a campaign in a hurry, or walks away from it, leaves nothing behind either."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
from contextlib import suppress

from tests.scenarios.campaigns import left, script, states
from tests.scenarios.stage import Stage, eventually

DEAF = "trap '' TERM; echo begun; while :; do sleep 0.1; done"


def of_this_terminal() -> None:
    """And told when it goes, though the tests themselves may be run by `nohup`, which their children inherit."""
    fcntl.ioctl(0, termios.TIOCSCTTY)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_terminal_that_goes_away_hears_nothing_and_keeps_nothing_from_being_cleared_up(stage: Stage) -> None:
    path = stage.write(script("bench", "echo begun; exec sleep 600"))
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        stage.argv("run", "-f", str(path)), env=stage.environment, cwd=stage.directory, stdin=theirs, stdout=theirs,
        stderr=theirs, start_new_session=True, preexec_fn=of_this_terminal,  # noqa: PLW1509 -- no threads here
    )  # fmt: skip
    os.close(theirs)
    eventually(lambda: "begun" in stage.process_log("bench", 1), "it has begun")
    os.close(ours)
    child.wait(timeout=60)

    assert left(stage) == []
    assert states(stage, "bench") == ["pending"]


def test_L19_ctrl_c_while_the_warm_one_is_started_leaves_it_neither_running_nor_there(stage: Stage) -> None:
    """The engine starts it in the very moment in which it is to be removed."""
    path = stage.write(script("bench", "exec sleep 600", native=False, strategy="persistent"))
    child = stage.start_cli("run", "-f", str(path), "--yes")
    eventually(lambda: left(stage) != [], "it is made")
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)

    assert (child.returncode, left(stage)) == (130, []), said


def test_L19_ctrl_c_again_and_again_leaves_nothing_behind(stage: Stage) -> None:
    path = stage.write(script("bench", DEAF, stop={"graceSeconds": 300}))
    child = stage.start_cli("run", "-f", str(path))
    eventually(lambda: "begun" in stage.process_log("bench", 1), "it has begun")
    for pause in (0.0, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0):
        child.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=pause)
            break
    _, said = child.communicate(timeout=60)

    assert (child.returncode, left(stage)) == (130, []), said
    assert states(stage, "bench") == ["pending"]
