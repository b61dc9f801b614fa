"""A namespace as a Compose file: what is read of it again is what was declared."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import yaml

from reconciler.core.graph import Graph
from reconciler.core.parse import Text
from reconciler.core.unparse import to_yaml
from reconciler.exporting.compose import compose, variables
from reconciler.exporting.sheet import sheet
from reconciler.model.desired import Mount, plain
from reconciler.model.key import Key
from reconciler.sources import compositions
from tests.exporting.shop import JOBS, NATIVE, SHOP, graph, payloads

VARIABLES = {"DB_PASSWORD": "hunter2$$", "TLS_KEY_PEM": "-----BEGIN"}


def read_again(exported: dict[str, Any]) -> Graph:
    text = to_yaml(exported)
    assert yaml.safe_load(text) == exported, "any reader of YAML understands it so"
    project = compositions.read([Text("compose.yaml", text.encode(), "/")], VARIABLES, compositions.Disk())
    return graph(translated=project.translated(), **{**os.environ, **VARIABLES})


def test_what_is_imported_again_is_made_of_the_same() -> None:
    before = graph()
    page = sheet(before)
    after = read_again(compose(page))
    assert not [left for left in page.lefts if "update" not in left.field], page.lefts

    expected, found = payloads(before), payloads(after)
    assert found.keys() == expected.keys()
    for name, payload in expected.items():
        # A variable's value came from a Secret, and a Compose file can only name it among the others.
        opened = {k: v if isinstance(v, str) else v.text() for k, v in payload.env.items()}
        expected_of, made = (replace(p, mounts=_sorted(p.mounts)) for p in (replace(payload, env=opened), found[name]))
        assert plain(made) == plain(expected_of), name
    for kind in ("network", "volume"):
        specs = [{k.name: r.spec for k, r in of.resources.items() if k.kind == kind} for of in (before, after)]
        assert specs[0] == specs[1]


def _sorted(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """Compose lists volumes, configs and secrets apart from one another."""
    return tuple(sorted(mounts, key=lambda mount: mount.target))


def test_values_of_secrets_are_not_in_it_unless_they_are_asked_for() -> None:
    page = sheet(graph())
    shown = to_yaml(compose(page))
    assert "hunter2" not in shown
    assert "BEGIN" not in shown
    assert "${DB_PASSWORD:?" in shown
    assert variables(page)["TLS_KEY_PEM"] == "'-----BEGIN'"
    assert "hunter2" in to_yaml(compose(sheet(graph(), reveal=True)))


def test_what_can_not_be_carried_is_told_each_with_its_reason() -> None:
    page = sheet(graph(SHOP + NATIVE))
    exported = compose(page)
    assert "worker" not in exported["services"]
    assert "depends_on" not in exported["services"]["asker"], "on somebody who is not there"
    told = {(left.key.name, left.field) for left in page.lefts}
    assert told >= {
        ("worker", "process"), ("asker", "dependsOn"), ("asker", "probes.liveness"), ("asker", "probes.readiness.log"),
        ("asker", "${worker.addr}"), ("asker", "ports.http"),
    }  # fmt: skip
    assert exported["services"]["asker"]["environment"]["WHO"] == "$${worker.addr}"


def test_what_a_healthcheck_can_not_say_of_a_probe_is_told() -> None:
    page = sheet(graph("""
apiVersion: reconciler/v1
kind: Service
metadata: {name: web}
spec:
  container: {image: web}
  probes: {readiness: {httpGet: {port: 80, httpHeaders: {Host: a}}, successThreshold: 2}}
"""))  # fmt: skip
    compose(page)
    told = {left.field.removeprefix("probes.readiness.") for left in page.lefts}
    assert told == {"httpGet", "httpGet.httpHeaders", "successThreshold"}


def test_who_is_named_comes_with_what_he_needs_and_nothing_else() -> None:
    found = compose(sheet(graph(), [Key("service", "shop", "db")]))
    assert set(found["services"]) == {"db"}
    assert set(found["volumes"]) == {"data", "old"}
    assert found["volumes"]["old"] == {"external": True, "name": "shop_old"}
    assert "configs" not in found


def test_a_job_is_a_service_that_is_not_started_again() -> None:
    page = sheet(graph(SHOP + JOBS))
    found = compose(page)["services"]
    assert found["migrate"]["restart"] == "on-failure:2"
    assert found["app"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert "inside" not in found
    told = {(left.key.short, left.field) for left in page.lefts}
    assert told >= {("job/backup", "schedule"), ("job/migrate", "timeoutSeconds"), ("job/inside", "in")}
    again = read_again(compose(sheet(graph(SHOP + JOBS))))
    assert again.resources[Key("job", "shop", "migrate")].spec.retries == 2
