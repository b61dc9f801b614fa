"""Order by readiness, probes alike on both runtimes, and what is said when something does not come up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.documents import box, changed, document, native, server, shell
from tests.scenarios.stage import Document, Stage, Told, eventually

pytestmark = pytest.mark.engine

Kind = Callable[..., Document]
KINDS = pytest.mark.parametrize("kind", [box, native], ids=["container", "process"])


def ready_file(path: str, after: str = "1") -> tuple[str, ...]:
    return ("sh", "-c", f"sleep {after}; touch {path}; exec sleep 100000")


@KINDS
def test_K16_apply_waits_until_the_probe_says_ready(stage: Stage, tmp_path: Path, kind: Kind) -> None:
    path = "/tmp/ready" if kind is box else str(tmp_path / "ready")
    probe = {"exec": {"command": ["test", "-f", path]}, "timeoutSeconds": 10}
    stage.apply(kind("slow", *ready_file(path), probes={"readiness": probe}))
    assert stage.status_of("slow")["readyReplicas"] == 1
    if kind is box:
        stage.run_inside("slow", "test", "-f", path)
    else:
        assert Path(path).exists()


PROBES = {
    "httpGet": {"httpGet": {"path": "/www/index.html", "port": "http"}},
    "tcpSocket": {"tcpSocket": {"port": "http"}},
    "exec": {"exec": {"command": ["true"]}, "timeoutSeconds": 10},
}


@pytest.mark.parametrize("probe", PROBES)
@KINDS
def test_H13_each_kind_of_probe_works_on_each_runtime(stage: Stage, tmp_path: Path, kind: Kind, probe: str) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("hello")
    serve = ("busybox", "httpd", "-f", "-p", "127.0.0.1:${ports.http}", "-h", str(tmp_path))
    if kind is box:
        serve = ("httpd", "-f", "-p", "80", "-h", "/")
    spec = kind(
        "web",
        *serve,
        ports=[{"name": "http", "port": 80}],
        probes={"startup": PROBES[probe], "readiness": PROBES[probe], "liveness": PROBES[probe]},
    )
    assert stage.apply(spec).json["settled"]
    assert stage.apply(spec).actions == []


@KINDS
def test_H13_a_line_of_the_log_can_be_the_sign(stage: Stage, kind: Kind) -> None:
    script = ("sh", "-c", "sleep 1; echo now ready to serve; exec sleep 100000")
    spec = kind("web", *script, probes={"readiness": {"log": {"pattern": "ready .* serve$"}}})
    assert stage.apply(spec).json["settled"]
    assert stage.apply(spec).actions == []


@KINDS
def test_K16_when_time_is_up_it_says_which_is_not_ready_and_what_the_probe_said(stage: Stage, kind: Kind) -> None:
    script = "echo the database is still asleep; exit 3"
    probe = {"exec": {"command": ["sh", "-c", script]}, "timeoutSeconds": 10, "failureThreshold": 100}
    told = stage.apply(
        kind("web", "sh", "-c", "echo hello from web; exec sleep 100000", probes={"readiness": probe}), native("fine"),
        "--timeout", "12", expect=1,
    )  # fmt: skip
    assert told.json["settled"] is False
    assert told.waits[0][:2] == ("web/0", "NotReady")
    assert "the database is still asleep" in told.waits[0][2]
    assert "service/web" in told.err
    assert "hello from web" in told.err, "its own last words are shown"
    assert "error: service/fine" not in told.err


@KINDS
def test_R15_what_exits_at_once_is_told_with_its_code_and_last_lines(stage: Stage, kind: Kind) -> None:
    told = stage.apply(
        kind("web", "sh", "-c", "echo first; echo cannot open the config >&2; exit 42"), "--timeout", "12", expect=1
    )
    assert "exited with code 42" in told.err
    assert "cannot open the config" in told.err
    assert "service/web" in told.err
    assert "Traceback" not in told.err


def test_R15_an_image_that_ends_at_once_is_not_called_ready(stage: Stage) -> None:
    told = stage.apply(box("web", "true"), "--timeout", "12", expect=1)
    assert "exited with code 0" in told.err


def test_a_missing_image_is_told_at_once_and_nothing_is_left(stage: Stage) -> None:
    told = stage.apply(box("web", container={"image": "no-such-image:1", "pullPolicy": "Never"}), expect=1)
    assert "no-such-image:1" in told.err
    assert "hint:" in told.err
    assert told.waits == [] or told.waits[0][1] in {"BackOff", "ImageUnavailable"}
    assert stage.containers() == []


def test_an_old_container_stays_up_while_the_new_image_can_not_be_had(stage: Stage) -> None:
    """What a Create needs is fetched before anything that runs is touched."""
    stage.apply(box("web"))
    before = stage.life(stage.name("web"))
    stage.apply(box("web", container={"image": "no-such-image:1", "pullPolicy": "Never"}), expect=1)
    assert stage.life(stage.name("web")) == before


def test_a_program_that_is_not_there_is_told_by_name(stage: Stage) -> None:
    told = stage.apply(native("web", "no-such-program"), expect=1)
    assert "no-such-program" in told.err
    told = stage.apply(box("box", "no-such-program", container={"init": False}), expect=1)
    assert "no-such-program" in told.err


def test_H12_dependencies_start_in_order_and_go_in_reverse(stage: Stage) -> None:
    """Each notes the moment of its start: nobody starts before the one it needs is Ready."""
    spec = [
        native("web", dependsOn=["api"]),
        shell(
            "api", "sleep 0.5; touch $HOME/api; exec sleep 100000", dependsOn=["db"],
            probes={"readiness": {"exec": {"command": ["sh", "-c", "test -f $HOME/api"]}, "timeoutSeconds": 10}},
        ),
        box(
            "db", "sh", "-c", "sleep 0.5; echo up; exec sleep 100000", probes={"readiness": {"log": {"pattern": "up"}}}
        ),
    ]  # fmt: skip
    made = [action for action in stage.apply(*spec).actions if action.startswith("Create ") and "network" not in action]
    assert made == ["Create db/0", "Create api/0", "Create web/0"]

    gone = [
        action for action in stage.delete(*spec).actions if action.startswith("Remove ") and "network" not in action
    ]
    assert gone == ["Remove web/0", "Remove api/0", "Remove db/0"]


def test_H12_the_order_holds_at_a_later_apply_too(stage: Stage) -> None:
    """Everything was killed: what depends on another waits for it again."""
    spec = [
        box("web", dependsOn=["db"]),
        box(
            "db", "sh", "-c", "sleep 1; echo up; exec sleep 100000",
            probes={"readiness": {"log": {"pattern": "up"}}},
        ),
    ]  # fmt: skip
    stage.apply(*spec)
    for name in ("web", "db"):
        stage.signal(stage.name(name), "kill")
    assert stage.apply(*spec).actions == ["Start db/0", "Start web/0"]


def test_H12_who_depends_on_what_has_completed_waits_for_its_end(stage: Stage, tmp_path: Path) -> None:
    done = tmp_path / "done"
    migrate = shell("migrate", f"sleep 0.5; touch {done}", restart={"policy": "OnFailure"})
    web = native(
        "web",
        "sh",
        "-c",
        f"test -f {done} && exec sleep 100000",
        dependsOn=[{"service": "migrate", "condition": "Completed"}],
    )
    assert stage.apply(web, migrate).actions == ["Create migrate/0", "Create web/0"]
    assert stage.apply(web, migrate).actions == []


def test_H12_who_depends_on_what_failed_is_not_started_and_says_why(stage: Stage) -> None:
    migrate = shell("migrate", "echo no such table; exit 1", restart={"policy": "Never"})
    web = native("web", dependsOn=[{"service": "migrate", "condition": "Completed"}])
    told = stage.apply(web, migrate, "--timeout", "10", expect=1)
    assert told.actions == ["Create migrate/0"]
    assert ("web/0", "DependencyNotReady") in [wait[:2] for wait in told.waits]
    assert "no such table" in told.err


def test_H12_a_circle_of_dependencies_is_refused_before_anything_happens(stage: Stage) -> None:
    told = stage.apply(native("a", dependsOn=["b"]), native("b", dependsOn=["a"]), expect=2)
    assert "a" in told.err
    assert not (stage.home / "applied").exists()


@KINDS
def test_K16_a_liveness_probe_that_fails_starts_it_anew(stage: Stage, tmp_path: Path, kind: Kind) -> None:
    """It runs, but does not work any more: the next apply stops it and starts it."""
    path = "/tmp/alive" if kind is box else str(tmp_path / "alive")
    probe = {
        "exec": {"command": ["test", "-f", path]}, "periodSeconds": 0.2, "failureThreshold": 1, "timeoutSeconds": 10,
        "initialDelaySeconds": 0.3,
    }  # fmt: skip
    spec = kind("web", "sh", "-c", f"touch {path}; exec sleep 100000", probes={"liveness": probe})
    stage.apply(spec)
    if kind is box:
        stage.run_inside("web", "rm", path)
    else:
        Path(path).unlink()

    told = eventually(lambda: _that_acts(stage, spec), "an apply sees it")
    assert told.actions == ["Stop web/0", "Start web/0"]
    assert "its probe failed" in told.causes
    assert stage.status_of("web")["instances"][0]["restarts"] >= 1


def _that_acts(stage: Stage, spec: Document) -> Told | None:
    told = stage.apply(spec)
    return told if told.actions else None


def test_a_rolling_update_replaces_one_after_another_and_keeps_the_others_up(stage: Stage) -> None:
    probe = {"tcpSocket": {"port": "http"}, "timeoutSeconds": 20}
    spec = server("web", replicas=3, probes={"readiness": probe})
    stage.apply(spec)
    told = stage.apply(changed(spec, env={"ROUND": "2"}))
    replaced = [f"{verb} web/{index}" for index in range(3) for verb in ("Stop", "Remove", "Create")]
    assert told.actions == ["Create web/3", *replaced, "Stop web/3", "Remove web/3"], told


def test_a_rolling_update_waits_for_slow_probes_to_answer(stage: Stage) -> None:
    """None has answered yet when the apply first looks: that makes none of them broken."""
    probe = {"exec": {"command": ["sleep", "1"]}, "timeoutSeconds": 20}
    spec = native("web", replicas=3, probes={"readiness": probe})
    stage.apply(spec)
    told = stage.apply(changed(spec, env={"ROUND": "2"}))
    assert told.actions == [f"{verb} web/{index}" for index in range(3) for verb in ("Stop", "Remove", "Create")], told


def test_no_wait_returns_once_everything_is_on_its_way(stage: Stage) -> None:
    probe = {"readiness": {"exec": {"command": ["false"]}, "timeoutSeconds": 10, "failureThreshold": 1000}}
    told = stage.apply(native("web", probes=probe), "--no-wait")
    assert told.actions == ["Create web/0"]
    assert stage.process("web")


def test_interrupting_an_apply_exits_130_and_leaves_an_ordinary_world(stage: Stage) -> None:
    import signal

    probe = {"readiness": {"exec": {"command": ["false"]}, "timeoutSeconds": 10, "failureThreshold": 1000}}
    stage.write(native("web", probes=probe))
    running = stage.start_cli("apply", "-f", "spec.yaml")
    eventually(lambda: stage.process("web"), "it was started")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, (out, err)
    assert "Traceback" not in err
    assert stage.process("web").alive, "what was started stays, for the next apply to go on from"


def test_an_unknown_kind_of_document_stops_all_before_anything_happens(stage: Stage) -> None:
    told = stage.apply(native("web"), document("Servise", "typo"), expect=2)
    assert "Service" in told.err
    assert not stage.home.exists()
