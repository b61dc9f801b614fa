"""A mutant on trial: a copy of the tree with its bug in it, and the tests that have to fail there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.catalog import ROOT, Mutant

SECONDS = 240
HANGING = "--timeout=60"
"""A test that hangs has found the bug too."""
LESS_PATIENCE = "20"
"""What most mutants are found by is that something does not come."""
COPIED = ("reconciler", "tests", "specs", "schemas", "pyproject.toml")
PLACE = "PYTEST_DEBUG_TEMPROOT"
"""Where the rig has room in memory."""
NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
"""What a mutant starts and can't stop any more ends with its trial."""


@dataclass(frozen=True, slots=True)
class Sentence:
    mutant: Mutant
    killer: str
    """The test that noticed; empty for a survivor."""
    seconds: float
    said: str

    @property
    def killed(self) -> bool:
        return bool(self.killer)


def try_(mutant: Mutant) -> Sentence:
    begun = time.monotonic()
    changed = mutant.mutated()
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=os.environ.get(PLACE)) as directory:
        tree = Path(directory)
        _copy(tree)
        _replace(tree / mutant.file, changed)
        said = _run(tree, mutant)
    failed = re.search(r"^FAILED (\S+)", said, re.MULTILINE)
    return Sentence(mutant, failed[1] if failed else "", time.monotonic() - begun, said)


def _copy(tree: Path) -> None:
    """With what is compiled already, for that takes longer than most trials; but not what is just being written."""
    ignore = shutil.ignore_patterns(".*_cache", "*.pyc.*")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=ignore)
        else:
            shutil.copy(source, tree / name)


def _replace(file: Path, changed: str) -> None:
    """What is compiled of it is told apart by size and second only, and so goes too."""
    file.write_text(changed)
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()


def _run(tree: Path, mutant: Mutant) -> str:
    """What pytest says. An error while tests are collected is no failed test, and so kills nobody."""
    alone = NAMESPACES if os.geteuid() == 0 and not mutant.engine else ()
    options = ("-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", HANGING)
    pytest = (sys.executable, "-m", "pytest", *options, "--basetemp", str(tree / "t"))
    ours = ("PYTEST", "RECONCILER", "COV_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours) or name == PLACE}
    env |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "TEST_PATIENCE": LESS_PATIENCE}
    done = subprocess.run(
        [*alone, *pytest, *mutant.killers], cwd=tree, env=env, timeout=SECONDS, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done.stdout
