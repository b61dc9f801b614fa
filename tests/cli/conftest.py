"""The command line as people and scripts use it: a real process, with a home directory of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests import warm
from tests.cli.machine import NO_ENGINE, Machine

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def user_home(tmp_path: Path) -> Path:
    path = tmp_path / "user"
    path.mkdir()
    return path


@pytest.fixture
def environment(user_home: Path) -> dict[str, str]:
    """Nothing of the tester's own settings."""
    kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "LANG") if name in os.environ}
    return {**kept, "HOME": str(user_home), "PYTHONUTF8": "1"}


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Run:
    """`cli("version", "-o", "json")`, and more variables with env=."""

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return warm.run(arguments, env={**environment, **(env or {})}, cwd=cwd or tmp_path, stdin=stdin, seconds=60)

    return run


@pytest.fixture
def config_file(user_home: Path) -> Path:
    """Where the user's config file would be; its directory is there."""
    path = user_home / ".config/reconciler/config.yaml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def machine(environment: dict[str, str], namespace: str, tmp_path: Path) -> Iterator[Machine]:
    """One with native processes only, in a home and a namespace of its own."""
    own = {**environment, "RECONCILER_HOME": str(tmp_path / "home"), "DOCKER_HOST": NO_ENGINE}
    place = Machine(own, namespace, tmp_path)
    yield place
    place.clear()
