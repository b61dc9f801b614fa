"""Where contests are held: a directory of its own, commands run as users run them, everything taken away again."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.floor import COMMAND, IMAGE
from tests.engine_api import Engine, EngineError

FLOOR = Path(__file__).with_name("floor.py")
PROGRAM = Path(sys.executable).with_name("reconciler")


@dataclass(slots=True)
class Stage:
    directory: Path
    token: str
    engine: Engine | None
    worlds: int = 0
    """Each world has names of its own: what an engine could not take away is in nobody's way."""
    floors: int = 0

    @property
    def namespace(self) -> str:
        return f"bench{self.token}-{self.worlds}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
        root = str(Path(__file__).parents[2])
        return {**kept, "HOME": str(self.directory), "RECONCILER_HOME": str(self.home), "PYTHONPATH": root}

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def socket(self) -> str:
        assert self.engine is not None
        return self.engine.address.removeprefix("unix://")

    def run(self, *argv: object) -> str:
        """A program to its end, and what it printed. One that fails, fails the bench: a figure of it would be a lie."""
        ran = subprocess.run(
            [str(word) for word in argv], env=self.environment, cwd=self.directory, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if ran.returncode != 0:
            raise SystemExit(f"bench: {' '.join(map(str, argv))} ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
        return ran.stdout

    def reconciler(self, *arguments: object) -> None:
        self.run(PROGRAM, *arguments)

    def warm(self, *words: object) -> float:
        """The work alone, by the worker's own clock."""
        return float(self.run(sys.executable, "-m", "tests.bench.warm", *words))

    def floor(self, verb: str, count: int) -> None:
        self.floors += verb == "up"
        self.run(sys.executable, FLOOR, verb, self.socket, f"floor{self.token}-{self.floors}", count)

    def apply(self, spec: Path, *options: str) -> None:
        self.reconciler("apply", "-f", spec, "--timeout", 300, *options)

    def delete(self, spec: Path) -> None:
        self.reconciler("delete", "-f", spec, "--timeout", 300)

    def forget(self) -> None:
        """A machine that has never seen us: nothing of ours is left running, and now neither is our home."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.worlds += 1

    def containers(self, count: int, *, changed: int = 0, rolling: bool = False) -> Path:
        """A spec of so many containers; `changed` gives the first of them another environment. Unless the update is
        `rolling`, it is what the others do: the old one goes, the new one comes.
        """
        update = "" if rolling else "  update: {strategy: Recreate}\n"
        command = _flow(COMMAND)
        bodies = [
            f"  container: {{image: {IMAGE}, command: {command}}}\n"
            f"  env: {{STEP: '{changed if not index else 0}'}}\n{update}"
            for index in range(count)
        ]
        return self._spec(f"containers-{count}-{changed}{rolling:d}", bodies)

    def processes(self, count: int) -> Path:
        return self._spec(f"processes-{count}", ["  process: {command: [sleep, '3600']}\n"] * count)

    def sayers(self, count: int, places: Path) -> Path:
        """Processes that each write down who they are: whoever was started anew is someone else. A dollar is ours."""
        commands = [_flow(say(places / str(index))).replace("$", "$$") for index in range(count)]
        return self._spec(f"sayers-{count}", [f"  process: {{command: {command}}}\n" for command in commands])

    def mixed(self, count: int) -> Path:
        """Half of them containers, where there is an engine."""
        command = _flow(COMMAND)
        container = f"  container: {{image: {IMAGE}, command: {command}}}\n"
        process = "  process: {command: [sleep, '3600']}\n"
        bodies = [container if self.engine and index % 2 else process for index in range(count)]
        return self._spec(f"mixed-{count}", bodies)

    def _spec(self, name: str, bodies: Sequence[str]) -> Path:
        path = self.directory / f"{name}.yaml"  # an old world's spec is of no more use
        head = "apiVersion: reconciler/v1\nkind: Service\nmetadata: {{name: s{}, namespace: {}}}\nspec:\n"
        path.write_text("---\n".join(head.format(i, self.namespace) + body for i, body in enumerate(bodies)))
        return path


def say(place: Path) -> list[str]:
    return ["sh", "-c", f"echo $$ >{place}; exec sleep 3600"]


def _flow(words: Sequence[str]) -> str:
    quoted = ("'" + word.replace("'", "''") + "'" for word in words)
    return f"[{', '.join(quoted)}]"


@contextmanager
def stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="reconciler-bench.") as directory:
        held = Stage(Path(directory), secrets.token_hex(3), Engine.reachable())
        try:
            held.reconciler("version")  # what is compiled once is compiled now
            yield held
        finally:
            _clear(held)


def _clear(held: Stage) -> None:
    """Also after a contest that broke off in the middle."""
    if held.home.exists():
        held.reconciler("delete", "all", "--all", "-n", held.namespace, "--timeout", 300)
    if held.engine is None:
        return
    for item in held.engine.get("/containers/json?all=1"):
        if any(held.token in name for name in item["Names"]):
            held.engine.remove(item["Id"])
    for item in held.engine.get("/networks"):
        if held.token in item["Name"]:
            with suppress(EngineError):  # it has lost count of its endpoints (see `floor.ask`)
                held.engine.delete(f"/networks/{item['Id']}")
