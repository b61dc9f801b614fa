"""`exec`: a command inside, wired to this terminal; the workload stays."""

from __future__ import annotations

import os
import pty
import subprocess

from tests.cli.machine import Machine, service
from tests.waiting import until


def test_R8_the_exit_code_is_the_commands_own(machine: Machine) -> None:
    machine.apply(service("db"))
    assert machine("exec", "db", "--", "sh", "-c", "echo out; echo err >&2; exit 7", code=7).stdout == "out\n"
    assert machine("exec", "db", "--", "sh", "-c", "echo err >&2").stderr == "err\n"
    assert machine("exec", "service/db", "--", "true").returncode == 0
    machine("exec", "db", "--", "sh", "-c", "kill -9 $$", code=137)


def test_arguments_reach_the_command_as_they_are(machine: Machine) -> None:
    machine.apply(service("db"))
    words = ["-n", "--help", "a b", "$HOME", "; echo no", "--", ""]
    shown = machine("exec", "db", "--", "printf", "<%s>", *words).stdout
    assert shown == "".join(f"<{word}>" for word in words)


def test_L12_variables_and_a_directory_are_given_along(machine: Machine) -> None:
    machine.apply(service("db", env={"LOG": "info"}))
    shown = machine(
        "exec", "db", "-e", "LOG=debug", "-e", "HOME", "-w", "/", "--", "sh", "-c", "echo $LOG $HOME; pwd"
    ).stdout
    assert shown == f"debug {machine.environment['HOME']}\n/\n"
    assert machine("exec", "db", "--", "sh", "-c", "echo $LOG $RECONCILER_NAME").stdout == "info db\n"
    assert "NAME=VALUE" in machine("exec", "db", "-e", "NOT_SET_HERE", "--", "true", code=2).stderr


def test_standard_input_is_passed_on_unless_there_is_none_or_it_is_not_wanted(machine: Machine) -> None:
    machine.apply(service("db"))
    assert machine("exec", "-i", "db", "--", "cat", stdin="hello").stdout == "hello"
    assert machine("exec", "db", "--", "cat", stdin="hello").stdout == "hello"
    assert machine("exec", "--no-stdin", "db", "--", "cat", stdin="hello").stdout == ""
    assert machine.begin("exec", "db", "--", "cat").communicate(timeout=60) == ("", "")


def test_without_a_terminal_here_none_is_made(machine: Machine) -> None:
    machine.apply(service("db"))
    shown = machine("exec", "-it", "db", "--", "sh", "-c", "test -t 0 || echo none")
    assert (shown.stdout, shown.stderr) == ("none\n", "note: standard input is no terminal, so none is made\n")


def test_R8_with_a_terminal_the_command_has_it(machine: Machine) -> None:
    machine.apply(service("db"))
    ours, theirs = pty.openpty()
    # A terminal of its own, as a window gives one: only then are there foreground and Ctrl-C.
    command = ("exec", "-it", "db", "--", "sh", "-c", "test -t 0 && echo terminal; read line; echo got $line")
    child = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *machine.argv(*command)],
        env=dict(machine.environment), stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = bytearray()
    until(lambda: seen.extend(os.read(ours, 1024)) or b"terminal" in seen)
    os.write(ours, b"a word\n")
    until(lambda: seen.extend(os.read(ours, 1024)) or b"got a word" in seen)
    assert child.wait(20) == 0
    os.close(ours)


def test_R9_R10_many_sessions_at_once_and_the_workload_stays(machine: Machine) -> None:
    machine.apply(service("db"))
    before = machine.pid("db")
    children = [machine.begin("exec", "-i", "db", "--", "cat", stdin=subprocess.PIPE) for _ in range(5)]
    for number, child in enumerate(children):
        output, _ = child.communicate(f"session {number}\n", timeout=60)
        assert (child.returncode, output) == (0, f"session {number}\n")
    assert machine.pid("db") == before


def test_one_of_several_is_chosen_by_its_index(machine: Machine) -> None:
    machine.apply(service("db", replicas=2))
    echo = ("--", "sh", "-c", "echo $RECONCILER_INDEX")
    assert machine("exec", "db", *echo).stdout == "0\n"
    assert machine("exec", "db", "--index", "1", *echo).stdout == "1\n"
    machine.kill("db")
    machine.shows("Exited", "status")
    assert machine("exec", "db", *echo).stdout == "1\n", "the first that runs"


def test_R6_what_is_stopped_is_told_from_what_is_not_there(machine: Machine) -> None:
    machine.apply(service("db"))
    machine("stop", "db")
    stopped = machine("exec", "db", "--", "true", code=1)
    assert (
        stopped.stderr == f"error: service/db is stopped\nhint: start it: reconciler start db -n {machine.namespace}\n"
    )
    assert "not found in namespace" in machine("exec", "web", "--", "true", code=1).stderr


def test_a_command_is_needed(machine: Machine) -> None:
    assert "after two dashes: reconciler exec db -- env" in machine("exec", "db", code=2).stderr


def test_of_a_name_that_nobody_has_it_is_said_which_there_are(machine: Machine) -> None:
    machine.apply(service("db"), service("web"))
    refused = machine("exec", "nosuch", "--", "true", code=1)
    assert "hint: there are db, web" in refused.stderr
