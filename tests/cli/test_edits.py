"""`start`, `stop`, `restart`, `scale`: edits of desired state, which the next apply of the same file takes back."""

from __future__ import annotations

import json

from tests.cli.machine import Machine, resource, service, web


def test_K4_stop_keeps_what_was_declared_and_start_brings_as_many_back(machine: Machine) -> None:
    machine.apply(service("db", replicas=2))
    assert machine("stop", "db").stdout == "service/db stopped\n"
    assert machine.json("get", "service", "db")["status"]["replicas"] == 0
    assert machine("stop", "db").stdout == "service/db unchanged\n"
    assert machine("start", "db").stdout == "service/db started\n"
    assert machine.json("get", "service", "db")["status"]["readyReplicas"] == 2
    assert machine("start", "db").stdout == "service/db unchanged\n"


def test_the_kind_may_stand_before_the_name_as_a_word_of_its_own(machine: Machine) -> None:
    machine.apply(service("db"), service("job"))
    assert machine("scale", "service", "db", "--replicas", "0").stdout == "service/db scaled\n"
    assert machine.json("rollout", "history", "service", "db")["key"] == f"service/{machine.namespace}/db"
    assert machine.json("rollout", "status", "svc", "db", "--timeout", "0")["done"]
    assert "one service is expected" in machine("rollout", "status", "db", "job", code=2).stderr
    assert machine("stop", "job", "db").stdout == "service/db unchanged\nservice/job stopped\n", "both are called so"


def test_K4_data_outlives_a_stop(machine: Machine) -> None:
    note = 'cat "$1"/note 2>/dev/null || echo written > "$1"/note; exec sleep 1000'
    keeper = service("db", "sh", "-c", note, "sh", "${volumes.data}", volumes=[{"volume": "data"}])
    machine.apply(resource("Volume", "data"), keeper)
    machine("stop", "db")
    machine("start", "db")
    assert machine.shows("written", "logs", "db") == "written\n"


def test_K2_R7_start_does_nothing_to_what_runs_and_heals_what_does_not(machine: Machine) -> None:
    machine.apply(service("db"))
    before = machine.pid("db")
    machine("start", "db")
    assert machine.pid("db") == before
    machine.kill("db")
    machine.shows("Exited", "status")
    assert machine("start", "db").stdout == "service/db started\n"
    assert machine.pid("db") != before


def test_restart_makes_every_instance_anew_and_keeps_its_ports(machine: Machine) -> None:
    machine.apply(web(replicas=2), service("db"))
    before = machine.json("get", "all")["items"]
    assert machine("restart", "web").stdout == "service/web restarted\n"
    after = machine.json("get", "all")["items"]
    pids = [{i["pid"] for i in item["status"]["instances"]} for item in (*before, *after)]
    assert pids[0] == pids[2], "db was not named"
    assert not pids[1] & pids[3]
    assert before[1]["status"]["endpoints"] == after[1]["status"]["endpoints"]


def test_a_stopped_one_is_not_restarted(machine: Machine) -> None:
    machine.apply(service("db"), service("api"))
    machine("stop", "db")
    wrong = machine("restart", "api", "db", code=1)
    assert "service/db is stopped" in wrong.stderr
    assert f"start it: reconciler start db -n {machine.namespace}" in wrong.stderr
    assert wrong.stdout == ""
    everything = machine("restart", "--all")
    assert everything.stdout == "service/api restarted\n"
    assert "note: service/db is stopped, and stays so" in everything.stderr


def test_scale_changes_the_number_and_nothing_else(machine: Machine) -> None:
    machine.apply(web())
    first = machine.pid("web")
    report = machine.json("scale", "web", "--replicas", "3")
    assert [action["verb"] for action in report["actions"]] == ["Create", "Create"]
    assert report["settled"] is True
    assert machine.pid("web") == first
    machine("scale", "web", "--replicas", "1")
    assert machine.pid("web") == first
    assert machine("scale", "web", "--replicas", "0", "-o", "name").stdout == "service/web\n"


def test_scale_refuses_what_apply_would_refuse(machine: Machine) -> None:
    machine.apply(service("db", ports=[{"name": "sql", "hostPort": 29871}]))
    wrong = machine("scale", "db", "--replicas", "2", code=2)
    assert "service/db: 2 replicas can't share host port 29871" in wrong.stderr
    assert machine.json("get", "service", "db")["status"]["replicas"] == 1
    machine("scale", "db", "--replicas", "1001", code=2)


def test_H12_stopping_what_others_depend_on_is_done_with_a_warning(machine: Machine) -> None:
    machine.apply(service("db"), service("api", dependsOn=["db"]), service("idle", dependsOn=["db"]))
    machine("stop", "idle")
    warned = machine("stop", "db")
    assert warned.stdout == "service/db stopped\n"
    assert "warning: service/api depends on service/db, and still runs\n" in warned.stderr
    assert "idle" not in warned.stderr.split("warning", 1)[1].splitlines()[0]
    assert "warning" not in machine("stop", "--all").stderr


def test_all_and_labels_choose(machine: Machine) -> None:
    machine.apply(service("db"), service("api", labels={"tier": "front"}))
    assert machine("stop", "-l", "tier=front").stdout == "service/api stopped\n"
    assert machine("stop", "services", "--all").stdout == "service/api unchanged\nservice/db stopped\n"
    assert machine("start", "--all", "--no-wait").stdout == "service/api started\nservice/db started\n"
    assert "wears these labels" in machine("stop", "-l", "tier=nope", code=1).stderr
    assert "leave the names out" in machine("stop", "db", "--all", code=2).stderr
    assert "no service is named" in machine("stop", code=2).stderr
    assert "did you mean db?" in machine("stop", "dbb", code=1).stderr


def test_an_edit_lasts_until_the_file_is_applied_again(machine: Machine) -> None:
    machine.apply(service("db"))
    machine("stop", "db")
    machine.apply(service("db"))
    assert machine.json("get", "service", "db")["status"]["readyReplicas"] == 1


def test_R14_the_cycle_can_be_run_again_and_again(machine: Machine) -> None:
    machine.apply(service("db"))
    for _ in range(3):
        machine("stop", "db")
        machine("start", "db")
        assert machine("exec", "db", "--", "echo", "in").stdout == "in\n"
    assert len(machine.json("get", "service", "db")["status"]["instances"]) == 1


def test_progress_is_told_on_stderr_only(machine: Machine) -> None:
    machine.apply(service("db"))
    stopped = machine("stop", "db", "-o", "json")
    assert json.loads(stopped.stdout)["resources"] == [{"key": f"service/{machine.namespace}/db", "result": "stopped"}]
    assert "stopping: it is stopped: replicas is 0" in stopped.stderr


def test_K8_K15_what_does_not_start_by_itself_waits_for_its_name(machine: Machine) -> None:
    """Neither an apply starts it nor --all; and what a person chose an apply leaves as it is."""
    waiting = service("db", autoStart=False)
    first = machine("apply", "-f", "-", stdin=json.dumps(waiting))
    assert first.stdout == "service/db created\n"
    assert "stopped" in first.stderr
    machine.apply(waiting)
    assert (
        f"note: service/db has autoStart: false; start it: reconciler start db -n {machine.namespace}\n"
        in machine("start", "--all").stderr
    )
    assert machine.json("get", "service", "db")["status"]["instances"] == []
    assert "autoStart is false, so people start it" in machine("why", "db").stdout
    user = machine("apply", "-f", "-", "--timeout", "1", stdin=json.dumps(service("api", dependsOn=["db"])), code=1)
    assert f"hint: start that one: reconciler start db -n {machine.namespace}\n" in user.stderr

    assert machine("start", "db").stdout == "service/db started\n"
    began = machine.pid("db")
    assert machine("apply", "-f", "-", stdin=json.dumps(waiting)).stdout == "service/db unchanged\n"
    machine("start", "--all")
    assert machine.pid("db") == began

    (machine.home / "applied" / machine.namespace / "service-db.yaml").unlink()
    machine.apply(waiting)
    assert machine.pid("db") == began, "it ran when it was declared again"


def test_an_undo_of_what_waits_does_not_start_it(machine: Machine) -> None:
    for color in ("red", "blue"):
        machine.apply(service("db", autoStart=False, env={"COLOR": color}))
    machine("rollout", "undo", "db")
    assert machine.json("get", "service", "db")["spec"]["env"] == {"COLOR": "red"}
    assert machine.json("get", "service", "db")["status"]["instances"] == []
    assert machine("start", "db").stdout == "service/db started\n"


def test_what_can_not_be_edited_says_what_is_done_instead(machine: Machine) -> None:
    process = {"command": ["true"]}
    machine.apply(resource("Job", "prep", process=process), resource("Campaign", "sweep", process=process))
    for verb in ("start", "stop", "restart"):
        wrong = machine(verb, "sweep", code=2)
        assert "campaign/sweep goes on for as long as its `run`" in wrong.stderr
        assert f"reconciler run sweep -n {machine.namespace}" in wrong.stderr
    assert "job/prep has no replicas" in machine("scale", "prep", "--replicas", "2", code=2).stderr
