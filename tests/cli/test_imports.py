"""The cheap verbs stay cheap: what they import is bounded, and what they cost is printed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.core.parse import Text, parse
from reconciler.sources.applied import Applied
from reconciler.sources.home import Home

HEAVY = {"docker", "pydantic", "yaml", "structlog", "rich", "ssl", "asyncio"}
PROBE = """
import json, sys
from reconciler.cli import obey
from reconciler.cli.invocation import Invocation
code = obey(sys.argv[1:], Invocation.real())
print(json.dumps([code, sorted(set(name.partition(".")[0] for name in sys.modules))]), file=sys.stderr)
"""
LINES = {
    "help": (["--help"], {}),
    "help of a verb": (["validate", "--help"], {}),
    "version": (["version"], {}),
    "version -o json": (["version", "-o", "json"], {}),
    "completion": (["completion", "bash"], {}),
    "Tab on a verb": ([], {"COMP_WORDS": "reconciler ver", "COMP_CWORD": "1", "_RECONCILER_COMPLETE": "bash_complete"}),
    "Tab on a kind": (
        [],
        {"COMP_WORDS": "reconciler explain ser", "COMP_CWORD": "2", "_RECONCILER_COMPLETE": "bash_complete"},
    ),
}


@pytest.mark.parametrize("line", LINES)
def test_cheap_command_lines_import_nothing_heavy(line: str, environment: dict[str, str]) -> None:
    arguments, more = LINES[line]
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        env={**environment, **more},
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0
    assert ran.stdout
    assert HEAVY & set(modules) == set()


def test_the_cost_of_help_is_printed(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Measured, not judged: how fast this machine is today is nobody's fault."""
    with capsys.disabled():
        bare = best(["-c", "pass"], environment)
        for name, arguments in (("--help", ["--help"]), ("version", ["version"])):
            spent = best(["-m", "reconciler", *arguments], environment)
            print(f"\n{name}: {spent * 1000:.0f} ms, {spent / bare:.1f} times a bare Python", end="")
    assert bare > 0


def best(arguments: list[str], environment: dict[str, str]) -> float:
    times = []
    for _ in range(5):
        before = time.perf_counter()
        subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - before)
    return min(times)


def test_no_module_of_the_command_line_imports_a_heavy_one_at_its_top() -> None:
    import reconciler.cli

    folder = Path(reconciler.cli.__file__).parent
    names = sorted(
        ".".join(("reconciler.cli", *path.relative_to(folder).with_suffix("").parts)) for path in folder.rglob("*.py")
    )
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name.removesuffix('.__init__'))\n"
    code += f"print({HEAVY!r} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize("line", ["status", "get services", "describe service web", "why service/web"])
def test_looking_at_what_is_kept_imports_nothing_heavy(line: str, tmp_path: Path, environment: dict[str, str]) -> None:
    """Neither YAML nor its validation, for what was read once is not parsed again; and no client of the engine."""
    home = tmp_path / "home"
    spec = b"apiVersion: reconciler/v1\nkind: Service\nmetadata: {name: web}\nspec: {process: {command: [sleep]}}\n"
    applied = Applied(Home(str(home)), remembers=True)
    applied.keep([document.resource for document in parse([Text("spec", spec, "/")], environment={})])
    applied.resources("default")
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, "--home", str(home), *line.split()],
        env={**environment, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    _, modules = json.loads(ran.stderr.splitlines()[-1])
    assert "web" in ran.stdout
    assert HEAVY & set(modules) == set()
