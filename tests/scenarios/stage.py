"""The vocabulary of scenarios: the real command line on a real engine, and what people do behind its back.

Nothing here looks at the world through the program's own eyes: containers are asked of the engine, processes of
/proc, files of the disk.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests import warm
from tests.engine_api import Engine, EngineError
from tests.engine_events import recorded
from tests.scenarios.proc import Proc, processes_with, read
from tests.waiting import PATIENCE

PROGRAM = [sys.executable, "-m", "reconciler"]
IMAGE = "reconciler-test"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What one invocation left: exit code, standard output, standard error."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def actions(self) -> list[str]:
        """`Create web/0`, `Remove network/default`, in the order of doing."""
        return [f"{action['verb']} {_short(action['key'])}" for action in self.json["actions"]]

    @property
    def causes(self) -> str:
        return "\n".join(
            f"{action['verb']} {_short(action['key'])}: {action['cause']}" for action in self.json["actions"]
        )

    @property
    def waits(self) -> list[tuple[str, str, str]]:
        return [(_short(wait["key"]), wait["reason"], wait["message"]) for wait in self.json["waits"]]

    @property
    def results(self) -> dict[str, str]:
        return {_short(item["key"]): item["result"] for item in self.json["resources"]}

    def __str__(self) -> str:
        return f"$ reconciler {' '.join(self.arguments)}\nexit {self.code}\n{self.out}\n{self.err}"


def _short(key: str) -> str:
    kind, _, rest = key.split("/", 2)
    return rest if kind == "service" else f"{kind}/{rest}"


@dataclass
class Stage:
    """An installation and a namespace of one test, and the engine that all tests share."""

    engine: Engine
    namespace: str
    directory: Path
    foreign: list[str] = field(default_factory=list)
    others: list[Stage] = field(default_factory=list)

    # -- the program

    @cached_property
    def home(self) -> Path:
        return self.directory / "home"

    @cached_property
    def environment(self) -> dict[str, str]:
        """Nothing of the tester's own settings."""
        kept = {
            name: os.environ[name]
            for name in ("PATH", "DOCKER_HOST", "DOCKER_CONFIG", "PYTHONPATH")
            if name in os.environ
        }
        user = self.directory / "user"
        user.mkdir(exist_ok=True)
        return {**kept, "HOME": str(user), "RECONCILER_HOME": str(self.home), "PYTHONUTF8": "1", "TERM": "dumb"}

    def argv(self, *arguments: str) -> list[str]:
        return [*PROGRAM, "-n", self.namespace, *arguments]

    def cli(
        self, *arguments: str, expect: int | None = 0, env: Mapping[str, str] | None = None, stdin: str = "",
        cwd: Path | None = None,
    ) -> Told:  # fmt: skip
        """One invocation to its end. `expect` is its exit code; None accepts any."""
        environment = {**self.environment, **(env or {})}
        return self.run(self.argv(*arguments), environment, expect=expect, stdin=stdin, cwd=cwd)

    def bare(self, *arguments: str, expect: int | None = 0) -> Told:
        """Without -n: the namespace is found out as for any user."""
        return self.run([*PROGRAM, *arguments], self.environment, expect=expect)

    def run(
        self, argv: list[str], environment: Mapping[str, str], *, expect: int | None = 0, stdin: str = "",
        cwd: Path | None = None,
    ) -> Told:  # fmt: skip
        arguments = tuple(argv[len(PROGRAM) :])
        done = warm.run(arguments, env=environment, cwd=cwd or self.directory, stdin=stdin)
        told = Told(arguments, done.returncode, done.stdout, done.stderr)
        assert expect is None or told.code == expect, f"exit {told.code}, not {expect}\n{told}"
        return told

    def apply(self, *what: Document | Path | str, expect: int | None = 0, **more: Any) -> Told:
        """`apply -o json` of documents or files; strings that start with a dash are options."""
        return self._with_files("apply", what, expect, more)

    def diff(self, *what: Document | Path | str, expect: int | None = 0, **more: Any) -> Told:
        """Without documents: what has drifted."""
        return self._with_files("diff", what, expect, more)

    def delete(self, *what: Document | Path | str, expect: int | None = 0, **more: Any) -> Told:
        return self._with_files("delete", what, expect, more)

    def _with_files(
        self, verb: str, what: tuple[Document | Path | str, ...], expect: int | None, more: dict[str, Any]
    ) -> Told:
        options = [item for item in what if isinstance(item, str)]
        files = [item for item in what if isinstance(item, Path)]
        documents = [item for item in what if isinstance(item, dict)]
        if documents:
            files.append(self.write(*documents))
        paths = [argument for path in files for argument in ("-f", str(path))]
        return self.cli(verb, *paths, "-o", "json", *options, expect=expect, **more)

    def write(self, *documents: Document, name: str = "spec.yaml") -> Path:
        """JSON is YAML too."""
        path = self.directory / name
        path.write_text("\n---\n".join(json.dumps(document) for document in documents))
        return path

    def start_cli(self, *arguments: str) -> subprocess.Popen[str]:
        """One that runs beside the test, from a start of its own."""
        return subprocess.Popen(
            self.argv(*arguments), env=self.environment, cwd=self.directory, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def status_of(self, name: str) -> Any:
        return self.cli("get", "service", name, "-o", "json").json["status"]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.cli("events", "-o", "json").out.splitlines()]

    @property
    def owner(self) -> str:
        """Its id, as its marks in the world carry it."""
        return (self.home / "owner").read_text().split()[0]

    def other_home(self, name: str, namespace: str = "") -> Stage:
        """Another installation on the same machine; it works in the same namespace, unless told otherwise."""
        directory = self.directory / name
        directory.mkdir()
        other = Stage(self.engine, namespace or self.namespace, directory)
        self.others.append(other)
        return other

    # -- containers, as the engine sees them

    def name(self, service: str, index: int = 0) -> str:
        return f"{self.namespace}-{service}-{index}"

    def container(self, service: str, index: int = 0) -> Any:
        return self.engine.inspect(self.name(service, index))

    def id(self, service: str, index: int = 0) -> str:
        return str(self.container(service, index)["Id"])

    def life(self, container: str) -> tuple[str, str, str, str]:
        """What changes when somebody touches it: id, name, state and start."""
        seen = self.engine.inspect(container)
        return seen["Id"], seen["Name"], seen["State"]["Status"], seen["State"]["StartedAt"]

    def containers(self) -> list[str]:
        """Names of all that this namespace has on the engine, foreign ones too."""
        mine = f"{self.namespace}-"
        listed = self.engine.get("/containers/json?all=1")
        return sorted(name[1:] for item in listed for name in item["Names"] if name[1:].startswith(mine))

    def networks(self) -> list[str]:
        listed = self.engine.get("/networks")
        return sorted(item["Name"] for item in listed if item["Name"].startswith(f"{self.namespace}-"))

    def volumes(self) -> list[str]:
        listed = self.engine.get("/volumes")["Volumes"] or []
        return sorted(item["Name"] for item in listed if item["Name"].startswith(f"{self.namespace}-"))

    def published(self, service: str, index: int = 0, inside: str = "80/tcp") -> int:
        """The host port on which the engine shows it now."""
        return int(self.container(service, index)["NetworkSettings"]["Ports"][inside][0]["HostPort"])

    def environment_of(self, service: str, index: int = 0) -> dict[str, str]:
        return dict(item.split("=", 1) for item in self.container(service, index)["Config"]["Env"])

    def container_log(self, service: str, index: int = 0) -> str:
        """With a terminal's framing left in: good enough to search in."""
        return str(self.engine.get(f"/containers/{self.name(service, index)}/logs?stdout=1&stderr=1"))

    def run_inside(self, service: str, *argv: str, index: int = 0) -> str:
        """By the engine's own exec; what it printed."""
        body = {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, "Tty": True}
        made = self.engine.post(f"/containers/{self.name(service, index)}/exec", body)["Id"]
        return str(self.engine.post(f"/exec/{made}/start", {"Detach": False, "Tty": True}))

    def signal(self, container: str, verb: str, query: str = "") -> None:
        """stop, kill, pause, rename, ... behind the program's back."""
        self.engine.post(f"/containers/{container}/{verb}{query}")

    def intruder(self, name: str, *command: str, **config: Any) -> str:
        """A container that is not ours; gone at the test's end."""
        container = self.engine.run(name, *command, **config)
        self.foreign.append(container)
        return container

    @contextlib.contextmanager
    def events_during(self) -> Iterator[list[str]]:
        """The engine's own stream of events about this namespace, complete once the block has ended."""
        told: list[str] = []
        with recorded(self.engine, self.namespace) as recording:
            yield told
        told += [line for event in recording.events if (line := self._told(event))]

    def _told(self, event: Mapping[str, Any]) -> str:
        about = event["Actor"]["Attributes"]
        names = (about.get("name", ""), about.get("dev.reconciler.namespace", ""), event["Actor"]["ID"])
        mine = any(name == self.namespace or name.startswith(f"{self.namespace}-") for name in names)
        return f"{event['Type']} {event['Action']} {names[0]}" if mine else ""

    # -- processes, as the kernel sees them

    def processes(self, service: str | None = None, index: int = 0) -> list[Proc]:
        """All that carry this installation's mark (and the instance's)."""
        marks = {f"RECONCILER_OWNER={self.owner}"}
        if service is not None:
            marks.add(f"RECONCILER_KEY=service/{self.namespace}/{service}/{index}")
        return processes_with(marks)

    def processes_of(self, kind: str, name: str, index: int = 0) -> list[Proc]:
        """Of an instance of another kind."""
        key = f"RECONCILER_KEY={kind}/{self.namespace}/{name}/{index}"
        return processes_with({f"RECONCILER_OWNER={self.owner}", key})

    def process(self, service: str, index: int = 0) -> Proc:
        """The service's own process: of its tree the one whose parent is not in it."""
        tree = self.processes(service, index)
        pids = {process.pid for process in tree}
        heads = [process for process in tree if process.parent not in pids]
        assert len(heads) == 1, f"{service} has the processes {tree}"
        return heads[0]

    def parent_of(self, process: Proc) -> Proc:
        parent = read(process.parent)
        assert parent is not None, f"{process} has no parent"
        return parent

    def process_log(self, service: str, index: int = 0) -> str:
        return (self.home / "processes" / f"{self.namespace}.{service}.{index}" / "log").read_text()

    # -- the end

    def clear(self) -> None:
        """With the program, as its users would; what the test itself brought in is taken away by hand."""
        for container in self.foreign:
            self.engine.remove(container)
        for other in self.others:
            other.clear()
        if (self.home / "owner").exists():
            self.cli("delete", "all", "--all", "--volumes", "--force", "--timeout", "90", expect=None)
        self._sweep()

    def _sweep(self) -> None:
        """After a test that failed half-way nothing may be left for the next one."""
        for name in self.containers():
            self.engine.remove(name)
        for kind, names in (("networks", self.networks()), ("volumes", self.volumes())):
            for name in names:
                with contextlib.suppress(EngineError):
                    self.engine.delete(f"/{kind}/{name}")
        if (self.home / "owner").exists():
            for process in self.processes():
                process.signal(signal.SIGKILL)


def eventually(condition: Callable[[], Any], sentence: str, within: float = PATIENCE) -> Any:
    """The condition's first true value. It is asked often; what it raises counts as not yet."""
    deadline = time.monotonic() + within
    last: object = None
    while True:
        try:
            value = condition()
            last = value
            if value:
                return value
        except (AssertionError, OSError, EngineError, LookupError, ValueError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {sentence}; last: {last!r}")
        time.sleep(0.02)


def get(url: str, within: float = 5.0) -> str:
    """One HTTP GET; the body."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    assert scheme == "http", url
    connection = http.client.HTTPConnection(place, timeout=within)
    with contextlib.closing(connection):
        connection.request("GET", quote(slash + path or "/"))
        return connection.getresponse().read().decode()
