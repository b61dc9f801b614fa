"""What a restricted Source brought is made by a real engine only as its profile has it, whatever was kept of it.

Documents are kept here as a sync keeps them, but nobody has checked them: the gate before the engine is on its own.
"""

from __future__ import annotations

import json
import socket
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.parse import Text, parse
from reconciler.core.policy import marks
from reconciler.sources.applied import Applied
from reconciler.sources.home import Home
from tests.scenarios.documents import Document, box, changed, native, network, volume
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.engine

LIMITS = {"resources": {"memory": "64Mi", "pids": 64}}


@pytest.fixture
def apps(stage: Stage) -> Path:
    """The one directory of which restricted services may mount something."""
    apps = stage.directory / "apps"
    (apps / "web").mkdir(parents=True)
    policy = Path(stage.environment["HOME"], ".config/reconciler/policy.yaml")
    policy.parent.mkdir(parents=True, mode=0o755)
    restricted = {"containers": {"images": {"requireDigest": False}}, "mounts": {"bindRoots": [str(apps)]}}
    policy.write_text(json.dumps({"profiles": {"restricted": restricted}}))
    policy.chmod(0o644)
    return apps


def bring(stage: Stage, *documents: Document) -> None:
    texts = [Text("repo.yaml", json.dumps(one).encode(), "/") for one in documents]
    found = [document.resource for document in parse(texts, environment={}, namespace=stage.namespace)]
    before = {
        resource.key: resource.generation for resource in Applied(Home(str(stage.home))).resources(stage.namespace)
    }
    notes = marks(f"{stage.namespace}/repo", "restricted")
    kept = [replace(r, annotations=notes, generation=before.get(r.key, 0) + 1) for r in found]
    Applied(Home(str(stage.home))).keep(kept)


def mounting(name: str, path: Path | str, **more: object) -> Document:
    return box(name, volumes=[{"hostPath": str(path), "mountPath": "/mnt", "readOnly": True}], **LIMITS, **more)


def process_as(name: str, user: str, *command: str) -> Document:
    document = native(name, *command)
    document["spec"]["process"]["user"] = user
    return document


def denied(stage: Stage) -> dict[str, str]:
    """What was refused, by the name of the resource."""
    told = [event for event in stage.events() if event["reason"] == "Denied"]
    return {event["key"].split("/")[2]: event["message"] for event in told}


def passed(stage: Stage, expect: int | None = None) -> str:
    """A pass over the whole namespace, asked for by somebody else's apply."""
    return str(stage.apply(box("person"), "--timeout", "10", expect=expect))


def test_a_host_path_outside_of_its_roots_never_reaches_the_engine(stage: Stage, apps: Path) -> None:
    (apps / "out").symlink_to("/")
    (apps / "engine").symlink_to("/var/run/docker.sock")
    paths = {
        "root": "/", "etc": "/etc", "socket": "/var/run/docker.sock", "own-root": "/proc/self/root", "home": stage.home,
        "link": apps / "out", "link-to-socket": apps / "engine", "dots": f"{apps}/../user", "all": stage.directory,
    }  # fmt: skip
    bring(stage, *(mounting(name, path) for name, path in paths.items()), mounting("good", apps / "web"))
    passed(stage)
    refused = denied(stage)
    assert stage.containers() == sorted([stage.name("good"), stage.name("person")])
    assert refused.keys() == paths.keys()
    for message in refused.values():
        assert "volumes[0].hostPath" in message
        assert "(profile restricted)" in message


def test_rights_of_the_host_never_reach_the_engine(stage: Stage, apps: Path) -> None:
    wanted: dict[str, dict[str, Any]] = {
        "privileged": {"privileged": True}, "capable": {"capAdd": ["SYS_ADMIN"]}, "device": {"devices": ["/dev/null"]},
        "gateway": {"extraHosts": ["host:host-gateway"]}, "open": {},
    }  # fmt: skip
    documents = [box(name, container=fields, **LIMITS) for name, fields in wanted.items()]
    documents[-1] = changed(documents[-1], ports=[{"port": 80, "bind": "0.0.0.0"}])
    bring(stage, *documents)
    passed(stage)
    assert stage.containers() == [stage.name("person")]
    fields = {name: message.split(": ")[1] for name, message in denied(stage).items()}
    assert fields == {
        "privileged": "container.privileged", "capable": "container.capAdd[0]", "device": "container.devices",
        "gateway": "container.extraHosts", "open": "ports[0].bind",
    }  # fmt: skip


def test_a_link_put_in_the_place_of_a_directory_is_not_followed_and_the_old_one_stays(stage: Stage, apps: Path) -> None:
    bring(stage, mounting("web", apps / "web"))
    passed(stage, expect=0)
    before = stage.life(stage.name("web"))

    (apps / "web").rmdir()
    (apps / "web").symlink_to("/etc")
    bring(stage, mounting("web", apps / "web", env={"NEW": "1"}))
    told = passed(stage)
    assert stage.life(stage.name("web")) == before, told

    (apps / "web").unlink()
    (apps / "web").mkdir()
    stage.cli("restart", "web")
    assert stage.life(stage.name("web")) != before


def test_volumes_and_networks_that_lead_out_are_not_made(stage: Stage, apps: Path) -> None:
    options = {"type": "none", "o": "bind", "device": "/etc"}
    bring(
        stage, volume("etc", options=options), network("host", external=True), network("wide", driver="macvlan"),
        box("reader", volumes=[{"volume": "etc", "mountPath": "/mnt"}], **LIMITS),
        box("neighbour", container={"networks": ["host"]}, **LIMITS),
    )  # fmt: skip
    passed(stage)
    assert stage.volumes() == []
    assert stage.containers() == [stage.name("person")]
    assert denied(stage).keys() == {"etc", "wide", "neighbour"}


@pytest.mark.root
def test_processes_of_root_are_not_started_and_no_loader_is_told_anything(stage: Stage, apps: Path) -> None:
    trace = stage.directory / "trace"
    touch = ("touch", str(trace))
    bring(
        stage, native("root", *touch), process_as("zero", "0", *touch), process_as("overflow", "4294967296", *touch),
        changed(process_as("loader", "svc-web", *touch), env={"LD_PRELOAD": str(stage.directory / "evil.so")}),
    )  # fmt: skip
    passed(stage)
    assert not trace.exists()
    assert denied(stage).keys() == {"root", "zero", "overflow", "loader"}


def test_a_socket_under_another_name_is_not_mounted(stage: Stage, apps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hard link has no other end: what counts is what it is."""
    monkeypatch.chdir(apps)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("innocent")
    assert stat.S_ISSOCK((apps / "innocent").stat().st_mode)
    bring(stage, mounting("web", apps / "innocent"))
    passed(stage)
    assert stage.containers() == [stage.name("person")]
