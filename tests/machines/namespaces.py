"""Namespaces that live for as long as somebody holds their line, and commands inside them. They leave nothing behind:
no name under /run/netns, no mount that anybody else sees.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

MARKER = "RECONCILER_MACHINE"
"""In the environment of whatever belongs to a machine, with the session and its name, for `tests.leaks`."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RUN_SECONDS = 60


class Namespace:
    """The first process in it reads a pipe of ours to its end, and whatever becomes of us it ends with us."""

    def __init__(self, name: str, kinds: Sequence[str], begin: str, *arguments: str) -> None:
        self._environment = {"PATH": PATH, MARKER: f"t{os.environ.get('RECONCILER_TEST_SESSION', '')}-{name}"}
        argv = ["unshare", *(f"--{kind}" for kind in kinds), "--fork", "--kill-child"]
        script = f"set -e; {begin}\necho up; trap '' CHLD; exec cat >/dev/null"  # whose parent ignores it is reaped
        self._outer = subprocess.Popen(
            [*argv, "sh", "-c", script, "init", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            cwd="/",
        )
        assert self._outer.stdout is not None
        if self._outer.stdout.readline() != b"up\n":
            raise RuntimeError(f"{name} did not come up")
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        self.pid = int(children[0])

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", check: bool = True, wholly: bool = True) -> bytes:
        """A command in all of its namespaces, or only in its network's, as root and to its end."""
        kinds = ["--all", "--root", "--wd"] if wholly else ["--net"]
        enter = ["nsenter", "--target", str(self.pid), *kinds]
        done = subprocess.run(
            [*enter, *argv], input=stdin, capture_output=True, check=False, env=self._environment, timeout=RUN_SECONDS
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def configure(self, *lines: str) -> None:
        """Lines for `ip`, all at once."""
        self.run(["ip", "-batch", "-"], stdin="\n".join(lines).encode(), wholly=False)

    def processes(self) -> list[int]:
        """All of them, parents first, those of containers too."""
        found = [self.pid]
        for pid in found:
            found += _children(pid)
        return found

    def end(self) -> None:
        """All at once, as when the power goes."""
        self._outer.kill()
        self._outer.wait(10)
        for stream in (self._outer.stdin, self._outer.stdout):
            if stream:
                stream.close()


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
