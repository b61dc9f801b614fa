"""Runs the program many times without paying for its start: imports everything once, then forks for each run.

A process of its own and with one thread only, for a fork of a process with threads may inherit a lock that nobody
will ever let go. Requests come as lines of JSON, answers go back as lines: the exit code, negative for a signal.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

LIMIT = 90.0
"""Seconds for one run. One that takes longer is killed, and shows as such by its time."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run left."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def actions(self) -> list[str]:
        told = json.loads(self.out)["actions"]
        return [f"{action['verb']} {action['key']}: {action['cause']}" for action in told]

    def __str__(self) -> str:
        return f"$ reconciler {' '.join(self.arguments)}\nexit {self.code}\n{self.out}\n{self.err}"


class Zygote:
    """The near end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._far = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str, environment: Mapping[str, str]) -> Ran:
        assert self._far.stdin
        assert self._far.stdout
        out, err = self._directory / "stdout", self._directory / "stderr"
        request = {
            "arguments": arguments,
            "environment": dict(environment),
            "directory": str(self._directory),
            "out": str(out),
            "err": str(err),
        }
        self._far.stdin.write(json.dumps(request) + "\n")
        self._far.stdin.flush()
        code = int(self._far.stdout.readline())
        return Ran(arguments, code, out.read_text(), err.read_text())

    def close(self) -> None:
        self._far.communicate()
        assert self._far.returncode == 0


# -- the far end


def main() -> None:
    _import_all()
    gc.freeze()
    with os.fdopen(os.dup(1), "w") as answers:
        for line in sys.stdin:
            answers.write(f"{_run(json.loads(line))}\n")
            answers.flush()


def _import_all() -> None:
    """And reads one spec, for much of that is put together at first use."""
    package = importlib.import_module("reconciler")
    for module in pkgutil.walk_packages(package.__path__, "reconciler."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for late in ("docker", "tarfile", "rich.console", "yaml"):
        importlib.import_module(late)
    from reconciler.core.parse import Text, parse

    spec = b"{apiVersion: reconciler/v1, kind: Service, metadata: {name: a}, spec: {process: {command: [a]}}}"
    parse([Text("warm.yaml", spec, "/")], environment={}, namespace="warm")


def _run(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(request)
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], LIMIT)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGABRT)
    finally:
        os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(request: dict[str, Any]) -> NoReturn:
    """The console entry in this very process, with streams and an environment as from a shell."""
    code = 70
    try:
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["directory"])
        _redirect(0, os.devnull, os.O_RDONLY)
        _redirect(1, request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        _redirect(2, request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        sys.argv = ["reconciler", *request["arguments"]]
        code = _entry()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _redirect(descriptor: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


def _entry() -> int:
    from reconciler.cli import main as entry

    try:
        entry()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


if __name__ == "__main__":
    main()
