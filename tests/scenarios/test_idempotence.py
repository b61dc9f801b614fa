"""What is as declared is left alone, and looking leaves no trace."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.documents import box, changed, config, native, native_server, network, secret, server, volume
from tests.scenarios.stage import Document, Stage

pytestmark = pytest.mark.engine


def everything() -> list[Document]:
    """One of each kind, on both runtimes, with references between them."""
    return [
        network("back", internal=True),
        volume("data"),
        config("app", **{"app.ini": "debug = 1"}),
        secret("login", password="correct horse"),
        server("web", volumes=[{"volume": "data", "mountPath": "/data"}, {"secret": "login", "mountPath": "/login"}]),
        box("db", container={"networks": ["back"]}, replicas=2, envFrom=[{"config": "app"}]),
        native_server("api", dependsOn=["web"], probes={"readiness": {"tcpSocket": {"port": "http"}}}),
        native("worker", dependsOn=["api"], env={"DB": "${api.url}"}),
    ]


def test_R14_a_second_apply_does_nothing_however_often_it_is_run(stage: Stage) -> None:
    stage.apply(*everything())
    before = [stage.life(name) for name in stage.containers()], stage.processes()

    with stage.events_during() as events:
        for _ in range(3):
            again = stage.apply(*everything())
            assert again.json["settled"]
            assert again.actions == []
            assert set(again.results.values()) == {"unchanged"}
    assert events == []
    assert ([stage.life(name) for name in stage.containers()], stage.processes()) == before


def test_K2_KECS_g_an_apply_of_what_runs_does_not_stumble_over_its_own_ports(
    stage: Stage, free_port: Callable[[], int]
) -> None:
    """The port check looks at who holds the port, not only whether it is held."""
    port = free_port()
    spec = [
        server("web", ports=[{"port": 80, "hostPort": port}]),
        native_server("api", ports=[{"name": "http", "hostPort": free_port()}]),
    ]
    stage.apply(*spec)
    assert stage.apply(*spec).actions == []
    assert stage.published("web") == port


def test_the_order_of_documents_is_no_difference(stage: Stage) -> None:
    stage.apply(*everything())
    assert stage.apply(*reversed(everything())).actions == []


def test_diff_tells_what_apply_would_do_and_writes_nothing_at_all(stage: Stage) -> None:
    """Before the first apply, when all is well, and after drift: no byte, no time stamp, no event."""
    spec = stage.write(*everything())
    with stage.events_during() as events:
        foreseen = stage.diff(spec, expect=1)
    assert not stage.home.exists(), "looking makes no home"
    assert events == []

    done = stage.apply(spec)
    assert sorted(foreseen.actions) == sorted(done.actions)

    stage.engine.remove(stage.name("web"))
    edited = stage.write(*[changed(d, replicas=1) if d["metadata"]["name"] == "db" else d for d in everything()])
    before = tree(stage.home)
    with stage.events_during() as events:
        stage.diff(expect=1)
        stage.diff(edited, expect=1)
        stage.diff(edited, "--prune", expect=1)
        stage.cli("apply", "-f", str(edited), "--dry-run")
    assert events == []
    assert tree(stage.home) == before


def test_diff_foresees_exactly_the_actions_of_the_next_apply(stage: Stage) -> None:
    stage.apply(*everything())
    later = [changed(d, env={"NEW": "1"}) if d["metadata"]["name"] in {"web", "worker"} else d for d in everything()]
    foreseen = stage.diff(*later, expect=1)
    done = stage.apply(*later)
    assert sorted(foreseen.actions) == sorted(done.actions)
    assert foreseen.results == done.results


def test_a_lost_diary_causes_no_action(stage: Stage) -> None:
    """The world is the database; the diary is for people."""
    stage.apply(*everything())
    for path in stage.home.glob("diary.db*"):
        path.unlink()
    with stage.events_during() as events:
        assert stage.diff(*everything()).actions == []
        assert stage.apply(*everything()).actions == []
    assert events == []


def test_R18_only_what_changed_is_replaced(stage: Stage) -> None:
    stage.apply(*everything())
    kept = {name: stage.life(name) for name in stage.containers() if "-db-" not in name}
    edited = [changed(d, env={"ROUND": "2"}) if d["metadata"]["name"] == "db" else d for d in everything()]

    done = stage.apply(*edited)

    assert done.actions == [f"{verb} db/{index}" for index in (0, 1) for verb in ("Stop", "Remove", "Create")]
    assert done.results == {**dict.fromkeys(done.results, "unchanged"), "db": "configured"}
    assert {name: stage.life(name) for name in kept} == kept
    assert stage.environment_of("db", 1)["ROUND"] == "2"


def tree(root: Path) -> dict[str, tuple[int, int, int, str]]:
    """Every path under it: mode, inode, time of change, content."""
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        growing = path.name in {"log", "log.1"}  # of a service, which may speak at any time
        content = path.read_bytes() if path.is_file() and not growing else os.fsencode(path.name)
        times = (0, 0) if growing else (status.st_mtime_ns, status.st_ctime_ns)
        found[str(path)] = (status.st_mode, status.st_ino, *times[:1], hashlib.sha256(content).hexdigest())
    return found
