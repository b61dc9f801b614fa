"""From what was written to what is to be made, to the last detail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.fingerprint import fingerprint, plain_json
from reconciler.core.planner import plan
from reconciler.core.render import KEEP_ALIVE, RESTARTED
from reconciler.kinds.config import ConfigSpec
from reconciler.kinds.network import NetworkSpec
from reconciler.kinds.secret import SecretSpec
from reconciler.kinds.service import Dependency, EnvFrom, Resources, Restart, Stopping, VolumeMount
from reconciler.kinds.volume import VolumeSpec
from reconciler.model.desired import ContainerPayload, Sealed, places
from reconciler.model.plan import Reason
from reconciler.model.resource import Resource
from tests.core.build import NOW, container, graph, http, key, process, rendered, resource, settled

CONFIG = resource("config", "app", ConfigSpec(data={"LOG": "debug", "URL": "${web.url}"}))
SECRET = resource("secret", "db", SecretSpec(data={"PASSWORD": "hunter2 ${not.filled}"}))


def payload(made: Resource, *more: Resource, **facts: object) -> ContainerPayload:
    found = rendered(graph(made, *more, **facts)).desired[key(made.key.name)].payload
    assert isinstance(found, ContainerPayload) or made.spec.process
    return found


def test_K18_a_workload_is_told_that_it_is_one_and_which() -> None:
    env = payload(container("web")).env
    assert env == {
        "RECONCILER": "1",
        "RECONCILER_NAMESPACE": "shop",
        "RECONCILER_NAME": "web",
        "RECONCILER_INDEX": "0",
    }


def test_H10_who_depends_on_another_is_told_where_it_is() -> None:
    web = container("web", depends_on=("db",))
    env = payload(web, container("db", ports=(http(5432),))).env
    assert (env["DB_HOST"], env["DB_PORT"], env["DB_ADDR"]) == ("db", "80", "db:80")


def test_variables_come_from_the_lowest_to_the_highest() -> None:
    contents = {"/e": b"LOG=file\nA=file\nDB_HOST=file\n"}
    web = container(
        "web",
        env={"A": "own"},
        env_from=(EnvFrom(file="/e"), EnvFrom(config="app")),
        depends_on=("db",),
        ports=(http(8080),),
    )
    env = payload(web, container("db"), CONFIG, contents=contents).env
    assert (env["A"], env["LOG"], env["DB_HOST"]) == ("own", "debug", "file")


def test_H19_references_are_filled_in_configs_too() -> None:
    web = container("web", env_from=(EnvFrom(config="app"),), ports=(http(8080),))
    assert payload(web, CONFIG).env["URL"] == "http://web:80"


def test_secrets_are_sealed_literal_and_shown_nowhere() -> None:
    made = payload(container("web", env_from=(EnvFrom(secret="db"),)), SECRET)
    password = made.env["PASSWORD"]
    assert isinstance(password, Sealed)
    assert password.reveal() == b"hunter2 ${not.filled}"
    assert "hunter2" not in plain_json(made) + repr(made) + str(password)


def test_a_secrets_content_is_part_of_the_fingerprint() -> None:
    web = container("web", volumes=(VolumeMount(secret="db", mount_path="/run/db"),))
    other = resource("secret", "db", SecretSpec(data={"PASSWORD": "longer than before, much longer"}))
    assert fingerprint(payload(web, SECRET)) != fingerprint(payload(web, other))


def test_configs_and_secrets_become_files_with_their_modes() -> None:
    mounts = (VolumeMount(config="app", mount_path="/c"), VolumeMount(secret="db", mount_path="/s"))
    web = container("web", volumes=mounts, ports=(http(8080),))
    config, secret = payload(web, CONFIG, SECRET).mounts
    assert [(file.name, file.mode, file.data()) for file in config.files] == [
        ("LOG", 0o444, b"debug"),
        ("URL", 0o444, b"http://web:80"),
    ]
    assert [(file.name, file.mode) for file in secret.files] == [("PASSWORD", 0o400)]


def test_what_is_not_text_can_not_be_a_variable_and_spoils_nobody_else() -> None:
    binary = resource("config", "bin", ConfigSpec(files={"BLOB": "/b"}))
    services = graph(
        container("bad", env_from=(EnvFrom(config="bin"),)), container("good"), binary, contents={"/b": b"\xff\0"}
    )
    found = rendered(services)
    assert found.waits[key("bad")].reason is Reason.UNREADABLE
    assert "config bin: BLOB is not text" in found.waits[key("bad")].message
    assert key("good") in found.desired


def test_an_unreadable_file_leaves_its_service_as_it_is() -> None:
    services = graph(container("web"), unreadable={key("web", None): "/e can't be read: No such file"})
    assert rendered(services).waits[key("web")].reason is Reason.UNREADABLE


def test_R2_keep_alive_is_made_in_one_place_and_an_explicit_command_is_kept() -> None:
    assert payload(container("box", keep_alive=True)).entrypoint == KEEP_ALIVE
    assert payload(container("box", command=("sleep", "1"))).command == ("sleep", "1")
    assert payload(container("box", command=("sleep", "1"))).entrypoint is None


@pytest.mark.parametrize(
    ("policy", "by", "engine"),
    [("Always", "reconciler", "no"), ("Always", "engine", "always"), ("OnFailure", "engine", "on-failure")],
)
def test_K21_the_engine_restarts_nothing_unless_it_is_asked_to(policy: str, by: str, engine: str) -> None:
    assert payload(container("web", restart=Restart(policy=policy, by=by))).engine_restart == engine


def test_limits_and_signals_are_made_plain() -> None:
    made = payload(
        container("web", resources=Resources(cpus=0.5, memory="256Mi", pids=5), stop=Stopping(signal="SIGINT"))
    )
    assert (made.limits.cpus, made.limits.memory, made.limits.pids) == (0.5, 256 * 2**20, 5)
    assert made.stop.signal == "INT"


def test_containers_join_the_namespaces_own_network_by_default() -> None:
    found = rendered(graph(container("web")))
    assert found.desired[key("default", None, "network")].name == "shop-default"
    assert found.desired[key("web")].payload.networks == ("shop-default",)
    assert found.desired[key("web")].payload.aliases == ("web",)


def test_an_external_network_keeps_its_name_and_is_not_made() -> None:
    corp = resource("network", "corp", NetworkSpec(external=True))
    found = rendered(graph(container("web", networks=("corp",)), corp))
    assert found.desired[key("web")].payload.networks == ("corp",)
    assert [k for k in found.desired if k.kind == "network"] == []


def test_an_external_network_or_volume_may_have_another_name_on_the_engine() -> None:
    corp = resource("network", "corp", NetworkSpec(external=True, name="corp_net"))
    data = resource("volume", "data", VolumeSpec(external=True, name="shop_data"))
    web = container("web", networks=("corp",), volumes=(VolumeMount(volume="data", mount_path="/data"),))
    found = rendered(graph(web, corp, data)).desired
    assert [k.kind for k in found] == ["service"]
    made = found[key("web")]
    assert made.foreign == ("corp_net", "shop_data"), "which is what the policy is asked about"
    assert made.payload.networks == ("corp_net",)
    assert made.payload.mounts[0].volume == "shop_data"


def test_a_network_that_changes_takes_its_users_with_it() -> None:
    web = container("web", networks=("back",))
    before, after = (graph(web, resource("network", "back", NetworkSpec(internal=flag))) for flag in (False, True))
    causes = [str(action) for action in plan(after, settled(before), {}, NOW).actions]
    assert causes[0] == "Stop service/shop/web/0: a network that it is in has to be made anew"


def test_a_process_listens_on_its_host_port_and_is_told_where_its_volumes_lie() -> None:
    data = resource("volume", "data", VolumeSpec())
    command = ("run", "${ports.http}", "${volumes.data}/db")
    made = payload(process("api", command=command, ports=(http(8080),), volumes=(VolumeMount(volume="data"),)), data)
    assert made.command[1] == "8080"
    assert places(made.command[2], {"data": "/home/v/data"}) == "/home/v/data/db"
    assert rendered(graph(process("api", volumes=(VolumeMount(volume="data"),)), data)).desired[
        key("data", None, "volume")
    ].runtime == ("process")


def test_a_restart_that_is_asked_for_is_a_new_fingerprint() -> None:
    web = container("web")
    again = replace(web, annotations={RESTARTED: "2026-01-01"})
    assert fingerprint(payload(web)) != fingerprint(payload(again))


def test_the_generation_and_labels_of_a_document_are_not_what_a_thing_is_made_of() -> None:
    web = container("web")
    again = replace(web, generation=7, labels={"team": "a"}, annotations={"note": "x"})
    assert fingerprint(payload(web)) == fingerprint(payload(again))


def test_who_refers_to_what_is_not_declared_waits_with_a_reason() -> None:
    found = rendered(graph(container("web", depends_on=(Dependency(service="gone"),))))
    assert found.waits[key("web")].reason is Reason.DEPENDENCY
    assert "there is no service called gone" in found.waits[key("web")].message


def test_who_needs_a_port_that_is_not_known_is_told_why() -> None:
    from tests.core.build import EMPTY, listening

    services = graph(container("db", ports=(http(5432),)), process("api", env={"DB": "${db.addr}"}))
    found = rendered(services, listening(EMPTY, 5432))
    assert "the ports of db are not known: port 5432/tcp is held by pid 77" in found.waits[key("api")].message


def test_further_names_are_found_on_the_networks_beside_its_own() -> None:
    assert payload(container("web", aliases=("app", "web_1"))).aliases == ("web", "app", "web_1")
