"""Which engine is meant."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from reconciler.errors import Unreachable
from reconciler.runtimes.docker import endpoint
from reconciler.runtimes.docker.endpoint import Endpoint, resolve


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A directory as the docker command keeps it, with one context in it."""
    folder = tmp_path / "contexts" / "meta" / hashlib.sha256(b"colima").hexdigest()
    folder.mkdir(parents=True)
    described = {"Name": "colima", "Endpoints": {"docker": {"Host": "unix:///colima.sock"}}}
    (folder / "meta.json").write_text(json.dumps(described))
    return tmp_path


def test_DOCKER_HOST_wins(config: Path) -> None:
    found = resolve({"DOCKER_HOST": "unix:///x.sock", "DOCKER_CONTEXT": "colima", "DOCKER_CONFIG": str(config)})
    assert (found.path, found.source) == ("/x.sock", "DOCKER_HOST")


def test_a_context_is_looked_up_by_its_name(config: Path) -> None:
    found = resolve({"DOCKER_CONTEXT": "colima", "DOCKER_CONFIG": str(config)})
    assert found == Endpoint("unix:///colima.sock", "docker context colima")


def test_the_context_in_use_is_meant_when_nothing_else_is_said(config: Path) -> None:
    (config / "config.json").write_text('{"currentContext": "colima"}')
    assert resolve({"DOCKER_CONFIG": str(config)}).path == "/colima.sock"
    assert resolve({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "default"}).source == "default"


def test_an_unknown_context_is_named_with_who_named_it(config: Path) -> None:
    with pytest.raises(Unreachable, match="no docker context 'nope', which DOCKER_CONTEXT names"):
        resolve({"DOCKER_CONTEXT": "nope", "DOCKER_CONFIG": str(config)})


def test_a_broken_config_is_said(config: Path) -> None:
    (config / "config.json").write_text("{")
    with pytest.raises(Unreachable, match=r"config\.json can't be read"):
        resolve({"DOCKER_CONFIG": str(config)})


@pytest.mark.parametrize("url", ["ssh://me@there", "/var/run/docker.sock", "tcp://nowhere", "unix://", "fd://"])
def test_what_can_not_be_spoken_to_is_said(url: str) -> None:
    with pytest.raises(Unreachable, match="can't be spoken to"):
        resolve({"DOCKER_HOST": url})


def test_tcp_endpoints_may_be_secured() -> None:
    plain = resolve({"DOCKER_HOST": "tcp://10.0.0.1:2375"})
    assert (plain.machine, plain.certificates, plain.path) == (("10.0.0.1", 2375), "", "")
    secure = {"DOCKER_HOST": "tcp://[::1]:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    assert (resolve(secure).machine, resolve(secure).certificates) == (("::1", 2376), "/certs")


def test_a_rootless_engine_is_found_where_there_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "SYSTEM_SOCKET", str(tmp_path / "system.sock"))
    monkeypatch.setattr(endpoint, "PODMAN_SOCKET", str(tmp_path / "no.sock"))
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").touch()
    assert resolve(environment).path == str(tmp_path / "podman" / "podman.sock")
    monkeypatch.setattr(endpoint, "PODMAN_SOCKET", str(tmp_path / "podman.sock"))
    (tmp_path / "podman.sock").touch()
    assert resolve(environment).path == str(tmp_path / "podman.sock")
    (tmp_path / "docker.sock").touch()
    assert resolve(environment).path == str(tmp_path / "docker.sock")
    (tmp_path / "system.sock").touch()
    assert resolve(environment).path == str(tmp_path / "system.sock")
