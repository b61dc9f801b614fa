"""Where the engine listens: found out as the docker command does, so that both always mean the same engine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.errors import Unreachable
from reconciler.values import dataclass

SYSTEM_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`url` is unix:///path or tcp://host:port; `source` is what named it, for messages."""

    url: str
    source: str = "default"
    certificates: str = ""
    """Directory with ca.pem, cert.pem and key.pem; empty: no TLS."""
    host: str = ""
    """Another one that a socket of ours leads to, for as long as a connection lasts."""
    through: int = 0
    """The number of that connection: the same socket over the next one is another way."""

    @property
    def path(self) -> str:
        """Of a unix socket; empty for others."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""

    @property
    def machine(self) -> tuple[str, int]:
        """Of a TCP endpoint."""
        name, _, port = self.url.removeprefix("tcp://").rstrip("/").rpartition(":")
        return name.strip("[]"), int(port)

    @property
    def lasts(self) -> bool:
        return not self.host

    def __str__(self) -> str:
        if self.host:
            return f"host {self.host}"
        return self.url if self.source == "default" else f"{self.url} (from {self.source})"


def resolve(environment: Mapping[str, str]) -> Endpoint:
    """DOCKER_HOST, then DOCKER_CONTEXT, then the context that `docker context use` chose, then the usual sockets."""
    if url := environment.get("DOCKER_HOST", ""):
        secure = environment.get("DOCKER_TLS_VERIFY", "") not in {"", "0"}
        certificates = environment.get("DOCKER_CERT_PATH") or str(_config_directory(environment))
        return _checked(Endpoint(url, "DOCKER_HOST", certificates if secure else ""))
    name, source = _context(environment)
    if name in {"", "default"}:
        return Endpoint(f"unix://{_usual_socket(environment)}")
    return _checked(_of_context(name, source, _config_directory(environment)))


def _context(environment: Mapping[str, str]) -> tuple[str, str]:
    if name := environment.get("DOCKER_CONTEXT", ""):
        return name, "DOCKER_CONTEXT"
    file = _config_directory(environment) / "config.json"
    config = _json(file)
    return str(config.get("currentContext") or ""), str(file)


def _of_context(name: str, source: str, config: Path) -> Endpoint:
    """The docker command keeps contexts in directories that are named by a hash of the context's name."""
    import hashlib  # noqa: PLC0415 -- OpenSSL's start-up is only for those who use contexts

    folder = hashlib.sha256(name.encode()).hexdigest()
    described = _json(config / "contexts" / "meta" / folder / "meta.json")
    url = described.get("Endpoints", {}).get("docker", {}).get("Host", "")
    if not url:
        raise Unreachable(
            f"there is no docker context {name!r}, which {source} names",
            hint="see `docker context ls`; choose one with `docker context use NAME` or DOCKER_CONTEXT",
        )
    certificates = config / "contexts" / "tls" / folder / "docker"
    return Endpoint(url, f"docker context {name}", str(certificates) if certificates.is_dir() else "")


def _checked(endpoint: Endpoint) -> Endpoint:
    scheme, separator, rest = endpoint.url.partition("://")
    if separator and rest and scheme == "unix":
        return endpoint
    if scheme in {"tcp", "http", "https"} and rest.rstrip("/").rpartition(":")[2].isdecimal():
        return Endpoint(f"tcp://{rest}", endpoint.source, endpoint.certificates)
    raise Unreachable(
        f"{endpoint.source} names the engine {endpoint.url!r}, which can't be spoken to",
        hint="use unix:///path/to/docker.sock or tcp://host:port",
    )


def _usual_socket(environment: Mapping[str, str]) -> str:
    """The system's engine; a rootless one where only that exists; Podman where there is no Docker."""
    own = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    candidates = [
        SYSTEM_SOCKET,
        f"{own}/docker.sock",
        f"/run/user/{os.getuid()}/docker.sock",
        f"{_home(environment)}/.docker/run/docker.sock",
        *([PODMAN_SOCKET] if os.access(PODMAN_SOCKET, os.W_OK) else []),  # only root's own, as a rule
        f"{own}/podman/podman.sock",
    ]
    return next((path for path in candidates if Path(path).exists()), SYSTEM_SOCKET)


def _config_directory(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("DOCKER_CONFIG") or f"{_home(environment)}/.docker")


def _home(environment: Mapping[str, str]) -> str:
    return environment.get("HOME") or "/root"


def _json(file: Path) -> dict[str, Any]:
    """Empty when the file is missing; a broken one is said, for the docker command would refuse it too."""
    try:
        value = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise Unreachable(f"{file} can't be read: {error}", hint="repair it, or set DOCKER_HOST") from error
    return value if isinstance(value, dict) else {}
