"""Campaigns on a real engine and as real processes, row by row."""

from __future__ import annotations

import csv
import fcntl
import json
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from reconciler.campaigns import leases
from tests.scenarios.campaigns import campaign, folder, left, lines, manifest, script, states, status
from tests.scenarios.documents import document, native
from tests.scenarios.stage import IMAGE, Document, Stage, eventually
from tests.scenarios.terminal import terminal

SLOW = 'case ${matrix.n} in 2) echo begun; exec sleep 600;; esac; echo "{\\"n\\": ${matrix.n}}"'


def test_L3_L16_L19_each_run_has_a_container_of_its_own_and_one_that_fails_stops_no_other(stage: Stage) -> None:
    said = '{\\"square\\": $((${matrix.n} * ${matrix.n})), \\"who\\": \\"$RECONCILER_RUN\\"}'
    say = f'hostname; echo "{said}"; exit ${{matrix.n}}'
    path = stage.write(script("bench", say, native=False, matrix={"n": [1, 0]}, cycles=2, order="interleaved"))

    with stage.events_during() as told:
        ran = stage.cli("run", "-f", str(path), expect=1)

    tree = status(stage, "bench")
    assert (tree["state"], tree["completed"], tree["failed"], tree["pending"]) == ("failed", 2, 2, 0)
    assert [(run["params"]["n"], run["cycle"], run["state"], run["exitCode"]) for run in tree["runs"]] == [
        (1, 1, "failed", 1), (0, 1, "completed", 0), (1, 2, "failed", 1), (0, 2, "completed", 0),
    ]  # fmt: skip
    assert set(tree["runs"][0]) >= {"id", "params", "cycle", "state", "attempts", "exitCode", "startedAt", "finishedAt"}
    hosts = {Path(run["log"]).read_text().splitlines()[0] for run in tree["runs"]}
    assert len(hosts) == 4, "each in its own"
    assert [(line["result"]["square"], line["result"]["who"]) for line in lines(stage, "bench")] == [
        (1, run["id"]) if run["params"]["n"] else (0, run["id"]) for run in tree["runs"]
    ]
    rows = list(csv.DictReader((folder(stage, "bench") / "runs.csv").read_text().splitlines()))
    assert [(row["n"], row["state"], row["result.square"]) for row in rows][:2] == [
        ("1", "failed", "1"), ("0", "completed", "0"),
    ]  # fmt: skip
    assert "[4/4]" in ran.err
    assert "2 completed, 2 failed of 4" in ran.out
    _looked_at_afterwards(stage)
    assert sum("container create" in line for line in told) == 4
    assert left(stage) == []


def _looked_at_afterwards(stage: Stage) -> None:
    """By the verbs that are there for all kinds."""
    header, bench = (line.split() for line in stage.cli("get", "campaigns").out.splitlines())
    shown = dict(zip(header, bench, strict=False))
    assert [shown[name] for name in ("STATUS", "RUNS", "COMPLETED", "FAILED", "PENDING")] == [
        "Failed",
        "4",
        "2",
        "2",
        "0",
    ]
    told = stage.cli("get", "campaign", "bench", "-o", "json").json["status"]
    assert [told[name] for name in ("state", "completed", "failed", "pending")] == ["failed", 2, 2, 0]
    conditions = {one["type"]: one["status"] for one in told["conditions"]}
    assert (conditions["Complete"], conditions["Failed"], conditions["Ready"]) == ("False", "True", "False")
    seen = stage.cli("status").out
    assert "2 of 4 completed, 2 failed" in seen
    assert "1 campaign, 1 failed; next: reconciler campaign status" in seen
    assert stage.cli("wait", "--for=condition=Failed", "campaign/bench", "--timeout", "0").out
    runs = status(stage, "bench")["runs"]
    described = stage.cli("describe", "campaign/bench").out.split("Latest runs")[1]
    assert [run["id"] in described for run in runs] == [True] * 4
    told = [json.loads(line) for line in stage.cli("events", "campaign/bench", "-o", "json").out.splitlines()]
    assert [event["time"] for event in told] == sorted(event["time"] for event in told)
    assert told[0]["reason"] == "Begun"
    ends = [(event["key"].rpartition("/")[2], event["reason"]) for event in told if event["reason"] in ENDS]
    assert ends == [("1", "Failed"), ("2", "Completed"), ("3", "Failed"), ("4", "Completed"), ("bench", "Failed")]


ENDS = ("Completed", "Failed")


def test_L1_L2_L4_L5_L8_what_is_persistent_is_asked_for_started_once_and_has_only_commands_inside(stage: Stage) -> None:
    said = 'echo "{\\"n\\": $N, \\"shared\\": \\"$SHARED\\"}"'
    say = f"hostname; {said}; test -e /tmp/been && exit 3; touch /tmp/been"
    env = {"N": "${matrix.n}", "SHARED": "x"}
    path = stage.write(
        script(
            "bench", say, native=False, strategy="persistent", matrix={"n": [1, 2]}, env=env, warmupSeconds=0.2,
            ports=[{"name": "http", "port": 80}],
        )
    )  # fmt: skip
    refused = stage.cli("run", "-f", str(path), expect=2)
    assert "less isolation" in refused.err
    assert "--yes" in refused.err
    assert left(stage) == []

    ran = stage.cli("run", "-f", str(path), "--yes", expect=1)
    assert "less isolation" in ran.err
    runs = status(stage, "bench")["runs"]
    assert [(run["state"], run["exitCode"]) for run in runs] == [("completed", 0), ("failed", 3)]
    assert len({Path(run["log"]).read_text().splitlines()[0] for run in runs}) == 1, "in one and the same"
    assert [line["result"] for line in lines(stage, "bench")] == [{"n": 1, "shared": "x"}, {"n": 2, "shared": "x"}]
    assert left(stage) == []

    # a flag wins over the spec; the user's file is asked where the spec says nothing
    assert stage.cli("run", "bench", "--strategy", "ephemeral").code == 0
    config = Path(stage.environment["HOME"]) / ".config" / "reconciler"
    config.mkdir(parents=True)
    (config / "config.yaml").write_text("campaign: {strategy: persistent}\n")
    other = stage.write(campaign("other", "true"), name="other.yaml")
    assert "less isolation" in stage.cli("run", "-f", str(other), expect=2).err
    assert stage.cli("run", "-f", str(other), "--strategy", "ephemeral").code == 0


def test_L11_what_is_kept_warm_and_died_is_seen_and_started_again(stage: Stage) -> None:
    """The original believes its memory there."""
    path = stage.write(script("bench", "cat /etc/hostname; sleep 0.3", native=False, matrix={"n": [1, 2, 3]}))
    child = stage.start_cli("run", "-f", str(path), "--strategy", "persistent", "--yes")
    eventually(lambda: manifest(stage, "bench")["runs"][0]["state"] == "completed", "the first run has ended")
    stage.signal(stage.name("bench"), "kill")
    out, err = child.communicate(timeout=60)

    assert "it is made anew" in err, err
    first, *_, last = status(stage, "bench")["runs"]
    assert last["state"] == "completed", (out, err)
    assert Path(last["log"]).read_text() != Path(first["log"]).read_text()
    assert left(stage) == []


def test_L9_without_auto_teardown_what_is_warm_and_what_failed_stay_until_they_are_deleted(stage: Stage) -> None:
    path = stage.write(script("bench", "exit ${matrix.n}", matrix={"n": [0, 1]}, autoTeardown=False))
    ran = stage.cli("run", "-f", str(path), "--strategy", "persistent", "--yes", expect=1)

    assert f"reconciler delete campaign/bench -n {stage.namespace}" in ran.err
    ours = [name.rpartition(".")[2] for name in left(stage) if name.startswith(f"{stage.namespace}.bench.")]
    assert sorted(ours) == ["0", "2"]
    stage.cli("run", "-f", str(stage.write(campaign("other", "true"), name="other.yaml")))
    assert len(left(stage)) > 0, "what was left on purpose nobody takes away"
    stage.cli("delete", "campaign", "bench")
    assert left(stage) == []
    assert lines(stage, "bench"), "results are the user's"
    assert not (stage.home / "campaigns" / f"{stage.namespace}.bench").exists()


def test_L17_resume_does_what_has_not_worked_and_refuses_another_campaign(stage: Stage) -> None:
    text = 'echo ${matrix.n} >> ../done; test ${matrix.n} = 1 || test -e "${matrix.flag}"'
    (stage.directory / "work").mkdir()

    def write(**more: Any) -> str:
        spec = {"matrix": {"n": [1, 2, 3], "flag": ["../well"]}, **more}
        command = ["sh", "-c", text]
        return str(stage.write(campaign("bench", process={"command": command, "workingDir": "./work"}, **spec)))

    path = write()
    assert "nothing to resume" in stage.cli("run", "-f", path, "--resume", expect=1).err
    assert states(stage, "bench") == ["completed", "failed", "failed"]
    anew = stage.cli("run", "-f", path, expect=1)
    assert "2 of 3 runs did not work; now all begin anew" in anew.err
    assert f"reconciler run campaign/bench -n {stage.namespace} --resume" in anew.err
    with terminal(stage.argv("run", "-f", path), stage.environment, stage.directory) as person:
        assert person.shows("Begin anew? [y/N]")
        person.type("\n")
        assert person.ends() == 2, person.text
        assert "or say --yes" in person.text
    (stage.directory / "well").touch()
    write(gapSeconds=0.01, timeoutSeconds=60)
    stage.cli("run", "-f", path, "--resume")
    assert states(stage, "bench") == ["completed"] * 3
    assert [run["attempts"] for run in status(stage, "bench")["runs"]] == [1, 2, 2]
    assert (stage.directory / "done").read_text().split() == [*"123", *"123", *"23"]
    assert "3 completed of 3" in stage.cli("run", "bench", "--resume").out

    write(env={"OTHER": "1"})
    before = stage.cli("get", "campaign", "bench", "-o", "json").json["spec"]
    assert "what runs was changed" in stage.cli("run", "-f", path, "--resume", expect=2).err
    assert (
        "begun with strategy"
        in stage.cli("run", "-f", path, "--resume", "--strategy", "persistent", "-y", expect=2).err
    )
    assert stage.cli("get", "campaign", "bench", "-o", "json").json["spec"] == before, "who is refused changes nothing"
    stage.cli("run", "-f", path)
    assert len(list(folder(stage, "bench").glob("before-*/runs.jsonl"))) == 2, "earlier results are kept"


def test_L19_ctrl_c_leaves_nothing_behind_and_the_run_to_be_done_again(stage: Stage) -> None:
    path = stage.write(script("bench", f"trap 'exit 0' TERM; {SLOW}", matrix={"n": [1, 2, 3]}, retries=3))
    child = stage.start_cli("run", "-f", str(path))
    eventually(lambda: manifest(stage, "bench")["runs"][1]["state"] == "running", "the second one runs")
    eventually(lambda: "begun" in stage.process_log("bench", 2), "it has begun")
    assert f"another command runs it (pid {child.pid})" in stage.cli("run", "bench", expect=1).err
    assert status(stage, "bench")["state"] == "running"
    header, bench = (line.split() for line in stage.cli("get", "campaigns").out.splitlines())
    assert dict(zip(header, bench, strict=False)).items() >= {"STATUS": "Running", "COMPLETED": "1"}.items()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)

    assert child.returncode == 130
    assert left(stage) == []
    assert status(stage, "bench")["state"] == "interrupted"
    assert states(stage, "bench") == ["completed", "pending", "pending"]
    again = stage.cli("run", "bench", expect=2)
    assert "--resume" in again.err
    assert "--restart" in again.err
    assert "Interrupted" in stage.cli("get", "campaigns").out
    assert f"next: reconciler run campaign/bench -n {stage.namespace} --resume" in stage.cli("status").out
    done = stage.write(script("bench", "true", matrix={"n": [1, 2, 3]}))
    assert stage.cli("run", "-f", str(done), "--restart").code == 0


def test_L19_a_second_ctrl_c_kills_what_does_not_want_to_end(stage: Stage) -> None:
    deaf = "trap '' TERM; echo begun; while :; do sleep 0.1; done"
    path = stage.write(script("bench", deaf, stop={"graceSeconds": 300}))
    child = stage.start_cli("run", "-f", str(path))
    eventually(lambda: "begun" in stage.process_log("bench", 1), "it has begun")
    child.send_signal(signal.SIGINT)
    assert child.stderr is not None
    eventually(lambda: "Ctrl-C again" in (child.stderr.readline() if child.stderr else ""), "it says what it does")
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)

    assert child.returncode == 130
    assert left(stage) == []
    assert states(stage, "bench") == ["pending"]


def test_L17_L21_who_was_killed_is_succeeded_what_still_runs_is_taken_over_and_what_is_left_goes(stage: Stage) -> None:
    wait = "echo ${run.id} >> ../ran; while ! test -e ../go; do sleep 0.02; done; echo '{\"went\": true}'"
    (stage.directory / "work").mkdir()
    spec = {"command": ["sh", "-c", wait], "workingDir": "./work"}
    path = stage.write(campaign("bench", process=spec, matrix={"n": [1, 2]}))
    victim = stage.write(campaign("victim", "sleep", "600"), name="victim.yaml")
    children = [stage.start_cli("run", "-f", str(one)) for one in (path, victim)]
    eventually(lambda: (stage.directory / "ran").exists() and manifest(stage, "victim"), "both have begun")
    eventually(lambda: stage.home.joinpath("processes", f"{stage.namespace}.victim.1", "pid").exists(), "it runs")
    for child in children:
        child.kill()
        child.communicate()
    assert status(stage, "bench")["state"] == "interrupted"

    again = stage.start_cli("run", "bench", "--resume")
    eventually(lambda: not any(".victim." in name for name in left(stage)), "the other one's run is taken away")
    (stage.directory / "go").touch()
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert "is taken over" in err
    assert len((stage.directory / "ran").read_text().split()) == 2, "no run was done twice"
    assert [(run["attempts"], run["result"]) for run in lines(stage, "bench")] == [(1, {"went": True})] * 2
    assert states(stage, "victim") == ["running"]
    assert left(stage) == []


def test_L21_a_daemon_takes_away_what_a_killed_controller_left(stage: Stage) -> None:
    child = stage.start_cli("run", "-f", str(stage.write(campaign("bench", "sleep", "600"))))
    eventually(lambda: stage.home.joinpath("processes", f"{stage.namespace}.bench.1", "pid").exists(), "it runs")
    child.kill()
    child.communicate()
    stage.cli("daemon", "start")
    try:
        eventually(lambda: left(stage) == [], "nothing of it is left")
    finally:
        stage.cli("daemon", "stop")
    assert status(stage, "bench")["state"] == "interrupted"


def test_L21_what_another_one_left_and_nobody_can_take_away_now_keeps_nobody_from_his_own_runs(stage: Stage) -> None:
    child = stage.start_cli("run", "-f", str(stage.write(campaign("victim", "sleep", "600"))))
    eventually(lambda: stage.home.joinpath("processes", f"{stage.namespace}.victim.1", "pid").exists(), "it runs")
    child.kill()
    child.communicate()
    path = stage.write(campaign("bench", "true"))
    stuck = {"RECONCILER_FAILPOINTS": "process.log.kept=1*error(it is stuck)"}
    assert "left can't be taken away now: it is stuck" in stage.cli("run", "-f", str(path), env=stuck).err
    assert states(stage, "bench") == ["completed"]
    stage.cli("run", "-f", str(path))
    assert left(stage) == []


def boxed(name: str, text: str, **spec: Any) -> Document:
    container = {"image": IMAGE, "command": ["sh", "-c", text], "init": True}
    return document("Campaign", name, container=container, results=f"./results/{name}", **spec)


def test_L20_L22_L24_watchdogs_retries_and_the_breaker(stage: Stage) -> None:
    """Beside each other: all of them mostly wait."""
    cases = {
        "late": (script("late", "while :; do echo x; sleep 0.05; done", timeoutSeconds=0.6), 1),
        "silent": (script("silent", "echo begun; exec sleep 600", silenceSeconds=0.5), 1),
        "noisy": (script("noisy", "for i in 1 2 3 4 5 6 7 8; do echo x; sleep 0.1; done", silenceSeconds=0.5), 0),
        "silent-box": (boxed("silent-box", "echo begun; sleep 600", silenceSeconds=1), 1),
        "noisy-box": (boxed("noisy-box", "for i in 1 2 3 4 5 6 7; do echo x; sleep 0.3; done", silenceSeconds=1), 0),
        "missing": (campaign("missing", "no-such-program", native=False), 1),
        "image": (document("Campaign", "image", container={"image": "no-such-image", "pullPolicy": "Never"}), 1),
        "again": (script("again", 'echo x >> ../again; test "$(wc -l < ../again)" -ge 3', retries=2), 0),
        "open": (
            script("open", "exit 1", matrix={"n": [1, 2, 3, 4, 5]}, maxFailures=2, cooldownSeconds=0.2), 1,
        ),
        "fast": (script("fast", "exit 1", matrix={"n": [1, 2, 3]}, maxFailures=1), 1),
    }  # fmt: skip
    cases["again"][0]["spec"]["process"]["workingDir"] = "./work"
    (stage.directory / "work").mkdir()
    told: dict[str, Any] = {}

    def run(name: str) -> None:
        path = stage.write(cases[name][0], name=f"{name}.yaml")
        told[name] = stage.cli("run", "-f", str(path), "-o", "json", expect=None)

    threads = [threading.Thread(target=run, args=(name,)) for name in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {name: one.code for name, one in told.items()} == {name: code for name, (_, code) in cases.items()}
    trees = {name: one.json for name, one in told.items()}
    found = {name: (tree["runs"][0]["reason"], tree["runs"][0]["hint"]) for name, tree in trees.items()}
    assert found["late"][0] == "Timeout"
    assert found["silent"][0] == "Silence"
    assert found["silent-box"][0] == "Silence"
    assert (found["noisy"][0], found["noisy-box"][0]) == (None, None)
    assert found["image"][0] == "ImageUnavailable"
    assert "container.command" in found["missing"][1]
    assert trees["again"]["runs"][0]["attempts"] == 3
    assert [run["state"] for run in trees["open"]["runs"]] == ["failed"] * 3 + ["skipped"] * 2
    assert [run["state"] for run in trees["fast"]["runs"]] == ["failed", "skipped", "skipped"]
    assert left(stage) == []


def test_L23_a_lease_is_held_by_one_at_a_time_and_by_nobody_who_is_dead(stage: Stage) -> None:
    name = f"gpu-{stage.namespace}"
    path = stage.write(campaign("bench", "true", leases=[name, f"{name}-2"]))
    place = leases.folder() / f"{name}-2"
    with place.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("somebody else")
        file.flush()
        child = stage.start_cli("run", "-f", str(path))
        assert child.stderr is not None
        assert f"{name}-2 is held by somebody else" in child.stderr.readline()
        with place.with_name(name).open() as first:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)  # all or none: it holds nothing while it waits
        assert stage.cli("run", "bench", expect=1).err
        assert child.poll() is None
    child.communicate(timeout=60)
    assert child.returncode == 0
    for one in (place, place.with_name(name)):
        one.unlink()


def test_L18_it_is_shown_and_checked_without_being_run(stage: Stage) -> None:
    path = str(stage.write(campaign("bench", "echo", "${matrix.n}", matrix={"n": [1, 2]}, cycles=2)))

    told = stage.cli("run", "-f", path, "--dry-run", "-o", "json").json
    assert [(run["params"], run["cycle"], run["state"]) for run in told["runs"]] == [
        ({"n": n}, cycle, "pending") for n in (1, 2) for cycle in (1, 2)
    ]
    assert "valid, 4 runs" in stage.cli("run", "-f", path, "--validate-only").out
    assert not (stage.home / "campaigns").exists()
    assert not folder(stage, "bench").exists()
    broken = str(stage.write(campaign("bench", "echo", "${matrix.m}", matrix={"n": [1]}), name="broken.yaml"))
    assert "no parameter is called 'm'" in stage.cli("run", "-f", broken, "--validate-only", expect=2).err

    stage.apply(Path(path))
    pending = stage.cli("get", "campaign", "bench", "-o", "json").json["status"]
    assert pending["conditions"][0]["status"] == "True"
    assert [pending[name] for name in ("state", "completed", "failed", "pending", "total")] == ["pending", 0, 0, 4, 4]
    assert "Pending" in stage.cli("status").out
    assert status(stage, "bench")["state"] == "pending"
    assert stage.cli("wait", "--for=condition=Completed", "campaign/bench", "--timeout", "0", expect=1).err
    quiet = stage.cli("run", "bench", "-q")
    assert quiet.err == ""
    assert "condition met" in stage.cli("wait", "--for=condition=Completed", "campaign/bench", "--timeout", "0").out
    assert "Completed" in stage.cli("status").out
    assert stage.cli("campaign", "list", "-o", "json").json["items"][0]["state"] == "completed"
    assert stage.cli("campaign", "results", "bench").out.startswith("id,cycle,state,")
    assert stage.apply(Path(path)).actions == []


def test_L13_only_the_services_that_it_depends_on_are_started(stage: Stage) -> None:
    needed, other = native("db", ports=[{"name": "http"}]), native("other")
    stage.apply(needed, other, "--no-wait")
    stage.cli("stop", "db", "other")
    path = stage.write(script("bench", 'test -n "$DB_ADDR"', dependsOn=["db"]))
    stage.cli("start", "db", "--no-wait")
    stage.cli("run", "-f", str(path))

    assert stage.processes("db")
    assert not stage.processes("other")


def test_L25_somebody_is_told_of_the_end_and_secrets_stand_in_no_file_of_ours(stage: Stage) -> None:
    told: list[Any] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    secret = {
        "apiVersion": "reconciler/v1",
        "kind": "Secret",
        "metadata": {"name": "login"},
        "spec": {"data": {"K": "hush-hush"}},
    }
    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.handle_request).start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        bench = script("bench", 'test "$K" = hush-hush', envFrom=[{"secret": "login"}], notify={"url": url})
        stage.cli("run", "-f", str(stage.write(secret, bench)))
    assert [(one["event"], one["completed"]) for one in told] == [("complete", 1)]
    unheard = script("unheard", "exit 1", notify={"url": url, "events": ["failure"]})
    assert "nobody could be told" in stage.cli("run", "-f", str(stage.write(unheard)), expect=1).err
    files = [*(stage.home / "campaigns").rglob("*"), *(stage.directory / "results").rglob("*")]
    assert not any(b"hush-hush" in path.read_bytes() for path in files if path.is_file())


def test_a_campaign_that_is_deleted_while_it_runs_ends_and_leaves_nothing(stage: Stage) -> None:
    """Nobody who only tidies up takes it along; whoever names it does."""
    spec = {"matrix": {"n": [1, 2, 3]}, "stop": {"graceSeconds": 1}, "envFrom": [{"config": "words"}]}
    path = stage.write(document("Config", "words", data={"K": "v"}), script("bench", SLOW, **spec))
    child = stage.start_cli("run", "-f", str(path))
    eventually(lambda: manifest(stage, "bench")["runs"][1]["state"] == "running", "the second one runs")
    other = stage.write(native("other", replicas=0), name="other.yaml")
    pruned = stage.cli("apply", "-f", str(other), "--prune")
    assert "campaign/bench is being run right now: it was not pruned" in pruned.err
    assert stage.cli("get", "config", "-o", "name").out.split() == ["config/words"], "nor what it needs"
    for words in (["-f", str(path)], ["all", "--all"]):
        refused = stage.cli("delete", *words, expect=1)
        assert f"another command runs it (pid {child.pid}), so nothing was deleted" in refused.err
        assert "--force" in refused.err
    assert child.poll() is None
    stage.cli("delete", "-f", str(path), "--force")
    _, err = child.communicate(timeout=60)

    assert child.returncode == 1
    assert "was deleted meanwhile" in err
    assert left(stage) == []
    assert stage.cli("campaign", "list").out == ""


@pytest.mark.parametrize("verb", ["describe", "why", "events", "get"])
def test_a_campaign_is_looked_at_like_anything_else(stage: Stage, verb: str) -> None:
    stage.apply(campaign("bench", "true"))

    assert stage.cli(verb, "campaign/bench").code == 0


def test_time_is_not_lost_between_runs(stage: Stage) -> None:
    """Printed for who wonders; the bound is a generous one."""
    path = stage.write(campaign("bench", "true", cycles=20))
    began = time.monotonic()
    stage.cli("run", "-f", str(path), "-q")

    assert time.monotonic() - began < 20
