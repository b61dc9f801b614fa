"""Services find each other by what they are told, and are told the address that works from where they are."""

from __future__ import annotations

import pytest

from tests.scenarios.documents import box, config, native, native_server, network, server
from tests.scenarios.stage import Stage, eventually, get

pytestmark = pytest.mark.engine

FETCH = "wget -qO- $WEB_URL/index.html"


def test_H19_a_process_is_told_where_a_container_is_published(stage: Stage) -> None:
    stage.apply(server("web"), native("caller", dependsOn=["web"]))
    told = stage.process("caller").environment()
    port = stage.published("web")
    assert told["WEB_HOST"] == "127.0.0.1"
    assert told["WEB_PORT"] == str(port)
    assert told["WEB_ADDR"] == f"127.0.0.1:{port}"
    assert told["WEB_URL"] == f"http://127.0.0.1:{port}"
    assert "one" in get(f"{told['WEB_URL']}/index.html")
    stage.apply(server("open", ports=[{"port": 80, "bind": "0.0.0.0"}]))
    assert "one" in get(f"http://127.0.0.1:{stage.published('open')}/index.html")
    assert f" 0.0.0.0:{stage.published('open')}->80" in stage.cli("status").out, "to people it is said that it is open"


def test_H19_a_container_is_told_another_containers_name_and_inner_port(stage: Stage) -> None:
    stage.apply(server("web"), box("caller", dependsOn=["web"]))
    assert stage.environment_of("caller")["WEB_URL"] == "http://web:80"
    assert "one" in stage.run_inside("caller", "sh", "-c", FETCH)


def test_H19_a_container_is_told_how_to_reach_a_process_of_the_host(stage: Stage) -> None:
    serve = ("busybox", "httpd", "-f", "-p", "0.0.0.0:${ports.http}", "-h", "/etc")
    web = native("web", *serve, ports=[{"name": "http", "bind": "0.0.0.0"}])
    stage.apply(web, box("caller", dependsOn=["web"]))
    assert stage.environment_of("caller")["WEB_HOST"] not in {"127.0.0.1", "localhost", "web"}
    assert "root" in eventually(
        lambda: stage.run_inside("caller", "sh", "-c", "wget -qO- $WEB_URL/passwd"), "the host answers"
    )


def test_H19_a_process_is_told_where_a_process_listens(stage: Stage) -> None:
    stage.apply(native_server("web"), native("caller", dependsOn=["web"]))
    told = stage.process("caller").environment()
    assert "root" in get(f"{told['WEB_URL']}/etc/passwd")


def test_H19_references_stand_in_commands_environment_and_configs(stage: Stage) -> None:
    stage.apply(
        server("web"),
        config("app", where="at ${web.addr}"),
        box(
            "caller", "sh", "-c", "echo asked ${web.host}; exec sleep 100000", env={"URL": "${web.url}/index.html"},
            volumes=[{"config": "app", "mountPath": "/etc/app"}], dependsOn=["web"],
        ),
    )  # fmt: skip
    assert stage.environment_of("caller")["URL"] == "http://web:80/index.html"
    assert "asked web" in stage.container_log("caller")
    assert stage.run_inside("caller", "cat", "/etc/app/where").strip() == "at web:80"


def test_H19_several_ports_are_told_by_name(stage: Stage) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]
    stage.apply(server("web", ports=ports), native("caller", dependsOn=["web"], env={"ADMIN": "${web.ports.admin}"}))
    told = stage.process("caller").environment()
    assert told["WEB_HTTP_PORT"] == str(stage.published("web"))
    assert told["WEB_ADMIN_PORT"] == told["ADMIN"] == str(stage.published("web", inside="81/tcp"))


def test_H18_variables_of_the_environment_are_put_in_when_it_is_applied(stage: Stage) -> None:
    spec = native(
        "web", env={"A": "${GREETING}", "B": "${MISSING:-fallback}", "C": "$$HOME", "D": "a ${GREETING} b"},
        replicas=1,
    )  # fmt: skip
    stage.apply(spec, env={"GREETING": "hello"})
    told = stage.process("web").environment()
    assert (told["A"], told["B"], told["C"], told["D"]) == ("hello", "fallback", "$HOME", "a hello b")
    assert stage.apply(spec, env={"GREETING": "bye"}).actions == ["Stop web/0", "Remove web/0", "Create web/0"]


def test_H18_a_missing_variable_is_told_with_its_place_and_nothing_happens(stage: Stage) -> None:
    told = stage.apply(native("web", env={"A": "${NOWHERE:?say where}"}), expect=2)
    assert "NOWHERE" in told.err
    assert "say where" in told.err
    assert "spec.yaml:1:" in told.err
    assert not stage.home.exists()


def test_H19_an_unknown_service_is_refused_with_a_guess(stage: Stage) -> None:
    told = stage.apply(server("web"), native("caller", env={"A": "${wbe.host}"}), expect=2)
    assert "wbe" in told.err
    assert "web" in told.err
    assert not (stage.home / "applied").exists()


def test_K18_a_workload_knows_what_it_is(stage: Stage) -> None:
    stage.apply(box("web", replicas=2), native("worker"))
    for told in (stage.environment_of("web", 1), stage.process("worker").environment()):
        assert told["RECONCILER"] == "1"
        assert told["RECONCILER_NAMESPACE"] == stage.namespace
    assert stage.environment_of("web", 1)["RECONCILER_INDEX"] == "1"
    assert stage.process("worker").environment()["RECONCILER_NAME"] == "worker"


def test_H2_what_is_not_on_a_shared_network_is_not_reached(stage: Stage) -> None:
    stage.apply(
        network("back", internal=True),
        server("db", ports=[], container={"networks": ["back"]}),
        box("inside", container={"networks": ["back"]}),
        box("outside"),
    )
    assert "one" in stage.run_inside("inside", "wget", "-T", "5", "-qO-", "http://db/index.html")
    assert "no way" in stage.run_inside("outside", "sh", "-c", "wget -T 5 -qO- http://db/index.html || echo no way")


def test_H2_everything_that_a_container_can_be_given_arrives(stage: Stage) -> None:
    (stage.directory / "src").mkdir()
    (stage.directory / "src" / "file").write_text("from the host")
    spec = box(
        "full", container={
            "user": "app", "workingDir": "/tmp", "hostname": "inside", "capAdd": ["NET_ADMIN"], "capDrop": ["CHOWN"],
            "shmSize": "32Mi", "extraHosts": ["db:10.0.0.5"], "labels": {"com.example.team": "a"},
        },
        env={"A": "1"}, stop={"signal": "INT", "graceSeconds": 3},
        volumes=[{"hostPath": "./src", "mountPath": "/src", "readOnly": True}],
        resources={"cpus": 0.5, "memory": "64Mi", "pids": 50},
    )  # fmt: skip
    stage.apply(spec)
    seen = stage.container("full")
    config, host = seen["Config"], seen["HostConfig"]
    assert (config["User"], config["WorkingDir"], config["Hostname"]) == ("app", "/tmp", "inside")
    assert config["StopSignal"] in {"SIGINT", "2"}
    assert config["Labels"]["com.example.team"] == "a"
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 64 << 20, 50)
    assert (host["ShmSize"], host["ExtraHosts"], host["CapAdd"]) == (32 << 20, ["db:10.0.0.5"], ["NET_ADMIN"])
    assert "from the host" in stage.run_inside("full", "cat", "/src/file")
    assert "Read-only" in stage.run_inside("full", "sh", "-c", "echo x > /src/file")
    assert stage.apply(spec).actions == []


def test_K21_the_engine_restarts_nothing_unless_it_is_told_to(stage: Stage) -> None:
    stage.apply(box("web"), box("left", restart={"by": "engine"}))
    assert stage.container("web")["HostConfig"]["RestartPolicy"]["Name"] in {"", "no"}
    assert stage.container("left")["HostConfig"]["RestartPolicy"]["Name"] == "always"
