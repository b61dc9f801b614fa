"""Compose files, applied as they are: what they declare runs, and is kept as anything else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.stage import Stage, eventually, get

pytestmark = pytest.mark.engine

SHOP = """\
name: shop
x-busy: &busy
  image: reconciler-test
  init: true
services:
  web_front:
    <<: *busy
    command: httpd -f -p 80 -h /srv
    scale: 2
    restart: unless-stopped
    ports: ["127.0.0.1:{first}-{last}:80"]
    environment: {{GREETING: "${{GREETING:-unset}}", PRICE: "$$5"}}
    env_file: [app.env, {{path: none.env, required: false}}]
    configs: [{{source: page, target: /srv/page.html}}]
    volumes: ["./seen:/srv/seen", "data:/srv/data:ro"]
    depends_on:
      migrate: {{condition: service_completed_successfully}}
      db: {{condition: service_healthy}}
    healthcheck: {{test: wget -qO- http://127.0.0.1/page.html, interval: 1m, start_period: 9s, start_interval: 200ms}}
  migrate:
    <<: *busy
    command: ["sh", "-c", "cat /run/secrets/pw > /data/migrated && hostname >> /data/count"]
    volumes: [data:/data]
    secrets: [pw]
    depends_on: {{db: {{condition: service_healthy}}}}
  db:
    <<: *busy
    command: sh -c 'sleep 0.3; touch /tmp/up; exec sleep 100000'
    container_name: database
    networks: [back]
    configs: [page]
    healthcheck: {{test: [CMD, test, -f, /tmp/up], interval: 200ms, timeout: 2s, retries: 10}}
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 64M}}}}}}
    stop_signal: SIGINT
    labels: [tier=data]
networks:
  back: {{internal: true}}
volumes:
  data:
configs:
  page: {{content: "page of ${{GREETING}}, for $$5"}}
secrets:
  pw: {{environment: PASSWORD}}
"""


def test_a_compose_file_is_applied_as_it_is(stage: Stage, free_port: Callable[[], int]) -> None:
    """Two replicas that serve, once a one-off has written where they read, once a database is well."""
    first = _pair(free_port)
    file = _write(stage, "compose.yaml", SHOP.format(first=first, last=first + 1))
    _write(stage, ".env", "GREETING='hello'\nPASSWORD=pa$$\n")
    _write(stage, "app.env", "FROM_FILE=yes\n")
    stage.apply(file)
    pages = {get(f"http://127.0.0.1:{first + index}/page.html") for index in range(2)}
    assert pages == {"page of hello, for $5"}
    assert get(f"http://127.0.0.1:{first}/data/migrated") == "pa$"
    assert (stage.directory / "seen").is_dir()
    env = stage.environment_of("web-front")
    assert (env["GREETING"], env["PRICE"], env["FROM_FILE"]) == ("hello", "$5", "yes")
    db = stage.container("db")
    assert (db["HostConfig"]["Memory"], db["HostConfig"]["NanoCpus"]) == (64 << 20, 500_000_000)
    assert str(db["Config"]["StopSignal"]) in {"SIGINT", "2"}
    assert db["Config"]["Labels"]["tier"] == "data"
    assert "page of hello" in stage.run_inside("db", "cat", "/page")
    joined = db["NetworkSettings"]["Networks"][f"{stage.namespace}-back"]
    assert {"db", "database"} <= set(joined["Aliases"])
    again = stage.apply(file)
    assert again.actions == []
    assert set(again.results.values()) == {"unchanged"}
    assert "job/migrate" in again.results
    assert len(get(f"http://127.0.0.1:{first}/data/count").splitlines()) == 1
    stage.signal(stage.name("web-front"), "kill")
    assert [action.split()[0] for action in stage.apply(file).actions] == ["Start"]
    _write(stage, ".env", "GREETING=bye\nPASSWORD=pa$$\n")
    assert stage.diff(file, expect=1).causes.count("web-front") >= 2
    stage.delete(file)
    assert stage.containers() == []
    assert stage.volumes() == [f"{stage.namespace}-data"]


def test_what_is_imported_runs_from_anywhere(stage: Stage, free_port: Callable[[], int], tmp_path: Path) -> None:
    """Written as specs, with an image that is built, an override and a profile, and applied from another directory."""
    port = free_port()
    serves = f"command: httpd -f -p 80 -h /www, ports: ['127.0.0.1:{port}:80']"
    web = f"{{build: {{context: site}}, {serves}, init: true, restart: always}}"
    _write(stage, "compose.yaml", f"services: {{web: {web}}}")
    visit = "{image: reconciler-test, profiles: [visit], depends_on: [web], command: wget -q -O- http://web/mine}"
    mounted = "{volumes: ['./www/mine:/www/mine:ro']}"
    _write(stage, "compose.override.yaml", f"services: {{web: {mounted}, visit: {visit}}}")
    for name, text in (
        ("www/mine", "mine"),
        ("site/Dockerfile", "FROM reconciler-test\nCOPY b /www/b\n"),
        ("site/b", "built"),
    ):
        (stage.directory / name).parent.mkdir(exist_ok=True)
        _write(stage, name, text)
    told = stage.cli("import", "compose", "--profile", "visit", "--dir", str(tmp_path / "specs"))
    assert [Path(line).name for line in told.out.splitlines()] == ["service-web.yaml", "service-visit.yaml"]
    stage.cli("apply", "-f", str(tmp_path / "specs"), "--timeout", "30", expect=None)
    assert [get(f"http://127.0.0.1:{port}/{name}") for name in ("mine", "b")] == ["mine", "built"]
    eventually(lambda: "mine" in stage.container_log("visit"), "the visitor has found web by its name")


def test_nothing_happens_when_something_can_t_be_carried(stage: Stage) -> None:
    file = _write(
        stage, "compose.yaml", "services:\n  a: {image: reconciler-test}\n  b: {image: x, ulimits: {nofile: 5}}\n"
    )
    told = stage.cli("apply", "-f", str(file), expect=2)
    assert f"{file}:3:17: services.b.ulimits: can't be carried: " in told.err
    assert stage.containers() == []


def _pair(free_port: Callable[[], int]) -> int:
    """The first of two that are free."""
    while True:
        first, second = free_port(), free_port()
        if second == first + 1:
            return first


def _write(stage: Stage, name: str, text: str) -> Path:
    path = stage.directory / name
    path.write_text(text)
    return path
