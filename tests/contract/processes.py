"""Native processes for the contract suite."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from reconciler.model.desired import Desired, File, Mount, PortBinding, ProcessPayload, Sealed, VolumePayload
from reconciler.model.key import Key
from reconciler.model.observed import Grant, Observed
from reconciler.runtimes.process.directory import directory_name
from reconciler.runtimes.process.runtime import ProcessRuntime
from tests.contract.harness import FOREVER, OWNER
from tests.waiting import until


class Processes:
    runs_programs = True
    limits = True

    def __init__(self, home: Path, namespace: str) -> None:
        self.home = home
        self.namespace = namespace
        self.runtime = ProcessRuntime(str(home), OWNER)

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
        **more: object,
    ) -> Desired:
        given = tuple(
            File(file, content, 0o400 if isinstance(content, Sealed) else 0o444)
            for file, content in (files or {}).items()
        )
        mounts = (Mount("given", "", files=given),) if given else ()
        return Desired(
            key=Key("service", self.namespace, name, index),
            runtime="process",
            payload=ProcessPayload(command=command, env=env or {}, ports=ports, mounts=mounts, **more),
            fingerprint=fingerprint,
            owner=OWNER,
            generation=3,
            grants={port.name: Grant(port.host_port, "auto") for port in ports},
        )

    def volume(self, name: str = "data") -> Desired:
        key = Key("volume", self.namespace, name)
        return Desired(key=key, runtime="process", payload=VolumePayload(), fingerprint="v1", owner=OWNER)

    def place(self, desired: Desired) -> Path:
        return self.home / "processes" / directory_name(desired.key)

    def path_inside(self, desired: Desired, file: str) -> str:
        return str(self.place(desired) / "files" / "given" / file)

    def see(self, desired: Desired) -> Observed | None:
        view = self.runtime.observe(deep=True)
        assert view.reachable, view.problem
        return next((thing for thing in view.objects if thing.key == desired.key), None)

    def made(self, desired: Desired) -> Observed:
        self.runtime.create(desired)
        seen = self.see(desired)
        assert seen is not None
        return seen

    def let_come_up(self, seen: Observed) -> None:
        """Whoever is there hears."""

    def break_behind_back(self, how: str, seen: Observed) -> None:
        assert seen.pid is not None
        assert seen.key is not None
        match how:
            case "kill":
                end(seen.pid, signal.SIGKILL)
            case "stop":
                end(seen.pid, signal.SIGTERM)
            case "pause":
                os.kill(seen.pid, signal.SIGSTOP)
                until(lambda: state(seen.pid) == "T")
            case "remove":
                end(seen.pid, signal.SIGKILL)
                until(lambda: removed(self.home / "processes" / directory_name(seen.key)))

    def close(self) -> None:
        """Groups of those whose directory was deleted are left behind empty, for their next instance."""
        root = self.runtime._starter.cgroups.place("")[1]
        for group in Path(root).glob(f"*-{self.namespace}.*") if root else ():
            group.rmdir()

    def foreign(self, desired: Desired) -> str:
        place = self.place(desired)
        place.mkdir(parents=True)
        labels = {"dev.reconciler.owner": "somebody-else", "dev.reconciler.kind": "service", "id": "x"}
        (place / "labels.json").write_text(json.dumps(labels))
        return desired.name


def removed(place: Path) -> bool:
    """Its parent may still be writing down how it ended."""
    shutil.rmtree(place, ignore_errors=True)
    return not place.exists()


def end(pid: int, number: int) -> None:
    """Signals it and waits for its death, though it is nobody's child here."""
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, number)
        until(lambda: not alive(pid))
    finally:
        os.close(fd)


def alive(pid: int) -> bool:
    return state(pid) not in {"", "Z", "X"}


def state(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return text.rpartition(")")[2].split()[0]
