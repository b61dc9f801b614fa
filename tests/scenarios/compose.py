"""A project as compose v2 has brought it up: the same names, labels, networks and volumes, made by hand."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from tests.engine_api import EngineError
from tests.scenarios.documents import SLEEP
from tests.scenarios.stage import IMAGE, Stage

LABEL = "com.docker.compose."


@dataclass
class Project:
    stage: Stage
    networks: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.stage.namespace

    @property
    def is_podman(self) -> bool:
        return self.stage.engine.kind == "podman"

    def network(self, name: str = "default") -> str:
        full = f"{self.name}_{name}"
        labels = {f"{LABEL}project": self.name, f"{LABEL}network": name, f"{LABEL}version": "2.29.7"}
        self.stage.engine.post("/networks/create", {"Name": full, "CheckDuplicate": True, "Labels": labels})
        self.networks.append(full)
        return full

    def volume(self, name: str) -> str:
        full = f"{self.name}_{name}"
        labels = {f"{LABEL}project": self.name, f"{LABEL}volume": name, f"{LABEL}version": "2.29.7"}
        self.stage.engine.post("/volumes/create", {"Name": full, "Labels": labels})
        self.volumes.append(full)
        return full

    def up(
        self, service: str, *command: str, number: int = 1, host: dict[str, Any] | None = None, **config: Any
    ) -> str:
        """One container of a service; its id. It restarts as `restart: unless-stopped` has it, but with Podman, which
        can't change that on a living container.
        """
        name = f"{self.name}-{service}-{number}"
        network, restart = f"{self.name}_default", "no" if self.is_podman else "unless-stopped"
        labels = {
            "project": self.name, "service": service, "container-number": str(number), "oneoff": "False",
            "config-hash": "0" * 64, "depends_on": "", "image": "sha256:" + "0" * 64, "version": "2.29.7",
            "project.config_files": "/srv/compose.yaml", "project.working_dir": "/srv",
        }  # fmt: skip
        return self.stage.intruder(
            name, *(command or SLEEP),
            Labels={f"{LABEL}{label}": value for label, value in labels.items()},
            HostConfig={
                "NetworkMode": network, "RestartPolicy": {"Name": restart, "MaximumRetryCount": 0},
                "Init": True, **(host or {}),
            },
            NetworkingConfig={"EndpointsConfig": {network: {"Aliases": [name, service]}}},
            **{"Image": IMAGE, **config},
        )  # fmt: skip

    def down(self) -> None:
        for container in self.stage.foreign:
            self.stage.engine.remove(container)
        for kind, names in (("networks", self.networks), ("volumes", self.volumes)):
            for name in names:
                with contextlib.suppress(EngineError):
                    self.stage.engine.delete(f"/{kind}/{name}")
