"""A runtime on the real engine, and short words for what is done with it. All that a test makes goes with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.desired import ContainerPayload, Desired, NetworkPayload, Payload, VolumePayload
from reconciler.model.key import Key
from reconciler.model.observed import Grant, Observed, View
from reconciler.runtimes.docker.endpoint import resolve
from reconciler.runtimes.docker.runtime import DockerRuntime
from tests.engine_api import Engine

OWNER = "owner-of-these-tests"


class World:
    def __init__(self, engine: Engine, namespace: str, logs: Path) -> None:
        self.engine = engine
        self.namespace = namespace
        self.logs = logs
        self.runtime = DockerRuntime(lambda: resolve(os.environ), owner=OWNER, logs_dir=str(logs))

    def service(self, name: str, *command: str, index: int = 0, **payload: Any) -> Desired:
        """Sleeps unless told otherwise, and ends at once when it is asked to."""
        given = {"image": "reconciler-test", "command": command or ("sleep", "1000"), "init": True, **payload}
        return self.desired("service", name, ContainerPayload(**given), index)

    def network(self, name: str, **payload: Any) -> Desired:
        return self.desired("network", name, NetworkPayload(**payload))

    def volume(self, name: str, **payload: Any) -> Desired:
        return self.desired("volume", name, VolumePayload(**payload))

    def desired(self, kind: str, name: str, payload: Payload, index: int | None = None, **more: Any) -> Desired:
        grants = {port.name: Grant(port.host_port, "auto") for port in getattr(payload, "ports", ())}
        given = {"fingerprint": "f1", "owner": OWNER, "grants": grants, **more}
        return Desired(key=Key(kind, self.namespace, name, index), runtime="docker", payload=payload, **given)

    def view(self, *, deep: bool = False) -> View:
        view = self.runtime.observe(deep=deep)
        assert view.reachable, view.problem
        return view

    def see(self, desired: Desired, *, deep: bool = False) -> Observed | None:
        return next((thing for thing in self.view(deep=deep).objects if thing.key == desired.key), None)

    def named(self, name: str) -> Observed:
        return next(thing for thing in self.view().objects if thing.name == name)

    def made(self, desired: Desired, *, deep: bool = False) -> Observed:
        self.runtime.create(desired)
        seen = self.see(desired, deep=deep)
        assert seen is not None
        return seen

    def clear(self) -> None:
        mine = f"{self.namespace}-"
        for item in self.engine.get("/containers/json?all=1"):
            if any(name.startswith(f"/{mine}") for name in item["Names"]):
                self.engine.remove(item["Id"])
        for item in self.engine.get("/networks"):
            if item["Name"].startswith(mine):
                self.engine.delete(f"/networks/{item['Id']}")
        for item in self.engine.get("/volumes")["Volumes"] or []:
            if item["Name"].startswith(mine):
                self.engine.delete(f"/volumes/{item['Name']}")
        self.runtime.close()


@pytest.fixture
def world(engine: Engine, namespace: str, tmp_path: Path) -> Iterator[World]:
    it = World(engine, namespace, tmp_path / "logs")
    try:
        yield it
    finally:
        it.clear()
