"""What people and the machine do to containers while a daemon looks after them: each is put right by the gentlest verb,
once; what is foreign stays as it is; data outlives all of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker.registry import Registry, serving
from tests.faults.oracle import Oracle
from tests.podman_lacks import CHANGE_IN_PLACE, skip_on_podman, tells_its_logs_limit, tells_who_lacked_memory
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import box, changed, document, native, network, shell, volume
from tests.scenarios.stage import IMAGE, Document, Stage, eventually

pytestmark = pytest.mark.engine

RESYNC = ("--resync", "1s")
CANARY = "it must not be lost"
IN_PLACE = {"maxSurge": 0, "maxUnavailable": 1}
Meddle = Callable[[Stage, str], None]


@pytest.fixture
def oracle(stage: Stage) -> Iterator[Oracle]:
    stage.intruder(f"{stage.namespace}-bystander")
    it = Oracle(Daemon(stage))
    yield it
    it.daemon.kill()


def condition(stage: Stage, name: str, kind: str = "Ready") -> dict[str, str]:
    return next(c for c in stage.status_of(name)["conditions"] if c["type"] == kind)


def waits_for(stage: Stage, name: str, reason: str) -> str:
    """Once it does: in which words."""
    eventually(lambda: condition(stage, name)["reason"] == reason, f"{name} tells of {reason}")
    return condition(stage, name)["message"]


def runs(stage: Stage, name: str) -> bool:
    return bool(stage.container(name)["State"]["Running"])


def come_up(stage: Stage, *names: str) -> None:
    for name in names:
        eventually(lambda name=name: runs(stage, name), f"{name} runs")


# -- drift


def stopped(stage: Stage, name: str) -> None:
    stage.signal(stage.name(name), "stop", "?t=1")


def killed(stage: Stage, name: str) -> None:
    stage.signal(stage.name(name), "kill")


def paused(stage: Stage, name: str) -> None:
    stage.signal(stage.name(name), "pause")


def renamed(stage: Stage, name: str) -> None:
    stage.signal(stage.name(name), "rename", f"?name={stage.namespace}-{name}-away")


def paused_and_renamed(stage: Stage, name: str) -> None:
    paused(stage, name)
    renamed(stage, name)


def removed(stage: Stage, name: str) -> None:
    stage.engine.remove(stage.name(name))


def given_more_memory(stage: Stage, name: str) -> None:
    updated(stage, name, Memory=128 << 20, MemorySwap=128 << 20)


def given_processors(stage: Stage, name: str) -> None:
    updated(stage, name, NanoCpus=10**9)


def given_processes(stage: Stage, name: str) -> None:
    updated(stage, name, PidsLimit=9)


def restarted_by_the_engine(stage: Stage, name: str) -> None:
    updated(stage, name, RestartPolicy={"Name": "always"})


def updated(stage: Stage, name: str, **settings: object) -> None:
    stage.engine.post(f"/containers/{stage.name(name)}/update", settings)


def taken_off_a_network(stage: Stage, name: str) -> None:
    stage.engine.post(f"/networks/{stage.namespace}-back/disconnect", {"Container": stage.name(name)})


def put_on_a_network(stage: Stage, name: str) -> None:
    stage.engine.post(f"/networks/{stage.namespace}-other/connect", {"Container": stage.name(name)})


def made_by_hand(stage: Stage, name: str, *more: str, start: bool = True) -> None:
    """With our labels and our fingerprint."""
    made = stage.container(name)
    stage.engine.remove(made["Id"])
    first, second = (f"{stage.namespace}-{net}" for net in ("default", "back"))
    config = {**made["Config"], "Env": [*made["Config"]["Env"], *more], "Hostname": ""}
    host = {**made["HostConfig"], "NetworkMode": first, "CpuPeriod": 0, "CpuQuota": 0}
    joined = {"EndpointsConfig": {first: {"Aliases": [name]}}}
    body = {**config, "HostConfig": host, "NetworkingConfig": joined}
    stage.engine.post(f"/containers/create?name={stage.name(name)}", body)
    body = {"Container": stage.name(name), "EndpointConfig": {"Aliases": [name]}}
    stage.engine.post(f"/networks/{second}/connect", body)
    if start:
        stage.signal(stage.name(name), "start")


def made_with_another_variable(stage: Stage, name: str) -> None:
    made_by_hand(stage, name, "EXTRA=1")


def left_in_created(stage: Stage, name: str) -> None:
    """As a crash between making and starting leaves it."""
    made_by_hand(stage, name, start=False)


REPLACED = ("Stop", "Remove", "Create")
DRIFT: list[tuple[Meddle, tuple[str, ...]]] = [
    (stopped, ("Start",)),
    (killed, ("Start",)),
    (paused, ("Adjust",)),
    (renamed, ("Adjust",)),
    (paused_and_renamed, ("Adjust",)),
    (removed, ("Create",)),
    (given_more_memory, ("Adjust",)),
    (given_processors, ("Adjust",)),
    (given_processes, ("Adjust",)),
    (restarted_by_the_engine, ("Adjust",)),
    (taken_off_a_network, ("Adjust",)),
    (put_on_a_network, ("Adjust",)),
    (made_with_another_variable, REPLACED),
    (left_in_created, ("Start",)),
]


def drifting(name: str, mounted: str = "/data") -> Document:
    limits = {"memory": "64Mi", "cpus": 0.5, "pids": 64}
    return box(name, container={"networks": ["default", "back"]}, resources=limits, update=IN_PLACE,
               volumes=[{"volume": name, "mountPath": mounted}])  # fmt: skip


def settled_config(stage: Stage, name: str) -> tuple[object, ...]:
    """All that somebody may have changed, as the engine tells it now."""
    seen = stage.container(name)
    host, state = seen["HostConfig"], seen["State"]
    limits = [host[field] for field in ("Memory", "NanoCpus", "PidsLimit", "RestartPolicy", "Binds", "Mounts")]
    config = sorted(seen["Config"]["Env"]), seen["Config"]["Labels"], seen["Config"]["Image"]
    return seen["Name"], state["Running"], state["Paused"], limits, sorted(seen["NetworkSettings"]["Networks"]), config


def test_F20_F23_F29_what_is_done_by_hand_is_undone_once_and_no_data_is_lost(stage: Stage, oracle: Oracle) -> None:
    skip_on_podman(stage.engine, CHANGE_IN_PLACE)
    names = [meddle.__name__.replace("_", "-") for meddle, _ in DRIFT]
    boxes = [drifting(name) for name in names]
    stage.apply(network("back"), network("other"), *map(volume, names), *boxes, box("calm"))
    for name in names:
        stage.run_inside(name, "sh", "-c", f"echo {CANARY} > /data/canary")
    before = {name: settled_config(stage, name) for name in names}
    calm = stage.life(stage.name("calm"))
    daemon = oracle.start(*RESYNC)
    oracle.begin()
    oracle.daemon.halt_at_rest(daemon)  # some of it takes two steps, between which it would step in
    for (meddle, _), name in zip(DRIFT, names, strict=True):
        meddle(stage, name)
    os.kill(daemon, signal.SIGCONT)
    for name in names:
        eventually(lambda name=name: settled_config(stage, name) == before[name], f"{name}: as it was")
        assert stage.run_inside(name, "cat", "/data/canary").strip() == CANARY
    oracle.check({f"{verb} {name}/0": 1 for (_, verbs), name in zip(DRIFT, names, strict=True) for verb in verbs})
    assert stage.life(stage.name("calm")) == calm


def test_F29_data_outlives_each_change_of_who_uses_it_though_he_is_made_anew(stage: Stage, oracle: Oracle) -> None:
    keeper = box("keeper", volumes=[{"volume": "data", "mountPath": "/data"}], update=IN_PLACE)
    oracle.start(*RESYNC)
    stage.apply(volume("data"), keeper)
    stage.run_inside("keeper", "sh", "-c", f"echo {CANARY} > /data/canary")
    ids = {stage.id("keeper")}
    for after in (
        changed(keeper, container={**keeper["spec"]["container"], "image": f"{IMAGE}:2"}),
        changed(keeper, env={"A": "1"}),
        changed(keeper, volumes=[{"volume": "data", "mountPath": "/elsewhere"}]),
    ):
        stage.apply(volume("data"), after)
        ids.add(stage.id("keeper"))
        place = after["spec"]["volumes"][0]["mountPath"]
        assert stage.run_inside("keeper", "cat", f"{place}/canary").strip() == CANARY
    assert len(ids) == 4
    stage.apply(volume("data"), box("other"), "--prune")
    assert stage.containers() == [f"{stage.namespace}-bystander", stage.name("other")]
    assert stage.volumes() == [f"{stage.namespace}-data"], "nobody takes data along"
    stage.apply(volume("data"), keeper)
    assert stage.run_inside("keeper", "cat", "/data/canary").strip() == CANARY


# -- what is foreign


def test_F21_F22_who_has_our_name_or_wears_our_labels_is_named_and_left_alone(stage: Stage, oracle: Oracle) -> None:
    stage.apply(box("web"), box("other"))
    labels = stage.container("web")["Config"]["Labels"]
    copy = stage.intruder(f"{stage.namespace}-copy", Labels=labels)
    oracle.start(*RESYNC)
    oracle.begin()
    killed(stage, "web")
    come_up(stage, "web")
    oracle.check({"Start web/0": 1})

    stage.signal(stage.name("other"), "rename", f"?name={stage.namespace}-moved")
    come_up(stage, "other")
    stage.engine.remove(stage.name("other"))
    squatter = stage.intruder(stage.name("squatted"))
    life = stage.life(squatter)
    told = stage.apply(box("squatted"), box("other"), "--timeout", "5", expect=1)
    assert ("squatted/0", "NameConflict") in [wait[:2] for wait in told.waits]
    come_up(stage, "other")
    assert squatter[:12] in waits_for(stage, "squatted", "NameConflict")
    killed(stage, "other")
    come_up(stage, "other")
    assert stage.life(squatter) == life
    stage.engine.remove(squatter)
    stage.foreign.remove(squatter)
    come_up(stage, "squatted")
    assert stage.engine.inspect(copy)["State"]["Running"]


# -- ports


def test_F24_F25_ports_that_are_taken_or_used_up_hold_up_nobody_else_and_are_taken_once_free(
    stage: Stage, oracle: Oracle, free_port: Callable[[], int]
) -> None:
    oracle.start(*RESYNC)
    fixed, first = free_port(), free_port()
    while any(_taken(first + offset) for offset in range(5)):
        first = free_port()
    few = [box(f"few{n}", ports=[{"name": "p", "port": 80, "hostPort": f"{first}-{first + 4}"}]) for n in range(6)]
    with socket.create_server(("127.0.0.1", fixed)):
        wanting = box("wanting", ports=[{"name": "p", "port": 80, "hostPort": fixed}])
        told = stage.apply(*few, wanting, native("worker"), "--timeout", "20", expect=1)
        waiting = {key[:-2]: (why, message) for key, why, message in told.waits if why.startswith("Port")}
        without = next(iter(waiting.keys() - {"wanting"}))
        assert (len(waiting), waiting[without][0]) == (2, "PortsExhausted")
        assert waiting["wanting"][0] == "PortInUse"
        assert f"pid {os.getpid()}" in waiting["wanting"][1]
        lucky = [f"few{n}" for n in range(6) if f"few{n}" != without]
        ports = {name: stage.published(name) for name in lucky}
        assert sorted(ports.values()) == [first + offset for offset in range(5)]
        killed(stage, lucky[0])
        come_up(stage, lucky[0])
        assert stage.published(lucky[0]) == ports[lucky[0]], "the port stays its own"
    come_up(stage, "wanting")
    stage.cli("delete", "service", lucky[1])
    come_up(stage, without)
    assert stage.published(without) == ports[lucky[1]]
    oracle.begin()
    oracle.check({})


def _taken(number: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
        return False
    return True


# -- images


def from_registry(name: str, image: str, **spec: object) -> Document:
    inside = {"image": image, "pullPolicy": "IfNotPresent", "command": ["/sh", "-c", "read x"], "tty": True}
    return document("Service", name, container=inside, stop={"graceSeconds": 0}, **spec)


def test_F26_while_an_image_is_slow_or_missing_others_are_healed_and_the_old_one_goes_on(
    stage: Stage, oracle: Oracle
) -> None:
    oracle.start(*RESYNC)
    release = threading.Event()
    with serving() as registry:
        slow, broken, gone = (registry.image(name) for name in ("slow", "broken", "missing"))
        try:
            _slow_and_missing(stage, registry, release, slow, broken, gone)
            oracle.begin()
            oracle.check({})
        finally:
            release.set()
            stage.cli("delete", "all", "--all", expect=None)
            for image in (slow, broken):
                with contextlib.suppress(Exception):
                    stage.engine.delete(f"/images/{image}?force=1")


def _slow_and_missing(
    stage: Stage, registry: Registry, release: threading.Event, slow: str, broken: str, gone: str
) -> None:
    stage.apply(box("web", update=IN_PLACE), box("other"), native("worker"))
    before = stage.life(stage.name("web"))
    asked = threading.Event()

    def hold(path: str) -> None:
        if "/slow/" in path:
            asked.set()
            release.wait(60)

    registry.hold = hold
    stage.write(from_registry("web", slow, update=IN_PLACE), box("other"), native("worker"))
    waiting = stage.start_cli("apply", "-f", "spec.yaml")
    assert asked.wait(20), "it is being pulled"
    worker = stage.process("worker")
    worker.signal(signal.SIGKILL)
    killed(stage, "other")
    come_up(stage, "other")
    eventually(lambda: stage.process("worker").pid != worker.pid, "the native one runs again")
    assert stage.life(stage.name("web")) == before, "it is pulled before anybody stops"
    release.set()
    assert waiting.wait(60) == 0, waiting.communicate()
    waiting.communicate()
    assert (stage.container("web")["Config"]["Image"], runs(stage, "web")) == (slow, True)

    registry.failure = 500
    told = stage.apply(from_registry("late", broken), from_registry("never", gone), "--timeout", "5", expect=1)
    assert "ImageUnavailable" in told.err
    waits_for(stage, "never", "ImageUnavailable")
    registry.failure = 0
    come_up(stage, "late")
    waits_for(stage, "never", "ImageUnavailable")
    stage.cli("delete", "service", "never")


# -- memory, and logs


def test_F27_who_is_killed_for_want_of_memory_is_told_so_and_tried_ever_more_seldom(
    stage: Stage, oracle: Oracle
) -> None:
    eats = "sleep 0.3; x=$$(head -c 200000000 /dev/zero | tr '\\0' x); sleep 100000"
    greedy = {"resources": {"memory": "16Mi"}, "restart": {"initialSeconds": 0.2}}
    oracle.start(*RESYNC)
    stage.apply(box("fat", "sh", "-c", eats, **greedy), shell("hog", eats, **greedy), box("other"), expect=None)
    for name in ("fat", "hog"):
        message = waits_for(stage, name, "CrashLoop")
        told = tells_who_lacked_memory(stage.engine) or name == "hog"
        lacking = "OOM killed|out of memory" if told else "exited with code 137"
        assert re.search(lacking, message), message
        assert re.search(lacking, stage.cli("why", name, expect=None).out)
    assert runs(stage, "other")


def test_F30_a_service_that_writes_without_end_is_never_held_up_and_its_log_stays_small(
    stage: Stage, oracle: Oracle, tmp_path: Path
) -> None:
    oracle.start(*RESYNC)
    done = tmp_path / "done"
    writes = f"head -c 50000000 /dev/zero | tr '\\0' x | fold -w 100; echo the end; touch {done}; exec sleep 100000"
    stage.apply(shell("loud", writes), box("also", "sh", "-c", "yes | head -c 50000000; exec sleep 100000"))
    eventually(done.exists, "all was written")
    life = stage.process("loud")
    folder = stage.home / "processes" / f"{stage.namespace}.loud.0"
    eventually(lambda: sum(file.stat().st_size for file in folder.glob("log*")) < 45_000_000, "its log is kept small")
    told = stage.cli("logs", "loud", "--tail", "1").out
    assert re.search(r"the end\s*$", told), told[-200:]
    oracle.begin()
    oracle.check({})
    assert stage.process("loud") == life
    also = stage.container("also")
    if tells_its_logs_limit(stage.engine):
        assert also["HostConfig"]["LogConfig"]["Config"].get("max-size")
    else:
        assert Path(also["LogPath"]).stat().st_size < 15_000_000
