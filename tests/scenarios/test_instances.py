"""Several instances of one thing, as people from other tools know it: listed, started, stopped, each as itself."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docker.registry import serving
from tests.scenarios.documents import box, document, native, native_server, server, volume
from tests.scenarios.stage import IMAGE, Stage, eventually, get

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
Ports = Callable[[], int]


def listed(stage: Stage, *arguments: str) -> dict[str, Any]:
    return {item["instance"]: item for item in stage.cli("instances", "list", "-o", "json", *arguments).json["items"]}


def states(stage: Stage) -> dict[str, str]:
    return {name: item["status"] for name, item in listed(stage).items()}


def test_K9_K10_K15_K17_instances_of_the_example_are_each_themselves(
    stage: Stage, tmp_path: Path, free_port: Ports
) -> None:
    """KECS a, b, c, d, f, g: found again, started as themselves, with their environment and labels, by their whole
    names, by their inner ports, and left alone where they run.
    """
    spec = tmp_path / "instances.yaml"
    text = (ROOT / "specs" / "instances.yaml").read_text()
    spec.write_text(text.replace("8380", str(free_port())))  # the example's own number is wanted by other tests too
    stage.apply(spec)
    assert states(stage) == {"server": "running", "server-2": "stopped"}
    assert "note: service/server-2 has autoStart: false" in stage.cli("instances", "start-all").err
    assert states(stage) == {"server": "running", "server-2": "stopped"}

    stage.cli("start", "server-2")
    ports = {name: item["ports"]["http"] for name, item in listed(stage).items()}
    assert len(set(ports.values())) == 2
    for name, mode in (("server", "main"), ("server-2", "trial")):
        assert get(f"http://127.0.0.1:{ports[name]}") == f"{mode}\n", "its environment, its data, its port"
        config = stage.container(name)["Config"]
        assert (config["Labels"]["com.example.instance"], list(config["ExposedPorts"])) == (mode, ["80/tcp"])

    lives = {name: stage.life(stage.name(name)) for name in ports}
    assert stage.cli("start", "server").out == "service/server unchanged\n"
    assert stage.cli("instances", "start-all").out == "service/server unchanged\nservice/server-2 unchanged\n"
    stage.apply(spec)
    stage.cli("stop", "server")
    assert states(stage) == {"server": "stopped", "server-2": "running"}
    assert stage.life(stage.name("server-2")) == lives["server-2"]

    stage.run_inside("server-2", "sh", "-c", "echo kept > /data/kept.html")
    assert stage.cli("instances", "stop-all").out == "service/server unchanged\nservice/server-2 stopped\n"
    assert stage.containers() == []
    stage.cli("start", "--all")
    assert states(stage) == {"server": "running", "server-2": "stopped"}, "it waits for its name again"
    stage.cli("start", "server-2")
    assert {name: item["ports"]["http"] for name, item in listed(stage).items()} == ports
    assert get(f"http://127.0.0.1:{ports['server-2']}/kept.html") == "kept\n"


def test_K7_K14_what_runs_undeclared_is_listed_and_what_is_not_ours_is_not(stage: Stage) -> None:
    """The labels alone tell: one table of them is written and read, and whose they are is asked too."""
    other = stage.other_home("other", f"{stage.namespace}-o")
    other.apply(box("theirs"))
    stage.intruder(f"{stage.namespace}-foreign-0", "sleep", "1000")
    stage.apply(box("lost"), native("gone"), server("web"))
    for name in ("lost", "gone"):
        (stage.home / "applied" / stage.namespace / f"service-{name}.yaml").unlink()

    found = {name: (item["status"], item["declared"], item["runtime"]) for name, item in listed(stage, "-A").items()}
    assert found == {
        "lost": ("running", False, "docker"), "gone": ("running", False, "process"), "web": ("running", True, "docker"),
    }  # fmt: skip
    table = stage.cli("instances", "list").out
    assert re.search(rf"^lost +{stage.namespace} +running +no +docker +- +{IMAGE}", table, re.MULTILINE)

    stage.signal(stage.name("web"), "kill")
    eventually(lambda: states(stage)["web"] == "exited", "it is told as exited")
    stage.cli("instances", "stop-all", "--undeclared")
    assert states(stage) == {"web": "stopped"}
    assert stage.containers() == [f"{stage.namespace}-foreign-0", *other.containers()]


def test_K8_L10_start_all_goes_on_after_one_that_fails_and_each_has_a_state_and_a_count(stage: Stage) -> None:
    broken = box("broken", container={"image": "no-such-image:1", "pullPolicy": "Never"})
    stage.apply(broken, native("fine"), server("well"), expect=1)
    stage.cli("stop", "--all")
    told = stage.cli("instances", "start-all", expect=1)
    assert states(stage) == {"broken": "missing", "fine": "running", "well": "running"}
    assert told.err.splitlines()[-1] == f"error: some instances failed: service/{stage.namespace}/broken"
    assert "no-such-image:1" in told.err

    stage.signal(stage.name("well"), "kill")
    eventually(lambda: states(stage)["well"] == "exited", "its death is seen, not remembered otherwise")
    stage.cli("start", "well")
    assert {name: (item["status"], item["restarts"]) for name, item in listed(stage).items()} == {
        "broken": ("missing", 0), "fine": ("running", 0), "well": ("running", 1),
    }  # fmt: skip


def test_K12_KECS_e_a_port_that_is_taken_after_the_look_is_reassigned(stage: Stage, free_port: Ports) -> None:
    """KECS e: a check before is no promise. The engine refuses, and the next pass goes elsewhere."""
    port = free_port()
    stage.write(server("web", ports=[{"port": 80, "hostPort": port, "onConflict": "reassign"}]))
    held = {"RECONCILER_FAILPOINTS": "docker.create.before=1*off->1*sleep(2500)"}  # the network, then the container
    applying = subprocess.Popen(
        stage.argv("apply", "-f", "spec.yaml"), env={**stage.environment, **held}, cwd=stage.directory,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert applying.stderr is not None
    said = next(line for line in applying.stderr if line.startswith("service/web  creating"))
    with socket.create_server(("127.0.0.1", port)):
        rest = said + applying.communicate(timeout=60)[1]
        assert applying.returncode == 0, rest
        assert port < stage.published("web") <= port + 100
    assert f"{port}" in rest, "it is said why it moved"


def test_K24_each_step_of_a_start_is_told_where_there_is_no_terminal(stage: Stage) -> None:
    with serving() as registry:
        image = registry.image("app")
        container = {"image": image, "command": ["/sh", "-c", "read x"], "tty": True}
        spec = document("Service", "web", container=container, stop={"graceSeconds": 0})
        try:
            told = [line.rstrip("…") for line in stage.apply(spec).err.splitlines()]
            steps = [f"image {image}  pulling", f"image {image}  pulled", "service/web  creating: it does not exist"]
            assert [line for line in told if line in steps] == steps, told
            assert told[-1] == "service/web  ready"
        finally:
            stage.delete(spec)
            stage.engine.delete(f"/images/{image}?force=1")


def test_K26_after_a_machine_went_down_everything_is_as_it_was_wanted(stage: Stage) -> None:
    """Nothing but what is declared and what lies in the world is needed: the diary is lost as well."""
    stage.apply(volume("data"), server("web"), native_server("api"), native("idle"))
    stage.cli("stop", "idle")
    ports = {name: item["ports"] for name, item in listed(stage).items()}

    stage.engine.post(f"/containers/{stage.name('web')}/kill")
    for process in stage.processes():
        process.signal(signal.SIGKILL)
    for file in stage.home.glob("diary.db*"):
        file.unlink()
    eventually(lambda: states(stage)["web"] == states(stage)["api"] == "exited", "both have ended")

    stage.cli("instances", "start-all")
    assert states(stage) == {"api": "running", "idle": "running", "web": "running"}
    assert {name: item["ports"] for name, item in listed(stage).items() if name != "idle"} == {
        name: ports[name] for name in ("api", "web")
    }
