"""Jobs on a real engine and with real processes: each runs to its end, once."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.scenarios.documents import box, changed, document, native
from tests.scenarios.stage import IMAGE, Document, Stage, eventually

pytestmark = pytest.mark.engine


def job(name: str, script: str = "true", **spec: Any) -> Document:
    """A container, unless told otherwise."""
    inside = {"image": IMAGE, "command": ["sh", "-c", script], "init": True}
    return document("Job", name, **({} if {"process", "in"} & spec.keys() else {"container": inside}), **spec)


def native_job(name: str, script: str = "true", **spec: Any) -> Document:
    return job(name, process={"command": ["sh", "-c", script]}, **spec)


def within(name: str, service: str, script: str, **spec: Any) -> Document:
    return job(name, **{"in": f"service/{service}", "command": ["sh", "-c", script], **spec})


def status(stage: Stage, name: str) -> Any:
    return stage.cli("get", "job", name, "-o", "json").json["status"]


def word(stage: Stage, name: str) -> str:
    return next(one["reason"] for one in status(stage, name)["conditions"] if one["type"] == "Ready")


def forget_the_diary(stage: Stage) -> None:
    for file in stage.home.glob("diary.db*"):
        file.unlink()


def test_it_runs_once_and_never_again(stage: Stage) -> None:
    """Not after another apply, nor without a diary, nor when what is left of it was removed behind our back."""
    seen = stage.directory / "runs"
    jobs = [native_job("native", f"echo native >> {seen}; echo said"), job("boxed", "echo said; sleep 0.1")]
    after = native("after", dependsOn=["native", {"service": "boxed", "condition": "Completed"}])
    first = stage.apply(*jobs, after)
    assert first.results == {"after": "created", "job/boxed": "created", "job/native": "created"}
    assert first.actions[-1] == "Create after/0"
    again = stage.apply(*jobs, after)
    assert (again.actions, set(again.results.values())) == ([], {"unchanged"})
    table = stage.cli("status").out
    assert table.count("Completed") == 2
    for name in ("native", "job/boxed"):
        assert stage.cli("logs", name).out == "said\n"
        assert "Completed" in stage.cli("describe", name).out
        assert "run to its end once" in stage.cli("why", name).out
    forget_the_diary(stage)
    assert stage.apply(*jobs, after).actions == []
    stage.engine.remove(stage.name("boxed"))
    assert stage.apply(*jobs, after).actions == []
    assert stage.diff(*jobs, after).actions == []
    assert seen.read_text() == "native\n"
    got = status(stage, "boxed")
    assert (got["attempts"], got["instances"], word(stage, "boxed")) == (1, [], "Completed")
    assert got["completedAt"] is not None
    told = stage.apply(changed(jobs[1], env={"MORE": "1"}), jobs[0], after)
    assert told.actions == ["Create job/boxed/0"], "what is declared differently is run once more"
    assert stage.cli("restart", "native", "-o", "json").actions == ["Remove job/native/0", "Create job/native/0"]
    assert seen.read_text() == "native\n" * 2
    assert stage.cli("logs", "native", "--previous").out == "said\n"
    deleted = stage.cli("delete", "job", "native", "boxed", "-o", "json")
    assert deleted.results == {"job/native": "deleted", "job/boxed": "deleted"}
    assert not (stage.home / "jobs").exists(), "what is declared anew one day begins anew"
    assert stage.apply(jobs[0]).actions == ["Create job/native/0"]


def test_what_fails_is_tried_again_and_what_hangs_is_stopped(stage: Stage) -> None:
    count = stage.directory / "count"
    documents = [
        job("stubborn", "echo try; exit 3", retries=1),
        native_job("third-time", f"echo x >> {count}; [ $(wc -l < {count}) = 3 ]", retries=2),
        native_job("hanging", "trap 'exit 0' TERM; sleep 100 & wait", timeoutSeconds=1),
        native_job("short-lived", "true", ttlSecondsAfterFinished=0),
    ]
    told = stage.apply(*documents, expect=1)
    assert told.results["job/stubborn"] == "created"
    assert "after 2 attempts" in told.err
    assert "reconciler restart job/stubborn" in told.err
    assert count.read_text() == "x\n" * 3
    assert {name: word(stage, name) for name in ("stubborn", "third-time", "hanging", "short-lived")} == {
        "stubborn": "Failed", "third-time": "Completed", "hanging": "Failed", "short-lived": "Completed",
    }  # fmt: skip
    assert status(stage, "stubborn")["attempts"] == 2
    assert stage.cli("logs", "stubborn").out == "try\n" * 2
    assert stage.processes("short-lived") == []
    assert not (stage.home / "processes" / f"{stage.namespace}.short-lived.0").exists()
    reasons = {event["reason"] for event in stage.events() if event["key"].endswith("/stubborn/0")}
    assert reasons == {"Created", "Failed", "Started"}
    forget_the_diary(stage)
    assert stage.apply(*documents, expect=1).actions == [], "for good"
    stage.cli("wait", "--for=condition=Complete", "third-time", "--timeout", "0")
    stage.cli("wait", "--for=condition=Failed", "job/stubborn", "--timeout", "0")
    assert stage.cli("wait", "--for=condition=Complete", "stubborn", "--timeout", "0", expect=1).code == 1


def test_who_does_not_wait_is_told_how_to(stage: Stage) -> None:
    slow = native_job("slow", "sleep 100")
    told = stage.apply(slow, "--timeout", "1", expect=1)
    assert "reconciler wait job/slow" in told.err
    assert "--for=condition=Complete" in told.err
    first = stage.processes_of("job", "slow")
    assert first, "it goes on"
    stage.cli("stop", "slow")
    assert stage.processes_of("job", "slow") == []
    assert word(stage, "slow") == "Stopped"
    stage.cli("start", "slow", "--no-wait")
    again = eventually(lambda: stage.processes_of("job", "slow"), "it runs once more")
    assert again != first
    assert [one["reason"] for one in status(stage, "slow")["conditions"] if one["type"] == "Ready"] == ["Running"]
    said = stage.cli("exec", "slow", "--", "sh", "-c", "echo in $RECONCILER_NAME")
    assert said.out == "in slow\n"


def test_it_runs_inside_of_services_and_a_dead_one_is_started_first(stage: Stage) -> None:
    """Observed, not believed: whether there is one to run in is looked at."""
    services = [box("boxed", env={"HERE": "box"}), native("native", env={"HERE": "host"})]
    jobs = [
        within("in-box", "boxed", "echo $HERE $WORD; hostname", env={"WORD": "hush"}),
        native_job("in-native", "echo $HERE $WORD", env={"WORD": "hush"}, **{"in": "service/native"}),
        within("fails", "boxed", "exit 7"),
    ]
    stage.apply(*services)
    stage.engine.remove(stage.name("boxed"))
    stage.process("native").signal(signal.SIGKILL)
    told = stage.apply(*services, *jobs, expect=1)
    order = told.actions
    assert order.index("Create boxed/0") < order.index("Create job/in-box/0")
    assert order.index("Start native/0") < order.index("Create job/in-native/0")
    hostname = stage.container("boxed")["Config"]["Hostname"]
    assert stage.cli("logs", "in-box").out == f"box hush\n{hostname}\n"
    assert stage.cli("logs", "in-native").out == "host hush\n"
    assert "it exited with code 7" in told.err
    labels = json.loads((stage.home / "processes" / f"{stage.namespace}.in-box.0" / "labels.json").read_text())
    assert "hush" not in " ".join(labels["made"]["command"])


def test_the_command_inside_ends_with_the_job(stage: Stage) -> None:
    """Stopped, or out of time: nothing of it goes on in the service."""
    services = [box("boxed"), native("native")]
    jobs = [
        within("in-box", "boxed", "sleep 4242", timeoutSeconds=1.5),
        within("in-native", "native", "sleep 4343", timeoutSeconds=1.5),
    ]
    stage.apply(*services)
    told = stage.apply(*jobs, expect=1)
    assert told.err.count("it took longer than timeoutSeconds") >= 2
    eventually(lambda: "4242" not in stage.run_inside("boxed", "ps"), "the one in the container has ended")
    eventually(lambda: not [p for p in stage.processes("native") if "4343" in p.command], "the native one has ended")


def test_a_schedule_is_shown_and_waits_for_its_time(stage: Stage) -> None:
    tidy = native_job("tidy", schedule="0 0 1 1 *", timeZone="Europe/Berlin")
    told = stage.apply(tidy)
    assert (told.actions, told.json["settled"]) == ([], True)
    assert stage.apply(tidy).results == {"job/tidy": "unchanged"}
    assert "note: no daemon runs, and job/tidy needs one" in told.err
    assert ", if a daemon runs by then" in stage.cli("status").out
    assert "It is Scheduled: to be run in " in stage.cli("why", "job/tidy").out
    assert status(stage, "tidy")["nextRun"].endswith("-12-31T23:00:00Z")
    assert stage.cli("restart", "tidy", "-o", "json").actions == ["Create job/tidy/0"], "it is run now"
    stage.cli("wait", "--for=condition=Complete", "tidy", "--timeout", "60")
    assert stage.apply(tidy).actions == []


@pytest.mark.parametrize(
    ("runtime", "points"),
    [
        (
            "process",
            ["process.create.before", "process.create.after", "source.remember.before", "source.remember.after"],
        ),
        ("docker", ["docker.container.made", "docker.create.after", "source.remember.before"]),
    ],
)
def test_killed_at_any_moment_it_has_run_once(stage: Stage, runtime: str, points: list[str]) -> None:
    for number, point in enumerate(points):
        runs = stage.directory / f"runs-{number}"
        runs.mkdir()
        mount = [{"hostPath": str(runs), "mountPath": "/runs"}]
        boxed = job(f"job-{number}", "echo x >> /runs/x", volumes=mount)
        one = boxed if runtime == "docker" else native_job(f"job-{number}", f"echo x >> {runs}/x")
        killed = stage.apply(one, env={"RECONCILER_FAILPOINTS": f"{point}=kill"}, expect=None)
        assert killed.code == -9, f"{point}: {killed}"
        stage.apply(one)
        assert (runs / "x").read_text() == "x\n", point
        assert stage.apply(one).actions == []
        assert status(stage, f"job-{number}")["attempts"] == 1


def test_where_nothing_can_be_remembered_others_are_none_the_worse_and_it_runs_once(stage: Stage) -> None:
    runs, full = stage.directory / "runs", {"RECONCILER_FAILPOINTS": "source.remember.before=error(disk full)"}
    one = native_job("one", f"echo x >> {runs}", ttlSecondsAfterFinished=0)
    for actions in (["Create other/0", "Create job/one/0"], []):
        told = stage.apply(native("other"), one, env=full, expect=1)
        assert sorted(told.actions) == sorted(actions)
        assert "disk full" in told.err
    assert stage.apply(one).actions == ["Remove job/one/0"]
    (ledger,) = (stage.home / "jobs").iterdir()
    assert (ledger.stat().st_mode & 0o777, (stage.home / "jobs").stat().st_mode & 0o777) == (0o600, 0o700)
    odd = '{"since": 1, "schedule": "", "halted": null, "attempts": [{"id": "x", "startedAt": "soon"}]}'
    for content in ("{", odd):
        ledger.write_text(content)
        told = stage.apply(one, expect=2)
        assert "can't be read" in told.err
        assert "remove that file" in told.err
        assert stage.diff(expect=1).actions == []
    assert runs.read_text() == "x\n", "unreadable is not empty"
