"""A machine with native processes on it, used through the command line alone; left as it was found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import warm

Document = dict[str, Any]
SLEEP = ("sh", "-c", "echo began; exec sleep 1000")
NO_ENGINE = "unix:///nonexistent/engine.sock"
"""These tests are of native processes: an engine that happens to be here is left out of it."""


@dataclass(frozen=True)
class Machine:
    environment: Mapping[str, str]
    namespace: str
    directory: Path

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "reconciler", "-n", self.namespace, *arguments]

    @property
    def home(self) -> Path:
        return Path(self.environment["RECONCILER_HOME"])

    def __call__(self, *arguments: str, code: int | None = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One invocation; `code` is how it has to end."""
        line = ("-n", self.namespace, *arguments)
        ran = warm.run(line, env=self.environment, cwd=self.directory, stdin=stdin, seconds=60)
        assert code is None or ran.returncode == code, f"{arguments}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran

    def begin(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """One that runs beside the test, from a start of its own; its output is read from a pipe."""
        return subprocess.Popen(
            self.argv(*arguments), env=dict(self.environment), stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.directory, **options,
        )  # fmt: skip

    def apply(self, *documents: Document, code: int = 0, options: tuple[str, ...] = ()) -> None:
        self("apply", "-f", "-", *options, code=code, stdin="\n---\n".join(json.dumps(d) for d in documents))

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json").stdout)

    def pid(self, name: str, index: int = 0) -> int:
        """Of the workload itself."""
        return int(self.json("get", "service", name)["status"]["instances"][index]["pid"])

    def kill(self, name: str) -> int:
        """Behind the program's back."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def shows(self, words: str, *arguments: str) -> str:
        """What an invocation prints, once these words are in it."""
        deadline = time.monotonic() + 20
        while words not in (text := self(*arguments).stdout):
            assert time.monotonic() < deadline, f"{words!r} never came:\n{text}"
        return text

    def clear(self) -> None:
        if self.home.exists():
            self("delete", "all", "--all", "--volumes", code=None)


def service(name: str, *command: str, labels: Mapping[str, str] | None = None, **spec: Any) -> Document:
    return {
        "apiVersion": "reconciler/v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {"process": {"command": list(command or SLEEP)}, "stop": {"graceSeconds": 1}, **spec},
    }


def resource(kind: str, name: str, **spec: Any) -> Document:
    return {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def web(name: str = "web", **spec: Any) -> Document:
    """A real server, on a port that is chosen for it."""
    command = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "${ports.http}"]
    ready = {"readiness": {"httpGet": {"port": "http"}}}
    return service(name, *command, ports=[{"name": "http"}], probes=ready, **spec)
