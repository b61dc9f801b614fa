"""What scripts rely on: exit codes, and the shapes of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.podman_lacks import plain
from tests.scenarios.documents import box, changed, config, document, native, native_server, server, volume
from tests.scenarios.stage import Stage, eventually

pytestmark = pytest.mark.engine


def test_K23_apply_diff_and_delete_have_one_shape(stage: Stage) -> None:
    spec = [server("web"), native("worker")]
    for told in (stage.diff(*spec, expect=1), stage.apply(*spec), stage.delete(*spec)):
        tree = told.json
        assert set(tree) == {"settled", "actions", "waits", "resources"}
        assert all(set(action) == {"key", "verb", "cause"} for action in tree["actions"])
        assert {action["verb"] for action in tree["actions"]} <= {"Create", "Adjust", "Start", "Stop", "Remove"}
        assert all(set(item) == {"key", "result"} for item in tree["resources"])
        assert all(action["cause"] for action in tree["actions"])
    told = stage.apply(box("web", dependsOn=["no"]), expect=2)
    assert told.out == ""


def test_K23_waits_have_key_reason_and_message(stage: Stage, busy_port: int) -> None:
    told = stage.apply(server("web", ports=[{"port": 80, "hostPort": busy_port}]), expect=1)
    assert [set(wait) for wait in told.json["waits"]] == [{"key", "reason", "message"}]
    assert told.json["settled"] is False


def test_K23_get_gives_a_list_and_a_name_gives_the_resource(stage: Stage) -> None:
    stage.apply(server("web"), native("worker"), config("app", A="1"))
    listed = stage.cli("get", "services", "-o", "json").json
    assert (listed["apiVersion"], listed["kind"]) == ("reconciler/v1", "List")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["web", "worker"]
    one = stage.cli("get", "service", "web", "-o", "json").json
    assert (one["kind"], one["metadata"]["namespace"]) == ("Service", stage.namespace)
    assert one["spec"]["container"]["image"] == "reconciler-test"
    assert stage.cli("get", "service/web", "-o", "jsonpath={.status.readyReplicas}").out.strip() == "1"
    assert stage.cli("get", "services", "-o", "name").out.split() == ["service/web", "service/worker"]


@pytest.mark.parametrize("kind", ["container", "process"])
def test_K23_a_services_status_has_its_shape(stage: Stage, kind: str) -> None:
    stage.apply(server("web") if kind == "container" else native_server("web"))
    status = stage.status_of("web")
    assert {"observedGeneration", "replicas", "readyReplicas", "updatedReplicas", "endpoints", "instances"} <= set(
        status
    )
    assert [set(endpoint) for endpoint in status["endpoints"]] == [{"name", "host", "port", "index"}]
    instance = status["instances"][0]
    assert {
        "index",
        "id",
        "host",
        "runtime",
        "phase",
        "ready",
        "restarts",
        "pid",
        "ports",
        "startedAt",
        "fingerprint",
    } <= set(instance)
    assert instance["ports"] == {"http": status["endpoints"][0]["port"]}
    assert {condition["type"] for condition in status["conditions"]} == {"Ready", "Progressing", "Healthy", "Drifted"}
    own = {"type", "status", "reason", "message", "observedGeneration", "lastTransitionTime"}
    assert all(set(condition) == own for condition in status["conditions"])
    if kind == "process":
        assert instance["pid"] == stage.process("web").pid, "the workload's own, not its parent's"
    else:
        assert instance["pid"] == stage.container("web")["State"]["Pid"]
        assert instance["id"] == stage.id("web")


def test_K7_what_is_ours_but_declared_by_nobody_is_listed_and_can_be_deleted(stage: Stage) -> None:
    stage.apply(server("web"))
    for file in stage.home.glob("applied/*/*.yaml"):
        file.unlink()
    listed = stage.cli("get", "services")
    assert "web" in listed.out
    assert "Orphan" in listed.out
    stage.cli("delete", "services", "--all")
    assert stage.containers() == []


def test_K23_events_are_lines_of_json(stage: Stage) -> None:
    stage.apply(server("web"))
    stage.signal(stage.name("web"), "kill")
    stage.apply(server("web"))
    events = stage.events()
    assert all(set(event) == {"time", "type", "reason", "key", "message", "count", "firstTime"} for event in events)
    told = [(event["reason"], event["key"].split("/", 2)[2]) for event in events]
    assert told == [("Created", "default"), ("Created", "web/0"), ("BackOff", "web/0"), ("Started", "web/0")]
    assert [event["type"] for event in events] == ["Normal", "Normal", "Warning", "Normal"]


def test_exit_codes_0_1_2(stage: Stage) -> None:
    spec = stage.write(native("worker"))
    stage.cli("diff", "-f", str(spec), expect=1)
    stage.cli("apply", "-f", str(spec), expect=0)
    stage.cli("diff", "-f", str(spec), expect=0)
    stage.cli("diff", "-f", "nowhere.yaml", expect=2)
    stage.cli("apply", "--no-such-option", expect=2)
    stage.cli("no-such-verb", expect=2)
    stage.cli("get", "service", "nobody", expect=1)
    stage.cli("wait", "--for=condition=Ready", "service/worker", "--timeout", "60s", expect=0)
    stage.cli("wait", "--for=delete", "service/worker", "--timeout", "1s", expect=1)


def test_results_go_to_stdout_and_progress_to_stderr(stage: Stage) -> None:
    told = stage.cli("apply", "-f", str(stage.write(native("worker"), volume("data"))))
    assert told.out.splitlines() == ["service/worker created", "volume/data created"]
    assert "creating" in told.err
    assert stage.cli("apply", "-f", "spec.yaml", "-o", "name").out.split() == ["service/worker", "volume/data"]


def test_B1_specs_come_from_standard_input_from_several_files_and_from_directories(stage: Stage) -> None:
    one, two = stage.write(native("one"), name="one.yaml"), stage.write(native("two"), name="two.yaml")
    assert stage.apply(one, two).actions == ["Create one/0", "Create two/0"]
    told = stage.cli("apply", "-f", "-", "-o", "json", stdin=one.read_text())
    assert told.results == {"one": "unchanged"}
    (stage.directory / "specs" / "inner").mkdir(parents=True)
    one.rename(stage.directory / "specs" / "one.yaml")
    two.rename(stage.directory / "specs" / "inner" / "two.yaml")
    assert set(stage.apply(stage.directory / "specs").results) == {"one"}
    assert set(stage.apply(stage.directory / "specs", "-R").results) == {"one", "two"}


def test_prune_takes_what_the_files_no_longer_name(stage: Stage) -> None:
    stage.apply(native("one"), native("two"))
    assert stage.apply(native("one")).results == {"one": "unchanged"}
    told = stage.apply(native("one"), "--prune")
    assert (told.results, told.actions) == ({"one": "unchanged", "two": "pruned"}, ["Stop two/0", "Remove two/0"])


def test_replicas_go_up_and_down_from_the_end(stage: Stage) -> None:
    stage.apply(native("web", replicas=3))
    first = stage.process("web", 0)
    told = stage.apply(native("web"))
    assert told.actions == ["Stop web/1", "Remove web/1", "Stop web/2", "Remove web/2"]
    assert stage.process("web", 0) == first
    assert stage.apply(native("web", replicas=2)).actions == ["Create web/1"]


def test_B12_a_service_moves_from_container_to_process_and_back(stage: Stage) -> None:
    stage.apply(box("web"))
    assert "Create web/0" in stage.apply(native("web")).actions
    assert (stage.containers(), len(stage.processes("web"))) == ([], 1)
    stage.apply(box("web"))
    assert (stage.containers(), stage.processes()) == ([stage.name("web")], [])


def test_KECS_d_names_are_matched_whole(stage: Stage) -> None:
    """The engine's own name filter finds substrings: `web` would be `web-2` as well."""
    stage.apply(box("web"), box("web-2"), box("my-web"))
    other = stage.life(stage.name("web-2")), stage.life(stage.name("my-web"))
    new = changed(box("web"), env={"A": "1"}, update={"strategy": "Recreate"})
    assert stage.apply(new).actions == ["Stop web/0", "Remove web/0", "Create web/0"]
    stage.delete("service", "web")
    assert (stage.life(stage.name("web-2")), stage.life(stage.name("my-web"))) == other
    assert stage.cli("get", "services", "-o", "name").out.split() == ["service/my-web", "service/web-2"]


def test_KECS_a_KECS_b_K8_K9_K15_every_instance_is_started_as_itself_and_found_again(stage: Stage) -> None:
    """Labels are written and read through one table; each service has its own image, ports and environment."""
    spec = [server(name, env={"WHO": name}, container={"image": image}) for name, image in WHO.items()]
    stage.apply(*spec)
    for name, image in WHO.items():
        assert stage.environment_of(name)["WHO"] == name
        assert plain(stage.container(name)["Config"]["Image"]) == image
    assert len({stage.published(name) for name in WHO}) == len(WHO)
    assert sorted(stage.cli("get", "services", "-o", "name").out.split()) == [f"service/{name}" for name in sorted(WHO)]
    stage.cli("stop", "--all")
    assert stage.containers() == []
    stage.cli("start", "--all")
    assert len(stage.containers()) == len(WHO)


WHO = {"alpha": "reconciler-test", "beta": "reconciler-test:2", "gamma": "reconciler-test"}


def test_K8_one_that_can_not_start_keeps_nobody_else_from_starting(stage: Stage) -> None:
    broken = box("broken", container={"image": "no-such-image:1", "pullPolicy": "Never"})
    told = stage.apply(broken, native("fine"), server("well"), expect=1)
    assert stage.process("fine").alive
    assert stage.container("well")["State"]["Running"]
    assert "broken" in told.err
    assert "error: service/fine" not in told.err


def test_ten_applies_of_the_same_spec_at_once_make_one_of_each(stage: Stage) -> None:
    stage.write(server("web"), native("worker"))
    running = [stage.start_cli("apply", "-f", "spec.yaml") for _ in range(10)]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 10, outputs
    assert stage.containers() == [stage.name("web")]
    assert len(stage.processes("worker")) == 1


def test_an_apply_that_is_killed_anywhere_is_finished_by_the_next(stage: Stage) -> None:
    """By kill -9, after so many milliseconds; whatever is left is an ordinary world."""
    spec = [server("web", replicas=2), native_server("api", dependsOn=["web"]), volume("data")]
    stage.write(*spec)
    for moment in (0.3, 0.5, 0.7, 0.9):
        running = stage.start_cli("apply", "-f", "spec.yaml")
        timer = threading.Timer(moment, running.kill)
        timer.start()
        running.communicate(timeout=60)
        timer.cancel()
    stage.apply(*spec)
    assert stage.containers() == [stage.name("web", 0), stage.name("web", 1)]
    assert len(stage.processes("api")) == 1
    assert stage.apply(*spec).actions == []


def test_no_traceback_reaches_a_user_and_vv_shows_it(stage: Stage) -> None:
    (stage.home).mkdir(mode=0o700)
    (stage.home / "owner").write_text("damaged")
    told = stage.cli("apply", "-f", str(stage.write(native("worker"))), expect=1)
    assert "Traceback" not in told.err
    assert f"{stage.home}/owner is damaged" in told.err
    assert "Traceback" in stage.cli("-vv", "apply", "-f", "spec.yaml", expect=1).err
    (stage.home / "owner").unlink()


def test_R12_a_plan_is_told_before_anything_is_done(stage: Stage) -> None:
    told = stage.cli("apply", "-f", str(stage.write(server("web"))), "--dry-run")
    assert "Create" in told.out
    assert not stage.home.exists()
    assert stage.containers() == []


def test_K10_names_are_the_users_own(stage: Stage) -> None:
    stage.apply(document("Service", "my-server-2", process={"command": ["sleep", "1000"]}))
    assert stage.process("my-server-2").alive
    assert Path(stage.home / "processes" / f"{stage.namespace}.my-server-2.0").is_dir()
    told = stage.apply(document("Service", "My_Server", process={"command": ["sleep", "1"]}), expect=2)
    assert "My_Server" in told.err


def test_K6_logs_are_read_by_name(stage: Stage) -> None:
    stage.apply(
        box("web", "sh", "-c", "echo hello; echo there; exec sleep 1000"),
        native("worker", "sh", "-c", "echo hi; exec sleep 1000"),
    )
    eventually(lambda: stage.cli("logs", "web").out == "hello\nthere\n", "the container's lines")
    eventually(lambda: stage.cli("logs", "worker").out == "hi\n", "the process's line")
    assert stage.cli("logs", "web", "--tail", "1").out == "there\n"
    following = stage.start_cli("logs", "-f", "worker")
    assert following.stdout is not None
    assert following.stdout.readline() == "hi\n"
    following.terminate()
    following.communicate(timeout=60)


def test_K5_H17_status_is_a_table_for_people_and_a_tree_for_scripts(stage: Stage) -> None:
    stage.apply(server("web"), native("worker"))
    table = stage.cli("status").out
    assert "service/web" in table
    assert "Ready" in table
    assert json.loads(stage.cli("status", "-o", "json").out)["items"]


def test_the_console_script_and_the_module_are_the_same(stage: Stage) -> None:
    script = Path(sys.executable).with_name("reconciler")
    done = subprocess.run([script, "version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == stage.cli("version").out
