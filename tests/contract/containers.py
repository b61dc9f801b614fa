"""Containers for the contract suite."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.model.desired import ContainerPayload, Desired, File, Mount, PortBinding, Sealed, VolumePayload
from reconciler.model.key import Key
from reconciler.model.observed import Grant, Observed
from reconciler.runtimes.docker.endpoint import resolve
from reconciler.runtimes.docker.runtime import DockerRuntime
from tests.contract.harness import FOREVER, OWNER
from tests.engine_api import Engine
from tests.waiting import until


class Containers:
    runs_programs = True
    limits = True

    def __init__(self, request: pytest.FixtureRequest, home: Path, namespace: str) -> None:
        self.engine: Engine = request.getfixturevalue("engine")
        self.namespace = namespace
        self.runtime = DockerRuntime(lambda: resolve(os.environ), owner=OWNER, logs_dir=str(home / "logs"))
        self._later = request.addfinalizer
        self._later(self.runtime.close)

    def desired(
        self,
        name: str = "web",
        command: tuple[str, ...] = FOREVER,
        *,
        index: int = 0,
        fingerprint: str = "f1",
        ports: tuple[PortBinding, ...] = (),
        env: Mapping[str, str | Sealed] | None = None,
        files: Mapping[str, bytes | Sealed] | None = None,
    ) -> Desired:
        """A first process hears no TERM that it does not ask for: whoever sleeps needs an init above."""
        given = tuple(
            File(file, content, 0o400 if isinstance(content, Sealed) else 0o444)
            for file, content in (files or {}).items()
        )
        return Desired(
            key=Key("service", self.namespace, name, index),
            runtime="docker",
            payload=ContainerPayload(
                image="reconciler-test",
                command=command,
                env=env or {},
                ports=ports,
                mounts=(Mount("given", "/given", files=given),) if given else (),
                init=command == FOREVER,
            ),
            fingerprint=fingerprint,
            owner=OWNER,
            generation=3,
            grants={port.name: Grant(port.host_port, "auto") for port in ports},
        )

    def volume(self, name: str = "data") -> Desired:
        key = Key("volume", self.namespace, name)
        return Desired(key=key, runtime="docker", payload=VolumePayload(), fingerprint="v1", owner=OWNER)

    def path_inside(self, _desired: Desired, file: str) -> str:
        return f"/given/{file}"

    def break_behind_back(self, how: str, seen: Observed) -> None:
        match how:
            case "kill" | "pause":
                self.engine.post(f"/containers/{seen.id}/{how}")
            case "stop":
                self.engine.post(f"/containers/{seen.id}/stop?t=60")
            case "remove":
                self.engine.remove(seen.id)

    def let_come_up(self, seen: Observed) -> None:
        """The init of one that has just begun is deaf until it has begun somebody else."""
        until(lambda: "sleep 1000" in str(self.engine.get(f"/containers/{seen.id}/top")))

    def close(self) -> None:
        """An engine that removed a container has nothing of it."""

    def foreign(self, desired: Desired) -> str:
        container = self.engine.run(desired.name)
        self._later(lambda: self.engine.remove(container))
        return desired.name
