"""The README's first minutes, typed in: each section's files are written, and its commands run.

A block that begins with a comment that is a file's name is that file. Of a `console` block the lines after `$ ` are
typed into one shell, in order; each of them has to end well, unless a comment says otherwise: `# exit code 1`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.stage import Stage

ROOT = Path(__file__).parents[2]
HEADING = "## First minutes"
AUDIENCES = ["developer", "test author", "researcher", "small team"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"^# (\S+\.\w+)\n")
OTHERWISE = re.compile(r"# exit code (\d+)")


def sections() -> dict[str, str]:
    text = (ROOT / "README.md").read_text()
    chapter = text.partition(f"{HEADING}\n")[2].split("\n## ")[0]
    parts = re.split(r"^### (.+)\n", chapter, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_there_is_one_for_each_of_those_it_is_made_for() -> None:
    assert all(any(audience in title.lower() for title in sections()) for audience in AUDIENCES)


@pytest.mark.parametrize("title", sections())
def test_what_a_section_says_works_as_it_stands(title: str, stage: Stage) -> None:
    text = sections()[title]
    shutil.copytree(ROOT / "specs", stage.directory / "specs")
    for name, content in files(text):
        (stage.directory / name).write_text(content)
    typed = [*steps(text)]
    assert typed
    path = f"{Path(sys.executable).parent}:{stage.environment['PATH']}"
    own = {**stage.environment, "PATH": path}
    done = subprocess.run(
        ["bash", "-uc", "\n".join(typed)], cwd=stage.directory, env=own, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def files(text: str) -> Iterator[tuple[str, str]]:
    for _, body in BLOCK.findall(text):
        if named := FILE.match(body):
            yield named[1], body


def steps(text: str) -> Iterator[str]:
    for line in (line for kind, body in BLOCK.findall(text) if kind == "console" for line in body.splitlines()):
        if line.startswith("$ "):
            code = found[1] if (found := OTHERWISE.search(line)) else "0"
            check = f"[ $? -eq {code} ] || {{ echo 'not exit code {code}' >&2; exit 9; }}"
            yield f"echo {quoted(line)}\n{line[2:]}\n{check}"


def quoted(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"
