"""What compose (or anybody) has started is taken over as it is: by a person's word, and without a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.compose import Project
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import SERVE, box, changed, config, secret, server, volume
from tests.scenarios.stage import Document, Stage, eventually, get

pytestmark = pytest.mark.engine


@pytest.fixture
def project(stage: Stage) -> Iterator[Project]:
    it = Project(stage)
    it.network()
    try:
        yield it
    finally:
        stage.cli("daemon", "stop", expect=None)
        it.down()


def web_and_db(project: Project, port: int) -> tuple[list[Document], dict[str, str]]:
    """A web server in two variables and a port, and a database with its volume; as specs, and as what runs."""
    data = project.volume("data")
    ids = {
        "db": project.up("db", Env=["MODE=fast"], host={"Mounts": [_volume_mount(data)]}),
        "web": project.up("web", *SERVE, Env=["LOG=info"], ExposedPorts={"80/tcp": {}}, host={
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": str(port)}]},
            **({} if project.is_podman else {"Memory": 64 << 20, "MemorySwap": 64 << 20}),
        }),
    }  # fmt: skip
    specs = [
        {**volume("data"), "spec": {"external": True, "name": data}},
        box("db", env={"MODE": "fast"}, volumes=[{"volume": "data", "mountPath": "/data"}]),
        server(
            "web", env={"LOG": "info"}, dependsOn=["db"], resources={} if project.is_podman else {"memory": "96Mi"},
            ports=[{"name": "http", "port": 80, "hostPort": port, "bind": "0.0.0.0"}],
        ),
    ]  # fmt: skip
    return specs, ids


def _volume_mount(name: str, target: str = "/data") -> dict[str, Any]:
    return {"Type": "volume", "Source": name, "Target": target, "VolumeOptions": {}}


def lives(stage: Stage, ids: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Id and start of each: a restart would show."""
    seen = {name: stage.engine.inspect(identity) for name, identity in ids.items()}
    return {name: (one["Id"], one["State"]["StartedAt"]) for name, one in seen.items()}


def record(stage: Stage) -> Path:
    return next((stage.home / "adopted").glob("*.json"))


def test_a_running_compose_project_is_taken_over_without_a_restart(
    stage: Stage, project: Project, free_port: Any
) -> None:
    port = free_port()
    specs, ids = web_and_db(project, port)
    before = lives(stage, ids)

    told = stage.apply(*specs, "--dry-run", "--adopt")
    assert not [action for action in told.actions if action.split()[0] not in ("Create", "Adjust")]
    assert [action for action in told.actions if "Create" in action] == ["Create network/default"]
    assert not (stage.home / "adopted").exists()

    told = stage.apply(*specs, "--adopt")
    assert told.results["web"] == told.results["db"] == "adopted"
    assert f"network {stage.namespace}_default is not ours" in told.err
    assert lives(stage, ids) == before, "nobody was restarted"
    assert stage.containers() == [stage.name("db"), stage.name("web")]
    web = stage.container("web")
    assert list(web["NetworkSettings"]["Networks"]) == [f"{stage.namespace}-default"]
    assert web["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert web["HostConfig"]["Memory"] == (0 if project.is_podman else 96 << 20)
    assert get(f"http://127.0.0.1:{port}/")
    assert "one" in stage.run_inside("web", "wget", "-q", "-O-", "http://web/"), "it is found by its name"

    again = stage.apply(*specs)
    assert (again.actions, set(again.results.values())) == ([], {"unchanged"})
    assert "was adopted" in stage.cli("describe", "service/web").out
    assert "2 containers that others made are ours" in stage.cli("doctor", expect=None).out
    assert "Adopted" in {event["reason"] for event in stage.events()}

    stage.signal(ids["web"], "kill")
    assert stage.apply(*specs).actions == ["Start web/0"]
    assert stage.id("web") == ids["web"]
    assert stage.apply(*specs).actions == []

    stage.apply(*specs[:2], changed(specs[2], env={"LOG": "debug"}))
    assert stage.id("web") != ids["web"], "a new spec has it made anew, as any of ours"
    assert list(json.loads(record(stage).read_text())["containers"]) == [ids["db"]]
    stage.delete(*specs[1:])
    assert stage.containers() == []
    assert stage.engine.get(f"/volumes/{project.volumes[0]}"), "its data is compose's, and stays"


COMPOSE = """
services:
  web:
    image: reconciler-test
    command: [httpd, -f, -p, "80", -h, /www]
    init: true
    restart: unless-stopped
    environment: {LOG: info}
    ports: ["%d:80"]
    depends_on: [db]
  db:
    image: reconciler-test
    command: sleep 100000
    init: true
    restart: unless-stopped
    volumes: ["data:/data"]
volumes:
  data: {}
"""


def test_the_compose_file_itself_takes_over_what_it_has_brought_up(
    stage: Stage, project: Project, free_port: Any
) -> None:
    """Its volumes too, which can't be renamed; and it stays so when the file is applied without --adopt."""
    port, data = free_port(), project.volume("data")
    file = stage.directory / "docker-compose.yml"
    file.write_text(COMPOSE % port)
    published = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": str(port)}]}}
    web = project.up("web", *SERVE, Env=["LOG=info"], ExposedPorts={"80/tcp": {}}, host=published)
    db = project.up("db", host={"Mounts": [_volume_mount(data)]})
    before = lives(stage, {"web": web, "db": db})

    noted = stage.cli("apply", "-f", str(file), "--dry-run", expect=None).err
    assert noted.count("goes on beside what is made now; to take it over as it runs instead: --adopt") == 2
    told = stage.apply(file, "--adopt")
    assert "goes on beside" not in told.err
    assert told.results == {"web": "adopted", "db": "adopted", "volume/data": "adopted"}
    for more in ([], ["--adopt"]):
        again = stage.apply(file, *more)
        assert (again.actions, set(again.results.values())) == ([], {"unchanged"})
    assert lives(stage, {"web": web, "db": db}) == before
    assert stage.volumes() == [], "none of our own was made"
    assert stage.diff().actions == []

    file.write_text(file.read_text().replace("sleep 100000", "sleep 99999"))
    stage.apply(file)
    assert stage.id("db") != db
    assert stage.container("db")["Mounts"][0]["Name"] == data, "the new one has the old one's data"


def test_after_an_apply_without_it_adopting_goes_on_or_says_what_has_to_go_first(
    stage: Stage, project: Project, free_port: Any
) -> None:
    """What was stuck because compose's has the port is taken over with its data; what was made beside it is not."""
    port, data = free_port(), project.volume("data")
    file = stage.directory / "docker-compose.yml"
    web, db = COMPOSE.split("  db:\n")
    web = web.replace("%d:80", f"{port}:80").replace("depends_on: [db]", "volumes: [data:/data]")
    file.write_text(f"{web}  db:\n{db}".replace('    volumes: ["data:/data"]\n', ""))
    published = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": str(port)}]}, "Mounts": [_volume_mount(data)]}
    ids = {
        "web": project.up("web", *SERVE, Env=["LOG=info"], ExposedPorts={"80/tcp": {}}, host=published),
        "db": project.up("db"),
    }
    before = lives(stage, ids)

    told = stage.cli("apply", "-f", str(file), expect=1)
    assert "is what compose has started for service/web; to take it over as it runs: the same apply" in told.err
    told = stage.apply(file, "--adopt")
    assert (told.results["web"], told.results["db"]) == ("adopted", "unchanged")
    assert stage.container("web")["Mounts"][0]["Name"] == data, "with the data that it has"
    (command,) = re.findall("in place of the one that is ours: reconciler (.*); then", told.err)
    assert command == f"delete service/db -n {stage.namespace}"
    stage.cli(*command.split())
    assert stage.apply(file, "--adopt").results["db"] == "adopted"
    assert lives(stage, ids) == before, "nobody was restarted"
    assert stage.apply(file).actions == []


def test_what_differs_is_told_field_by_field_and_nothing_is_touched(stage: Stage, project: Project) -> None:
    secret_file = {"Binds": ["/etc/hostname:/etc/other:ro"]}
    alike, other = project.up("alike"), project.up("other", Env=["LOG=info"], User="1000", host=secret_file)
    before = [stage.life(alike), stage.life(other)]
    specs = [box("alike"), box("other", env={"LOG": "debug", "NEW": "1"})]

    told = stage.apply(*specs, "--adopt", expect=1)
    for difference in ("env LOG differs", "env NEW is missing", "user", "/etc/other"):
        assert difference in told.err
    assert "--adopt-replace" in told.err
    assert "info" not in told.err, "values of variables are nobody's business"
    assert [stage.life(alike), stage.life(other)] == before
    assert "alike" not in stage.cli("get", "services", expect=None).out
    assert stage.apply(*specs, "--dry-run", "--adopt", expect=1).err == told.err

    told = stage.apply(*specs, "--adopt-replace")
    assert set(told.results.values()) == {"adopted"}
    assert stage.life(stage.name("alike"))[0] == alike
    assert stage.id("other") != other
    assert stage.environment_of("other")["LOG"] == "debug"
    assert stage.containers() == [stage.name("alike"), stage.name("other")]
    assert stage.apply(*specs).actions == []


def test_what_is_replaced_keeps_its_data_even_where_no_name_was_given_to_it(stage: Stage, project: Project) -> None:
    anonymous = {"Type": "volume", "Target": "/data"}
    project.up("db", host={"Mounts": [anonymous]})
    name = stage.engine.inspect(f"{stage.namespace}-db-1")["Mounts"][0]["Name"]
    project.volumes.append(name)
    told = stage.apply(box("db"), "--adopt", expect=1)
    assert "/data" in told.err
    stage.apply(box("db"), "--adopt-replace")
    assert stage.engine.get(f"/volumes/{name}")


def test_a_container_of_anybody_is_adopted_by_its_name(stage: Stage, free_port: Any) -> None:
    """Its image may have had another name; and it is one of two."""
    ports = [free_port(), free_port()]
    ids = [
        stage.intruder(
            f"{stage.namespace}-old-{name}", *SERVE, Image="reconciler-test:latest", ExposedPorts={"80/tcp": {}},
            HostConfig={"Init": True, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}},
        )
        for name, port in zip(("a", "b"), ports, strict=True)
    ]  # fmt: skip
    before = [stage.engine.inspect(one)["State"]["StartedAt"] for one in ids]
    spec = server("web", replicas=2)
    assert "Create web/0" in stage.apply(spec, "--adopt", "--dry-run").actions, "nothing says that they are meant"
    spec["metadata"]["annotations"] = {"reconciler.dev/adopt": f"{stage.namespace}-old-a, {stage.namespace}-old-b"}

    assert stage.apply(spec, "--adopt").results == {"web": "adopted"}
    assert [stage.id("web", i) for i in (0, 1)] == ids
    assert [stage.container("web", i)["State"]["StartedAt"] for i in (0, 1)] == before
    assert [stage.published("web", i) for i in (0, 1)] == ports, "an automatic port is the one that it has"
    assert stage.apply(spec).actions == []

    missing = box("gone")
    missing["metadata"]["annotations"] = {"reconciler.dev/adopt": "nobody-at-all"}
    assert "no container is called nobody-at-all" in stage.apply(missing, "--adopt", expect=1).err


def test_a_port_that_the_engine_chose_is_no_port_to_keep_but_by_a_new_one(stage: Stage, project: Project) -> None:
    """It chooses anew whenever a container is started, or changes its networks."""
    old = project.up(
        "web", *SERVE, ExposedPorts={"80/tcp": {}},
        host={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
    )  # fmt: skip
    port = int(stage.engine.inspect(old)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"])
    if not project.is_podman:  # which chooses once, and then tells of it as if it had been asked for
        assert "port 80/tcp is left to the engine" in stage.apply(server("web"), "--adopt", expect=1).err
    stage.apply(server("web"), "--adopt-replace")
    assert stage.published("web") == port


def test_files_are_compared_by_what_is_in_them(stage: Stage, project: Project) -> None:
    script = "echo hello > /etc/app.ini; exec sleep 100000"
    app = project.up("app", "sh", "-c", script)
    spec = box("app", "sh", "-c", script, volumes=[{"config": "app", "mountPath": "/etc"}])
    other = config("app", **{"app.ini": "goodbye\n"})
    assert "file /etc/app.ini is not as declared" in stage.apply(other, spec, "--adopt", expect=1).err
    told = stage.apply(config("app", **{"app.ini": "hello\n"}), spec, "--adopt")
    assert told.results["app"] == "adopted"
    assert stage.id("app") == app


def test_without_its_record_it_is_foreign_again_and_stays_as_it_is(stage: Stage, project: Project) -> None:
    identity = project.up("web")
    stage.apply(box("web"), "--adopt")
    before, kept = stage.life(identity), "".join(p.read_text() for p in (stage.home / "adopted").glob("*"))

    record(stage).write_text("{")
    told = stage.apply(box("web"), expect=1)
    assert "is damaged" in told.err
    assert "is damaged" in stage.cli("doctor", expect=1).out
    record(stage).unlink()
    assert stage.apply(box("web"), "--timeout", "1", expect=1).waits[0][1] == "NameConflict"
    assert stage.life(identity) == before

    theirs = stage.other_home("theirs")
    theirs.apply(secret("any", key="value"))
    (theirs.home / "adopted").mkdir()
    (theirs.home / "adopted" / f"{_file_name(stage)}").write_text(kept)
    assert theirs.apply(box("web"), "--timeout", "1", expect=1).waits[0][1] == "NameConflict", "it says whose it is"
    theirs.delete("services", "--all")
    stage.delete("services", "--all")
    assert stage.life(identity) == before

    told = stage.apply(box("web"), "--adopt")
    assert told.results["web"] == "adopted", "compose's labels still say who it is"
    assert stage.life(identity) == before


def _file_name(stage: Stage) -> str:
    return "unix" + stage.engine.address.removeprefix("unix://").replace("/", "-").replace("_", "-") + ".json"


def test_a_crash_after_the_record_leaves_nothing_that_the_next_apply_does_not_finish(
    stage: Stage, project: Project
) -> None:
    identity = project.up("web")
    before = lives(stage, {"web": identity})
    for point in ("docker.container.adopted", "docker.adjust.before"):
        dead = {"RECONCILER_FAILPOINTS": f"{point}=1*kill"}
        stage.apply(box("web"), "--adopt", env=dead, expect=None)
        assert lives(stage, {"web": identity}) == before
    assert stage.apply(box("web"), "--adopt").code == 0
    assert lives(stage, {"web": identity}) == before
    assert stage.containers() == [stage.name("web")]


def test_the_daemon_heals_what_was_adopted(stage: Stage, project: Project) -> None:
    Daemon(stage).start()
    identity = project.up("web")
    stage.apply(box("web"), "--adopt")
    assert stage.id("web") == identity, Daemon(stage).log + str(stage.events())
    stage.signal(identity, "kill")
    eventually(lambda: stage.container("web")["State"]["Running"], "the daemon has started it again")
    assert stage.id("web") == identity
    stage.signal(identity, "rename", f"?name={stage.namespace}-elsewhere")
    eventually(lambda: stage.id("web") == identity, "it has its name back")
