"""One scenario's place: the program in its home, what it made in the world, and what it must never touch.

What is there is asked of the engine, /proc and the disk, never of the program.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import warm
from tests.engine_api import Engine, EngineError
from tests.podman_lacks import given
from tests.scenarios.proc import Proc, processes_with
from tests.waiting import until

OWNER, KEY = "dev.reconciler.owner", "dev.reconciler."
LOCKS = {"lock", "turn"}
"""A removal that is cut short in its very last step leaves these behind in a directory that is nobody's any more."""
CANARY = "it must not be lost\n"
LIMIT = 90.0
"""Seconds for one run."""
Document = dict[str, Any]
Look = dict[str, Any]
"""What is there, in a form that two runs of the same have in common."""


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


@dataclass
class Site:
    engine: Engine
    namespace: str
    directory: Path
    ports: tuple[int, int]
    foreign: list[str] = field(default_factory=list)
    strangers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    # -- the program

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def run(self, *arguments: str, points: str = "", trace: Path | None = None) -> Ran:
        environment = self.environment()
        environment |= {"RECONCILER_FAILPOINTS": points} if points else {}
        environment |= {"RECONCILER_FAILPOINTS_TRACE": str(trace)} if trace else {}
        told = warm.run(["-n", self.namespace, *arguments], env=environment, cwd=self.directory, seconds=LIMIT)
        return Ran(arguments, told.returncode, told.stdout, told.stderr)

    def environment(self) -> dict[str, str]:
        """Nothing of the tester's own settings."""
        kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ}
        kept |= {"PYTHONUTF8": "1", "TERM": "dumb"}
        return {**kept, "HOME": str(self.directory / "user"), "RECONCILER_HOME": str(self.home)}

    def spec(self, name: str, documents: list[Document]) -> Path:
        path = self.directory / f"{name}.yaml"
        path.write_text("\n---\n".join(json.dumps(document) for document in documents))
        return path

    def settle_in(self) -> None:
        """A port range that no other test uses: automatic ports are then the same in each run."""
        folder = self.directory / "user" / ".config" / "reconciler"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("portRange: {}-{}\n".format(*self.ports))

    # -- what is there

    @property
    def owner(self) -> str:
        """Before there is a home, a word that nothing carries."""
        return (_read(self.home / "owner") or "nobody").split()[0]

    def look(self) -> Look:
        """Numbers that differ from run to run stand for what they are."""
        return {
            "containers": self.containers(),
            "networks": self._networks(),
            "volumes": self._volumes(),
            "processes": self._processes(),
            "documents": self._documents(),
        }

    def containers(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in self._ours("/containers/json?all=1"):
            try:
                seen = self.engine.inspect(item["Id"])
            except EngineError as error:
                if error.status == 404:  # what a killed command has asked for, the engine still does
                    continue
                raise
            key = _key(seen["Config"]["Labels"])
            assert key not in found, f"two containers are {key}"
            found[key] = self._container(seen)
        return dict(sorted(found.items()))

    def _container(self, seen: Any) -> Look:
        limits = ("NanoCpus", "Memory", "PidsLimit", "RestartPolicy", "PortBindings")
        return {
            "name": seen["Name"],
            "state": seen["State"]["Status"],
            "image": seen["Config"]["Image"],
            "command": seen["Config"]["Cmd"],
            "env": given(seen["Config"]["Env"]),
            "labels": {n: text for n, text in seen["Config"]["Labels"].items() if n.startswith(KEY)},
            "limits": {name: seen["HostConfig"][name] for name in limits},
            "mounts": sorted((m["Type"], m.get("Name", ""), m["Destination"], m["RW"]) for m in seen["Mounts"]),
            "networks": sorted(seen["NetworkSettings"]["Networks"]),
        }

    def _networks(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in self._ours("/networks"):
            key = _key(item["Labels"])
            assert key not in found, f"two networks are {key}"
            members = self.engine.get(f"/networks/{item['Id']}")["Containers"] or {}
            found[key] = [item["Name"], item["Driver"], item["Labels"], sorted(m["Name"] for m in members.values())]
        return dict(sorted(found.items()))

    def _volumes(self) -> dict[str, Any]:
        on_engine = {item["Name"]: item for item in self._ours("/volumes")}
        found: dict[str, Any] = {
            name: [item["Labels"], _read(Path(item["Mountpoint"]) / "canary")] for name, item in on_engine.items()
        }
        for place in sorted((self.home / "volumes").glob("*")):
            found[f"process {place.name}"] = [_labels(place), _read(place / "data" / "canary")]
        return dict(sorted(found.items()))

    def _processes(self) -> dict[str, Any]:
        """A service that lives has one process whose parent is not of the same service."""
        found: dict[str, Any] = {}
        for place in sorted((self.home / "processes").glob("*")):
            heads = [head.command for head in self._heads("/".join(["service", *place.name.split(".")]))]
            assert len(heads) <= 1, f"{place.name} runs more than once: {heads}"
            files = sorted(str(f.relative_to(place)) for f in (place / "files").rglob("*") if f.is_file())
            contents = [(name, _read(place / "files" / name)) for name in files]
            if heads or not {entry.name for entry in place.iterdir()} <= LOCKS:
                found[place.name] = [_labels(place), heads, contents]
        return found

    def _heads(self, key: str) -> list[Proc]:
        tree = processes_with({f"RECONCILER_OWNER={self.owner}", f"RECONCILER_KEY={key}"})
        pids = {process.pid for process in tree}
        return [process for process in tree if process.parent not in pids]

    def _documents(self) -> dict[str, str]:
        """With drafts that nobody finished. What spares the next reading is a cache, and says how old it is."""
        root = self.home / "applied"
        files = [file for file in sorted(root.rglob("*")) if file.is_file() and file.name != ".read.json"]
        return {str(file.relative_to(root)): re.sub(r"  # kept .*", "", file.read_text()) for file in files}

    def _ours(self, path: str) -> Iterator[Any]:
        listed = self.engine.get(path)
        for item in (listed["Volumes"] or []) if isinstance(listed, dict) else listed:
            if (item.get("Labels") or {}).get(OWNER) == self.owner:
                yield item

    # -- what happens behind the program's back

    def write_canaries(self) -> None:
        for item in self._ours("/volumes"):
            (Path(item["Mountpoint"]) / "canary").write_text(CANARY)
        for place in (self.home / "volumes").glob("*"):
            (place / "data" / "canary").write_text(CANARY)

    def container(self, service: str, index: int = 0) -> str:
        return f"{self.namespace}-{service}-{index}"

    def signal(self, service: str, number: signal.Signals) -> None:
        """Until it has arrived: who looks before that sees nothing of it."""
        marks = {f"RECONCILER_OWNER={self.owner}", f"RECONCILER_KEY=service/{self.namespace}/{service}/0"}
        for process in processes_with(marks):
            process.signal(number)
            until(lambda pid=process.pid: not _pending(pid))

    def bring_strangers(self) -> None:
        """Things that are not ours: under names beside ours, with our labels but another owner's, with our marks."""
        ns, key = self.namespace, f"service/{self.namespace}/web/0"
        worn = {OWNER: "f" * 16, f"{KEY}namespace": ns, f"{KEY}kind": "service", f"{KEY}name": "web"}
        self.foreign.append(self.engine.run(f"{ns}-web-7", Labels={**worn, f"{KEY}index": "7"}))
        self.foreign.append(self.engine.run(f"{ns}-stranger"))
        self.engine.post("/networks/create", {"Name": f"{ns}-strange", "Labels": {**worn, f"{KEY}kind": "network"}})
        self.engine.post("/volumes/create", {"Name": f"{ns}-strange", "Labels": {**worn, f"{KEY}kind": "volume"}})
        marks = {"PATH": os.environ["PATH"], "RECONCILER_OWNER": "f" * 16, "RECONCILER_KEY": key}
        self.strangers.append(subprocess.Popen(["sleep", "100000"], env=marks, start_new_session=True))

    def lives(self) -> list[Any]:
        """What changes when somebody touches a stranger."""
        found: list[Any] = [process.poll() for process in self.strangers]
        for container in self.foreign:
            seen = self.engine.inspect(container)
            networks = {name: net["NetworkID"] for name, net in seen["NetworkSettings"]["Networks"].items()}
            found.append([seen["Id"], seen["Name"], seen["State"], networks])
        network = self.engine.get(f"/networks/{self.namespace}-strange")
        volume = self.engine.get(f"/volumes/{self.namespace}-strange")
        return [*found, network["Id"], network["Created"], volume["CreatedAt"], volume["Labels"]]

    # -- the end

    def clear(self) -> None:
        """All of ours goes as its users would let it go, and nothing of it is left; who we are stays."""
        told = self.run("delete", "all", "--all", "--volumes", "--timeout", "30")
        assert told.code == 0, told
        left = {kind: things for kind, things in self.look().items() if things}
        assert not left, f"delete --volumes left {left}"
        for entry in self.home.iterdir():
            if entry.name != "owner":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def leave(self) -> None:
        """Also after a test that failed half-way."""
        for process in self.strangers:
            process.kill()
            process.wait()
        if (self.home / "owner").exists():
            self.run("delete", "all", "--all", "--volumes", "--timeout", "30")
            self._sweep()
        for container in self.foreign:
            self.engine.remove(container)
        for kind in ("networks", "volumes"):
            with contextlib.suppress(EngineError):
                self.engine.delete(f"/{kind}/{self.namespace}-strange")

    def _sweep(self) -> None:
        for item in self._ours("/containers/json?all=1"):
            self.engine.remove(item["Id"])
        for kind, name in (("networks", "Id"), ("volumes", "Name")):
            for item in self._ours(f"/{kind}"):
                with contextlib.suppress(EngineError):
                    self.engine.delete(f"/{kind}/{item[name]}")
        mark = f"RECONCILER_OWNER={self.owner}"
        for process in processes_with({mark}):
            process.signal(signal.SIGKILL)
        until(lambda: not processes_with({mark}))


def _key(labels: dict[str, str]) -> str:
    parts = [labels[f"{KEY}{part}"] for part in ("kind", "namespace", "name")]
    return "/".join([*parts, labels[f"{KEY}index"]] if f"{KEY}index" in labels else parts)


def _labels(place: Path) -> dict[str, str]:
    """Of a directory of the process runtime, without what is drawn anew for each."""
    found = json.loads(_read(place / "labels.json") or "{}")
    return {name: value for name, value in found.items() if name not in {"id", "created"}}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _pending(pid: int) -> bool:
    """Nothing is, for one that is gone."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return any(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))
    return False
