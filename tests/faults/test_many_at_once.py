"""Several commands at once: one world at the end, nothing twice, nothing lost, and what each of them says is true."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.machine import Document, Machine, service
from tests.faults.test_home import pids
from tests.scenarios.documents import box
from tests.scenarios.stage import Stage

WITHIN = 110.0
Begin = Callable[..., "subprocess.Popen[str]"]


def specs(path: Path, *documents: Document) -> str:
    path.write_text("\n---\n".join(map(json.dumps, documents)))
    return str(path)


def ended(running: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code and words of each, all within the time."""
    deadline, told = time.monotonic() + WITHIN, []
    for one in running:
        out, err = one.communicate(timeout=max(deadline - time.monotonic(), 1))
        assert "Traceback" not in err, err
        assert "internal" not in err, err
        told.append((one.returncode, out, err))
    return told


def verbs(out: str) -> list[str]:
    return [f"{action['verb']} {action['key'].split('/', 2)[2]}" for action in json.loads(out)["actions"]]


def counted(machine: Machine) -> dict[str, int]:
    return {name: len(found) for name, found in pids(machine).items()}


@pytest.mark.parametrize("number", [2, 10])
def test_the_same_spec(machine: Machine, number: int) -> None:
    """Each makes a part of it or none; together they make it once, and all say that it is there."""
    path = specs(machine.directory / "all.yaml", *(service(f"s{index}") for index in range(5)))
    running = [machine.begin("apply", "-f", path, "-o", "json", "--timeout", "100") for _ in range(number)]
    told = ended(running)
    assert [code for code, _, _ in told] == [0] * number, told
    made = sorted(verb for _, out, _ in told for verb in verbs(out))
    assert made == [f"Create s{index}/0" for index in range(5)]
    assert counted(machine) == {f"s{index}": 1 for index in range(5)}
    again = machine("apply", "-f", path, "-o", "json")
    assert json.loads(again.stdout)["actions"] == []


def test_the_very_first_ones_agree_on_who_they_are(machine: Machine) -> None:
    """There is no home yet: of several that make one all use the same, or half of what runs would look foreign."""
    paths = [specs(machine.directory / f"{name}.yaml", service(name)) for name in "abcdef"]
    told = ended([machine.begin("apply", "-f", path, "--timeout", "100") for path in paths])
    assert [code for code, _, _ in told] == [0] * len(paths), told
    assert counted(machine) == dict.fromkeys("abcdef", 1)
    assert len({label for place in (machine.home / "processes").iterdir() for label in owners(place)}) == 1
    assert "6 ready" in machine("status").stdout


def owners(place: Path) -> set[str]:
    return {str(value) for key, value in json.loads((place / "labels.json").read_text()).items() if "owner" in key}


def test_different_specs_of_one_service(machine: Machine) -> None:
    """The last word stands, whosever it is: one generation, one process, and it is what that spec says."""
    paths = [
        specs(machine.directory / f"{n}.yaml", service("one", env={"N": str(n)}), service(f"own{n}")) for n in range(4)
    ]
    told = ended([machine.begin("apply", "-f", path, "--timeout", "100") for path in paths])
    assert [code for code, _, _ in told] == [0] * 4, told
    assert counted(machine) == {"one": 1, **{f"own{n}": 1 for n in range(4)}}
    kept = machine.json("get", "service", "one")
    assert kept["metadata"]["generation"] == 4, "each of them counts, and none is lost"
    environment = Path(f"/proc/{machine.pid('one')}/environ").read_bytes().split(b"\0")
    assert f"N={kept['spec']['env']['N']}".encode() in environment
    assert machine("diff").returncode == 0


def test_different_namespaces(machine: Machine) -> None:
    spaces = [f"{machine.namespace}-{n}" for n in range(5)]
    path = specs(machine.directory / "one.yaml", service("one"))
    try:
        told = ended([machine.begin("-n", space, "apply", "-f", path, "--timeout", "100") for space in spaces])
        assert [code for code, _, _ in told] == [0] * 5, told
        assert counted(machine) == {"one": 5}
        assert machine("status", "-A").stdout.count("service/one") == 5
    finally:
        for space in spaces:
            machine("-n", space, "delete", "all", "--all")
    assert counted(machine) == {}


@pytest.mark.parametrize("rounds", [3])
def test_apply_against_delete(machine: Machine, rounds: int) -> None:
    """Whoever is later wins whole: it is there once, or nothing of it is."""
    path = specs(machine.directory / "all.yaml", *(service(f"s{index}") for index in range(3)))
    for _ in range(rounds):
        machine("apply", "-f", path)
        argv = [("apply", "-f", path), ("delete", "-f", path), ("apply", "-f", path), ("delete", "-f", path)]
        told = ended([machine.begin(*arguments, "--timeout", "60") for arguments in argv])
        assert {code for code, _, _ in told} <= {0, 1}, told
        assert [err for code, _, err in told if code and "error: " not in err] == []
        machine("apply", "-f", path)
        assert counted(machine) == {f"s{index}": 1 for index in range(3)}
        machine("delete", "-f", path)
        assert counted(machine) == {}
        assert not (machine.home / "applied" / machine.namespace).exists()


def test_edits_at_once_undo_none_of_each_other(machine: Machine) -> None:
    machine("apply", "-f", specs(machine.directory / "all.yaml", *(service(f"s{n}") for n in range(3))))
    told = ended(
        [
            machine.begin("scale", "s0", "--replicas", "3", "--timeout", "100"),
            machine.begin("stop", "s1", "--timeout", "100"),
            machine.begin("restart", "s2", "--timeout", "100"),
            machine.begin("apply", "-f", specs(machine.directory / "new.yaml", service("s3")), "--timeout", "100"),
        ]
    )
    assert [code for code, _, _ in told] == [0] * 4, told
    assert counted(machine) == {"s0": 3, "s2": 1, "s3": 1}


# -- containers


@pytest.mark.engine
def test_ten_at_once_make_containers_once(stage: Stage) -> None:
    path = stage.write(box("web", replicas=2), box("db"))
    told = ended([stage.start_cli("apply", "-f", str(path), "-o", "json", "--timeout", "100") for _ in range(10)])
    assert [code for code, _, _ in told] == [0] * 10, told
    made = sorted(verb for _, out, _ in told for verb in verbs(out))
    assert made == ["Create db/0", "Create default", "Create web/0", "Create web/1"]
    assert stage.containers() == sorted(stage.name(name, n) for name, n in (("db", 0), ("web", 0), ("web", 1)))


@pytest.mark.engine
def test_containers_of_different_specs_and_an_apply_against_a_delete(stage: Stage) -> None:
    paths = [stage.write(box(f"s{n}"), box("shared", env={"N": str(n)}), name=f"{n}.yaml") for n in range(3)]
    told = ended([stage.start_cli("apply", "-f", str(path), "--timeout", "100") for path in paths])
    assert [code for code, _, _ in told] == [0] * 3, told
    assert stage.containers() == sorted(stage.name(name) for name in ("s0", "s1", "s2", "shared"))
    kept = stage.cli("get", "service", "shared", "-o", "json").json
    assert stage.environment_of("shared")["N"] == kept["spec"]["env"]["N"]
    argv = [("apply", "-f", str(paths[0])), ("delete", "-f", str(paths[0])), ("apply", "-f", str(paths[1]))]
    told = ended([stage.start_cli(*arguments, "--timeout", "60") for arguments in argv])
    assert {code for code, _, _ in told} <= {0, 1}, told
    for path in paths:
        stage.apply(path)
    assert stage.containers() == sorted(stage.name(name) for name in ("s0", "s1", "s2", "shared"))
