"""A change of content reaches exactly those who use it; an unreadable file changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.podman_lacks import changes_in_place
from tests.scenarios.documents import box, changed, config, document, native
from tests.scenarios.stage import Document, Stage

pytestmark = pytest.mark.engine

REPLACED = ["Stop {0}/0", "Remove {0}/0", "Create {0}/0"]


def replaced(*names: str) -> list[str]:
    return [step.format(name) for name in names for step in REPLACED]


def rolled(*names: str) -> list[str]:
    """A container can have its successor beside it for a while."""
    return [
        step for name in names for step in (f"Create {name}/1", *replaced(name), f"Stop {name}/1", f"Remove {name}/1")
    ]


def users() -> list[Document]:
    return [
        box("mounts", volumes=[{"config": "app", "mountPath": "/etc/app"}]),
        box("reads", envFrom=[{"config": "app"}]),
        native("native", volumes=[{"config": "app"}], env={"WHERE": "${volumes.app}"}),
        box("other"),
        native("stranger"),
    ]


def test_a_changed_config_restarts_exactly_its_users(stage: Stage) -> None:
    stage.apply(config("app", GREETING="good morning"), *users())
    told = stage.apply(config("app", GREETING="good evening"), *users())

    assert sorted(told.actions) == sorted(replaced("mounts", "native", "reads"))
    assert stage.run_inside("mounts", "cat", "/etc/app/GREETING").strip() == "good evening"
    assert stage.environment_of("reads")["GREETING"] == "good evening"
    where = Path(stage.process("native").environment()["WHERE"])
    assert (where / "GREETING").read_text() == "good evening"
    assert told.results["other"] == told.results["stranger"] == "unchanged"


def test_a_config_delivered_to_a_container_is_read_only_by_mode(stage: Stage) -> None:
    stage.apply(config("app", GREETING="hi"), document("Secret", "login", data={"KEY": "k" * 8}), *users(),
                box("guarded", volumes=[{"secret": "login", "mountPath": "/run/login"}]))  # fmt: skip
    assert stage.run_inside("mounts", "stat", "-c", "%a", "/etc/app/GREETING").strip() == "444"
    assert stage.run_inside("guarded", "stat", "-c", "%a", "/run/login/KEY").strip() == "400"


def test_a_changed_file_of_a_config_is_seen_without_a_new_apply_of_its_text(stage: Stage) -> None:
    file = stage.directory / "app.ini"
    file.write_text("one")
    spec = [document("Config", "app", files={"app.ini": "app.ini"}), *users()]
    stage.apply(*spec)
    file.write_text("two")
    assert "Create mounts/0" in stage.diff(expect=1).actions
    assert sorted(stage.apply(*spec).actions) == sorted(replaced("mounts", "native", "reads"))
    assert stage.run_inside("mounts", "cat", "/etc/app/app.ini").strip() == "two"


def test_a_touched_file_with_the_same_content_is_no_change(stage: Stage) -> None:
    file = stage.directory / "app.env"
    file.write_text("GREETING=hello\n# a comment\n")
    spec = [native("web", envFrom=[{"file": "app.env"}])]
    stage.apply(*spec)
    file.write_text("# another comment\nGREETING=hello\n")
    assert stage.apply(*spec).actions == []


def test_a_changed_environment_file_restarts_who_reads_it(stage: Stage) -> None:
    file = stage.directory / "app.env"
    file.write_text('GREETING=hello\nQUOTED="two words"\n')
    spec = [native("web", envFrom=[{"file": "app.env"}]), native("other")]
    stage.apply(*spec)
    assert stage.process("web").environment()["QUOTED"] == "two words"
    other = stage.process("other")
    file.write_text("GREETING=bye\n")
    assert stage.apply(*spec).actions == replaced("web")
    assert stage.process("web").environment()["GREETING"] == "bye"
    assert stage.process("other") == other


def test_a_file_that_has_become_unreadable_leaves_what_runs_as_it_is(stage: Stage) -> None:
    """Absence is not evidence."""
    file = stage.directory / "app.env"
    file.write_text("GREETING=hello\n")
    spec = [native("web", envFrom=[{"file": "app.env"}]), native("other")]
    stage.apply(*spec)
    web = stage.process("web")
    file.unlink()
    told = stage.diff(expect=1)
    assert told.actions == []
    assert ("web/0", "Unreadable") in [wait[:2] for wait in told.waits]
    assert "app.env" in told.waits[0][2]
    assert stage.apply(*spec, expect=None).code in {1, 2}
    assert stage.process("web") == web


def test_KECS_c_environment_and_labels_of_the_spec_are_applied(stage: Stage) -> None:
    stage.apply(box("web", env={"MODE": "test"}, container={"labels": {"team": "blue"}}))
    assert stage.environment_of("web")["MODE"] == "test"
    assert stage.container("web")["Config"]["Labels"]["team"] == "blue"


@pytest.mark.parametrize(
    "change",
    [
        {"env": {"A": "2"}},
        {"container": {"image": "reconciler-test:2", "command": ["sleep", "100000"], "init": True}},
        {"container": {"image": "reconciler-test", "command": ["sleep", "100001"], "init": True}},
        {"volumes": [{"hostPath": "/tmp", "mountPath": "/host"}]},
        {"ports": [{"port": 80}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_R18_every_field_of_the_container_counts(stage: Stage, change: dict[str, object]) -> None:
    """Another tool compared its extensions alone, and missed image, volumes and environment."""
    stage.apply(box("web"))
    told = stage.diff(changed(box("web"), **change), expect=1)
    assert told.actions in (replaced("web"), rolled("web"))
    text = stage.cli("diff", "-f", str(stage.write(changed(box("web"), **change))), expect=1).out
    assert next(iter(change)) in text or "image" in text or "command" in text


def test_R18_a_limit_counts_too_and_is_changed_on_the_living_one_where_that_can_be(stage: Stage) -> None:
    gently = changes_in_place(stage.engine)
    actions = ["Adjust web/0"] if gently else replaced("web")
    stage.apply(box("web"))
    life = stage.life(stage.name("web"))
    limited = changed(box("web"), resources={"memory": "64Mi", "cpus": 0.5})
    assert stage.diff(limited, expect=1).actions == actions
    assert "memory is unlimited, not 64 MiB" in stage.cli("diff", "-f", str(stage.write(limited)), expect=1).out
    assert stage.apply(limited).actions == actions
    assert stage.container("web")["HostConfig"]["Memory"] == 64 << 20
    assert (stage.life(stage.name("web")) == life) is gently
    assert stage.apply(limited).actions == []


@pytest.mark.parametrize(
    "change",
    [
        {"stop": {"signal": "INT"}},
        {"restart": {"initialSeconds": 5}},
        {"probes": {"readiness": {"exec": {"command": ["true"]}, "timeoutSeconds": 10}}},
        {"update": {"strategy": "Recreate"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_how_it_is_kept_does_not_restart_it(stage: Stage, change: dict[str, object]) -> None:
    stage.apply(box("web"))
    told = stage.apply(changed(box("web"), **change))
    assert told.actions == []
    assert told.results == {"web": "configured"}


def test_R18_diff_names_every_field_that_differs_and_not_some(stage: Stage) -> None:
    stage.apply(box("web"))
    container = {
        "image": "reconciler-test:2",
        "command": ["sleep", "100002"],
        "user": "app",
        "hostname": "h",
        "tty": True,
    }
    container |= {"workingDir": "/tmp", "init": False, "capAdd": ["NET_ADMIN"], "labels": {"a": "b"}, "workspace": "."}
    many = changed(
        box("web"), container=container, env={"A": "2"}, ports=[{"port": 80}], resources={"memory": "64Mi"},
        volumes=[{"hostPath": "/tmp", "mountPath": "/host"}], stop={"signal": "INT"}, replicas=2,
    )  # fmt: skip
    text = stage.cli("diff", "-f", str(stage.write(many)), expect=1).out
    fields = [*container, "env.A", "ports", "volumes", "memory", "stop.signal", "replicas"]
    assert [field for field in fields if field not in text] == []
