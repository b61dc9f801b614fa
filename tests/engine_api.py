"""The engine's API on the standard library alone: tests don't look at the world through our own eyes."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class EngineError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine behind a unix socket."""

    address: str

    @classmethod
    def reachable(cls) -> Engine | None:
        """The engine that this environment leads to, if it answers."""
        address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        engine = cls(address)
        return engine if address.startswith("unix://") and engine.answers() else None

    def answers(self) -> bool:
        try:
            return self.call("GET", "/_ping", timeout=2.0) == "OK"
        except (OSError, http.client.HTTPException, EngineError):
            return False

    @property
    def kind(self) -> str:
        """Whose it is: `docker` or `podman`."""
        parts = {part["Name"] for part in self.get("/version").get("Components") or ()}
        return "podman" if "Podman Engine" in parts else "docker"

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body)

    def delete(self, path: str) -> None:
        self.call("DELETE", path)

    def call(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, timeout: float = 60.0) -> Any:
        connection = _UnixConnection(self.address.removeprefix("unix://"), timeout)
        headers = {"Content-Type": "application/x-tar" if raw is not None else "application/json"}
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return _decoded(response.status, response.read())
        finally:
            connection.close()

    # -- what tests do behind our back

    def run(self, name: str, *command: str, image: str = "reconciler-test", **config: Any) -> str:
        """A foreign container, started. Returns its id."""
        body = {"Image": image, "Cmd": list(command) or ["sleep", "1000"], "StopTimeout": 0, **config}
        container: str = self.post(f"/containers/create?name={name}", body)["Id"]
        self.post(f"/containers/{container}/start")
        return container

    def remove(self, container: str) -> None:
        """By force, with its anonymous volumes; gone already is fine."""
        try:
            self.delete(f"/containers/{container}?force=1&v=1")
        except EngineError as error:
            if error.status not in {404, 409}:
                raise

    def inspect(self, container: str) -> Any:
        return self.get(f"/containers/{container}/json")

    def labelled(self, label: str) -> Iterator[str]:
        """Everything that carries a label beginning so, as sentences."""
        for item in self.get("/containers/json?all=1"):
            if _wears(item, label):
                yield f"container {item['Names']} {item['Status']} {item['Labels']}"
        yield from (sentence for _, sentence in self.networks(label))
        for item in self.get("/volumes")["Volumes"] or []:
            if _wears(item, label):
                yield f"volume {item['Name']} {item['Labels']}"

    def networks(self, label: str) -> Iterator[tuple[str, str]]:
        """Those that carry such a label, by their ids."""
        for item in self.get("/networks"):
            if _wears(item, label):
                yield item["Id"], f"network {item['Name']} of {item['Created']} {item['Labels']}"


def _wears(item: dict[str, Any], label: str) -> bool:
    return any(name.startswith(label) for name in item.get("Labels") or {})


def _decoded(status: int, body: bytes) -> Any:
    text = body.decode(errors="replace")
    try:
        value = json.loads(text) if text else None
    except ValueError:
        value = text
    if status >= 400:
        raise EngineError(status, value["message"] if isinstance(value, dict) and "message" in value else text)
    return value


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
