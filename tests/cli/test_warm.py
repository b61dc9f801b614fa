"""What most tests ask, a fork of a process that is warm already, answers as the program that people start."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import warm
from tests.cli.machine import Machine, service

CONSOLE_SCRIPT = Path(sys.executable).with_name("reconciler")
LINES = (
    ("version",),
    ("--help",),
    ("apply", "--help"),
    ("no-such-verb",),
    ("apply", "-f", "no-such-file.yaml"),
    ("apply", "-f", "-", "-o", "json"),
    ("diff", "-f", "-"),
    ("validate", "-f", "-"),
    ("get", "services", "-o", "name"),
    ("get", "service", "web", "-o", "yaml"),
    ("get", "service", "missing"),
    ("explain", "Service.spec.ports"),
    ("-vv", "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"),
)
SPEC = """\
apiVersion: reconciler/v1
kind: Service
metadata: {name: web}
spec: {process: {command: [sleep, "1000"]}, env: {GREETING: "grüß dich"}, replicas: 2}
"""
OTHERS = SPEC.replace("replicas: 2", "replicas: 3")


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_warm_one_says_and_ends_as_a_genuine_one(machine: Machine, line: tuple[str, ...]) -> None:
    machine("apply", "-f", "-", stdin=SPEC)
    stdin = OTHERS if "diff" in line else SPEC if "-" in line else ""
    arguments = ("-n", machine.namespace, *line)
    genuine = subprocess.run(
        [CONSOLE_SCRIPT, *arguments], input=stdin, env=dict(machine.environment), cwd=machine.directory,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = warm.run(arguments, env=machine.environment, cwd=machine.directory, stdin=stdin)
    assert (told.returncode, told.stdout, told.stderr) == (genuine.returncode, genuine.stdout, genuine.stderr)
    assert genuine.stdout + genuine.stderr, "nothing was compared"


def test_many_run_beside_each_other(machine: Machine) -> None:
    """The one that forks waits for none of them: who sleeps keeps nobody waiting."""
    machine.apply(service("db"))
    meeting = machine.directory / "meeting"
    wait = f"touch {meeting}-$0; until test -e {meeting}-$1; do sleep 0.02; done; echo $0 met $1"
    with ThreadPoolExecutor(2) as pool:
        pairs = (("a", "b"), ("b", "a"))
        met = [pool.submit(machine, "exec", "db", "--", "sh", "-c", wait, *pair) for pair in pairs]
        assert [one.result().stdout for one in met] == ["a met b\n", "b met a\n"]


def test_one_that_takes_too_long_is_ended(machine: Machine) -> None:
    machine.apply(service("db"))
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(
            ("-n", machine.namespace, "exec", "db", "--", "sleep", "1000"),
            env=machine.environment, cwd=machine.directory, seconds=0.5,
        )  # fmt: skip
