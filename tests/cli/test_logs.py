"""`logs`: what services have written, of one and of many, once and as it comes."""

from __future__ import annotations

import signal
import subprocess

from tests.cli.machine import Machine, service
from tests.waiting import until

THREE = ("sh", "-c", "echo one; echo two; echo three; exec sleep 1000")
COUNTING = ("sh", "-c", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done")


def test_K6_all_or_the_last_lines(machine: Machine) -> None:
    machine.apply(service("db", *THREE))
    assert machine("logs", "db").stdout == "one\ntwo\nthree\n"
    assert machine("logs", "service/db", "--tail", "2").stdout == "two\nthree\n"
    assert machine("logs", "db", "--tail", "0").stdout == ""


def test_several_replicas_are_told_apart(machine: Machine) -> None:
    machine.apply(service("db", *THREE, replicas=2), service("api", "sh", "-c", "echo hello; exec sleep 1000"))
    assert machine("logs", "db", "--tail", "1").stdout == "db/0 | three\ndb/1 | three\n"
    assert machine("logs", "db", "--index", "1", "--tail", "1").stdout == "three\n"
    assert machine("logs", "api", "db", "--tail", "1").stdout == "api/0 | hello\ndb/0  | three\ndb/1  | three\n"
    assert machine("logs", "api", "--prefix").stdout == "api/0 | hello\n"
    assert "instances now: 0, 1" in machine("logs", "db", "--index", "7", code=1).stderr


def test_labels_choose_services(machine: Machine) -> None:
    machine.apply(service("db", labels={"tier": "back"}), service("api"))
    assert machine("logs", "-l", "tier=back").stdout == "began\n"
    assert "wears these labels" in machine("logs", "-l", "tier=nope", code=1).stderr


def test_bytes_that_are_no_text_pass_untouched(machine: Machine) -> None:
    machine.apply(service("raw", "sh", "-c", "printf '\\377\\000\\033[31mred'; exec sleep 1000"))
    shown = subprocess.run(machine.argv("logs", "raw"), env=dict(machine.environment), capture_output=True, check=True)
    assert shown.stdout == b"\xff\x00\x1b[31mred"


def test_K6_following_shows_what_comes_and_ends_with_130(machine: Machine) -> None:
    machine.apply(service("count", *COUNTING))
    with machine.begin("logs", "-f", "count") as child:
        assert child.stdout
        assert [child.stdout.readline() for _ in range(40)] == [f"line {i}\n" for i in range(40)]
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (130, "")


def test_K6_several_are_followed_at_once(machine: Machine) -> None:
    machine.apply(service("count", *COUNTING, replicas=2))
    with machine.begin("logs", "-f", "count", "--tail", "1") as child:
        assert child.stdout
        lines: list[str] = []
        until(
            lambda: lines.append(child.stdout.readline()) or {"count/0 ", "count/1 "} <= {line[:8] for line in lines},
            20,
        )
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130


def test_following_ends_with_the_service(machine: Machine) -> None:
    machine.apply(service("db", *THREE))
    with machine.begin("logs", "-f", "db") as child:
        assert child.stdout
        assert child.stdout.readline() == "one\n"
        machine("stop", "db")
        assert child.stdout.read() == "two\nthree\n"
    assert child.returncode == 0


def test_a_reader_that_has_seen_enough_ends_it_quietly(machine: Machine) -> None:
    machine.apply(service("count", *COUNTING))
    child = machine.begin("logs", "-f", "count")
    assert child.stdout
    assert child.stderr
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(20) == 141
    assert child.stderr.read() == ""
    child.stderr.close()


def test_the_log_of_the_run_before_is_kept_over_a_restart_and_a_stop(machine: Machine) -> None:
    machine.apply(service("db", "sh", "-c", "echo run of $$$$; exec sleep 1000"))
    first = machine("logs", "db").stdout
    assert "no log of an earlier run" in machine("logs", "db", "-p", code=1).stderr
    machine.kill("db")
    machine.shows("Exited", "status")
    assert machine("logs", "db").stdout == first, "it has ended, and is still the present one"
    machine("start", "db")
    assert machine("logs", "db", "--previous").stdout == first
    second = machine("logs", "db").stdout
    assert second != first
    machine("stop", "db")
    assert machine("logs", "db", "--previous").stdout == second
    machine("delete", "service/db")
    assert machine("logs", "db", "--previous").stdout == second


def test_what_has_no_log_says_what_to_do(machine: Machine) -> None:
    machine.apply(service("db"))
    machine("stop", "db")
    wrong = machine("logs", "db", code=1)
    assert "it has no log: it is stopped" in wrong.stderr
    assert f"start it: reconciler start db -n {machine.namespace}" in wrong.stderr
    assert machine("logs", "dbb", code=1).stderr.endswith("hint: did you mean db?\n")
    assert "nothing that runs is declared in namespace nowhere" in machine("logs", "-n", "nowhere", code=1).stderr
    assert "is no service" in machine("logs", "config/db", code=2).stderr
    assert "like 30s" in machine("logs", "db", "--since", "yesterday", code=2).stderr
    assert "--previous" in machine("logs", "db", "-p", "-f", code=2).stderr


def test_without_a_name_all_of_the_namespace_are_told_that_have_one(machine: Machine) -> None:
    machine.apply(service("db"), service("web"))
    assert machine("logs").stdout == "db/0  | began\nweb/0 | began\n"
    machine("stop", "db")
    assert machine("logs").stdout == "web/0 | began\n", "one that is stopped has none"
    assert machine("logs", "--previous").stdout == "db/0 | began\n"
    machine("stop", "web")
    assert "it has no log: it is stopped" in machine("logs", code=1).stderr


def test_a_service_may_be_called_as_a_kind_is(machine: Machine) -> None:
    machine.apply(service("config"))
    assert machine("logs", "config").stdout == "began\n"
    assert machine("exec", "config", "--", "echo", "inside").stdout == "inside\n"


def test_an_orphan_can_be_read_and_entered(machine: Machine) -> None:
    machine.apply(service("lost"), service("db"))
    (machine.home / "applied" / machine.namespace / "service-lost.yaml").unlink()
    assert machine("logs", "lost").stdout == "began\n"
    machine("exec", "lost", "--", "true")


def test_since_says_of_whom_it_can_not_tell(machine: Machine) -> None:
    machine.apply(service("db"))
    told = machine("logs", "db", "--since", "1h")
    assert told.stdout == "began\n"
    assert "note: service/db: lines of native processes carry no time" in told.stderr
