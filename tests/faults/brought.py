"""A stage with a daemon that follows Sources, and what tests ask of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faults.oracle import Oracle
from tests.scenarios.daemon import Daemon
from tests.scenarios.documents import document, native
from tests.scenarios.stage import Document, Stage, eventually

WITHIN = 60.0


class Sources:
    """The Sources of a stage, and its daemon, which is not started yet."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.daemon = Daemon(stage)
        self.oracle = Oracle(self.daemon)

    def directory(self, name: str, path: Path, **more: Any) -> Document:
        return document("Source", name, **{"directory": str(path), "interval": 2, **more})

    def git(self, name: str, url: str | Path, **more: Any) -> Document:
        """Every second, and trusted with native processes."""
        spec = {"git": {"url": str(url)}, "verify": "none", "interval": 1, "profile": "trusted", **more}
        return document("Source", name, **spec)

    def ready(self, name: str) -> tuple[str, str]:
        """Reason and message."""
        told = self.stage.cli("get", "source", name, "-o", "json").json["status"]["conditions"][0]
        return str(told["reason"]), str(told["message"])

    def become(self, wanted: str, *names: str) -> None:
        for name in names:
            eventually(lambda name=name: self.ready(name)[0] == wanted, f"{name} is {wanted}", WITHIN)

    def pids(self, *services: str) -> dict[str, int]:
        return {service: self.stage.process(service).pid for service in services}

    def runs(self, service: str, number: int) -> bool:
        found = self.stage.processes(service)
        return len(found) == 1 and found[0].command == f"sleep {number}"

    def come(self, service: str, number: int) -> None:
        eventually(lambda: self.runs(service, number), f"{service} runs as {number}", WITHIN)


def sleeper(name: str, number: int, **more: Any) -> Document:
    """A process whose command says which version of it this is."""
    return native(name, "sleep", str(number), **more)


def text(*documents: Document) -> str:
    return "---\n".join(f"{json.dumps(one, indent=1)}\n" for one in documents)
