"""The README, typed in: the files of a text are written, and its commands run.

A block that begins with a comment that is a file's name is that file. Of a `console` block the lines after `$ ` are
typed into one shell, in order; each of them has to end well, unless a comment says otherwise: `# exit code 1`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.scenarios.stage import Stage

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"^# (\S+\.\w+)\n")
OTHERWISE = re.compile(r"# exit code (\d+)")


def chapter(heading: str) -> str:
    text = (ROOT / "README.md").read_text()
    assert f"\n## {heading}\n" in text
    return text.partition(f"\n## {heading}\n")[2].split("\n## ")[0]


def type_in(stage: Stage, text: str, environment: Mapping[str, str] | None = None) -> str:
    """What was said."""
    shutil.copytree(ROOT / "specs", stage.directory / "specs")
    for name, content in _files(text):
        (stage.directory / name).write_text(content)
    typed = [*_steps(text)]
    assert typed
    path = f"{Path(sys.executable).parent}:{stage.environment['PATH']}"
    own = {**stage.environment, **(environment or {}), "PATH": path}
    done = subprocess.run(
        ["bash", "-uc", "\n".join(typed)], cwd=stage.directory, env=own, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _files(text: str) -> Iterator[tuple[str, str]]:
    for _, body in BLOCK.findall(text):
        if named := FILE.match(body):
            yield named[1], body


def _steps(text: str) -> Iterator[str]:
    for line in (line for kind, body in BLOCK.findall(text) if kind == "console" for line in body.splitlines()):
        if line.startswith("$ "):
            code = found[1] if (found := OTHERWISE.search(line)) else "0"
            check = f"[ $? -eq {code} ] || {{ echo 'not exit code {code}' >&2; exit 9; }}"
            yield f"echo {_quoted(line)}\n{line[2:]}\n{check}"


def _quoted(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"
