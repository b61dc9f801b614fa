"""A secret reaches who it is for, and is found nowhere else."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.documents import box, document, native
from tests.scenarios.stage import Document, Stage, eventually

pytestmark = pytest.mark.engine


@pytest.fixture
def canary() -> str:
    return f"canary-{secrets.token_hex(12)}"


def stack(canary: str, file: Path) -> list[Document]:
    """The value comes in by data, by a file and by the environment; it is mounted, put into the environment, printed
    by probes, and stands in a command that fails.
    """
    file.write_text(canary)
    probe = {"exec": {"command": ["sh", "-c", "cat /run/s/*; exit 1"]}, "timeoutSeconds": 10, "failureThreshold": 1000}
    mount = {"secret": "login", "mountPath": "/run/s"}
    return [
        document(
            "Secret", "login", data={"PASSWORD": canary}, files={"FILE": str(file)}, env={"ENVIRONMENT": "CANARY"}
        ),
        box("mounted", volumes=[mount]),
        box("enveloped", envFrom=[{"secret": "login"}]),
        native("native", volumes=[{"secret": "login"}], env={"WHERE": "${volumes.login}"}),
        native("native-env", envFrom=[{"secret": "login"}]),
        box("sick", volumes=[mount], probes={"readiness": probe}),
    ]


def test_a_canary_is_found_in_no_label_argument_log_event_plan_or_message(
    stage: Stage, canary: str, tmp_path: Path
) -> None:
    spec = stage.write(*stack(canary, tmp_path / "file"))
    env = {"CANARY": canary}
    told = [
        stage.cli("diff", "-f", str(spec), env=env, expect=1),
        stage.cli("apply", "-f", str(spec), "--dry-run", "-o", "yaml", env=env),
        stage.cli("apply", "-vv", "-f", str(spec), "--timeout", "8", env=env, expect=1),
    ]

    assert canary in stage.run_inside("mounted", "sh", "-c", "cat /run/s/PASSWORD"), "who it is for has it"
    assert canary in stage.run_inside("mounted", "sh", "-c", "cat /run/s/FILE /run/s/ENVIRONMENT")
    assert stage.environment_of("enveloped")["PASSWORD"] == canary
    where = Path(stage.process("native").environment()["WHERE"])
    assert (where / "PASSWORD").read_text() == canary
    assert (where / "PASSWORD").stat().st_mode & 0o777 == 0o400
    assert stage.process("native-env").environment()["ENVIRONMENT"] == canary

    rotated = canary[::-1]
    spec_after = stage.write(*stack(rotated, tmp_path / "file"), name="rotated.yaml")
    told += [
        stage.cli("diff", "-f", str(spec_after), env={"CANARY": rotated}, expect=1),
        stage.cli("get", "all", "-o", "json"),
        stage.cli("get", "all", "-o", "yaml"),
        stage.cli("get", "secret", "login", "-o", "json"),
        stage.cli("describe", "secret", "login"),
        *(stage.cli("describe", "service", name) for name in ("mounted", "enveloped", "native", "native-env", "sick")),
        stage.cli("events", "-o", "json"),
        stage.cli("why", "service/sick"),
        stage.cli("status"),
        stage.cli("status", "-o", "json"),
    ]
    for one in told:
        assert leaks(canary, one.out + one.err) == [], one
        assert leaks(rotated, one.out + one.err) == [], one
    assert list(where_on_the_engine(stage, canary)) == []
    assert list(where_in_processes(canary)) == []
    assert list(where_at_home(stage, canary)) == []


def test_a_canary_is_not_in_the_words_of_a_spec_that_is_wrong(stage: Stage, canary: str) -> None:
    """Nor in a traceback: the value stands where it does not belong, in every way that comes to mind."""
    wrong = [
        document("Secret", "a", data={"KEY": [canary]}),
        document("Secret", "b", data={"bad/key": canary}),
        document("Secret", "c", dta={"KEY": canary}),
        document("Secret", "d", data={"KEY": canary}, files={"KEY": "/nowhere"}),
        document("Secret", "e", files={"KEY": f"/nowhere/{canary}"}),
    ]
    for one in wrong[:-1]:
        told = stage.cli("apply", "-vv", "-f", str(stage.write(one)), expect=2)
        assert leaks(canary, told.out + told.err) == [], told


def test_a_secret_in_the_environment_is_not_on_any_command_line_of_ours(stage: Stage, canary: str) -> None:
    stage.apply(document("Secret", "login", data={"PASSWORD": canary}), native("web", envFrom=[{"secret": "login"}]))
    process = stage.process("web")
    assert process.environment()["PASSWORD"] == canary
    assert list(where_in_processes(canary)) == []


def test_a_secret_of_a_command_inside_of_a_service_is_on_no_command_line_either(stage: Stage, canary: str) -> None:
    """It stands for long beside the service, as a process of ours that everybody may look at."""
    login, hosts = document("Secret", "login", data={"PASSWORD": canary}), ("web", "boxed")
    services = [login, native("web"), box("boxed")]
    stage.apply(*services)
    script = 'test -n "$PASSWORD" && echo has it; exec sleep 600'
    jobs = [
        document("Job", f"in-{name}", **{"in": f"service/{name}"}, command=["sh", "-c", script],
                 envFrom=[{"secret": "login"}]) for name in hosts
    ]  # fmt: skip
    stage.cli("apply", "-f", str(stage.write(*services, *jobs)), "--no-wait")
    for name in hosts:
        eventually(lambda: "has it" in stage.process_log(f"in-{name}"), "it runs, and has its secret")  # noqa: B023
    assert list(where_in_processes(canary)) == []
    assert list(where_on_the_engine(stage, canary)) == []
    assert list(where_at_home(stage, canary)) == []


def test_a_changed_secret_restarts_exactly_who_uses_it(stage: Stage, canary: str) -> None:
    def spec(value: str) -> list[Document]:
        login = document("Secret", "login", data={"PASSWORD": value})
        return [login, native("user", envFrom=[{"secret": "login"}]), native("other")]

    stage.apply(*spec(canary))
    user, other = stage.process("user"), stage.process("other")
    told = stage.apply(*spec(canary[::-1]))
    assert told.actions == ["Stop user/0", "Remove user/0", "Create user/0"]
    assert stage.process("user") != user
    assert stage.process("user").environment()["PASSWORD"] == canary[::-1]
    assert stage.process("other") == other


def test_fingerprints_of_the_same_secret_differ_between_installations(stage: Stage, canary: str) -> None:
    """They are keyed: nobody can guess a weak password by trying fingerprints."""
    spec = [document("Secret", "login", data={"PASSWORD": canary}), native("web", envFrom=[{"secret": "login"}])]
    other = stage.other_home("other", f"{stage.namespace}-two")
    stage.apply(*spec)
    other.apply(*spec)
    prints = {place.status_of("web")["instances"][0]["fingerprint"] for place in (stage, other)}
    assert len(prints) == 2


def test_everything_at_home_is_for_its_owner_alone(stage: Stage, canary: str, tmp_path: Path) -> None:
    stage.cli(
        "apply", "-f", str(stage.write(*stack(canary, tmp_path / "file"))), "--timeout", "8",
        env={"CANARY": canary}, expect=None,
    )  # fmt: skip
    eventually(lambda: stage.process("native"), "it runs")
    open_to_others = [
        path for path in [stage.home, *stage.home.rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & 0o077 and "/files/" not in str(path)
    ]  # fmt: skip
    assert open_to_others == []


def leaks(canary: str, text: str) -> list[str]:
    """Lines that hold it, as it is or in another writing."""
    forms = {canary, canary.encode().hex(), base64.b64encode(canary.encode()).decode().rstrip("=")}
    return [line for line in text.splitlines() if any(form in line for form in forms)]


def where_on_the_engine(stage: Stage, canary: str) -> Iterator[str]:
    """Everything but the environment of those that asked for it there."""
    for name in stage.containers():
        seen = stage.engine.inspect(name)
        if name.startswith(f"{stage.namespace}-enveloped"):
            seen["Config"]["Env"] = []
        if leaks(canary, json.dumps(seen)):
            yield name
    for item in [*stage.engine.get("/networks"), *(stage.engine.get("/volumes")["Volumes"] or [])]:
        if leaks(canary, json.dumps(item)):
            yield item["Name"]


def where_in_processes(canary: str) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if leaks(canary, path.read_bytes().decode(errors="replace")):
                yield path.parent.name
        except OSError:
            continue


def where_at_home(stage: Stage, canary: str) -> Iterator[Path]:
    """All but what was applied (and what is remembered of it), and the files that were asked for."""
    for path in stage.home.rglob("*"):
        inside = path.relative_to(stage.home).parts
        asked_for = inside[0] in {"applied", "cache"} or (inside[0] == "processes" and "files" in inside)
        if path.is_file() and not asked_for and leaks(canary, path.read_bytes().decode(errors="replace")):
            yield path
