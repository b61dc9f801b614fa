"""The power is cut at any moment: what is desired is as it was before, or as it is to be, and never a part of it.

What a file system may keep of the calls of one `apply` is played through: of data that was not synced nothing, of
names that were not synced any or none. strace tells the calls.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.sources.applied import Applied
from reconciler.sources.home import Home

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

ROOT = Path(__file__).parents[2]
CALLS = "openat,write,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat"
NAMES = ("one", "two", "three")
REMEMBERED = ".read.json"
"""What was made of the documents when they were read last. Not synced: whatever is wrong with it costs a reading."""


@dataclass(frozen=True)
class Call:
    """What one call did to the files of the home: `write`, `sync` of a file or directory, `rename`."""

    verb: str
    path: str
    to: str = ""


def spec(value: str) -> str:
    head = "apiVersion: reconciler/v1\nkind: Config\nmetadata: {name: %s}\nspec: {data: {key: %s}}\n"
    return "---\n".join(head % (name, f"{value}-{name}" * 50) for name in NAMES)


def apply(home: Path, value: str, *prefix: str) -> None:
    file = home.with_name("spec.yaml")
    file.write_text(spec(value))
    argv = [*prefix, sys.executable, "-m", "reconciler", "--home", str(home), "apply", "-f", str(file)]
    subprocess.run(argv, check=True, capture_output=True, cwd=ROOT, timeout=60, env={**os.environ, "TERM": "dumb"})


def calls(home: Path, value: str) -> list[Call]:
    report = home.with_name("calls")
    apply(home, value, "strace", "-f", "-y", "-s", "300", "-e", f"trace={CALLS}", "-o", str(report))
    kept = f"{home}/applied/"
    ours = [call for call in _parsed(report.read_text()) if call.path.startswith(kept) or call.to.startswith(kept)]
    return [call for call in ours if REMEMBERED not in call.path]


def _parsed(text: str) -> Iterator[Call]:
    """Each call when it has returned: in threads one may begin before another ends."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = begun.pop(pid, "").removesuffix("<unfinished ...>") + resumed[1]
        if re.search(r"= -1 E", rest):
            continue
        if found := re.match(r"write\(\d+<([^>]+)>", rest):
            yield Call("write", found[1])
        elif found := re.match(r"f(?:data)?sync\(\d+<([^>]+)>", rest):
            yield Call("sync", found[1])
        elif found := re.match(r'rename(?:at2?)?\((?:[^"]*)"([^"]+)",[^"]*"([^"]+)"', rest):
            yield Call("rename", found[1], found[2])


def worlds(made: list[Call]) -> Iterator[tuple[str, dict[str, str]]]:
    """For each moment, what the names of documents may stand for afterwards: `old`, `new`, or `torn`."""
    for moment in range(len(made) + 1):
        past = made[:moment]
        for kept in ("none", "all"):
            named: dict[str, str] = {}
            for number, call in enumerate(past):
                if call.verb != "rename":
                    continue
                durable = Call("sync", str(Path(call.to).parent)) in past[number:]
                if durable or kept == "all":
                    whole = Call("sync", call.path) in past[:number]
                    named[call.to] = "new" if whole else "torn"
            yield f"cut after {moment} calls, {kept} of the names that were not synced", named


def test_F7_of_a_cut_at_any_moment_each_document_is_the_old_or_the_new_one(home: Path) -> None:
    apply(home, "old")
    before = {file.name: file.read_bytes() for file in (home / "applied/default").glob("*.yaml")}
    made = calls(home, "new")
    after = {file.name: file.read_bytes() for file in (home / "applied/default").glob("*.yaml")}
    assert sum(call.verb == "rename" for call in made) == len(NAMES), made
    remembered = home / "applied/default" / REMEMBERED
    whole = remembered.read_bytes()
    seen = set()
    for moment, named in worlds(made):
        for file, old in before.items():
            path = home / "applied/default" / file
            state = named.get(str(path), "old")
            assert state != "torn", f"{moment}: {file} would have its name before its content"
            path.write_bytes(after[file] if state == "new" else old)
            seen.add(state)
        remembered.write_bytes(whole[: len(whole) // 2].ljust(len(whole), b"\0"))
        source = Applied(Home(str(home)))
        values = {resource.key.name: resource.spec.data["key"] for resource in source.resources("default")}
        assert set(values) == set(NAMES), moment
        assert source.damaged("default") == {}
        assert all(value.startswith(("old", "new")) for value in values.values()), moment
    assert seen == {"old", "new"}


def test_F7_what_was_told_as_done_is_on_the_disk(home: Path) -> None:
    made = calls(home, "first")
    for number, call in enumerate(made):
        if call.verb == "rename":
            assert Call("sync", str(Path(call.to).parent)) in made[number:], f"{call.to} may be gone after a cut"
