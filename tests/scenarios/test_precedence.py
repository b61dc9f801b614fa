"""R20: a flag wins over the spec, the spec over the user's config file, that over the default; and it can be told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.documents import native, native_server
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.engine


@pytest.fixture
def settings(stage: Stage) -> Path:
    """The user's config file."""
    path = Path(stage.environment["HOME"]) / ".config" / "reconciler" / "config.yaml"
    path.parent.mkdir(parents=True)
    return path


def test_R20_the_namespace_flag_then_spec_then_user_file_then_default(stage: Stage, settings: Path) -> None:
    named = native("named")
    named["metadata"]["namespace"] = f"{stage.namespace}-spec"
    plain = native("plain")
    spec = stage.write(named, plain)

    def namespaces(*flags: str) -> dict[str, str]:
        told = stage.bare("diff", *flags, "-f", str(spec), "-o", "json", expect=1)
        keys = [item["key"].split("/") for item in json.loads(told.out)["resources"]]
        return {name: namespace for _, namespace, name in keys}

    assert namespaces() == {"named": f"{stage.namespace}-spec", "plain": "default"}
    settings.write_text(f"namespace: {stage.namespace}-user\n")
    assert namespaces() == {"named": f"{stage.namespace}-spec", "plain": f"{stage.namespace}-user"}
    assert namespaces("-n", stage.namespace) == {"named": stage.namespace, "plain": stage.namespace}


def test_R20_a_port_of_the_spec_wins_over_the_users_range_and_that_over_the_default(
    stage: Stage, settings: Path, free_port: Callable[[], int]
) -> None:
    settings.write_text("portRange: 19000-19099\n")
    fixed = free_port()
    stage.apply(native_server("auto"), native_server("fixed", ports=[{"name": "http", "hostPort": fixed}]))
    assert 19000 <= stage.status_of("auto")["endpoints"][0]["port"] <= 19099
    assert stage.status_of("fixed")["endpoints"][0]["port"] == fixed


def test_R20_the_timeout_flag_wins_over_the_user_file(stage: Stage, settings: Path) -> None:
    settings.write_text("timeout: 1s\n")
    never = {"readiness": {"exec": {"command": ["false"]}, "timeoutSeconds": 10, "failureThreshold": 1000}}
    began = time.monotonic()
    stage.apply(native("web", probes=never), expect=1)
    short = time.monotonic() - began
    began = time.monotonic()
    stage.apply(native("web", probes=never), "--timeout", "4", expect=1)
    assert short < 20
    assert time.monotonic() - began >= 4


def test_R20_the_home_flag_then_the_variable_then_the_user_file(stage: Stage, settings: Path) -> None:
    settings.write_text(f"home: {stage.directory}/by-file\n")
    spec = str(stage.write(native("web")))
    bare = {**stage.environment}
    del bare["RECONCILER_HOME"]
    for home, environment, flags in (
        ("by-flag", stage.environment, ["--home", f"{stage.directory}/by-flag"]),
        ("home", stage.environment, []),
        ("by-file", bare, []),
    ):
        stage.run(stage.argv(*flags, "apply", "-f", spec), environment)
        assert (stage.directory / home / "owner").exists(), home
        stage.run(stage.argv(*flags, "delete", "-f", spec), environment)


def test_R20_doctor_tells_each_setting_with_where_it_comes_from(stage: Stage, settings: Path) -> None:
    settings.write_text("timeout: 90s\n")
    told = stage.cli("doctor", expect=None)
    assert f"{settings}:1" in told.out
    assert "RECONCILER_HOME" in told.out
    assert "-n" in told.out
    assert "default" in told.out


def test_R21_a_config_file_that_is_wrong_is_told_with_its_place(stage: Stage, settings: Path) -> None:
    settings.write_text("timeuot: 90s\n")
    told = stage.cli("status", expect=2)
    assert f"{settings}:1:1" in told.err
    assert "timeout" in told.err
