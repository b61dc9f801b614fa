"""Data outlives everything but a command that names it."""

from __future__ import annotations

import time

import pytest

from tests.scenarios.documents import box, changed, native, server, shell, volume
from tests.scenarios.stage import IMAGE, Stage, eventually

pytestmark = pytest.mark.engine

KEEPER = box("keeper", volumes=[{"volume": "data", "mountPath": "/data"}])


def put(stage: Stage, text: str) -> None:
    stage.run_inside("keeper", "sh", "-c", f"echo {text} > /data/note")


def note(stage: Stage) -> str:
    return stage.run_inside("keeper", "cat", "/data/note").strip()


def test_K17_a_volume_keeps_its_data_over_stop_start_restart_and_replacement(stage: Stage) -> None:
    stage.apply(volume("data"), KEEPER)
    put(stage, "precious")
    stage.cli("stop", "keeper")
    assert stage.containers() == []
    stage.cli("start", "keeper")
    assert note(stage) == "precious"
    stage.cli("restart", "keeper")
    assert note(stage) == "precious"
    stage.apply(volume("data"), {**KEEPER, "spec": {**KEEPER["spec"], "env": {"A": "1"}}})
    assert note(stage) == "precious"


def test_K4_K22_delete_keeps_the_data_and_says_so_and_only_volumes_takes_it(stage: Stage) -> None:
    stage.apply(volume("data"), KEEPER)
    put(stage, "precious")

    told = stage.delete(volume("data"), KEEPER)
    assert stage.containers() == []
    assert stage.volumes() == [f"{stage.namespace}-data"]
    assert "--volumes" in told.err

    stage.apply(volume("data"), KEEPER)
    assert note(stage) == "precious"
    stage.delete(volume("data"), KEEPER, "--volumes")
    assert stage.volumes() == []


def test_K22_prune_keeps_data_too(stage: Stage) -> None:
    stage.apply(volume("data"), KEEPER, server("web"))
    put(stage, "precious")
    told = stage.apply(server("web"), "--prune")
    assert told.results == {"keeper": "pruned", "volume/data": "pruned", "web": "unchanged"}
    assert stage.containers() == [stage.name("web")]
    assert stage.volumes() == [f"{stage.namespace}-data"]


def test_K17_K22_the_data_survives_each_change_of_who_uses_it(stage: Stage) -> None:
    """Image, environment, place of the mount, and at last the name."""
    data = volume("data")
    stage.apply(data, KEEPER)
    put(stage, "precious")
    ids = {stage.id("keeper")}
    for after in (
        changed(KEEPER, container={**KEEPER["spec"]["container"], "image": f"{IMAGE}:2"}),
        changed(KEEPER, env={"A": "1"}),
        changed(KEEPER, volumes=[{"volume": "data", "mountPath": "/elsewhere"}]),
        KEEPER,
    ):
        stage.apply(data, after)
        ids.add(stage.id("keeper"))
        place = after["spec"]["volumes"][0]["mountPath"]
        assert stage.run_inside("keeper", "cat", f"{place}/note").strip() == "precious"
    assert len(ids) == 5, "each time it was another container"

    told = stage.apply(data, {**KEEPER, "metadata": {"name": "heir"}}, "--prune")
    assert told.results == {"heir": "created", "keeper": "pruned", "volume/data": "unchanged"}
    assert stage.run_inside("heir", "cat", "/data/note").strip() == "precious"


def test_K17_a_native_process_has_volumes_as_well(stage: Stage) -> None:
    writer = shell("writer", "date > $0/today; exec sleep 100000", volumes=[{"volume": "scratch"}])
    writer["spec"]["process"]["command"].append("${volumes.scratch}")
    stage.apply(volume("scratch"), writer)
    eventually(lambda: stage.process("writer"), "it runs")
    found = eventually(lambda: list(stage.home.rglob("today")), "it has written")
    before = found[0].read_text()
    stage.delete(volume("scratch"), writer)
    assert found[0].read_text() == before
    stage.delete("volumes", "--all", "--volumes")
    assert not found[0].exists()


def test_a_volume_declared_differently_is_not_made_anew(stage: Stage) -> None:
    stage.apply(volume("data"), KEEPER)
    put(stage, "precious")
    tmpfs = volume("data", options={"type": "tmpfs", "device": "tmpfs"})
    told = stage.apply(tmpfs, KEEPER, expect=1)
    assert told.waits[0][:2] == ("volume/data", "VolumeDiffers")
    assert "--volumes" in told.waits[0][2]
    assert note(stage) == "precious"


def test_K4_stopping_what_is_stopped_and_deleting_what_is_gone_is_fine(stage: Stage) -> None:
    stage.apply(native("worker"))
    stage.cli("stop", "worker")
    assert stage.processes() == []
    stage.cli("stop", "worker")
    stage.delete(native("worker"))
    stage.delete(native("worker"))
    stage.delete("service", "worker", "--ignore-not-found")
    told = stage.delete("service", "worker", expect=1)
    assert 'service "worker" not found' in told.err


def test_K4_a_stop_asks_first_and_kills_after_the_grace(stage: Stage) -> None:
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    spec = [
        shell("deaf", deaf, stop={"graceSeconds": 1}),
        box("mute", "sh", "-c", deaf, container={"init": False}, stop={"graceSeconds": 1}),
        shell("polite", "trap 'echo goodbye; exit 0' INT; while :; do sleep 0.1; done", stop={"signal": "INT"}),
    ]
    stage.apply(*spec)
    tree = stage.processes()
    began = time.monotonic()
    stage.delete(*spec)
    assert 1 <= time.monotonic() - began < 10, "its own grace, not the default one"
    assert not any(process.alive for process in tree)
    assert stage.containers() == []
    assert "goodbye" in (stage.home / "logs" / f"{stage.namespace}.polite.0.log").read_text()


def test_delete_takes_ours_and_nothing_else(stage: Stage) -> None:
    other = stage.other_home("other", f"{stage.namespace}-two")
    other.apply(server("web"), native("worker"))
    before = other.life(other.name("web")), other.process("worker")
    stage.apply(server("web"), native("worker"))
    stage.cli("delete", "all", "--all", "--volumes")
    assert (other.life(other.name("web")), other.process("worker")) == before
    other.delete("services", "--all")
