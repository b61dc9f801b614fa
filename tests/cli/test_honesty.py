"""What is said at the end of a command is so, and agrees with what the next one says."""

from __future__ import annotations

import json
import signal
from typing import IO

from tests.cli.machine import Machine, service

ILL = {"exec": {"command": ["sh", "-c", "echo not well >&2; exit 1"]}, "periodSeconds": 1, "failureThreshold": 2}
CONTAINER = {
    "apiVersion": "reconciler/v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"container": {"image": "busybox"}},
}


def test_a_failing_liveness_probe_is_never_ready_in_any_verbs_eyes(machine: Machine) -> None:
    machine.apply(service("web", probes={"liveness": ILL}), options=("--timeout", "5"), code=1)
    status = machine.shows("restarted", "status")
    assert "0/1" in status
    whole = machine("status", "-o", "wide").stdout
    assert "last: its probe failed: liveness probe has failed 2 times in a row: exit code 1: not well" in whole
    assert "0 Ready" in machine("why", "web").stdout
    started = [event for event in _events(machine) if " Started " in event]
    assert len(started) == 1, "one line, counted"


def _events(machine: Machine) -> list[str]:
    return machine("events", "service/web").stdout.splitlines()


def test_what_an_absent_engine_was_to_do_is_pending(machine: Machine) -> None:
    machine.apply(CONTAINER, options=("--timeout", "1"), code=1)
    assert machine("delete", "service", "web", "--timeout", "1", code=1).stdout == "service/web pending\n"
    again = machine("apply", "-f", "-", "--timeout", "1", stdin=_text(CONTAINER), code=1)
    assert again.stdout == "service/web pending\n"
    assert "hint: is it running?" in again.stderr


def _text(document: dict[str, object]) -> str:
    return json.dumps(document)


def test_who_failed_for_good_and_who_was_restarted_are_told_so(machine: Machine) -> None:
    once = service("web", "sh", "-c", "echo bad; exit 3", restart={"policy": "Never"})
    failed = machine("apply", "-f", "-", stdin=_text(once), code=1)
    assert f"to run it again: reconciler restart web -n {machine.namespace}" in failed.stderr
    again = machine("restart", "web", code=1)
    assert "creating: a restart was asked for" in again.stderr
    assert "what it is made of" not in machine("events").stdout


def test_a_program_that_is_missing_is_named_once_and_without_the_whole_path(machine: Machine) -> None:
    told = machine("apply", "-f", "-", stdin=_text(service("web", "no-such-program")), code=1)
    assert "error: service/web: Refused: no program 'no-such-program' on the PATH of this command (" in told.stderr
    assert (told.stdout, f"({machine.environment['PATH']})" in told.stderr) == ("service/web pending\n", False)


def test_an_interrupted_apply_says_so_in_one_line_and_the_world_is_fine(machine: Machine) -> None:
    never = service("web", probes={"readiness": {"exec": {"command": ["false"]}}})
    file = machine.directory / "web.json"
    file.write_text(_text(never))
    child = machine.begin("apply", "-f", str(file))
    assert child.stderr
    _until_told(child.stderr, "NotReady")
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, stdout, stderr.splitlines()[-1].partition(";")[0]) == (130, "", "interrupted")
    assert "Traceback" not in stderr
    before = machine.pid("web")
    machine.apply(service("web"))
    assert machine.pid("web") == before, "the next apply goes on from there"


def _until_told(stream: IO[str], words: str) -> None:
    for line in stream:
        if words in line:
            return
    raise AssertionError(f"{words!r} was never told")
