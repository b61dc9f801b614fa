"""`import compose`: what Compose files declare, as specs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

BASE = """\
services:
  web:
    image: nginx:${TAG:-1.27}
    ports: ["80:80"]
    volumes: ["./site:/site", "data:/data"]
    container_name: web
volumes: {data: {}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "My Shop"
    path.mkdir()
    (path / "docker-compose.yml").write_text(BASE)
    return path


def test_what_is_printed_is_valid_wherever_it_is_read(shop: Path, cli: Run, tmp_path: Path) -> None:
    found = cli("import", "compose", cwd=shop)
    assert found.returncode == 0
    assert found.stdout.startswith(
        "# from docker-compose.yml:7 volumes.data\napiVersion: reconciler/v1\nkind: Volume\n"
    )
    assert f"hostPath: {shop}/site" in found.stdout
    assert "namespace: my-shop" in found.stdout
    assert "docker-compose.yml:6:5: services.web.container_name: left out: " in found.stderr
    assert f"{shop}/site is not there" in found.stderr
    assert (
        cli("validate", "-f", "-", "-o", "name", stdin=found.stdout, cwd=tmp_path).stdout
        == "volume/data\nservice/web\n"
    )


def test_the_override_beside_it_and_the_namespace_asked_for_are_taken(shop: Path, cli: Run) -> None:
    (shop / "docker-compose.override.yaml").write_text("services: {web: {image: other}}\n")
    found = cli("import", "compose", "-n", "t1", "-o", "json", cwd=shop)
    tree = json.loads(found.stdout)
    assert (tree["kind"], [item["kind"] for item in tree["items"]]) == ("List", ["Volume", "Service"])
    assert tree["items"][1]["spec"]["container"]["image"] == "other"
    assert {item["metadata"]["namespace"] for item in tree["items"]} == {"t1"}
    named = cli("import", "compose", "-f", str(shop / "docker-compose.yml"), "-o", "json", env={"TAG": "2"})
    assert json.loads(named.stdout)["items"][1]["spec"]["container"]["image"] == "nginx:2"


def test_what_can_t_be_carried_is_refused_or_dropped_with_a_list(shop: Path, cli: Run) -> None:
    file = shop / "docker-compose.yml"
    file.write_text("services:\n  a:\n    image: x\n    read_only: true\n    tmpfs: [/run]\n")
    refused = cli("import", "compose", str(file))
    assert (refused.returncode, refused.stdout) == (2, "")
    for line, key in ((4, "read_only"), (5, "tmpfs")):
        assert f"{file}:{line}:5: services.a.{key}: can't be carried: " in refused.stderr
    dropped = cli("import", "compose", str(file), "--lenient", "-o", "name")
    assert (dropped.returncode, dropped.stdout) == (0, "service/a\n")
    assert dropped.stderr.count("dropped: ") == 2


def test_files_are_written_anew_and_never_over_others(shop: Path, cli: Run, tmp_path: Path) -> None:
    out = tmp_path / "specs"
    found = cli("import", "compose", str(shop), "--dir", str(out))
    assert found.stdout.splitlines() == [f"{out}/volume-data.yaml", f"{out}/service-web.yaml"]
    assert cli("validate", "-f", str(out)).returncode == 0
    again = cli("import", "compose", str(shop), "--dir", str(out))
    assert again.returncode == 1
    assert "volume-data.yaml is there already" in again.stderr


def test_where_there_is_none_it_says_what_it_looked_for(cli: Run, tmp_path: Path) -> None:
    found = cli("import", "compose", cwd=tmp_path)
    assert found.returncode == 2
    assert "no Compose file is there" in found.stderr
    assert "compose.yaml" in found.stderr
    only = cli("import", "compose", "-", stdin="services: {a: {image: x, profiles: [p]}}\n", cwd=tmp_path)
    assert "no service is declared there" in only.stderr


def test_validate_reads_a_compose_file_as_it_is(shop: Path, cli: Run) -> None:
    found = cli("validate", "-f", str(shop / "docker-compose.yml"), "-o", "json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["resources"] == ["volume/my-shop/data", "service/my-shop/web"]
    (shop / "docker-compose.yml").write_text(BASE + "nets: {}\n")
    wrong = cli("validate", "-f", str(shop / "docker-compose.yml"), "-o", "json")
    (problem,) = json.loads(wrong.stdout)["errors"]
    assert (wrong.returncode, problem["line"], problem["path"]) == (2, 8, "nets")
    assert problem["hint"] == "did you mean networks?"


def test_apply_and_the_like_take_profiles_too(shop: Path, cli: Run) -> None:
    file = shop / "docker-compose.yml"
    file.write_text("services:\n  a: {image: x}\n  b: {image: x, profiles: [more]}\n")
    assert cli("validate", "-f", str(file), "-o", "name").stdout == "service/a\n"
    assert cli("validate", "-f", str(file), "--profile", "more", "-o", "name").stdout == "service/a\nservice/b\n"
    assert cli("validate", "-f", str(file), "-o", "name", env={"COMPOSE_PROFILES": "x,more"}).stdout.count("/") == 2
