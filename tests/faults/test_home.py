"""One damaged document of ours costs its own resource some attention, and nobody anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.machine import Document, Machine, resource, service
from tests.scenarios.documents import box, server
from tests.scenarios.stage import Stage

Damage = Callable[[Path], None]


def cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def cut_where_it_is_still_valid(file: Path) -> None:
    """The number of replicas would go, and the default come in its place."""
    text = file.read_text()
    file.write_text(text[: text.index("  replicas: 2")])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 8)


def another_kind(file: Path) -> None:
    file.write_text(json.dumps(resource("Config", "web", data={"a": "b"})))


def another_name(file: Path) -> None:
    file.write_text(file.read_text().replace("name: web", "name: other"))


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "inside").write_text("somebody's")


def dangling(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


DAMAGES = [cut, cut_where_it_is_still_valid, empty, garbage, another_kind, another_name, directory, dangling]
WEB: Document = service("web", replicas=2)
DB: Document = service("db")


def document(machine: Machine, name: str = "service-web") -> Path:
    return machine.home / "applied" / machine.namespace / f"{name}.yaml"


def pids(machine: Machine) -> dict[str, list[int]]:
    """Of all that runs, as the program's directories name them and the kernel knows them."""
    found: dict[str, list[int]] = {}
    for place in sorted((machine.home / "processes").iterdir()):
        _, name, _ = place.name.rsplit(".", 2)
        pid = int((place / "pid").read_text().split()[0])
        if Path(f"/proc/{pid}").exists():
            found.setdefault(name, []).append(pid)
    return found


def ready(machine: Machine, name: str) -> dict[str, Any]:
    conditions = machine.json("get", "service", name)["status"]["conditions"]
    return next(condition for condition in conditions if condition["type"] == "Ready")


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.__name__)
def damaged(request: pytest.FixtureRequest, machine: Machine) -> Machine:
    machine.apply(WEB, DB)
    request.param(document(machine))
    return machine


def test_it_is_unknown_with_the_path_and_the_next_step_and_the_others_are_as_ever(damaged: Machine) -> None:
    before = pids(damaged)
    path = str(document(damaged))
    table = damaged("status").stdout
    assert "Unreadable" in table
    assert "service/db" in table
    assert "Orphan" not in damaged("status", "-A").stdout
    web = ready(damaged, "web")
    assert (web["status"], web["reason"]) == ("Unknown", "Unreadable")
    assert path in web["message"]
    assert "apply its spec again" in web["message"]
    assert ready(damaged, "db")["status"] == "True"
    for verb in ("why", "describe"):
        said = damaged(verb, "web").stdout
        assert path in said
        assert "apply its spec again" in said
    assert {thing["id"] for thing in damaged.json("get", "service", "web")["status"]["instances"]}
    assert pids(damaged) == before


def test_others_are_reconciled_and_what_it_runs_is_left_alone(damaged: Machine) -> None:
    before = pids(damaged)
    killed = damaged.kill("db")
    applied = damaged("apply", "-f", "-", "-o", "json", stdin=json.dumps(DB))
    assert [action["verb"] for action in json.loads(applied.stdout)["actions"]] == ["Start"]
    assert str(document(damaged)) in applied.stderr
    after = pids(damaged)
    assert after["web"] == before["web"]
    assert after["db"] != before["db"]
    assert killed not in after["db"]
    told = damaged("apply", "-f", "-", "--prune", stdin=json.dumps(DB))
    assert "pruned" not in told.stdout
    assert pids(damaged) == after


def test_applying_its_spec_heals_it_with_no_action(damaged: Machine) -> None:
    before = pids(damaged)
    told = json.loads(damaged("apply", "-f", "-", "-o", "json", stdin=json.dumps(WEB)).stdout)
    assert told["actions"] == []
    assert [item["result"] for item in told["resources"]] == ["configured"]
    assert pids(damaged) == before
    assert ready(damaged, "web")["status"] == "True"
    damaged("diff")


def test_it_can_be_deleted_by_name(damaged: Machine) -> None:
    before = pids(damaged)
    assert damaged("delete", "service", "web").stdout == "service/web deleted\n"
    assert pids(damaged) == {"db": before["db"]}
    assert not document(damaged).exists()
    assert "web" not in damaged("status").stdout


def test_everyday_verbs_say_so_instead_of_doing_something_else(damaged: Machine) -> None:
    before = pids(damaged)
    for arguments in (("scale", "web", "--replicas", "1"), ("stop", "web"), ("restart", "web")):
        said = damaged(*arguments, code=None)
        assert said.returncode == 1, said
        assert str(document(damaged)) in said.stderr
        assert "Traceback" not in said.stderr
    assert pids(damaged) == before


def test_who_needs_it_is_left_as_it_is_and_says_whom_it_waits_for(machine: Machine) -> None:
    app = service("app", "sh", "-c", "exec sleep 1000", envFrom=[{"config": "settings"}], dependsOn=["db"])
    machine.apply(resource("Config", "settings", data={"LEVEL": "info"}), DB, app)
    before = pids(machine)
    garbage(document(machine, "config-settings"))
    told = machine("apply", "-f", "-", "-o", "json", stdin=json.dumps(app), code=1)
    assert json.loads(told.stdout)["actions"] == []
    assert "config/settings" in told.stderr
    assert "Unreadable" in told.stderr
    garbage(document(machine, "service-db"))
    machine("apply", "-f", "-", "-o", "json", stdin=json.dumps(resource("Config", "settings", data={"LEVEL": "info"})))
    assert ready(machine, "app")["reason"] == "Unreadable"
    assert "service/db" in ready(machine, "app")["message"]
    assert pids(machine) == before
    machine.apply(resource("Config", "settings", data={"LEVEL": "info"}), DB, app)
    assert pids(machine) == before


def test_data_is_not_taken_from_who_may_use_it(machine: Machine) -> None:
    keeper = service("keeper", "sh", "-c", "exec sleep 1000", volumes=[{"volume": "data"}])
    machine.apply(resource("Volume", "data"), keeper)
    place = machine.home / "volumes" / f"{machine.namespace}-data"
    garbage(document(machine, "service-keeper"))
    refused = machine("delete", "volume", "data", "--volumes", "--timeout", "2", code=1)
    assert "keeper" in refused.stderr
    assert place.is_dir()


@pytest.mark.parametrize("damage", [cut, empty, garbage, directory, dangling], ids=lambda damage: damage.__name__)
def test_a_damaged_cache_beside_it_costs_nothing_and_is_not_mentioned(machine: Machine, damage: Damage) -> None:
    machine.apply(WEB, DB)
    before = pids(machine)
    damage(document(machine).with_name(".read.json"))
    assert "Unreadable" not in machine("status").stdout
    told = machine("apply", "-f", "-", "-o", "json", stdin="\n---\n".join(map(json.dumps, (WEB, DB))))
    assert json.loads(told.stdout)["actions"] == []
    assert "read.json" not in told.stderr
    assert pids(machine) == before
    machine("delete", "all", "--all")
    assert pids(machine) == {}


def test_a_cache_that_lies_is_not_believed(machine: Machine) -> None:
    """One flipped character, and it is as valid as before."""
    machine.apply(WEB, DB)
    before = pids(machine)
    cache = document(machine).with_name(".read.json")
    cache.write_text(cache.read_text().replace("sleep 1000", "sleep 1001"))
    told = machine("apply", "-f", "-", "-o", "json", stdin="\n---\n".join(map(json.dumps, (WEB, DB))))
    assert json.loads(told.stdout)["actions"] == []
    assert pids(machine) == before


# -- containers


@pytest.mark.engine
def test_containers_whose_document_is_damaged_stay_and_can_be_healed_or_deleted(stage: Stage) -> None:
    documents = [server("web", replicas=2), box("db"), box("other")]
    stage.apply(*documents)
    lives = {name: stage.life(name) for name in stage.containers()}
    folder = stage.home / "applied" / stage.namespace
    for name in ("web", "db"):
        garbage(folder / f"service-{name}.yaml")
    stage.signal(stage.name("other"), "kill")
    with stage.events_during() as events:
        assert stage.apply(documents[2]).actions == ["Start other/0"]
    assert all(stage.name("other") in event or "network" in event for event in events)
    assert {name: life for name, life in lives.items() if "other" not in name}.items() <= {
        name: stage.life(name) for name in stage.containers()
    }.items()
    stage.cli("delete", "service", "other")
    assert stage.networks() == [f"{stage.namespace}-default"], "who can't be read may want it"
    assert stage.apply(documents[0]).actions == []
    assert stage.status_of("web")["readyReplicas"] == 2
    stage.cli("delete", "service", "db")
    assert stage.name("db") not in stage.containers()
    stage.cli("delete", "all", "--all")
    assert stage.containers() == []
    assert stage.networks() == []
